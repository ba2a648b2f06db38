//! One delivery being worked on.

use std::borrow::Cow;
use std::sync::Arc;

use bytes::Bytes;
use bytestring::ByteString;
use jiff::Timestamp;

use super::failure::Kind;
use crate::broker::lane_headers::{self, Failed, Mark};
use crate::broker::{Delivery, Settle};
use crate::envelope::{Headers, Incoming, Place, Seen};
use crate::event::EventDescriptor;
use crate::handler::Arrival;

/// One delivery being worked on: the message, where it came from, and how far it has come.
#[derive(Debug)]
pub(super) struct Job {
    pub(super) headers: Headers,
    pub(super) payload: Bytes,
    pub(super) mark: Mark,
    /// The attempt that the broker knows of: what it would deliver again.
    pub(super) marked_attempt: u32,
    /// The event's id and type, once they are known.
    identity: Option<(Place, Place)>,
    /// The source of a bare event, whose message says nothing of itself.
    bare_source: Option<String>,
    /// The task that polls it, by its place in the pulse.
    pub(super) worker: usize,
    /// Whether observers know that it has arrived.
    pub(super) arrived: bool,
}

impl Job {
    pub(super) fn new(
        delivery: Delivery,
        generation: &Arc<str>,
        from_lane: bool,
        event: &EventDescriptor,
    ) -> (Self, Settle) {
        let read = from_lane.then(|| Mark::read(&delivery.headers)).flatten();
        let Delivery {
            subject,
            mut headers,
            payload,
            message_id,
            origin,
            settle,
        } = delivery;
        let mark = read.unwrap_or_else(|| {
            lane_headers::strip(&mut headers);
            Mark::first(subject, origin, Arc::clone(generation))
        });
        let bare = event.bare.then(|| {
            let first = if from_lane {
                lane_headers::event_id(&headers).map(ByteString::from)
            } else {
                message_id.filter(|id| is_event_id(id))
            };
            // Services are `/{name}`, so no service has such a source.
            let source = format!("/streams/{}", mark.origin.stream);
            (first.unwrap_or_else(|| mark.place().into()), source)
        });
        let (event_id, bare_source) = bare.unzip();
        let job = Self {
            headers,
            payload,
            marked_attempt: mark.attempt,
            identity: event_id.map(|id| (kept(&id), kept(event.wire_type))),
            bare_source,
            worker: usize::from(from_lane),
            arrived: false,
            mark,
        };
        (job, settle)
    }

    /// The message, as an event is read from it.
    pub(super) fn message(&self) -> Incoming<'_> {
        let message = Incoming::new(&self.headers, &self.payload);
        match (&self.bare_source, &self.identity) {
            (Some(source), Some((id, _))) => {
                message.known_as(source, id.text(&self.payload).unwrap_or_default())
            }
            _ => message,
        }
    }

    /// Takes the event's own id, once it is known.
    pub(super) fn identify(&mut self, seen: &Seen) {
        if self.identity.is_none() {
            self.identity = Some((seen.id.clone(), seen.event_type.clone()));
        }
    }

    /// The event's id, or what stands for it where none is known.
    pub(super) fn event_id(&self) -> Cow<'_, str> {
        match self.known_id() {
            Some(id) => Cow::Borrowed(id),
            None => Cow::Owned(self.mark.place()),
        }
    }

    fn known_id(&self) -> Option<&str> {
        let (id, _) = self.identity.as_ref()?;
        id.text(&self.payload)
    }

    /// The event's type on the wire; empty where it is not known.
    pub(super) fn event_type(&self) -> &str {
        let identity = self.identity.as_ref();
        identity
            .and_then(|(_, name)| name.text(&self.payload))
            .unwrap_or_default()
    }

    /// What the handler's arguments are made from.
    pub(super) fn arrival(&self, seen: Seen) -> Arrival {
        Arrival {
            seen,
            body: self.payload.clone(),
            topic: Arc::clone(&self.mark.origin.subject),
            stored_at: self.mark.origin.stored_at,
            attempt: self.mark.run(),
            fresh: self.mark.fresh,
        }
    }

    /// The headers of this message in a lane: the original ones, the mark, and how it failed last.
    pub(super) fn lane_headers(&self, reason: &str, error: &str) -> Headers {
        let mut headers = lane_headers::carried(&self.headers);
        self.mark.write(&mut headers);
        let event_id = self.known_id().map(str::to_owned);
        Failed {
            event_id,
            reason: reason.to_owned(),
            error: error.to_owned(),
            at: Some(Timestamp::now()),
        }
        .write(&mut headers);
        headers
    }

    /// Notes that the run failed, and that another one is next.
    pub(super) fn failed_once_more(&mut self, kind: Kind) {
        self.mark.first_failed.get_or_insert_with(Timestamp::now);
        self.mark.attempt += 1;
        self.mark.newer += u32::from(kind == Kind::Newer);
    }

    pub(super) fn topic(&self) -> &str {
        &self.mark.origin.subject
    }
}

fn kept(text: &str) -> Place {
    Place::Kept(Box::new(text.to_owned()))
}

/// Whether a message id can be an event's: not empty, one line, and short enough for a lane's header.
fn is_event_id(id: &str) -> bool {
    (1..=256).contains(&id.len()) && !id.chars().any(char::is_control)
}
