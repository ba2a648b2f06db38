//! What is in a message: it arrives as it was published, or is refused.

use super::bench::{Bench, count, ok, publish, refused, store};
use super::publish::still_works;
use super::world::Outcome;
use crate::broker::{BrokerErrorKind, Message};
use crate::envelope::Headers;

pub(super) async fn messages_arrive_as_they_were_published(bench: &mut Bench<'_>) -> Outcome {
    let broker = bench.events().await;
    let spec = bench.spec("a", "conf.>");
    let mut subscription = bench.consume(&*broker, &spec).await;
    let bytes: Vec<u8> = (0..=u8::MAX).collect();
    for number in 0..100_usize {
        let payload = bytes.repeat(number % 7);
        let headers = [("Number", number.to_string())].into_iter().collect();
        let message = Message::new(format!("conf.{number}.a-b_c"), payload).headers(headers);
        store(&*broker, message).await;
    }
    for (number, delivery) in bench.take(&mut *subscription, 100).await.iter().enumerate() {
        assert_eq!(*delivery.subject, *format!("conf.{number}.a-b_c"));
        assert_eq!(delivery.payload, bytes.repeat(number % 7));
        let headers: Vec<_> = delivery.headers.iter().collect();
        assert_eq!(headers, [("Number", number.to_string().as_str())]);
    }
    Outcome::Kept
}

pub(super) async fn an_empty_payload_is_a_message(bench: &mut Bench<'_>) -> Outcome {
    let broker = bench.events().await;
    let mut subscription = bench.consume(&*broker, &bench.spec("a", "conf.a")).await;
    let headers: Headers = [("Kind", "empty")].into_iter().collect();
    store(&*broker, Message::new("conf.a", "")).await;
    store(
        &*broker,
        Message::new("conf.a", "").headers(headers.clone()),
    )
    .await;
    let taken = bench.take(&mut *subscription, 2).await;
    assert!(taken.iter().all(|delivery| delivery.payload.is_empty()));
    assert!(taken[0].headers.is_empty());
    assert_eq!(taken[1].headers, headers);
    Outcome::Kept
}

pub(super) async fn the_largest_payload_arrives_and_one_byte_more_is_refused(
    bench: &mut Bench<'_>,
) -> Outcome {
    let broker = bench.events().await;
    let mut subscription = bench.consume(&*broker, &bench.spec("a", "conf.a")).await;
    let largest = broker.capabilities().max_payload;
    let payload: Vec<u8> = (0..=u8::MAX).cycle().take(largest).collect();
    store(&*broker, Message::new("conf.a", payload.clone())).await;
    let taken = bench.take(&mut *subscription, 1).await;
    assert!(taken[0].payload == payload, "it arrives byte for byte");
    let answer = publish(&*broker, Message::new("conf.a", vec![b'x'; largest + 1])).await;
    let error = refused("a message above the largest", answer);
    assert_eq!(
        error.kind(),
        BrokerErrorKind::Permanent,
        "it never succeeds: {error}"
    );
    assert_eq!(count(&*broker, "conf.a").await, 1);
    still_works(&*broker).await;
    Outcome::Kept
}

pub(super) async fn headers_arrive_as_they_were_written(bench: &mut Bench<'_>) -> Outcome {
    let broker = bench.events().await;
    let mut subscription = bench.consume(&*broker, &bench.spec("a", "conf.a")).await;
    let mut headers = Headers::new();
    headers.append("Content-Type", "application/cloudevents+json");
    headers.append("lower-case", "1");
    headers.append("UPPER-CASE", "2");
    headers.append("many", "first");
    headers.append("many", "second");
    headers.append("many", "first");
    headers.append("empty", "");
    headers.append("colons", "a: b: c");
    headers.append("text", "Grüße, 世界 🦀");
    let stored = store(
        &*broker,
        Message::new("conf.a", "x").headers(headers.clone()),
    )
    .await;
    let taken = bench.take(&mut *subscription, 1).await;
    assert_eq!(sorted(&taken[0].headers), sorted(&headers), "delivered");
    let read = broker.read(&stored.stream, "conf.a", stored.sequence).await;
    let read = ok("reading", read).expect("what was stored can be read");
    assert_eq!(sorted(&read.headers), sorted(&headers), "read");
    Outcome::Kept
}

/// By name: brokers keep the order of one name's values, not that of names.
fn sorted(headers: &Headers) -> Vec<(&str, &str)> {
    let mut all: Vec<_> = headers.iter().collect();
    all.sort_by_key(|(name, _)| *name);
    all
}

pub(super) async fn hostile_headers_are_refused(bench: &mut Bench<'_>) -> Outcome {
    let broker = bench.events().await;
    let hostile = [
        ("value", "a\r\nInjected: b"),
        ("value", "a\rb"),
        ("value", "a\nb"),
        ("value", "a\0b"),
        ("na\r\nme", "a"),
        ("na\nme", "a"),
        ("na\0me", "a"),
        ("na:me", "a"),
        ("na me", "a"),
        ("nämé", "a"),
        ("", "a"),
    ];
    for (name, value) in hostile {
        let headers = [(name, value)].into_iter().collect();
        let answer = publish(&*broker, Message::new("conf.a", "x").headers(headers)).await;
        let error = refused("a hostile header", answer);
        assert_eq!(
            error.kind(),
            BrokerErrorKind::Permanent,
            "the header {name:?}: {value:?} can never be sent: {error}"
        );
    }
    assert_eq!(count(&*broker, "conf.a").await, 0, "nothing was stored");
    still_works(&*broker).await;
    Outcome::Kept
}
