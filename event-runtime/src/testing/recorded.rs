//! What tests read: events with their envelopes, and failed runs.

use std::ops::Deref;
use std::time::Duration;

use crate::envelope::Attributes;

/// An event that a handler received or an app published, with its envelope. It reads like the event itself,
/// and compares to one.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Recorded<E> {
    /// The event, as its newest version.
    pub event: E,
    /// The envelope: `id`, `causation_id`, `partition_key` and the others.
    pub attributes: Attributes,
    /// The topic that it was published to.
    pub topic: String,
    /// How often it came: more than once where a handler got it again (from the retry lane, or after a
    /// crash), or where it was published again under the same id, which the broker stores once.
    pub times: u32,
}

impl<E> Deref for Recorded<E> {
    type Target = E;

    fn deref(&self) -> &E {
        &self.event
    }
}

impl<E: PartialEq> PartialEq<E> for Recorded<E> {
    fn eq(&self, other: &E) -> bool {
        self.event == *other
    }
}

/// A run that failed and was followed by another.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Retry {
    /// The event's id.
    pub event_id: String,
    /// The run that failed, from 1.
    pub attempt: u32,
    /// The time from then to the next run.
    pub delay: Duration,
    /// The error, with its causes.
    pub error: String,
}
