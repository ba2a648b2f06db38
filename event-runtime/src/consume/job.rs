//! One delivery being worked on.

use std::sync::Arc;

use bytes::Bytes;
use jiff::Timestamp;

use super::batch::Copy;
use super::failure::Kind;
use crate::broker::lane_headers::{self, Failed, Mark};
use crate::broker::{Delivery, Settle};
use crate::envelope::{Attributes, Headers, Incoming};
use crate::event::EventDescriptor;
use crate::handler::Metadata;

/// One delivery being worked on: the message, where it came from, and how far it has come.
#[derive(Debug)]
pub(super) struct Job {
    pub(super) headers: Headers,
    pub(super) payload: Bytes,
    pub(super) mark: Mark,
    /// The attempt that the broker knows of: what it would deliver again.
    pub(super) marked_attempt: u32,
    /// The event's id once it is decoded, or what stands for it.
    pub(super) event_id: Arc<str>,
    pub(super) event_type: Arc<str>,
    has_event_id: bool,
    /// The source of a bare event, whose message says nothing of itself.
    bare_source: Option<String>,
    pub(super) from_lane: bool,
    /// The task that polls it, by its place in the pulse.
    pub(super) worker: usize,
    /// Whether observers know that it has arrived.
    pub(super) arrived: bool,
}

impl Job {
    pub(super) fn new(
        delivery: Delivery,
        generation: &str,
        from_lane: bool,
        event: &EventDescriptor,
    ) -> (Self, Settle) {
        let read = from_lane.then(|| Mark::read(&delivery.headers)).flatten();
        let has_mark = read.is_some();
        let mark = read.unwrap_or_else(|| Mark::first(&delivery, generation));
        let Delivery {
            mut headers,
            payload,
            message_id,
            settle,
            ..
        } = delivery;
        if !has_mark {
            lane_headers::strip(&mut headers);
        }
        let bare = event.bare.then(|| {
            let first = if from_lane {
                lane_headers::event_id(&headers)
            } else {
                message_id.filter(|id| is_event_id(id))
            };
            // Services are `/{name}`, so no service has such a source.
            let source = format!("/streams/{}", mark.origin.stream);
            (first.unwrap_or_else(|| mark.place()), source)
        });
        let has_event_id = bare.is_some();
        let (event_id, bare_source) =
            bare.map_or_else(|| (mark.place(), None), |(id, source)| (id, Some(source)));
        let job = Self {
            headers,
            payload,
            marked_attempt: mark.attempt,
            event_id: event_id.into(),
            event_type: if has_event_id { event.wire_type } else { "" }.into(),
            has_event_id,
            bare_source,
            from_lane,
            worker: usize::from(from_lane),
            arrived: false,
            mark,
        };
        (job, settle)
    }

    /// The message, as an event is read from it.
    pub(super) fn message(&self) -> Incoming<'_> {
        let message = Incoming::new(&self.headers, &self.payload);
        match &self.bare_source {
            Some(source) => message.known_as(source, &self.event_id),
            None => message,
        }
    }

    /// The message, for runs that outlive this borrow.
    pub(super) fn copy(&self) -> Copy {
        let source = self.bare_source.clone();
        Copy {
            headers: self.headers.clone(),
            payload: self.payload.clone(),
            known_as: source.map(|source| (source, Arc::clone(&self.event_id))),
        }
    }

    /// Takes the event's own id, once it is known.
    pub(super) fn identify(&mut self, attributes: &Attributes) {
        if !self.has_event_id {
            self.event_id = attributes.id.as_str().into();
            self.event_type = attributes.event_type.as_str().into();
            self.has_event_id = true;
        }
    }

    pub(super) fn metadata(&self, attributes: &Attributes) -> Metadata {
        Metadata {
            id: attributes.id.clone(),
            source: attributes.source.clone(),
            event_type: attributes.event_type.clone(),
            time: attributes.time.unwrap_or(self.mark.origin.stored_at),
            topic: self.mark.origin.subject.clone(),
            key: attributes.partition_key.clone(),
            attempt: self.mark.run(),
            correlation_id: attributes.correlation_id.clone(),
            causation_id: attributes.causation_id.clone(),
            trace_parent: attributes.trace_parent.clone(),
        }
    }

    /// The headers of this message in a lane: the original ones, the mark, and how it failed last.
    pub(super) fn lane_headers(&self, reason: &str, error: &str) -> Headers {
        let mut headers = lane_headers::carried(&self.headers);
        self.mark.write(&mut headers);
        let event_id = self.has_event_id.then(|| self.event_id.to_string());
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

/// Whether a message id can be an event's: not empty, one line, and short enough for a lane's header.
fn is_event_id(id: &str) -> bool {
    (1..=256).contains(&id.len()) && !id.chars().any(char::is_control)
}
