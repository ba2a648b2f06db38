//! The port to a message broker: what the runtime needs, in words that fit JetStream as well as brokers
//! that acknowledge a position instead of a message.
//!
//! An adapter implements [`Broker`] and [`Subscription`] and hands out [`Delivery`] values whose [`Settle`]
//! is consumed by settling, so that a double acknowledgement cannot be written. It decides nothing: what is
//! wanted arrives as data ([`StreamSpec`], [`DurableSpec`]), what exists is reported as data, and the
//! comparison is made once, in [`topology`](self::plan).

#[cfg(feature = "testing")]
pub mod conformance;
mod delivery;
mod error;
pub mod lane_headers;
pub mod lanes;
mod message;
pub mod plan;
mod receipt;
mod secret;
pub mod subject;
mod topology;

use std::fmt;
use std::time::Duration;

use futures_util::future::BoxFuture;

pub use self::delivery::{Delivery, Heartbeat, Origin, Settle, Settlement, Verdict};
pub use self::error::{BrokerError, BrokerErrorKind};
pub use self::message::{Message, Stored, StoredMessage};
#[cfg(feature = "nats")]
pub(crate) use self::receipt::Answers;
pub use self::receipt::Receipt;
pub use self::secret::Secret;
pub use self::topology::{
    DurableInfo, DurableSpec, Position, Setting, Start, StreamInfo, StreamKind, StreamSpec,
    Topology,
};

/// What a broker can do by itself; the runtime fills in for what it cannot.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Capabilities {
    /// What one acknowledgement covers.
    pub acknowledges: Acknowledges,
    /// Whether [`Message::delay`] is kept by the broker (and so survives this process).
    pub delays: bool,
    /// Whether [`Origin::deliveries`] counts; `false` means that it is always 1.
    pub counts_deliveries: bool,
    /// Whether what is published outlives this process; such brokers need a service name.
    pub outlives_process: bool,
    /// How long a repeated [`Message::id`] is recognised; `None` if never.
    pub deduplicates_for: Option<Duration>,
    /// The largest payload that is published, in bytes: the broker's own limit less room for the headers of a
    /// lane. A larger one may still arrive from elsewhere.
    pub max_payload: usize,
}

impl Capabilities {
    /// The weakest broker that the runtime can work with: acknowledges single messages, nothing else.
    pub const fn minimal() -> Self {
        Self {
            acknowledges: Acknowledges::Message,
            delays: false,
            counts_deliveries: false,
            outlives_process: true,
            deduplicates_for: None,
            max_payload: 1024 * 1024,
        }
    }

    /// Sets what one acknowledgement covers.
    pub const fn acknowledges(mut self, what: Acknowledges) -> Self {
        self.acknowledges = what;
        self
    }

    /// The broker keeps delayed messages itself.
    pub const fn delays(mut self) -> Self {
        self.delays = true;
        self
    }

    /// The broker counts deliveries.
    pub const fn counts_deliveries(mut self) -> Self {
        self.counts_deliveries = true;
        self
    }

    /// The broker's data end with this process.
    pub const fn in_process(mut self) -> Self {
        self.outlives_process = false;
        self
    }

    /// The broker recognises a repeated message id for this long.
    pub const fn deduplicates_for(mut self, window: Duration) -> Self {
        self.deduplicates_for = Some(window);
        self
    }

    /// Sets the largest payload that is published, in bytes.
    pub const fn max_payload(mut self, bytes: usize) -> Self {
        self.max_payload = bytes;
        self
    }
}

/// What one acknowledgement covers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Acknowledges {
    /// The one message.
    Message,
    /// A position: the adapter keeps the low mark of what is settled and commits that.
    Position,
}

/// A message broker.
///
/// Every call ends in bounded time, with an error of kind [`BrokerErrorKind::Transient`] where the broker
/// did not answer. Cloning is by [`std::sync::Arc`]; all methods may be called at the same time.
pub trait Broker: fmt::Debug + Send + Sync + 'static {
    /// What this broker can do. Constant once connected.
    fn capabilities(&self) -> Capabilities;

    /// Where this is, for people, without secrets: `nats://localhost:4222`, `memory://`.
    fn address(&self) -> String;

    /// Hands a message to the broker. Returns once there is room in the window of unacknowledged messages
    /// and the message is on its way; the [`Receipt`] resolves when the broker has stored it.
    ///
    /// Messages are stored in the order of these calls. An error may also mean that nobody knows: publishing
    /// again with the same [`Message::id`] is then safe within [`Capabilities::deduplicates_for`].
    fn publish(&self, message: Message) -> BoxFuture<'_, Result<Receipt, BrokerError>>;

    /// As [`publish`](Self::publish), where that needs no waiting, and so no future: takes the message and answers.
    /// `None` where it would have to wait. Then nothing was published; the message may be gone all the same, and
    /// `publish` is to be called with it or a copy. A broker does not have to offer this.
    fn publish_now(&self, message: &mut Option<Message>) -> Option<Result<Receipt, BrokerError>> {
        let _ = message;
        None
    }

    /// The streams that hold any subject also matched by `filter`.
    fn streams_for<'a>(
        &'a self,
        filter: &'a str,
    ) -> BoxFuture<'a, Result<Vec<StreamInfo>, BrokerError>>;

    /// The stream of this name.
    fn stream<'a>(
        &'a self,
        name: &'a str,
    ) -> BoxFuture<'a, Result<Option<StreamInfo>, BrokerError>>;

    /// Creates a stream; an existing one of that name is an error unless it is the same.
    fn create_stream<'a>(
        &'a self,
        spec: &'a StreamSpec,
    ) -> BoxFuture<'a, Result<StreamInfo, BrokerError>>;

    /// The durable of this name on this stream.
    fn durable<'a>(
        &'a self,
        stream: &'a str,
        name: &'a str,
    ) -> BoxFuture<'a, Result<Option<DurableInfo>, BrokerError>>;

    /// The durables of this stream that belong to `service`.
    fn durables<'a>(
        &'a self,
        stream: &'a str,
        service: &'a str,
    ) -> BoxFuture<'a, Result<Vec<DurableInfo>, BrokerError>>;

    /// Creates a durable on a stream; an existing one of that name is an error unless it is the same.
    fn create_durable<'a>(
        &'a self,
        stream: &'a str,
        spec: &'a DurableSpec,
    ) -> BoxFuture<'a, Result<DurableInfo, BrokerError>>;

    /// How many stored messages of the stream match the filter.
    fn count<'a>(
        &'a self,
        stream: &'a str,
        filter: &'a str,
    ) -> BoxFuture<'a, Result<u64, BrokerError>>;

    /// Begins to consume an existing durable.
    fn subscribe<'a>(
        &'a self,
        stream: &'a str,
        durable: &'a str,
    ) -> BoxFuture<'a, Result<Box<dyn Subscription>, BrokerError>>;

    /// The first stored message at or after `sequence` that matches the filter.
    fn read<'a>(
        &'a self,
        stream: &'a str,
        filter: &'a str,
        sequence: u64,
    ) -> BoxFuture<'a, Result<Option<StoredMessage>, BrokerError>>;

    /// Removes one stored message; removing what is gone is no error.
    fn remove<'a>(
        &'a self,
        stream: &'a str,
        sequence: u64,
    ) -> BoxFuture<'a, Result<(), BrokerError>>;

    /// Sends what is queued, waits for it in bounded time, and closes all connections.
    fn close(&self) -> BoxFuture<'_, Result<(), BrokerError>>;
}

/// One durable being consumed by this process.
pub trait Subscription: fmt::Debug + Send {
    /// Tells one life of the durable from the next: another value after it was deleted and created again.
    fn generation(&self) -> &str;

    /// How long the broker waits for settling or progress before it delivers again.
    fn ack_wait(&self) -> Duration;

    /// Says that nobody will look at [`Delivery::message_id`], which may be `None` from now on. To be written where
    /// that saves work; the default goes on as before.
    fn leave_out_message_ids(&mut self) {}

    /// The next deliveries: at least one and at most `demand`, as soon as there is one.
    ///
    /// `demand` is all that the caller can take now, including what earlier calls asked for and has not
    /// come yet; the adapter asks for no more than that. With a demand of 0 it asks for nothing, and gives out
    /// what earlier calls asked for, however much that is. Dropping the future loses nothing.
    /// A transient error is a condition to report and to call again (the adapter rebuilds what it needs);
    /// any other ends the subscription.
    fn next(&mut self, demand: usize) -> BoxFuture<'_, Result<Vec<Delivery>, BrokerError>>;

    /// Stops asking for more, and hands back what has arrived but was not returned by [`next`](Self::next).
    /// Deliveries already returned stay valid.
    fn close(self: Box<Self>) -> BoxFuture<'static, Result<(), BrokerError>>;
}
