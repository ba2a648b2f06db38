//! Any headers and body as a message: decoding ends in an event or an error, and an event survives being written
//! again in binary mode.
//!
//! The input is headers, and after `---` the body.

#![no_main]

use event_fuzz::events::{OrderSent, OrderSentV1};
use event_fuzz::text::{headers, sections};
use event_runtime::Event;
use event_runtime::envelope::{
    DecodeError, Incoming, decode, encode, encode_binary, read_attributes,
};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    let sections = sections(data);
    let headers = headers(sections.first());
    let body = sections.get(1).map(String::as_bytes).unwrap_or_default();
    let message = Incoming::new(&headers, body);
    check::<OrderSentV1>(message);
    check::<OrderSent>(message);
});

fn check<E: Event + PartialEq + std::fmt::Debug>(message: Incoming<'_>) {
    let alone = read_attributes(message);
    let (mut attributes, event) = match decode::<E>(message) {
        Ok(decoded) => decoded,
        // Both look at the same envelope: they agree on whether it is one.
        Err(DecodeError::Envelope(_)) => return assert!(alone.is_err()),
        Err(_) => return assert!(alone.is_ok()),
    };
    assert_eq!(alone.expect("decoding has read the attributes"), attributes);
    attributes.event_type = E::WIRE_TYPE.into();
    let (headers, body) = encode_binary(&attributes, &event).expect("what was read can be written");
    for (name, value) in headers.iter() {
        assert!(
            value.bytes().all(|byte| byte.is_ascii_graphic()),
            "{name}: {value}"
        );
    }
    let (again, event_again) =
        decode::<E>(Incoming::new(&headers, &body)).expect("what was written can be read");
    assert_eq!(event_again, event);
    // In headers everything is text; in one structured message beside it nothing else may differ.
    let written = encode_binary(&again, &event_again).expect("what was read can be written");
    assert_eq!(written, (headers, body));
    let structured = encode(&again, &event_again).expect("what was read can be written");
    let (by_body, _) = decode::<E>(&structured).expect("what was written can be read");
    assert_eq!(by_body, again);
}
