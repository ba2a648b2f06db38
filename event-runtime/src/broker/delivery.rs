//! A message that has arrived and is not settled yet.

use std::fmt;
use std::sync::{Arc, Weak};
use std::time::Duration;

use bytes::Bytes;
use bytestring::ByteString;
use futures_util::future::BoxFuture;
use jiff::Timestamp;

use super::BrokerError;
use crate::envelope::Headers;

/// Where a delivered message is stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Origin {
    /// The stream that it was delivered from.
    pub stream: Arc<str>,
    /// Its place there.
    pub sequence: u64,
    /// When the broker stored it.
    pub stored_at: Timestamp,
    /// How often it was delivered to this durable, this time included; 1 where the broker does not count.
    pub deliveries: u64,
}

/// A message that has arrived and is not settled yet.
///
/// Dropping it settles nothing: the broker delivers it again after its ack wait.
#[derive(Debug)]
pub struct Delivery {
    /// The subject it was published to.
    pub subject: Arc<str>,
    /// Its headers, without those that belong to the broker.
    pub headers: Headers,
    /// The body.
    pub payload: Bytes,
    /// The message id that it was published with, if it has one: what the broker recognises a repetition by.
    pub message_id: Option<ByteString>,
    /// Where it is stored.
    pub origin: Origin,
    /// What settles it.
    pub settle: Settle,
}

/// What a broker is told about a delivery.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// Done: never deliver it again to this durable.
    Done,
    /// Not done: deliver it again, at once or after a delay of at most a few seconds.
    HandBack(Option<Duration>),
}

/// What an adapter knows to settle one delivery.
pub trait Settlement: fmt::Debug + Send + Sync + 'static {
    /// Tells the broker. Called at most once for one delivery.
    fn settle(&self, verdict: Verdict) -> BoxFuture<'_, Result<(), BrokerError>>;

    /// Tells the broker that the delivery is done, if that takes no waiting; `None` says that it was not told, and
    /// [`settle`](Self::settle) is asked. To be written where it saves work; the default tells nobody.
    fn done_now(&self) -> Option<Result<(), BrokerError>> {
        None
    }

    /// Starts the ack wait anew.
    fn progress(&self) -> BoxFuture<'_, Result<(), BrokerError>>;
}

/// The right to settle one delivery, used up by doing so.
#[derive(Debug)]
pub struct Settle(Arc<dyn Settlement>);

impl Settle {
    /// For adapters: wraps what settles one delivery.
    pub fn new(settlement: impl Settlement) -> Self {
        Self(Arc::new(settlement))
    }

    /// Tells the broker that this delivery is done. An error means that it may come again.
    pub async fn done(self) -> Result<(), BrokerError> {
        match self.done_now() {
            Ok(told) => told,
            Err(settle) => settle.0.settle(Verdict::Done).await,
        }
    }

    /// The same if that takes no waiting; where it does, nobody was told.
    pub(crate) fn done_now(self) -> Result<Result<(), BrokerError>, Self> {
        self.0.done_now().ok_or(self)
    }

    /// Gives the delivery back to the broker, to be delivered again at once or after a short delay.
    pub async fn hand_back(self, delay: Option<Duration>) -> Result<(), BrokerError> {
        self.0.settle(Verdict::HandBack(delay)).await
    }

    /// What keeps the delivery alive while it is being worked on; ends by itself once it is settled or dropped.
    pub fn heartbeat(&self) -> Heartbeat {
        Heartbeat(Arc::downgrade(&self.0))
    }
}

/// Keeps one unsettled delivery alive.
#[derive(Debug, Clone)]
pub struct Heartbeat(Weak<dyn Settlement>);

impl Heartbeat {
    /// Whether the delivery is still unsettled.
    pub fn is_alive(&self) -> bool {
        self.0.strong_count() > 0
    }

    /// Starts the broker's ack wait anew; does nothing once the delivery is settled.
    pub async fn beat(&self) -> Result<(), BrokerError> {
        match self.0.upgrade() {
            Some(settlement) => settlement.progress().await,
            None => Ok(()),
        }
    }
}
