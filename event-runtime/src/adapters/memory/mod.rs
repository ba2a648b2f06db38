//! The in-memory broker: JetStream's semantics on tokio's clock, without a server.
//!
//! Streams, durables, filters, ack wait, delayed delivery, a limit of unsettled deliveries and a
//! de-duplication window behave as on the server, so a test that passes here means something there. All of
//! it ends with the process. Time is tokio's: a paused clock controls it.

mod block;
mod durable;
mod ids;
mod messages;
mod settle;
mod settled;
mod stream;
mod subscription;

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use jiff::{SignedDuration, Timestamp};
use tokio::sync::Notify;
use tokio::task::coop::consume_budget;
use tokio::time::Instant;

use self::messages::Kept;
use self::stream::Stream;
use self::subscription::MemorySubscription;
use crate::broker::{
    Broker, BrokerError, Capabilities, DurableInfo, DurableSpec, Message, Receipt, StoredMessage,
    StreamInfo, StreamSpec, Subscription, subject,
};

/// A repeated message id is recognised for this long.
const WINDOW: Duration = Duration::from_mins(10);
/// The largest payload with its headers.
const MAX_MESSAGE: usize = 1024 * 1024;
/// The largest payload that is published: the rest is room for the headers of a lane.
const MAX_PAYLOAD: usize = MAX_MESSAGE - 8 * 1024;

/// A broker in this process's memory. Clones are the same broker, so several apps can share one.
#[derive(Clone)]
pub struct Memory(Arc<Shared>);

struct Shared {
    state: Mutex<State>,
    epoch: Epoch,
}

/// The same moment by the wall clock and by tokio's.
#[derive(Debug, Clone, Copy)]
struct Epoch(Timestamp, Instant);

#[derive(Default)]
struct State {
    streams: BTreeMap<String, Stream>,
    durables_created: u64,
}

impl Memory {
    /// A broker that holds nothing.
    pub fn new() -> Self {
        Self(Arc::new(Shared {
            state: Mutex::default(),
            epoch: Epoch(Timestamp::now(), Instant::now()),
        }))
    }

    /// Deletes a durable, as a person would at a server: its subscriptions end. Says whether it was there.
    pub fn delete_durable(&self, stream: &str, name: &str) -> bool {
        let deleted = self.0.with(stream, |stream| stream.delete_durable(name));
        deleted.unwrap_or(false)
    }

    /// Stores a message as somebody without this library may: its payload may take the room that ours leaves
    /// for the headers of a lane. For tests.
    pub fn publish_foreign(&self, mut message: Message) -> Result<Receipt, BrokerError> {
        check(&message)?;
        let (id, delay) = (message.id.take(), message.delay);
        // Others wait for the lock: what can be done before is.
        let kept = Kept::new(message, self.0.now());
        let mut state = self.0.lock();
        let stream = state
            .streams
            .values_mut()
            .find(|stream| stream.holds(&kept.subject))
            .ok_or_else(|| {
                BrokerError::misconfigured(format!(
                    "no stream holds the subject `{}`: create one, or correct the subject",
                    kept.subject
                ))
            })?;
        let stored = stream.publish(kept, id.as_deref(), delay);
        let changed = stream.take_changed();
        drop(state);
        wake(changed);
        Ok(Receipt::stored(stored?))
    }

    fn create_stream_now(&self, spec: &StreamSpec) -> Result<StreamInfo, BrokerError> {
        let mut state = self.0.lock();
        if let Some(existing) = state.streams.get(&spec.name) {
            let kept = existing.spec();
            // Which event asked for it first does not matter, as on a server.
            if kept.subjects == spec.subjects
                && std::mem::discriminant(&kept.kind) == std::mem::discriminant(&spec.kind)
                && kept.kind.owner() == spec.kind.owner()
            {
                return Ok(existing.info());
            }
            return Err(BrokerError::misconfigured(format!(
                "the stream `{}` exists with other subjects or of another kind: give the new one another name",
                spec.name
            )));
        }
        for existing in state.streams.values() {
            let held = &existing.spec().subjects;
            let clash = spec
                .subjects
                .iter()
                .find(|wanted| held.iter().any(|held| subject::overlaps(held, wanted)));
            if let Some(clash) = clash {
                return Err(BrokerError::misconfigured(format!(
                    "the stream `{}` can't hold `{clash}`, which overlaps with the stream `{}`: a subject belongs to one stream",
                    spec.name,
                    existing.spec().name
                )));
            }
        }
        let stream = Stream::new(spec.clone(), self.0.epoch);
        let info = stream.info();
        state.streams.insert(spec.name.clone(), stream);
        Ok(info)
    }
}

impl Default for Memory {
    fn default() -> Self {
        Self::new()
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        // Every change is made whole before anything can panic, so a poisoned state is still a good one.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    #[allow(
        clippy::unused_self,
        reason = "the broker's clock is tokio's; callers need not know"
    )]
    fn now(&self) -> Instant {
        Instant::now()
    }

    /// Does something with one stream, and then wakes who waited for it.
    fn with<T>(&self, name: &str, act: impl FnOnce(&mut Stream) -> T) -> Result<T, BrokerError> {
        let mut state = self.lock();
        let stream = state.streams.get_mut(name).ok_or_else(|| {
            BrokerError::misconfigured(format!(
                "there is no stream `{name}`: create it, or correct the name"
            ))
        })?;
        let done = act(stream);
        let changed = stream.take_changed();
        drop(state);
        wake(changed);
        Ok(done)
    }

    /// The same, after what was due by now has happened.
    fn with_due<T>(
        &self,
        name: &str,
        act: impl FnOnce(&mut Stream, Instant) -> T,
    ) -> Result<T, BrokerError> {
        let now = self.now();
        self.with(name, |stream| {
            stream.advance(now);
            act(stream, now)
        })
    }
}

/// Not while the state is locked: who is woken looks at it first.
fn wake(changed: Vec<Arc<Notify>>) {
    for changed in changed {
        changed.notify_waiters();
    }
}

impl Epoch {
    /// The wall clock's time at this moment.
    fn time(self, at: Instant) -> Timestamp {
        let elapsed = at.saturating_duration_since(self.1);
        let elapsed = SignedDuration::try_from(elapsed).unwrap_or(SignedDuration::ZERO);
        self.0.checked_add(elapsed).unwrap_or(Timestamp::MAX)
    }
}

/// The rules that a server has for messages.
fn check(message: &Message) -> Result<(), BrokerError> {
    message.check()?;
    let size = message.payload.len() + message.headers.wire_size();
    if size > MAX_MESSAGE {
        return Err(BrokerError::permanent(format!(
            "the message for `{}` is {size} bytes with its headers, and the broker takes {MAX_MESSAGE}: publish a reference to the data instead",
            message.subject
        )));
    }
    Ok(())
}

impl Broker for Memory {
    fn capabilities(&self) -> Capabilities {
        Capabilities::minimal()
            .delays()
            .counts_deliveries()
            .in_process()
            .deduplicates_for(WINDOW)
            .max_payload(MAX_PAYLOAD)
    }

    fn address(&self) -> String {
        "memory://".into()
    }

    fn publish(&self, message: Message) -> BoxFuture<'_, Result<Receipt, BrokerError>> {
        let size = message.payload.len();
        async move {
            // Whoever publishes in a loop never waits here, and would keep the handlers of its thread from running.
            consume_budget().await;
            if size > MAX_PAYLOAD {
                return Err(BrokerError::permanent(format!(
                    "the message for `{}` is {size} bytes, and the broker takes {MAX_PAYLOAD}: publish a reference to the data instead",
                    message.subject
                )));
            }
            self.publish_foreign(message)
        }
        .boxed()
    }

    fn streams_for<'a>(
        &'a self,
        filter: &'a str,
    ) -> BoxFuture<'a, Result<Vec<StreamInfo>, BrokerError>> {
        let state = self.0.lock();
        let found = state.streams.values().filter(|stream| {
            stream
                .spec()
                .subjects
                .iter()
                .any(|held| subject::overlaps(held, filter))
        });
        std::future::ready(Ok(found.map(Stream::info).collect())).boxed()
    }

    fn stream<'a>(
        &'a self,
        name: &'a str,
    ) -> BoxFuture<'a, Result<Option<StreamInfo>, BrokerError>> {
        let found = self.0.lock().streams.get(name).map(Stream::info);
        std::future::ready(Ok(found)).boxed()
    }

    fn create_stream<'a>(
        &'a self,
        spec: &'a StreamSpec,
    ) -> BoxFuture<'a, Result<StreamInfo, BrokerError>> {
        std::future::ready(self.create_stream_now(spec)).boxed()
    }

    fn durable<'a>(
        &'a self,
        stream: &'a str,
        name: &'a str,
    ) -> BoxFuture<'a, Result<Option<DurableInfo>, BrokerError>> {
        std::future::ready(
            self.0
                .with_due(stream, |stream, _| stream.durable_info(name)),
        )
        .boxed()
    }

    fn durables<'a>(
        &'a self,
        stream: &'a str,
        service: &'a str,
    ) -> BoxFuture<'a, Result<Vec<DurableInfo>, BrokerError>> {
        std::future::ready(
            self.0
                .with_due(stream, |stream, _| stream.durables_of(service)),
        )
        .boxed()
    }

    fn create_durable<'a>(
        &'a self,
        stream: &'a str,
        spec: &'a DurableSpec,
    ) -> BoxFuture<'a, Result<DurableInfo, BrokerError>> {
        let generation = {
            let mut state = self.0.lock();
            state.durables_created += 1;
            state.durables_created
        };
        let created = self
            .0
            .with_due(stream, |stream, _| stream.create_durable(spec, generation));
        std::future::ready(created.and_then(|created| created)).boxed()
    }

    fn count<'a>(
        &'a self,
        stream: &'a str,
        filter: &'a str,
    ) -> BoxFuture<'a, Result<u64, BrokerError>> {
        std::future::ready(self.0.with_due(stream, |stream, _| stream.count(filter))).boxed()
    }

    fn subscribe<'a>(
        &'a self,
        stream: &'a str,
        durable: &'a str,
    ) -> BoxFuture<'a, Result<Box<dyn Subscription>, BrokerError>> {
        let subscription = MemorySubscription::new(Arc::clone(&self.0), stream, durable);
        std::future::ready(subscription.map(|subscription| Box::new(subscription) as _)).boxed()
    }

    fn read<'a>(
        &'a self,
        stream: &'a str,
        filter: &'a str,
        sequence: u64,
    ) -> BoxFuture<'a, Result<Option<StoredMessage>, BrokerError>> {
        std::future::ready(
            self.0
                .with_due(stream, |stream, _| stream.read(filter, sequence)),
        )
        .boxed()
    }

    fn remove<'a>(
        &'a self,
        stream: &'a str,
        sequence: u64,
    ) -> BoxFuture<'a, Result<(), BrokerError>> {
        std::future::ready(self.0.with_due(stream, |stream, _| stream.remove(sequence))).boxed()
    }

    fn close(&self) -> BoxFuture<'_, Result<(), BrokerError>> {
        // Others may share it, and there is nothing to send.
        std::future::ready(Ok(())).boxed()
    }
}

impl fmt::Debug for Memory {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Memory").finish_non_exhaustive()
    }
}
