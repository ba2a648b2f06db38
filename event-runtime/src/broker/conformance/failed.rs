//! Failed deliveries: each handler's own, however alike they are, and kept before the original is let go.

use super::bench::{Bench, SERVICE, STREAM, ok, store};
use super::lanes::lane;
use super::world::Outcome;
use crate::broker::lane_headers::{Failed, Mark};
use crate::broker::{Broker, Delivery, Message, Position, Subscription, lanes};

/// One event, as two handlers get it.
const EVENT: &str =
    r#"{"specversion":"1.0","id":"e-1","source":"/conf","type":"conf.a.v1","data":{}}"#;
const HANDLERS: [&str; 2] = ["one", "two"];

/// One event, delivered to both handlers.
async fn delivered(
    bench: &Bench<'_>,
    broker: &dyn Broker,
) -> Vec<(Box<dyn Subscription>, Delivery)> {
    store(broker, Message::new("conf.a", EVENT).id("e-1")).await;
    let mut all = Vec::new();
    for handler in HANDLERS {
        let spec = bench.spec(handler, "conf.a");
        let mut subscription = bench.consume(broker, &spec).await;
        let delivery = bench.take(&mut *subscription, 1).await.remove(0);
        all.push((subscription, delivery));
    }
    all
}

fn first_mark(delivery: &Delivery, subscription: &dyn Subscription) -> Mark {
    let generation = subscription.generation().into();
    Mark::first(
        delivery.subject.clone(),
        delivery.origin.clone(),
        generation,
    )
}

/// What the runtime publishes when a delivery fails for good.
fn dead_letter(handler: &str, subscription: &dyn Subscription, delivery: &Delivery) -> Message {
    let mark = first_mark(delivery, subscription);
    let mut headers = delivery.headers.clone();
    mark.write(&mut headers);
    Failed {
        event_id: Some("e-1".to_owned()),
        reason: "rejected".to_owned(),
        error: "for a test".to_owned(),
        at: None,
    }
    .write(&mut headers);
    let subject = lanes::dead_subject(SERVICE, handler, &delivery.subject);
    Message::new(subject, delivery.payload.clone())
        .headers(headers)
        .id(mark.dead_id(handler))
}

pub(super) async fn two_handlers_that_fail_on_one_event_keep_both_retries(
    bench: &mut Bench<'_>,
) -> Outcome {
    let broker = bench.lanes().await;
    for (handler, (subscription, delivery)) in
        HANDLERS.into_iter().zip(delivered(bench, &*broker).await)
    {
        let mut mark = first_mark(&delivery, &*subscription);
        mark.attempt = 2;
        let mut headers = delivery.headers.clone();
        mark.write(&mut headers);
        let subject = lanes::retry_subject(SERVICE, handler);
        let message = Message::new(subject, delivery.payload.clone())
            .headers(headers)
            .id(mark.retry_id(handler));
        let stored = store(&*broker, message).await;
        assert!(!stored.duplicate, "the retry of `{handler}` is its own");
        ok("settling", delivery.settle.done().await);
    }
    let stream = lanes::retry_stream(SERVICE);
    for handler in HANDLERS {
        let spec = lane(bench, handler);
        let mut subscription = bench.consume_on(&*broker, &stream, &spec).await;
        let retry = bench.take(&mut *subscription, 1).await.remove(0);
        assert_eq!(retry.payload, EVENT, "the original bytes");
        let mark = Mark::read(&retry.headers).expect("the lane's headers are whole");
        assert_eq!(mark.attempt, 2);
        assert_eq!(&*mark.origin.subject, "conf.a");
    }
    Outcome::Kept
}

pub(super) async fn two_handlers_that_fail_on_one_event_keep_both_dead_letters(
    bench: &mut Bench<'_>,
) -> Outcome {
    let broker = bench.lanes().await;
    for (handler, (subscription, delivery)) in
        HANDLERS.into_iter().zip(delivered(bench, &*broker).await)
    {
        let letter = dead_letter(handler, &*subscription, &delivery);
        let stored = store(&*broker, letter).await;
        assert!(
            !stored.duplicate,
            "the dead letter of `{handler}` is its own"
        );
        ok("settling", delivery.settle.done().await);
    }
    let stream = lanes::dead_stream(SERVICE);
    for handler in HANDLERS {
        let filter = lanes::dead_subject(SERVICE, handler, "conf.a");
        let found = broker.read(&stream, &filter, 1).await;
        let found = ok("reading a dead letter", found).expect("each handler has one");
        assert_eq!(found.payload, EVENT, "the original bytes");
    }
    Outcome::Kept
}

pub(super) async fn a_dead_letter_is_kept_before_its_original_is_let_go(
    bench: &mut Bench<'_>,
) -> Outcome {
    let broker = bench.lanes().await;
    let stream = lanes::dead_stream(SERVICE);
    let (subscription, delivery) = delivered(bench, &*broker).await.remove(0);
    let letter = dead_letter("one", &*subscription, &delivery);
    let stored = store(&*broker, letter.clone()).await;
    assert_eq!(stored.stream, stream);
    // Both are there now, and anybody can see them.
    let spec = bench.spec("one", "conf.a");
    let unsettled = Position {
        pending: 0,
        unsettled: 1,
    };
    bench.stands_at(&*broker, &spec, unsettled).await;
    let other = bench.broker().await;
    let found = other.read(&stream, "lane.dead.>", stored.sequence).await;
    let found = ok("reading a dead letter", found).expect("it is stored");
    assert_eq!(found.subject, letter.subject);
    assert_eq!(found.payload, letter.payload);
    assert_eq!(Mark::read(&found.headers), Mark::read(&letter.headers));
    assert_eq!(Failed::read(&found.headers), Failed::read(&letter.headers));
    ok("settling", delivery.settle.done().await);
    bench.stands_at(&*broker, &spec, Position::default()).await;
    // It stays until somebody removes it.
    let found = other.read(&stream, "lane.dead.>", 1).await;
    assert!(ok("reading a dead letter", found).is_some());
    let removed = other.remove(&stream, stored.sequence).await;
    ok("removing a dead letter", removed);
    let found = other.read(&stream, "lane.dead.>", 1).await;
    assert_eq!(ok("reading a dead letter", found), None);
    let original = broker.read(STREAM, "conf.a", 1).await;
    assert!(
        ok("reading the original", original).is_some(),
        "the event stays, for its other handlers"
    );
    Outcome::Kept
}
