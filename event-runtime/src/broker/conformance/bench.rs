//! What the behaviours share: connections, durables, and waiting in bounded time.

use std::future::Future;
use std::io::Write;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use futures_util::future::LocalBoxFuture;
use tokio::time::{Instant, sleep, timeout};

use super::world::{Outcome, Timing, World};
use crate::broker::{
    Broker, BrokerError, Delivery, DurableSpec, Message, Position, Start, Stored, StreamKind,
    StreamSpec, Subscription, lanes,
};

/// The service that owns what the behaviours create.
pub(super) const SERVICE: &str = "conf";
/// The stream of events, for topics that begin with `conf.`.
pub(super) const STREAM: &str = "CONF";

/// What one behaviour works with.
pub(super) struct Bench<'w> {
    pub(super) world: &'w mut dyn World,
    pub(super) timing: Timing,
}

/// Runs a behaviour in bounded time, and says aloud where it is skipped.
pub(super) async fn run<'w>(
    name: &str,
    world: &'w mut dyn World,
    behaviour: impl for<'b> FnOnce(&'b mut Bench<'w>) -> LocalBoxFuture<'b, Outcome>,
) -> Outcome {
    let timing = world.timing();
    let mut bench = Bench { world, timing };
    let outcome = within(timing.soon * 12, name, behaviour(&mut bench)).await;
    if let Outcome::Skipped(reason) = outcome {
        // Not `eprintln!`, which the test harness swallows where a test passes.
        let _ = writeln!(std::io::stderr(), "{name}: skipped, because {reason}");
    }
    outcome
}

impl Bench<'_> {
    /// A new connection.
    pub(super) async fn broker(&self) -> Arc<dyn Broker> {
        within(self.timing.soon, "connecting", self.world.broker()).await
    }

    /// A new connection, to a broker that has a stream of events.
    pub(super) async fn events(&self) -> Arc<dyn Broker> {
        let broker = self.broker().await;
        let created = broker.create_stream(&events()).await;
        ok("creating a stream of events", created);
        broker
    }

    /// A new connection, to a broker that has a stream of events and the lanes of [`SERVICE`].
    pub(super) async fn lanes(&self) -> Arc<dyn Broker> {
        let broker = self.events().await;
        for lane in [retries(SERVICE), dead_letters(SERVICE)] {
            ok("creating a lane", broker.create_stream(&lane).await);
        }
        broker
    }

    /// A durable on the stream of events that delivers again by being told only, from the first event on.
    pub(super) fn spec(&self, handler: &str, filter: &str) -> DurableSpec {
        DurableSpec {
            name: lanes::durable(SERVICE, handler),
            service: SERVICE.to_owned(),
            handler: handler.to_owned(),
            filter: filter.to_owned(),
            start: Some(Start::All),
            ack_wait: self.timing.patient(),
            max_ack_pending: 10_000,
        }
    }

    /// The same, but it delivers again after a short ack wait.
    pub(super) fn impatient(&self, handler: &str, filter: &str) -> DurableSpec {
        DurableSpec {
            ack_wait: self.timing.ack_wait,
            ..self.spec(handler, filter)
        }
    }

    /// Creates the durable on the stream of events and consumes it.
    pub(super) async fn consume(
        &self,
        broker: &dyn Broker,
        spec: &DurableSpec,
    ) -> Box<dyn Subscription> {
        self.consume_on(broker, STREAM, spec).await
    }

    /// Creates the durable and consumes it.
    pub(super) async fn consume_on(
        &self,
        broker: &dyn Broker,
        stream: &str,
        spec: &DurableSpec,
    ) -> Box<dyn Subscription> {
        let created = broker.create_durable(stream, spec).await;
        ok("creating a durable", created);
        subscribe(broker, stream, spec).await
    }

    /// The next deliveries, exactly so many and not settled.
    pub(super) async fn take(
        &self,
        subscription: &mut dyn Subscription,
        count: usize,
    ) -> Vec<Delivery> {
        let mut taken = Vec::with_capacity(count);
        let limit = Instant::now() + self.timing.soon * 3;
        while taken.len() < count {
            let wanted = count - taken.len();
            let next = tokio::time::timeout_at(limit, next(subscription, wanted)).await;
            let Ok(batch) = next else {
                panic!("{} of {count} deliveries came, and no more", taken.len());
            };
            taken.extend(batch);
        }
        taken
    }

    /// Takes the next deliveries, exactly so many, and settles them. Gives their numbers.
    pub(super) async fn finish(
        &self,
        subscription: &mut dyn Subscription,
        count: usize,
    ) -> Vec<u64> {
        let mut numbers = Vec::with_capacity(count);
        while numbers.len() < count {
            let wanted = (count - numbers.len()).min(200);
            for delivery in self.take(subscription, wanted).await {
                numbers.push(number(&delivery.payload));
                ok("settling", delivery.settle.done().await);
            }
        }
        numbers
    }

    /// Listens for what must not come.
    pub(super) async fn nothing_comes(&self, subscription: &mut dyn Subscription, why: &str) {
        self.nothing_comes_of(subscription, 1, why).await;
    }

    /// Asks for so many, and listens for what must not come.
    pub(super) async fn nothing_comes_of(
        &self,
        subscription: &mut dyn Subscription,
        demand: usize,
        why: &str,
    ) {
        let listening = timeout(self.timing.quiet, next(subscription, demand)).await;
        if let Ok(batch) = listening {
            panic!("{why}, and yet there came {batch:?}");
        }
    }

    /// Waits until a durable on the stream of events stands there.
    pub(super) async fn stands_at(
        &self,
        broker: &dyn Broker,
        spec: &DurableSpec,
        wanted: Position,
    ) {
        self.eventually("the durable's position", async || {
            position(broker, STREAM, spec).await == wanted
        })
        .await;
    }

    /// Waits until it is true.
    pub(super) async fn eventually(&self, what: &str, is: impl AsyncFn() -> bool) {
        let limit = Instant::now() + self.timing.soon;
        while !is().await {
            assert!(
                Instant::now() < limit,
                "{what} is not what it has to be after {:?}",
                self.timing.soon
            );
            sleep(Duration::from_millis(10)).await;
        }
    }
}

/// Bounds a wait.
pub(super) async fn within<T>(limit: Duration, what: &str, wait: impl Future<Output = T>) -> T {
    // The future may be large, and there are many of them.
    let wait = pin!(wait);
    let done = timeout(limit, wait).await;
    done.unwrap_or_else(|_| panic!("{what}: not done within {limit:?}"))
}

/// What must succeed.
pub(super) fn ok<T>(what: &str, result: Result<T, BrokerError>) -> T {
    match result {
        Ok(value) => value,
        Err(error) => panic!("{what}: {error} ({:?})", error.kind()),
    }
}

/// What must be an error.
pub(super) fn refused<T>(what: &str, result: Result<T, BrokerError>) -> BrokerError {
    match result {
        Ok(_) => panic!("{what} was accepted, and has to be refused"),
        Err(error) => error,
    }
}

/// The stream of events.
pub(super) fn events() -> StreamSpec {
    stream(STREAM, "conf")
}

/// A stream of the events whose topics begin with this word.
pub(super) fn stream(name: &str, first: &str) -> StreamSpec {
    let topic = format!("{first}.>");
    StreamSpec {
        name: name.to_owned(),
        subjects: vec![first.to_owned(), topic.clone()],
        kind: StreamKind::Events {
            topic,
            named: false,
        },
    }
}

/// The retry lanes of a service.
pub(super) fn retries(service: &str) -> StreamSpec {
    StreamSpec {
        name: lanes::retry_stream(service),
        subjects: lanes::retry_subjects(service),
        kind: StreamKind::Retry {
            service: service.to_owned(),
        },
    }
}

/// The dead letters of a service.
pub(super) fn dead_letters(service: &str) -> StreamSpec {
    StreamSpec {
        name: lanes::dead_stream(service),
        subjects: lanes::dead_subjects(service),
        kind: StreamKind::Dead {
            service: service.to_owned(),
            max_age: Duration::from_hours(24 * 30),
        },
    }
}

/// Consumes a durable that exists.
pub(super) async fn subscribe(
    broker: &dyn Broker,
    stream: &str,
    spec: &DurableSpec,
) -> Box<dyn Subscription> {
    ok("subscribing", broker.subscribe(stream, &spec.name).await)
}

/// The next deliveries. A transient error is a condition after which a caller asks again.
pub(super) async fn next(subscription: &mut dyn Subscription, demand: usize) -> Vec<Delivery> {
    loop {
        match subscription.next(demand).await {
            Ok(batch) => return batch,
            Err(error) if error.is_transient() => sleep(Duration::from_millis(10)).await,
            Err(error) => panic!("the subscription ended: {error}"),
        }
    }
}

/// Publishes and waits for the answer.
pub(super) async fn publish(broker: &dyn Broker, message: Message) -> Result<Stored, BrokerError> {
    broker.publish(message).await?.await
}

/// Publishes what must be stored.
pub(super) async fn store(broker: &dyn Broker, message: Message) -> Stored {
    ok("publishing", publish(broker, message).await)
}

/// Publishes numbers to one subject, all before the first answer, and waits for the answers.
pub(super) async fn store_numbers(
    broker: &dyn Broker,
    subject: &str,
    numbers: impl IntoIterator<Item = u64>,
) -> Vec<Stored> {
    let mut receipts = Vec::new();
    for number in numbers {
        let message = Message::new(subject, number.to_string());
        receipts.push(ok("publishing", broker.publish(message).await));
    }
    let mut stored = Vec::with_capacity(receipts.len());
    for receipt in receipts {
        stored.push(ok("storing", receipt.await));
    }
    stored
}

/// The number that is a message's payload.
pub(super) fn number(payload: &[u8]) -> u64 {
    let text = String::from_utf8_lossy(payload);
    let number = text.parse();
    number.unwrap_or_else(|_| {
        panic!("a payload was changed on its way: it was a number, and is {text:?}")
    })
}

/// How many messages the stream of events holds for a filter.
pub(super) async fn count(broker: &dyn Broker, filter: &str) -> u64 {
    ok("counting", broker.count(STREAM, filter).await)
}

/// Where a durable stands.
pub(super) async fn position(broker: &dyn Broker, stream: &str, spec: &DurableSpec) -> Position {
    let found = ok(
        "asking for a durable",
        broker.durable(stream, &spec.name).await,
    );
    match found {
        Some(durable) => durable.position,
        None => panic!("the durable `{}` is gone", spec.name),
    }
}
