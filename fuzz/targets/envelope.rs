//! Any bytes as a message: decoding ends in an event or an error, and an event survives being written again.

#![no_main]

use event_fuzz::events::{OrderSent, OrderSentV1};
use event_runtime::Event;
use event_runtime::envelope::{DecodeError, decode, encode, read_attributes};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    check::<OrderSentV1>(data);
    check::<OrderSent>(data);
});

fn check<E: Event + PartialEq + std::fmt::Debug>(data: &[u8]) {
    let alone = read_attributes(data);
    let (mut attributes, event) = match decode::<E>(data) {
        Ok(decoded) => decoded,
        // Both look at the same envelope: they agree on whether it is one.
        Err(DecodeError::Envelope(_)) => return assert!(alone.is_err()),
        Err(_) => return assert!(alone.is_ok()),
    };
    assert_eq!(alone.expect("decoding has read the attributes"), attributes);
    // An event of an earlier version is written as what it was made into.
    attributes.event_type = E::WIRE_TYPE.into();
    let once = encode(&attributes, &event).expect("what was read can be written");
    let (attributes_again, event_again) = decode::<E>(&once).expect("what was written can be read");
    assert_eq!(event_again, event);
    // Times are written in milliseconds.
    attributes.time = attributes_again.time;
    assert_eq!(attributes_again, attributes);
    let twice = encode(&attributes_again, &event_again).expect("what was read can be written");
    assert_eq!(once, twice);
}
