//! One run of a handler, as its arguments see it.

use std::fmt;
use std::sync::{Arc, OnceLock};

use bytes::Bytes;
use jiff::Timestamp;

use super::States;
use super::batch::Arrivals;
use crate::envelope::{Place, Seen};
use crate::publish::{Cause, Publisher};

/// One event at one handler: what its arguments are made from. What no argument asks for is not made.
///
/// A [`Batch`](crate::Batch) has one context for all of its events: [`batch`](Self::batch) has what is known about
/// each.
#[derive(Debug)]
pub struct Context {
    handler: &'static str,
    /// In a batch that of its first event.
    arrival: Arrival,
    batch: Option<Arc<Arrivals>>,
    states: Arc<States>,
    /// The app's publisher, whose events have no cause.
    unbound: Publisher,
    /// Boxed, since most contexts are moved about without them.
    metadata: OnceLock<Box<Metadata>>,
    publisher: OnceLock<Publisher>,
}

/// What came with an event, and how it came.
#[derive(Debug, Clone)]
pub(crate) struct Arrival {
    pub(crate) seen: Seen,
    pub(crate) body: Bytes,
    /// The topic that it was published to.
    pub(crate) topic: Arc<str>,
    /// When the broker stored it.
    pub(crate) stored_at: Timestamp,
    /// This run of the handler, from 1.
    pub(crate) attempt: u32,
    /// How often it was redriven as a new event.
    pub(crate) fresh: u32,
}

impl Arrival {
    fn time(&self) -> Timestamp {
        self.seen.time(&self.body).unwrap_or(self.stored_at)
    }

    fn text(&self, place: &Place) -> Option<String> {
        place.text(&self.body).map(str::to_owned)
    }

    /// The same as users see it.
    pub(super) fn metadata(&self) -> Metadata {
        let Self { seen, topic, .. } = self;
        let optional = |place| self.text(place);
        let required = |place| optional(place).unwrap_or_default();
        Metadata {
            id: required(&seen.id),
            source: required(&seen.source),
            event_type: required(&seen.event_type),
            time: self.time(),
            topic: topic.to_string(),
            key: optional(&seen.partition_key),
            attempt: self.attempt,
            correlation_id: optional(&seen.correlation_id),
            causation_id: optional(&seen.causation_id),
            trace_parent: optional(&seen.trace_parent),
        }
    }
}

impl Context {
    pub(crate) fn new(
        handler: &'static str,
        arrival: Arrival,
        states: Arc<States>,
        publisher: Publisher,
    ) -> Self {
        Self {
            handler,
            arrival,
            batch: None,
            states,
            unbound: publisher,
            metadata: OnceLock::new(),
            publisher: OnceLock::new(),
        }
    }

    /// The context of a batch.
    pub(crate) fn of_batch(
        handler: &'static str,
        batch: Arc<Arrivals>,
        states: Arc<States>,
        publisher: Publisher,
    ) -> Self {
        Self {
            batch: Some(Arc::clone(&batch)),
            ..Self::new(handler, batch.first().clone(), states, publisher)
        }
    }

    /// What is known about the event besides its data; in a batch, about its first event.
    pub fn metadata(&self) -> &Metadata {
        let metadata = || Box::new(self.arrival.metadata());
        self.metadata.get_or_init(metadata)
    }

    /// What is known about each event of a batch; `None` in a handler of single events.
    pub fn batch(&self) -> Option<&[Metadata]> {
        self.batch.as_deref().map(Arrivals::metadata)
    }

    /// The app's state.
    pub fn states(&self) -> &States {
        &self.states
    }

    /// Publishes events caused by this one. In a batch they are caused by none of its events, and have new ids on
    /// each run.
    pub fn publisher(&self) -> &Publisher {
        if self.batch.is_some() {
            // Ids that are made of an input would be given twice where a batch is split, and the second event
            // taken for the first.
            return &self.unbound;
        }
        self.publisher.get_or_init(|| {
            let Arrival { seen, body, .. } = &self.arrival;
            self.unbound.caused_by(Cause {
                handler: self.handler,
                source: seen.source.shared(body).unwrap_or_default(),
                id: seen.id.shared(body).unwrap_or_default(),
                time: self.arrival.time(),
                correlation_id: seen.correlation_id.shared(body),
                trace_parent: seen.trace_parent.shared(body),
                fresh: self.arrival.fresh,
                published: std::sync::Mutex::default(),
            })
        })
    }
}

impl Clone for Context {
    fn clone(&self) -> Self {
        // Made now, so that all clones share it: it counts what the run publishes, and two counts would give two
        // events one id.
        self.publisher();
        Self {
            handler: self.handler,
            arrival: self.arrival.clone(),
            batch: self.batch.clone(),
            states: Arc::clone(&self.states),
            unbound: self.unbound.clone(),
            metadata: self.metadata.clone(),
            publisher: self.publisher.clone(),
        }
    }
}

/// What is known about an event besides its data.
#[derive(Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Metadata {
    /// The event's id; unique together with its source.
    pub id: String,
    /// Who published it.
    pub source: String,
    /// Name and version as they stood on the wire, before any upcast.
    pub event_type: String,
    /// When it happened, or when the broker stored it if the event doesn't say.
    pub time: Timestamp,
    /// The topic that it was published to.
    pub topic: String,
    /// The key by which events belong together.
    pub key: Option<String>,
    /// This run of the handler, from 1; runs before this process started count as far as they were written down,
    /// and deliveries to older programs, which could not read the event, don't.
    pub attempt: u32,
    /// The chain of events that this one belongs to: the id of the first.
    pub correlation_id: Option<String>,
    /// The event that caused this one.
    pub causation_id: Option<String>,
    /// The W3C trace context that came with it.
    pub trace_parent: Option<String>,
}

impl fmt::Debug for Metadata {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Metadata")
            .field("id", &self.id)
            .field("event_type", &self.event_type)
            .field("topic", &self.topic)
            .field("attempt", &self.attempt)
            .finish_non_exhaustive()
    }
}
