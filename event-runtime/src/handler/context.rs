//! One event at one handler, as its arguments see it.

use std::fmt;
use std::sync::Arc;

use jiff::Timestamp;

use super::States;
use crate::publish::Publisher;

/// One event at one handler: what its arguments are made from.
#[derive(Debug, Clone)]
pub struct Context {
    metadata: Metadata,
    states: Arc<States>,
    publisher: Publisher,
}

impl Context {
    pub(crate) fn new(metadata: Metadata, states: Arc<States>, publisher: Publisher) -> Self {
        Self {
            metadata,
            states,
            publisher,
        }
    }

    /// What is known about the event besides its data.
    pub fn metadata(&self) -> &Metadata {
        &self.metadata
    }

    /// The app's state.
    pub fn states(&self) -> &States {
        &self.states
    }

    /// Publishes events caused by this one.
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
