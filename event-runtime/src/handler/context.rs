//! One event at one handler, as its arguments see it.

use std::fmt;
use std::sync::{Arc, OnceLock};

use bytestring::ByteString;
use jiff::Timestamp;

use super::States;
use crate::envelope::Attributes;
use crate::publish::{Cause, Publisher};

/// One event at one handler: what its arguments are made from. What no argument asks for is not made.
#[derive(Debug, Clone)]
pub struct Context {
    handler: &'static str,
    arrival: Arrival,
    states: Arc<States>,
    /// The app's publisher, whose events have no cause.
    unbound: Publisher,
    metadata: OnceLock<Metadata>,
    publisher: OnceLock<Publisher>,
}

/// What came with an event, and how it came.
#[derive(Debug, Clone)]
pub(crate) struct Arrival {
    pub(crate) attributes: Attributes,
    /// The topic that it was published to.
    pub(crate) topic: ByteString,
    /// When the broker stored it.
    pub(crate) stored_at: Timestamp,
    /// This run of the handler, from 1.
    pub(crate) attempt: u32,
    /// How often it was redriven as a new event.
    pub(crate) fresh: u32,
}

impl Arrival {
    fn time(&self) -> Timestamp {
        self.attributes.time.unwrap_or(self.stored_at)
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
            states,
            unbound: publisher,
            metadata: OnceLock::new(),
            publisher: OnceLock::new(),
        }
    }

    /// What is known about the event besides its data.
    pub fn metadata(&self) -> &Metadata {
        self.metadata.get_or_init(|| {
            let Attributes {
                id,
                source,
                event_type,
                partition_key,
                correlation_id,
                causation_id,
                trace_parent,
                ..
            } = &self.arrival.attributes;
            let text = |text: &Option<ByteString>| text.as_ref().map(ByteString::to_string);
            Metadata {
                id: id.to_string(),
                source: source.to_string(),
                event_type: event_type.to_string(),
                time: self.arrival.time(),
                topic: self.arrival.topic.to_string(),
                key: text(partition_key),
                attempt: self.arrival.attempt,
                correlation_id: text(correlation_id),
                causation_id: text(causation_id),
                trace_parent: text(trace_parent),
            }
        })
    }

    /// The app's state.
    pub fn states(&self) -> &States {
        &self.states
    }

    /// Publishes events caused by this one.
    pub fn publisher(&self) -> &Publisher {
        self.publisher.get_or_init(|| {
            let Attributes {
                id,
                source,
                correlation_id,
                trace_parent,
                ..
            } = &self.arrival.attributes;
            self.unbound.caused_by(Cause {
                handler: self.handler,
                source: source.clone(),
                id: id.clone(),
                time: self.arrival.time(),
                correlation_id: correlation_id.clone(),
                trace_parent: trace_parent.clone(),
                fresh: self.arrival.fresh,
                published: std::sync::Mutex::default(),
            })
        })
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
