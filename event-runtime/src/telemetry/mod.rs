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
    /// Name and version as on the wire; empty for a message that is no event.
    pub event_type: &'a str,
    /// The topic that it was published to.
    pub topic: &'a str,
    /// The message's body: the whole event in its envelope, or what came in place of one.
    pub payload: &'a [u8],
    /// The run, from 1.
    pub attempt: u32,
    /// How the run failed, with the causes; only for [`What::Retrying`] and [`What::DeadLettered`].
    pub error: Option<&'a str>,
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
    /// It is an event of another name, and the handler passes those over (`others = "skip"`).
    Skipped,
    /// It is stored as a dead letter.
    DeadLettered {
        /// Why: `attempts`, `rejected`, `undecodable`, `unknown_name`, `newer_version` or `output`.
        reason: &'a str,
    },
}
