//! What happens to events, for whoever wants to count or write it down.

#[cfg(feature = "cli")]
pub(crate) mod logs;

use std::fmt;
use std::time::Duration;

/// Sees what happens to the events of this process, in the order in which it happens to each.
///
/// It is called by the pipeline itself and before the broker is told, so it has to be quick; what it has
/// written when it returns is written before the event is acknowledged. One event is seen more than once
/// when it is delivered more than once.
pub trait Observer: fmt::Debug + Send + Sync + 'static {
    /// Something happened.
    fn observe(&self, observation: &Observation<'_>);
}

/// Something that happened to one event at one handler.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Observation<'a> {
    /// The handler's name.
    pub handler: &'a str,
    /// The event's id; `{stream}:{sequence}` for a message that is no event.
    pub event_id: &'a str,
    /// The topic that it was published to.
    pub topic: &'a str,
    /// The run, from 1.
    pub attempt: u32,
    /// What happened.
    pub what: What<'a>,
}

/// What happened to an event.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum What<'a> {
    /// It arrived from the broker.
    Received,
    /// A run failed, and it will be run again after this time.
    Retrying {
        /// The time until the next run.
        delay: Duration,
    },
    /// The handler finished well, and what it returned is stored.
    Handled,
    /// It is stored as a dead letter.
    DeadLettered {
        /// Why: `attempts`, `rejected`, `undecodable`, `unknown_name`, `newer_version` or `output`.
        reason: &'a str,
    },
}

impl<'a> Observation<'a> {
    pub(crate) fn new(
        handler: &'a str,
        event_id: &'a str,
        topic: &'a str,
        attempt: u32,
        what: What<'a>,
    ) -> Self {
        Self {
            handler,
            event_id,
            topic,
            attempt,
            what,
        }
    }
}
