//! Events that can't live in one program: what is wrong among those that are linked.

use std::collections::BTreeMap;

use super::Fault;
use crate::event::EventDescriptor;

/// Compares all linked events with each other.
pub(super) fn check(faults: &mut Vec<Fault>) {
    let events = EventDescriptor::linked();
    for pair in events.windows(2) {
        let (older, newer) = (pair[0], pair[1]);
        if older.name != newer.name {
            continue;
        }
        if older.version == newer.version {
            faults.push(Fault::new(format!(
                "two events are `{}` version {}: {} and {}; a changed form needs the next version, another event another name",
                older.name,
                older.version,
                place(older),
                place(newer)
            )));
            continue;
        }
        if older.topic.pattern() != newer.topic.pattern() {
            faults.push(Fault::new(format!(
                "version {} of `{}` has the topic `{}` ({}), and version {} has `{}` ({}): write `topic = \"{}\"` in both, since handlers of the event read one topic, or give the newer one another name",
                older.version,
                older.name,
                older.topic,
                place(older),
                newer.version,
                newer.topic,
                place(newer),
                older.topic
            )));
        } else if !reads(newer, older.version) {
            let (from, to) = (older.type_name, newer.type_name);
            faults.push(Fault::new(format!(
                "version {} of `{}` ({}) can't be made out of version {} ({}), so every event of that version would be a dead letter: write `upcast_from = {from}` in the `#[event(…)]` of `{to}`, and `impl From<{from}> for {to}`",
                newer.version,
                newer.name,
                place(newer),
                older.version,
                place(older)
            )));
        }
    }
    check_first_words(&events, faults);
}

/// Whether an event of this version is read as the newer one, by the chain of `upcast_from`. A version in
/// between that is not linked any more leaves a gap, which is no fault.
fn reads(newer: &'static EventDescriptor, version: u32) -> bool {
    std::iter::successors(Some(newer), |event| (event.previous)())
        .any(|event| event.version == version)
}

fn check_first_words(events: &[&EventDescriptor], faults: &mut Vec<Fault>) {
    let mut words: BTreeMap<String, &EventDescriptor> = BTreeMap::new();
    for event in events {
        let word = event.topic.first_token();
        let other = *words.entry(word.to_ascii_uppercase()).or_insert(event);
        if other.topic.first_token() != word && event.stream.is_none() && other.stream.is_none() {
            faults.push(Fault::new(format!(
                "the topics `{}` and `{}` differ in the case of their first word, and streams are named after it in upper case: write it the same",
                other.topic, event.topic
            )));
        }
    }
}

fn place(event: &EventDescriptor) -> String {
    format!("`{}` at {}:{}", event.type_name, event.file, event.line)
}
