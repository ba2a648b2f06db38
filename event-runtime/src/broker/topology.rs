//! What a broker should hold and what it holds, as data.

use std::fmt;
use std::time::Duration;

use jiff::Timestamp;

/// All that one service needs at a broker.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Topology {
    /// Streams, in the order in which they are created.
    pub streams: Vec<StreamSpec>,
    /// Durables, each after its stream.
    pub durables: Vec<DurableSpec>,
}

/// A stream that is wanted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StreamSpec {
    /// Its name.
    pub name: String,
    /// The subjects that it has to hold, sorted.
    pub subjects: Vec<String>,
    /// What it is for, which decides every other setting.
    pub kind: StreamKind,
}

/// What a stream is for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum StreamKind {
    /// Events of any service: found by subject, created only where none holds it, never altered.
    /// No owner, no limits, kept in files.
    Events {
        /// The topic pattern that needs it, for messages.
        topic: String,
        /// Whether the event names this stream, so that another one holding the subject is a fault.
        named: bool,
    },
    /// A service's retries: a work queue that empties itself, with the broker's delayed delivery.
    Retry {
        /// The owner.
        service: String,
    },
    /// A service's dead letters: 30 days unless told otherwise, at most 1 GiB, refusing what does not fit.
    Dead {
        /// The owner.
        service: String,
        /// How long a dead letter is kept.
        max_age: Duration,
    },
}

impl StreamKind {
    /// The service that owns such a stream; events have no owner.
    pub fn owner(&self) -> Option<&str> {
        match self {
            Self::Events { .. } => None,
            Self::Retry { service } | Self::Dead { service, .. } => Some(service),
        }
    }
}

/// A stream that exists.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct StreamInfo {
    /// Its name.
    pub name: String,
    /// The subjects that it holds.
    pub subjects: Vec<String>,
    /// The service that created it as a lane; `None` for streams of events.
    pub owner: Option<String>,
    /// The messages in it.
    pub messages: u64,
    /// How long a repeated message id is recognised; `None` if never.
    pub deduplicates_for: Option<Duration>,
    /// Its settings, for people: limits, retention, storage.
    pub settings: Vec<Setting>,
}

impl StreamInfo {
    /// For adapters: an empty stream of nobody's, that recognises no message ids. What is known besides is
    /// written into its fields.
    ///
    /// ```
    /// use event_runtime::broker::StreamInfo;
    ///
    /// let mut info = StreamInfo::new("ORDERS", ["orders.>".to_owned()]);
    /// info.messages = 7;
    /// ```
    pub fn new(name: impl Into<String>, subjects: impl IntoIterator<Item = String>) -> Self {
        Self {
            name: name.into(),
            subjects: subjects.into_iter().collect(),
            owner: None,
            messages: 0,
            deduplicates_for: None,
            settings: Vec::new(),
        }
    }
}

/// One setting of a broker object, as text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Setting {
    /// The broker's name for it.
    pub name: &'static str,
    /// Its value.
    pub value: String,
}

/// Where a new durable begins on a stream that already holds matching events.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Start {
    /// At the first event that is stored.
    All,
    /// With what is stored from now on.
    New,
    /// With what was stored at or after this time.
    At(Timestamp),
}

impl fmt::Display for Start {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::All => f.write_str("all"),
            Self::New => f.write_str("new"),
            Self::At(time) => time.fmt(f),
        }
    }
}

/// A durable that is wanted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DurableSpec {
    /// Its name: `{service}-{handler}`.
    pub name: String,
    /// The service that owns it.
    pub service: String,
    /// The handler that consumes it.
    pub handler: String,
    /// The subjects that it delivers.
    pub filter: String,
    /// Where it begins; counts at creation only. `None`: nobody said, see `plan`.
    pub start: Option<Start>,
    /// How long the broker waits for settling or progress.
    pub ack_wait: Duration,
    /// How many deliveries may be unsettled at once, over all instances.
    pub max_ack_pending: usize,
}

/// A durable that exists.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct DurableInfo {
    /// Its name.
    pub name: String,
    /// The service that created it, if it was one of ours.
    pub owner: Option<String>,
    /// The subjects that it delivers, sorted; empty for all of the stream's.
    pub filters: Vec<String>,
    /// Whether each message is acknowledged by itself, as handlers need.
    pub explicit_ack: bool,
    /// How long the broker waits for settling or progress.
    pub ack_wait: Duration,
    /// How many deliveries may be unsettled at once.
    pub max_ack_pending: i64,
    /// The broker's own limit of deliveries, which loses messages; `None` if there is none, as there should be.
    pub max_deliver: Option<i64>,
    /// Where it stands.
    pub position: Position,
}

impl DurableInfo {
    /// For adapters: a durable that is what was wanted, and stands at the beginning. What differs is written
    /// into its fields.
    pub fn new(spec: &DurableSpec) -> Self {
        Self {
            name: spec.name.clone(),
            owner: Some(spec.service.clone()),
            filters: vec![spec.filter.clone()],
            explicit_ack: true,
            ack_wait: spec.ack_wait,
            max_ack_pending: i64::try_from(spec.max_ack_pending).unwrap_or(i64::MAX),
            max_deliver: None,
            position: Position::default(),
        }
    }
}

/// Where a durable stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Position {
    /// Matching messages not delivered yet.
    pub pending: u64,
    /// Delivered and not settled.
    pub unsettled: u64,
}
