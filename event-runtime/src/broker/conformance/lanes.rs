//! Lanes: the retry stream is a work queue that keeps the delays, and each handler has its own.

use std::time::Duration;

use tokio::time::Instant;

use super::bench::{
    Bench, SERVICE, count, number, ok, publish, refused, store, store_numbers, subscribe, within,
};
use super::world::Outcome;
use crate::broker::{Broker, BrokerErrorKind, DurableSpec, Message, lanes};

const NO_DELAYS: &str = "the broker does not delay messages";

/// The durable of a handler's retry lane.
pub(super) fn lane(bench: &Bench<'_>, handler: &str) -> DurableSpec {
    bench.spec(handler, &lanes::retry_subject(SERVICE, handler))
}

fn delayed(handler: &str, number: u64, delay: Duration) -> Message {
    Message::new(lanes::retry_subject(SERVICE, handler), number.to_string())
        .id(format!("{handler}/{number}"))
        .delay(delay)
}

/// How many messages the retry stream holds, those that wait included.
async fn left(broker: &dyn Broker) -> u64 {
    let stream = broker.stream(&lanes::retry_stream(SERVICE)).await;
    ok("looking for a stream", stream).map_or(0, |stream| stream.messages)
}

pub(super) async fn a_retry_reaches_its_own_handler_only(bench: &mut Bench<'_>) -> Outcome {
    let broker = bench.lanes().await;
    let stream = lanes::retry_stream(SERVICE);
    let one = lane(bench, "one");
    let two = lane(bench, "two");
    let mut one = bench.consume_on(&*broker, &stream, &one).await;
    let mut two = bench.consume_on(&*broker, &stream, &two).await;
    store_numbers(&*broker, &lanes::retry_subject(SERVICE, "one"), 0..20).await;
    let taken = bench.take(&mut *one, 20).await;
    bench.nothing_comes(&mut *two, "it was for another").await;
    for (delivery, wanted) in taken.into_iter().zip(0..) {
        assert_eq!(number(&delivery.payload), wanted);
        ok("settling", delivery.settle.done().await);
    }
    bench.nothing_comes(&mut *one, "all is settled").await;
    Outcome::Kept
}

pub(super) async fn a_retry_lane_empties_itself(bench: &mut Bench<'_>) -> Outcome {
    let broker = bench.lanes().await;
    let stream = lanes::retry_stream(SERVICE);
    let spec = lane(bench, "one");
    let mut subscription = bench.consume_on(&*broker, &stream, &spec).await;
    store_numbers(&*broker, &lanes::retry_subject(SERVICE, "one"), 0..20).await;
    assert_eq!(left(&*broker).await, 20);
    let held = bench.take(&mut *subscription, 5).await;
    bench.finish(&mut *subscription, 15).await;
    bench
        .eventually("what the retry stream holds", async || {
            left(&*broker).await == 5
        })
        .await;
    // What is not settled stays, also when nobody consumes.
    ok("closing a subscription", subscription.close().await);
    assert_eq!(left(&*broker).await, 5);
    for delivery in held {
        ok("settling", delivery.settle.done().await);
    }
    bench
        .eventually("what the retry stream holds", async || {
            left(&*broker).await == 0
        })
        .await;
    Outcome::Kept
}

pub(super) async fn a_delayed_message_waits_and_then_comes(bench: &mut Bench<'_>) -> Outcome {
    let broker = bench.lanes().await;
    if !broker.capabilities().delays {
        return Outcome::Skipped(NO_DELAYS);
    }
    let stream = lanes::retry_stream(SERVICE);
    let spec = lane(bench, "one");
    let mut subscription = bench.consume_on(&*broker, &stream, &spec).await;
    let step = bench.timing.quiet * 2;
    let sent = Instant::now();
    // The later ones are published first.
    for number in [3, 2, 1] {
        let delay = step * u32::try_from(number).unwrap_or(1);
        store(&*broker, delayed("one", number, delay)).await;
    }
    for wanted in [1, 2, 3_u32] {
        let taken = bench.take(&mut *subscription, 1).await.remove(0);
        let waited = sent.elapsed();
        assert_eq!(
            number(&taken.payload),
            u64::from(wanted),
            "in order of time"
        );
        assert_eq!(
            *taken.subject, *spec.filter,
            "on the lane that it was sent to"
        );
        assert!(
            waited >= (step * wanted).mul_f32(0.9),
            "message {wanted} came after {waited:?}, and was to wait for {:?}",
            step * wanted
        );
        ok("settling", taken.settle.done().await);
    }
    bench
        .eventually("what the retry stream holds", async || {
            left(&*broker).await == 0
        })
        .await;
    Outcome::Kept
}

pub(super) async fn delayed_messages_never_replace_each_other(bench: &mut Bench<'_>) -> Outcome {
    let broker = bench.lanes().await;
    if !broker.capabilities().delays {
        return Outcome::Skipped(NO_DELAYS);
    }
    let stream = lanes::retry_stream(SERVICE);
    let spec = lane(bench, "one");
    let mut subscription = bench.consume_on(&*broker, &stream, &spec).await;
    for number in 0..300 {
        store(&*broker, delayed("one", number, bench.timing.quiet)).await;
    }
    let mut came = bench.finish(&mut *subscription, 300).await;
    came.sort_unstable();
    assert!(came.into_iter().eq(0..300), "each of them, and once");
    bench
        .nothing_comes(&mut *subscription, "all of it is settled")
        .await;
    Outcome::Kept
}

pub(super) async fn a_delayed_message_outlives_its_publisher(bench: &mut Bench<'_>) -> Outcome {
    let other = bench.lanes().await;
    let broker = bench.broker().await;
    if !broker.capabilities().delays {
        return Outcome::Skipped(NO_DELAYS);
    }
    store(&*broker, delayed("one", 7, bench.timing.quiet)).await;
    ok("closing", broker.close().await);
    drop(broker);
    let stream = lanes::retry_stream(SERVICE);
    let spec = lane(bench, "one");
    let mut subscription = bench.consume_on(&*other, &stream, &spec).await;
    assert_eq!(bench.finish(&mut *subscription, 1).await, [7]);
    Outcome::Kept
}

pub(super) async fn a_repeated_delayed_message_comes_once(bench: &mut Bench<'_>) -> Outcome {
    let broker = bench.lanes().await;
    if !broker.capabilities().delays {
        return Outcome::Skipped(NO_DELAYS);
    }
    if broker.capabilities().deduplicates_for.is_none() {
        return Outcome::Skipped("the broker does not recognise a repeated message id");
    }
    let stream = lanes::retry_stream(SERVICE);
    let spec = lane(bench, "one");
    let mut subscription = bench.consume_on(&*broker, &stream, &spec).await;
    let message = delayed("one", 7, bench.timing.quiet / 2);
    assert!(!store(&*broker, message.clone()).await.duplicate);
    assert!(store(&*broker, message.clone()).await.duplicate);
    assert_eq!(bench.finish(&mut *subscription, 1).await, [7]);
    // Also when the first has come already.
    assert!(store(&*broker, message).await.duplicate);
    bench
        .nothing_comes(&mut *subscription, "it came already")
        .await;
    Outcome::Kept
}

pub(super) async fn only_retry_lanes_delay(bench: &mut Bench<'_>) -> Outcome {
    let broker = bench.lanes().await;
    if !broker.capabilities().delays {
        return Outcome::Skipped(NO_DELAYS);
    }
    let subjects = ["conf.a", &lanes::dead_subject(SERVICE, "one", "conf.a")];
    for subject in subjects {
        let message = Message::new(subject, "x").delay(bench.timing.quiet);
        let error = refused("a delay elsewhere", publish(&*broker, message).await);
        assert_eq!(error.kind(), BrokerErrorKind::Permanent, "{error}");
    }
    assert_eq!(count(&*broker, "conf.a").await, 0);
    Outcome::Kept
}

pub(super) async fn an_unsettled_retry_comes_again(bench: &mut Bench<'_>) -> Outcome {
    let broker = bench.lanes().await;
    let stream = lanes::retry_stream(SERVICE);
    let spec = DurableSpec {
        ack_wait: bench.timing.ack_wait,
        ..lane(bench, "one")
    };
    let mut subscription = bench.consume_on(&*broker, &stream, &spec).await;
    store_numbers(&*broker, &spec.filter, [7]).await;
    drop(bench.take(&mut *subscription, 1).await);
    drop(subscription);
    let mut another = subscribe(&*bench.broker().await, &stream, &spec).await;
    let again = bench.finish(&mut *another, 1);
    let again = within(bench.timing.soon, "the redelivery", again).await;
    assert_eq!(again, [7]);
    Outcome::Kept
}
