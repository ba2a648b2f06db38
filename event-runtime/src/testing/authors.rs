//! Which handler published an event: it names its cause, and its id is made from the handler's name.

use std::collections::HashMap;
use std::sync::Mutex;

use super::history::{Happened, Step, Told};
use crate::envelope::{Attributes, read_attributes};
use crate::event::EventDescriptor;
use crate::handler::HandlerDescriptor;
use crate::publish::Cause;

/// An id is looked for among so many events of one type and key that a run may have published.
const MOST_EVENTS: usize = 64;
/// And among so many redrives that made new events.
const MOST_REDRIVES: u32 = 4;

/// The handlers that may have published the event in an app's entry: none for what came from the app's own
/// publisher; several only where two had the same cause and the event has an id of the handler's choice.
pub(super) fn authors<'a>(told: &'a Told, index: usize, payload: &[u8]) -> Vec<&'a str> {
    let Ok(event) = read_attributes(payload) else {
        return Vec::new();
    };
    let Some(cause) = &event.causation_id else {
        return Vec::new();
    };
    let app = told.entries[index].app;
    let mut found: Vec<(&str, &[u8])> = Vec::new();
    for entry in told.entries[..index]
        .iter()
        .filter(|entry| entry.app == app)
    {
        if let Happened::Handler {
            handler,
            event_id,
            step: Step::Received { payload, .. },
            ..
        } = &entry.happened
            && **cause == **event_id
            && !found.iter().any(|(known, _)| known == handler)
        {
            found.push((handler, payload));
        }
    }
    if found.len() > 1 {
        let service = &told.apps[app];
        let own = found
            .iter()
            .find(|(handler, cause)| is_by(service, handler, cause, &event));
        if let Some((handler, _)) = own {
            return vec![handler];
        }
    }
    let mut names: Vec<&str> = found.into_iter().map(|(handler, _)| handler).collect();
    names.sort_unstable();
    names
}

/// Whether a run of this handler for this cause makes the event's id.
fn is_by(service: &str, handler: &str, cause: &[u8], event: &Attributes) -> bool {
    let handler = inventory::iter::<HandlerDescriptor>
        .into_iter()
        .find(|known| known.name == handler);
    let wire_type = EventDescriptor::linked()
        .into_iter()
        .find(|known| event.event_type == known.wire_type);
    let cause = read_attributes(cause).ok();
    let (Some(handler), Some(wire_type), Some(cause)) = (handler, wire_type, cause) else {
        return false;
    };
    let Some(time) = cause.time else {
        return false;
    };
    (0..MOST_REDRIVES).any(|fresh| {
        let cause = Cause {
            handler: handler.name,
            source: cause.source.clone(),
            id: cause.id.clone(),
            time,
            correlation_id: None,
            trace_parent: None,
            fresh,
            published: Mutex::new(HashMap::new()),
        };
        let key = event.partition_key.as_deref();
        (0..MOST_EVENTS).any(|_| {
            let id = cause.next_id(service, wire_type.wire_type, key);
            event.id == id.to_string()
        })
    })
}
