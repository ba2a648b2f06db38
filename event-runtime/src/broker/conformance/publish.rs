//! Publishing: what is acknowledged is stored, once and in order; what can't be stored is refused.

use std::collections::BTreeSet;
use std::sync::Arc;

use futures_util::future::join_all;

use super::bench::{Bench, STREAM, count, ok, publish, refused, store, store_numbers, within};
use super::world::Outcome;
use crate::broker::{Broker, BrokerErrorKind, Message};

pub(super) async fn acknowledged_messages_are_stored_in_order(bench: &mut Bench<'_>) -> Outcome {
    let broker = bench.events().await;
    let stored = store_numbers(&*broker, "conf.a", 0..1_500).await;
    let mut last = 0;
    for (number, stored) in stored.iter().enumerate() {
        assert_eq!(stored.stream, STREAM, "an answer names the stream");
        assert!(!stored.duplicate, "message {number} was never sent before");
        assert!(
            stored.sequence > last,
            "message {number} has sequence {}, after {last}",
            stored.sequence
        );
        last = stored.sequence;
    }
    assert_eq!(count(&*broker, "conf.a").await, 1_500);
    // The first, one in the middle, and the last are where the answers say.
    for number in [0, 700, 1_499] {
        let sequence = stored[number].sequence;
        let found = ok("reading", broker.read(STREAM, "conf.a", sequence).await);
        let found = found.expect("a message is at the sequence that the answer gave");
        assert_eq!(found.sequence, sequence);
        assert_eq!(found.payload, number.to_string());
    }
    Outcome::Kept
}

pub(super) async fn publishes_at_the_same_time_are_all_stored(bench: &mut Bench<'_>) -> Outcome {
    let brokers = [bench.events().await, bench.broker().await];
    let publishers = (0..8).map(|publisher| {
        let broker = Arc::clone(&brokers[publisher % 2]);
        tokio::spawn(async move {
            let first = publisher as u64 * 200;
            store_numbers(&*broker, "conf.a", first..first + 200).await
        })
    });
    let mut sequences = BTreeSet::new();
    for stored in join_all(publishers).await {
        let stored = stored.expect("a publisher ends well");
        assert!(stored.is_sorted_by_key(|stored| stored.sequence));
        sequences.extend(stored.into_iter().map(|stored| stored.sequence));
    }
    assert_eq!(
        sequences.len(),
        1_600,
        "each message has a place of its own"
    );
    assert_eq!(count(&*brokers[0], "conf.a").await, 1_600);
    Outcome::Kept
}

pub(super) async fn a_dropped_receipt_loses_nothing(bench: &mut Bench<'_>) -> Outcome {
    let broker = bench.events().await;
    for number in 0..500 {
        let message = Message::new("conf.a", number.to_string());
        drop(ok("publishing", broker.publish(message).await));
    }
    bench
        .eventually("the number of stored messages", async || {
            count(&*broker, "conf.a").await == 500
        })
        .await;
    Outcome::Kept
}

pub(super) async fn closing_sends_what_is_queued(bench: &mut Bench<'_>) -> Outcome {
    let other = bench.events().await;
    let broker = bench.broker().await;
    let mut receipts = Vec::new();
    for number in 0..500 {
        let message = Message::new("conf.a", number.to_string());
        receipts.push(ok("publishing", broker.publish(message).await));
    }
    let closed = within(bench.timing.soon, "closing", broker.close()).await;
    ok("closing", closed);
    bench
        .eventually("the number of stored messages", async || {
            count(&*other, "conf.a").await == 500
        })
        .await;
    // Whatever they say, they say it in bounded time.
    within(bench.timing.soon, "the receipts", join_all(receipts)).await;
    Outcome::Kept
}

pub(super) async fn a_repeated_id_is_stored_once(bench: &mut Bench<'_>) -> Outcome {
    let broker = bench.events().await;
    if broker.capabilities().deduplicates_for.is_none() {
        return Outcome::Skipped("the broker does not recognise a repeated message id");
    }
    let message = Message::new("conf.a", "once").id("an id");
    let first = store(&*broker, message.clone()).await;
    assert!(!first.duplicate, "it was never sent before");
    let repeated = store(&*broker, message.clone()).await;
    assert!(repeated.duplicate, "a repetition is told as one");
    let elsewhere = store(&*bench.broker().await, message).await;
    assert!(elsewhere.duplicate, "also from another connection");
    // Eight senders of one message: exactly one of them stores it.
    let racing = (0..8).map(|_| {
        let broker = Arc::clone(&broker);
        let message = Message::new("conf.a", "race").id("another id");
        tokio::spawn(async move { store(&*broker, message).await })
    });
    let answers = join_all(racing).await;
    let first = answers
        .into_iter()
        .filter(|stored| !stored.as_ref().expect("a publisher ends well").duplicate);
    assert_eq!(first.count(), 1, "one of them was the first");
    assert_eq!(count(&*broker, "conf.a").await, 2);
    Outcome::Kept
}

pub(super) async fn equal_messages_are_told_apart_by_their_ids(bench: &mut Bench<'_>) -> Outcome {
    let broker = bench.events().await;
    let message = Message::new("conf.a", r#"{"id":"the same event"}"#);
    for id in 0..50 {
        let stored = store(&*broker, message.clone().id(id.to_string())).await;
        assert!(!stored.duplicate, "another id is another message");
        let stored = store(&*broker, message.clone()).await;
        assert!(!stored.duplicate, "without an id nothing is a repetition");
    }
    assert_eq!(count(&*broker, "conf.a").await, 100);
    Outcome::Kept
}

pub(super) async fn what_no_stream_holds_is_an_error(bench: &mut Bench<'_>) -> Outcome {
    let broker = bench.events().await;
    let lost = publish(&*broker, Message::new("nowhere.a", "lost"));
    let answer = within(bench.timing.soon * 3, "publishing to no stream", lost).await;
    refused("a message that no stream holds", answer);
    still_works(&*broker).await;
    Outcome::Kept
}

pub(super) async fn bad_subjects_are_refused(bench: &mut Bench<'_>) -> Outcome {
    let broker = bench.events().await;
    let long = format!("conf.{}", "a".repeat(8 * 1024));
    let bad = [
        "",
        ".",
        "conf.",
        ".conf",
        "conf..a",
        "conf.*",
        "conf.>",
        "conf.a b",
        "conf.a\tb",
        "conf.a\r\nb",
        "conf.a\0b",
        &long,
    ];
    for subject in bad {
        let answer = publish(&*broker, Message::new(subject, "lost")).await;
        let error = refused("a bad subject", answer);
        assert_eq!(
            error.kind(),
            BrokerErrorKind::Permanent,
            "publishing to {subject:?} never succeeds: {error}"
        );
    }
    assert_eq!(count(&*broker, "conf.>").await, 0, "nothing was stored");
    still_works(&*broker).await;
    Outcome::Kept
}

/// What was refused did not cost the connection.
pub(super) async fn still_works(broker: &dyn Broker) {
    let before = count(broker, "conf.works").await;
    store(broker, Message::new("conf.works", "still")).await;
    assert_eq!(count(broker, "conf.works").await, before + 1);
}
