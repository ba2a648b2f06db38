//! One run of a handler, as its arguments see it.

use std::fmt;
use std::sync::Arc;

use jiff::Timestamp;

use super::States;
use crate::publish::Publisher;

/// One event at one handler: what its arguments are made from.
///
/// A [`Batch`](crate::handler::Batch) has one context for all of its events: [`batch`](Self::batch) has what is
/// known about each.
#[derive(Debug, Clone)]
pub struct Context {
    metadata: Metadata,
    batch: Option<Arc<[Metadata]>>,
    states: Arc<States>,
    publisher: Publisher,
}

impl Context {
    pub(crate) fn new(metadata: Metadata, states: Arc<States>, publisher: Publisher) -> Self {
        Self {
            metadata,
            batch: None,
            states,
            publisher,
        }
    }

    /// The context of a batch, known by its first event. There is no empty batch.
    pub(crate) fn of_batch(
        batch: Arc<[Metadata]>,
        states: Arc<States>,
        publisher: Publisher,
    ) -> Self {
        Self {
            metadata: batch[0].clone(),
            batch: Some(batch),
            states,
            publisher,
        }
    }

    /// What is known about the event besides its data; in a batch, about its first event.
    pub fn metadata(&self) -> &Metadata {
        &self.metadata
    }

    /// What is known about each event of a batch; `None` in a handler of single events.
    pub fn batch(&self) -> Option<&[Metadata]> {
        self.batch.as_deref()
    }

    /// The app's state.
    pub fn states(&self) -> &States {
        &self.states
    }

    /// Publishes events caused by this one. In a batch they are caused by none of its events, and have new ids on
    /// each run.
    pub fn publisher(&self) -> &Publisher {
        &self.publisher
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
