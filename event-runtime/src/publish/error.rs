//! Why an event was not published.

use crate::broker::BrokerError;
use crate::event::TopicError;

/// An event was not published; or, where the broker didn't answer, nobody knows.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum PublishError {
    /// The topic can't be filled in.
    #[error("`{event}` was not published")]
    Topic {
        /// The event's type on the wire.
        event: &'static str,
        /// Which placeholder.
        source: TopicError,
    },
    /// The topic is longer than a subject may be.
    #[error(
        "`{event}` was not published: its topic is {length} bytes long, and the limit is {limit}; shorten the values of its placeholders"
    )]
    TopicTooLong {
        /// The event's type on the wire.
        event: &'static str,
        /// Bytes of the topic.
        length: usize,
        /// The limit.
        limit: usize,
    },
    /// The event's own `Serialize` failed.
    #[error("`{event}` was not published: it could not be written as JSON")]
    Encode {
        /// The event's type on the wire.
        event: &'static str,
        /// What `Serialize` said.
        source: serde_json::Error,
    },
    /// The caller's own id is not usable.
    #[error("`{event}` was not published: its id {rule}")]
    Id {
        /// The event's type on the wire.
        event: &'static str,
        /// The rule that the id breaks.
        rule: &'static str,
    },
    /// The broker did not store it.
    #[error("`{event}` was not published to `{topic}`")]
    Broker {
        /// The event's type on the wire.
        event: &'static str,
        /// Where it was to go.
        topic: String,
        /// What the broker said.
        source: BrokerError,
    },
    /// It was one of many, and others before it could not be stored.
    #[error("`{event}` was not sent: the broker did not answer for others before it")]
    Unsent {
        /// The event's type on the wire.
        event: &'static str,
    },
}

impl PublishError {
    /// Whether publishing the same event again may succeed.
    pub fn is_transient(&self) -> bool {
        match self {
            Self::Broker { source, .. } => source.is_transient(),
            Self::Unsent { .. } => true,
            _ => false,
        }
    }
}
