//! Delivery: everything that matches arrives, in order, to each durable.

use futures_util::future::join_all;

use super::bench::{Bench, STREAM, next, ok, store, store_numbers, within};
use super::world::Outcome;
use crate::broker::Message;

pub(super) async fn the_order_of_publishes_is_kept(bench: &mut Bench<'_>) -> Outcome {
    let broker = bench.events().await;
    let mut subscription = bench.consume(&*broker, &bench.spec("a", "conf.>")).await;
    for chunk in 0..10 {
        let subject = format!("conf.{}", chunk % 3);
        store_numbers(&*broker, &subject, chunk * 200..(chunk + 1) * 200).await;
    }
    let came = bench.finish(&mut *subscription, 2_000).await;
    let wrong = came.iter().zip(0..).find(|(came, wanted)| *came != wanted);
    assert_eq!(
        wrong, None,
        "the first that came out of order, and its place"
    );
    Outcome::Kept
}

pub(super) async fn each_durable_gets_every_message(bench: &mut Bench<'_>) -> Outcome {
    let broker = bench.events().await;
    let mut one = bench.consume(&*broker, &bench.spec("one", "conf.a")).await;
    let mut two = bench.consume(&*broker, &bench.spec("two", "conf.a")).await;
    store_numbers(&*broker, "conf.a", 0..300).await;
    let wanted: Vec<u64> = (0..300).collect();
    assert_eq!(bench.finish(&mut *one, 300).await, wanted);
    assert_eq!(bench.finish(&mut *two, 300).await, wanted);
    bench.nothing_comes(&mut *one, "all of it is settled").await;
    bench.nothing_comes(&mut *two, "all of it is settled").await;
    Outcome::Kept
}

pub(super) async fn topics_do_not_disturb_each_other(bench: &mut Bench<'_>) -> Outcome {
    let broker = bench.events().await;
    let mut subscriptions = Vec::new();
    for topic in 0..10 {
        let spec = bench.spec(&format!("h{topic}"), &format!("conf.t{topic}"));
        subscriptions.push(bench.consume(&*broker, &spec).await);
    }
    let publishing = (0..10_u64).map(|topic| {
        let broker = broker.clone();
        let subject = format!("conf.t{topic}");
        async move { store_numbers(&*broker, &subject, topic * 100..(topic + 1) * 100).await }
    });
    let bench = &*bench;
    let consuming = subscriptions.iter_mut().map(|subscription| async move {
        let came = bench.finish(&mut **subscription, 100).await;
        bench
            .nothing_comes(&mut **subscription, "its topic has no more")
            .await;
        came
    });
    let (_, came) = tokio::join!(join_all(publishing), join_all(consuming));
    for (topic, came) in (0..).zip(came) {
        let wanted: Vec<u64> = (topic * 100..(topic + 1) * 100).collect();
        assert_eq!(came, wanted, "what came on topic {topic}");
    }
    Outcome::Kept
}

pub(super) async fn filters_match_word_by_word(bench: &mut Bench<'_>) -> Outcome {
    let broker = bench.events().await;
    let subjects = [
        "conf",
        "conf.eu",
        "conf.eu.placed",
        "conf.us.placed",
        "conf.eu.paid",
        "conf.eu.de.placed",
        "conf.EU.placed",
    ];
    for (number, subject) in subjects.iter().enumerate() {
        store(&*broker, Message::new(*subject, number.to_string())).await;
    }
    let filters: [(&str, &[u64]); 6] = [
        ("conf", &[0]),
        ("conf.*", &[1]),
        ("conf.*.placed", &[2, 3, 6]),
        ("conf.eu.*", &[2, 4]),
        ("conf.eu.>", &[2, 4, 5]),
        ("conf.>", &[1, 2, 3, 4, 5, 6]),
    ];
    for (place, (filter, wanted)) in filters.iter().enumerate() {
        let spec = bench.spec(&format!("h{place}"), filter);
        let mut subscription = bench.consume(&*broker, &spec).await;
        let came = bench.finish(&mut *subscription, wanted.len()).await;
        assert_eq!(came, *wanted, "what `{filter}` delivers");
        bench
            .nothing_comes(&mut *subscription, &format!("`{filter}` matches no more"))
            .await;
    }
    Outcome::Kept
}

pub(super) async fn a_waiting_call_gets_what_is_published_later(bench: &mut Bench<'_>) -> Outcome {
    let broker = bench.events().await;
    let mut subscription = bench.consume(&*broker, &bench.spec("a", "conf.a")).await;
    for number in 0..20 {
        let (batch, _) = tokio::join!(
            within(
                bench.timing.soon,
                "a waiting call",
                next(&mut *subscription, 5)
            ),
            async {
                // Lets the call wait first.
                tokio::task::yield_now().await;
                store_numbers(&*broker, "conf.a", [number]).await
            }
        );
        assert_eq!(batch.len(), 1);
        assert_eq!(batch[0].payload, number.to_string());
    }
    Outcome::Kept
}

pub(super) async fn a_delivery_says_where_it_is_stored(bench: &mut Bench<'_>) -> Outcome {
    let broker = bench.events().await;
    let mut subscription = bench.consume(&*broker, &bench.spec("a", "conf.a")).await;
    let stored = store_numbers(&*broker, "conf.a", 0..20).await;
    for (stored, delivery) in stored.iter().zip(bench.take(&mut *subscription, 20).await) {
        assert_eq!(&*delivery.origin.stream, STREAM);
        assert_eq!(delivery.origin.sequence, stored.sequence);
        let read = broker.read(STREAM, "conf.a", stored.sequence).await;
        let read = ok("reading", read).expect("what was delivered can be read");
        assert_eq!(read.payload, delivery.payload);
        assert_eq!(read.stored_at, delivery.origin.stored_at);
    }
    Outcome::Kept
}
