//! Subscriptions: how much they ask for, and what a dropped call or a closed one leaves behind.

use std::pin::pin;

use futures_util::FutureExt;
use tokio::time::sleep;

use super::bench::{Bench, STREAM, next, number, ok, position, store_numbers, subscribe, within};
use super::world::Outcome;
use crate::broker::{Delivery, Position};

pub(super) async fn a_call_returns_at_least_one_and_at_most_the_demand(
    bench: &mut Bench<'_>,
) -> Outcome {
    let broker = bench.events().await;
    let mut subscription = bench.consume(&*broker, &bench.spec("a", "conf.a")).await;
    store_numbers(&*broker, "conf.a", 0..300).await;
    let mut came = 0;
    for demand in [1, 7, 3, 50, 2].into_iter().cycle() {
        let batch = within(
            bench.timing.soon,
            "a call",
            next(&mut *subscription, demand),
        )
        .await;
        let count = batch.len();
        assert!(
            (1..=demand).contains(&count),
            "a demand of {demand} was answered with {count} deliveries"
        );
        for delivery in batch {
            assert_eq!(number(&delivery.payload), came, "in order");
            came += 1;
            ok("settling", delivery.settle.done().await);
        }
        if came == 300 {
            break;
        }
    }
    bench
        .nothing_comes(&mut *subscription, "all of it is settled")
        .await;
    Outcome::Kept
}

pub(super) async fn a_slow_consumer_is_never_sent_more_than_it_can_take(
    bench: &mut Bench<'_>,
) -> Outcome {
    const ROOM: usize = 10;
    let broker = bench.events().await;
    let spec = bench.spec("a", "conf.a");
    let mut subscription = bench.consume(&*broker, &spec).await;
    store_numbers(&*broker, "conf.a", 0..2_000).await;
    let mut held: Vec<Delivery> = Vec::new();
    for step in 0..100 {
        while held.len() < ROOM {
            let room = ROOM - held.len();
            held.extend(within(bench.timing.soon, "a call", next(&mut *subscription, room)).await);
        }
        assert_eq!(held.len(), ROOM, "no call gives more than its demand");
        // A broker hears of settlements a little later; that it delivered too much it knows at once.
        if step % 20 == 0 {
            bench
                .eventually("what is unsettled with ten held", async || {
                    position(&*broker, STREAM, &spec).await.unsettled == ROOM as u64
                })
                .await;
            let Position { pending, .. } = position(&*broker, STREAM, &spec).await;
            assert_eq!(
                pending,
                2_000 - ROOM as u64 - step * 3,
                "still at the broker"
            );
        }
        for delivery in held.drain(..3) {
            ok("settling", delivery.settle.done().await);
        }
    }
    Outcome::Kept
}

pub(super) async fn a_dropped_call_loses_nothing(bench: &mut Bench<'_>) -> Outcome {
    let broker = bench.events().await;
    let mut subscription = bench.consume(&*broker, &bench.spec("a", "conf.a")).await;
    let publishing = tokio::spawn(async move {
        for first in 0..50 {
            store_numbers(&*broker, "conf.a", first * 10..(first + 1) * 10).await;
            tokio::task::yield_now().await;
        }
    });
    let mut came = Vec::new();
    let consuming = async {
        while came.len() < 500 {
            // Polled a few times and dropped, again and again, with something on its way.
            let mut batch = None;
            {
                let mut call = pin!(next(&mut *subscription, 20));
                for _ in 0..3 {
                    batch = call.as_mut().now_or_never();
                    if batch.is_some() {
                        break;
                    }
                    tokio::task::yield_now().await;
                }
            }
            let Some(batch) = batch else {
                sleep(std::time::Duration::from_millis(1)).await;
                continue;
            };
            for delivery in batch {
                came.push(number(&delivery.payload));
                ok("settling", delivery.settle.done().await);
            }
        }
    };
    within(
        bench.timing.soon * 2,
        "consuming by dropped calls",
        consuming,
    )
    .await;
    publishing.await.expect("the publisher ends well");
    assert!(came.into_iter().eq(0..500), "each message, once, in order");
    bench
        .nothing_comes(&mut *subscription, "all of it is settled")
        .await;
    Outcome::Kept
}

pub(super) async fn closing_hands_back_what_was_not_returned(bench: &mut Bench<'_>) -> Outcome {
    let broker = bench.events().await;
    let spec = bench.spec("a", "conf.a");
    let mut subscription = bench.consume(&*broker, &spec).await;
    // Asks for a hundred while there is nothing, so that they may be on their way before they are taken.
    bench
        .nothing_comes_of(&mut *subscription, 100, "nothing was published")
        .await;
    store_numbers(&*broker, "conf.a", 0..100).await;
    // Taken one by one: once these have come, the rest has had the time to arrive as well.
    let mut taken = Vec::new();
    for _ in 0..30 {
        taken.extend(bench.take(&mut *subscription, 1).await);
    }
    ok("closing a subscription", subscription.close().await);
    for delivery in taken {
        ok("settling", delivery.settle.done().await);
    }
    // The ack wait is far longer than this takes.
    let mut another = subscribe(&*bench.broker().await, STREAM, &spec).await;
    let rest = bench.finish(&mut *another, 70);
    let mut rest = within(bench.timing.soon, "what was handed back at the close", rest).await;
    rest.sort_unstable();
    assert!(
        rest.into_iter().eq(30..100),
        "what was not taken comes again"
    );
    bench.stands_at(&*broker, &spec, Position::default()).await;
    Outcome::Kept
}
