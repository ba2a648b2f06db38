//! Several events for one run of a handler.

use std::error::Error;
use std::fmt;
use std::ops::Deref;
use std::ops::Range;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::Duration;

use super::context::Arrival;
use super::{BoxedEvent, HandlerError, Metadata};

/// Never more events than this are in one batch: a broker's client fetches no more ahead.
pub(crate) const MOST: usize = 5000;

/// Several events for one run of a handler: `#[handler(batch(max = 500, wait = "50ms"))]`.
///
/// It is a slice of events. `Ok(())` settles all of them except those that were [failed](Self::fail), each for
/// itself. An `Err` (or a panic, or a run over its timeout) says nothing about which event it was: the batch is
/// split in halves that run on their own, until the events that fail stand alone; what the earlier runs did to
/// the others is done again, so a handler of batches has to bear that.
///
/// ```standalone_crate
/// use event_runtime::{Batch, Event, HandlerError, State, handler};
/// use schemars::JsonSchema;
/// use serde::{Deserialize, Serialize};
///
/// /// An order was accepted.
/// #[derive(Event, Serialize, Deserialize, JsonSchema)]
/// #[event(name = "order.placed", version = 1, topic = "orders.placed", key = order_id)]
/// struct OrderPlaced {
///     order_id: String,
/// }
///
/// #[derive(Clone)]
/// struct Index;
///
/// impl Index {
///     /// Takes all in one request; says of each whether it was taken.
///     async fn put(&self, orders: &[OrderPlaced]) -> std::io::Result<Vec<Result<(), String>>> {
///         Ok(orders.iter().map(|_| Ok(())).collect())
///     }
/// }
///
/// #[handler(batch(max = 500, wait = "50ms"))]
/// async fn index(orders: Batch<OrderPlaced>, State(index): State<Index>) -> std::io::Result<()> {
///     for (nth, answer) in index.put(&orders).await?.into_iter().enumerate() {
///         if let Err(refusal) = answer {
///             orders.fail(nth, HandlerError::reject(refusal));
///         }
///     }
///     Ok(())
/// }
/// ```
pub struct Batch<E> {
    events: Vec<E>,
    arrivals: Arc<Arrivals>,
    failures: Arc<Failures>,
}

impl<E> Batch<E> {
    /// Fails the event with this index alone, whatever becomes of the others: it is tried again or kept as a dead
    /// letter by the class of this error. Of several errors for one event the first counts, and where the run
    /// itself fails, none does.
    ///
    /// The error is one that a handler may return: an [`Error`], `anyhow::Error`, or a [`HandlerError`].
    ///
    /// # Panics
    ///
    /// When the batch never had an event with this index.
    #[track_caller]
    pub fn fail<Kind>(&self, index: usize, error: impl IntoHandlerError<Kind>) {
        let count = self.arrivals.len();
        assert!(
            index < count,
            "`fail({index}, …)` names no event of the batch, which has {count}"
        );
        self.failures.add(index, error.into_handler_error());
    }

    /// What is known about the event with this index besides its data.
    ///
    /// # Panics
    ///
    /// When the batch never had an event with this index.
    #[track_caller]
    pub fn metadata(&self, index: usize) -> &Metadata {
        &self.arrivals.metadata()[index]
    }

    /// Takes the events out, as values. Their indexes stay what they were, for [`fail`](Self::fail) and
    /// [`metadata`](Self::metadata).
    pub fn take(&mut self) -> Vec<E> {
        std::mem::take(&mut self.events)
    }
}

impl<E> Deref for Batch<E> {
    type Target = [E];

    fn deref(&self) -> &[E] {
        &self.events
    }
}

impl<'a, E> IntoIterator for &'a Batch<E> {
    type Item = &'a E;
    type IntoIter = std::slice::Iter<'a, E>;

    fn into_iter(self) -> Self::IntoIter {
        self.events.iter()
    }
}

impl<E> fmt::Debug for Batch<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Batch")
            .field("events", &self.arrivals.len())
            .finish_non_exhaustive()
    }
}

/// What came with the events of a batch. Metadata that nobody asks for is not made.
#[derive(Debug)]
pub(crate) struct Arrivals {
    arrivals: Vec<Arrival>,
    metadata: OnceLock<Vec<Metadata>>,
}

impl Arrivals {
    pub(crate) fn new(arrivals: Vec<Arrival>) -> Self {
        Self {
            arrivals,
            metadata: OnceLock::new(),
        }
    }

    /// Those of a part of the batch.
    pub(crate) fn part(&self, part: Range<usize>) -> Self {
        Self::new(self.arrivals[part].to_vec())
    }

    pub(crate) fn len(&self) -> usize {
        self.arrivals.len()
    }

    /// The memory of them, if nobody looks at them any more.
    pub(crate) fn into_memory(self: Arc<Self>) -> Option<Vec<Arrival>> {
        let mut arrivals = Arc::into_inner(self)?.arrivals;
        arrivals.clear();
        Some(arrivals)
    }

    /// There is no empty batch.
    pub(super) fn first(&self) -> &Arrival {
        &self.arrivals[0]
    }

    pub(super) fn metadata(&self) -> &[Metadata] {
        self.metadata
            .get_or_init(|| self.arrivals.iter().map(Arrival::metadata).collect())
    }
}

/// What single events of a batch failed with.
#[derive(Debug, Default)]
pub(crate) struct Failures(Mutex<Vec<(usize, HandlerError)>>);

impl Failures {
    fn add(&self, index: usize, error: HandlerError) {
        let mut failures = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        failures.push((index, error));
    }

    /// All of them, in the order in which they were named.
    pub(crate) fn take(&self) -> Vec<(usize, HandlerError)> {
        std::mem::take(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

/// A batch whose event type only its handler knows; travels as a [`BoxedEvent`].
#[derive(Debug)]
pub(crate) struct Collected {
    pub(crate) events: Vec<BoxedEvent>,
    pub(crate) arrivals: Arc<Arrivals>,
    pub(crate) failures: Arc<Failures>,
}

impl Collected {
    /// The batch as its own type; `None` if one of the events is of another.
    pub(crate) fn typed<E: 'static>(self) -> Option<Batch<E>> {
        // Not collected: that would not know how many there are.
        let mut events = Vec::with_capacity(self.events.len());
        for event in self.events {
            events.push(*event.downcast().ok()?);
        }
        Some(Batch {
            events,
            arrivals: self.arrivals,
            failures: self.failures,
        })
    }
}

/// How large batches are, and how long they are waited for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BatchPolicy {
    /// Events in one batch, at most. Default 100.
    pub max: usize,
    /// How long the first event of a batch waits for others. Default 50 ms.
    pub wait: Duration,
}

impl Default for BatchPolicy {
    fn default() -> Self {
        Self {
            max: 100,
            wait: Duration::from_millis(50),
        }
    }
}

/// What `#[handler(batch(…))]` says; `None` where it says nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[doc(hidden)]
pub struct BatchOptions {
    /// Events in one batch, at most.
    pub max: Option<usize>,
    /// How long the first event of a batch waits for others.
    pub wait: Option<Duration>,
}

/// What a handler of batches may return.
#[diagnostic::on_unimplemented(
    message = "`{Self}` can't be returned from a handler of batches",
    label = "neither `()` nor `Result<(), E>`",
    note = "a batch that is split runs again with other neighbours, so events that it returned would have other ids: return `()` or `Result<(), E>`, and publish from a handler of single events"
)]
#[doc(hidden)]
pub trait ReturnedFromBatch {}

impl ReturnedFromBatch for () {}

impl<E> ReturnedFromBatch for Result<(), E> {}

/// An error that a handler may return, for [`Batch::fail`]. `Kind` is found by the compiler.
#[diagnostic::on_unimplemented(
    message = "`{Self}` can't be a handler's error",
    label = "neither an error nor a report of one",
    note = "a handler's error implements `std::error::Error` (`#[derive(thiserror::Error)]`), or is `anyhow::Error` or `HandlerError`"
)]
pub trait IntoHandlerError<Kind> {
    /// The error with its class.
    fn into_handler_error(self) -> HandlerError;
}

/// An [`Error`].
#[doc(hidden)]
#[derive(Debug)]
pub enum Plain {}

/// A report around an error, such as `anyhow::Error`.
#[doc(hidden)]
#[derive(Debug)]
pub enum Reported {}

impl IntoHandlerError<()> for HandlerError {
    fn into_handler_error(self) -> HandlerError {
        self
    }
}

#[diagnostic::do_not_recommend]
impl<E: Error + 'static> IntoHandlerError<Plain> for E {
    fn into_handler_error(self) -> HandlerError {
        HandlerError::walk(&self)
    }
}

#[diagnostic::do_not_recommend]
impl<E: AsRef<dyn Error + Send + Sync + 'static>> IntoHandlerError<Reported> for E {
    fn into_handler_error(self) -> HandlerError {
        HandlerError::walk(self.as_ref())
    }
}
