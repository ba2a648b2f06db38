//! Any headers as those of a lane: what a mark says survives being written over any other headers.
//!
//! The input is the headers of a lane message, and after `---` those of any other message.

#![no_main]

use event_fuzz::text::{headers, sections};
use event_runtime::broker::lane_headers::{Failed, Mark, is_reference, strip};
use event_runtime::envelope::Headers;
use libfuzzer_sys::fuzz_target;

/// The longest text that a lane header holds, in bytes.
const LONGEST: usize = 1024;

fuzz_target!(|data: &[u8]| {
    let sections = sections(data);
    let (lane, mut original) = (headers(sections.first()), headers(sections.get(1)));
    let failed = Failed::read(&lane);
    let Some(mark) = Mark::read(&lane) else {
        return;
    };
    // As the runtime does, since anyone may write them on an event.
    strip(&mut original);
    let mut written = original.clone();
    mark.write(&mut written);
    failed.write(&mut written);
    let read = Mark::read(&written).expect("a mark was written");
    // Only control characters of the subject don't survive: no header holds them.
    if !mark.origin.subject.contains(char::is_control) {
        assert_eq!(read, mark);
    }
    let mut again = written.clone();
    read.write(&mut again);
    assert_eq!(Mark::read(&again), Some(read));
    check_failed(&failed, &written);
    // The body of this message is here, whatever the original says.
    assert!(!is_reference(&written));
    // All of the lane's can be taken away again, and nothing else goes with it.
    strip(&mut written);
    assert_eq!(written, original);
});

fn check_failed(failed: &Failed, written: &Headers) {
    let is_plain = |text: &str| {
        text.bytes()
            .all(|byte| byte == b' ' || byte.is_ascii_graphic())
    };
    for name in ["Event-Id", "Event-Reason", "Event-Error"] {
        let text = written.get(name).unwrap_or_default();
        assert!(text.len() <= LONGEST && is_plain(text), "{name}: {text:?}");
    }
    let read = Failed::read(written);
    assert_eq!(read.at, failed.at);
    // Encoding makes three bytes of one at most.
    match &failed.event_id {
        Some(id) if id.len() > LONGEST / 3 => assert!(read.event_id.is_some()),
        id => assert_eq!(read.event_id, *id),
    }
    for (text, read) in [(&failed.reason, &read.reason), (&failed.error, &read.error)] {
        assert!(text == read || !is_plain(text) || text.len() > LONGEST);
    }
    // Text is escaped once: what is escaped stays as it is.
    let mut again = written.clone();
    read.write(&mut again);
    let again = Failed::read(&again);
    assert_eq!((again.reason, again.error), (read.reason, read.error));
}
