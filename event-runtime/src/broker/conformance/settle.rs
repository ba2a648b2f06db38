//! Settling: what is done never comes again, and what is not done does, when it should.

use tokio::time::{Instant, sleep};

use super::bench::{Bench, STREAM, next, number, ok, position, store_numbers, subscribe, within};
use super::world::Outcome;
use crate::broker::{DurableSpec, Position};

pub(super) async fn what_is_settled_never_comes_again(bench: &mut Bench<'_>) -> Outcome {
    let broker = bench.events().await;
    let spec = bench.impatient("a", "conf.a");
    let mut subscription = bench.consume(&*broker, &spec).await;
    store_numbers(&*broker, "conf.a", 0..50).await;
    bench.finish(&mut *subscription, 50).await;
    bench.stands_at(&*broker, &spec, Position::default()).await;
    sleep(bench.timing.ack_wait).await;
    bench
        .nothing_comes(&mut *subscription, "all of it is settled")
        .await;
    let mut another = subscribe(&*bench.broker().await, STREAM, &spec).await;
    bench
        .nothing_comes(&mut *another, "all of it is settled")
        .await;
    Outcome::Kept
}

pub(super) async fn what_is_not_settled_comes_again_after_the_ack_wait(
    bench: &mut Bench<'_>,
) -> Outcome {
    let broker = bench.events().await;
    let spec = bench.impatient("a", "conf.a");
    let mut subscription = bench.consume(&*broker, &spec).await;
    assert_eq!(subscription.ack_wait(), spec.ack_wait);
    store_numbers(&*broker, "conf.a", 0..20).await;
    let asked = Instant::now();
    let held = bench.take(&mut *subscription, 20).await;
    let mut again = Vec::new();
    for delivery in bench.take(&mut *subscription, 20).await {
        again.push(number(&delivery.payload));
        ok("settling", delivery.settle.done().await);
    }
    // Brokers count in their own time: a tenth less is no breach.
    let waited = asked.elapsed();
    assert!(
        waited >= spec.ack_wait.mul_f32(0.9),
        "it came again after {waited:?}, and the ack wait is {:?}",
        spec.ack_wait
    );
    again.sort_unstable();
    assert!(again.into_iter().eq(0..20), "each of them comes again");
    drop(held);
    bench.stands_at(&*broker, &spec, Position::default()).await;
    Outcome::Kept
}

pub(super) async fn progress_keeps_redelivery_away(bench: &mut Bench<'_>) -> Outcome {
    let broker = bench.events().await;
    let spec = bench.impatient("a", "conf.a");
    let mut subscription = bench.consume(&*broker, &spec).await;
    store_numbers(&*broker, "conf.a", [1, 2]).await;
    let mut held = bench.take(&mut *subscription, 2).await;
    let heartbeats: Vec<_> = held.iter().map(|held| held.settle.heartbeat()).collect();
    let until = Instant::now() + spec.ack_wait * 3;
    let mut other = subscribe(&*bench.broker().await, STREAM, &spec).await;
    let working = async {
        while Instant::now() < until {
            for heartbeat in &heartbeats {
                ok("telling progress", heartbeat.beat().await);
            }
            sleep(spec.ack_wait / 4).await;
        }
    };
    tokio::select! {
        () = working => {}
        came = next(&mut *other, 2) => panic!("progress was told, and yet there came {came:?}"),
    }
    // Settled, it stays so; without progress, the other comes again.
    let last = held.remove(0);
    ok("settling", last.settle.done().await);
    assert!(!heartbeats[0].is_alive());
    ok("progress of what is settled", heartbeats[0].beat().await);
    let again = within(bench.timing.soon, "the redelivery", next(&mut *other, 2)).await;
    assert_eq!(again.len(), 1);
    assert_eq!(again[0].payload, "2");
    Outcome::Kept
}

pub(super) async fn what_is_handed_back_comes_again_at_once(bench: &mut Bench<'_>) -> Outcome {
    let broker = bench.events().await;
    let spec = bench.spec("a", "conf.a");
    let mut subscription = bench.consume(&*broker, &spec).await;
    store_numbers(&*broker, "conf.a", 0..20).await;
    for delivery in bench.take(&mut *subscription, 20).await {
        let handed = delivery.settle.hand_back(None).await;
        ok("handing back", handed);
    }
    // The ack wait is far longer than this takes.
    let again = bench.finish(&mut *subscription, 20);
    let mut again = within(bench.timing.soon, "what was handed back", again).await;
    again.sort_unstable();
    assert!(again.into_iter().eq(0..20), "each of them comes again");
    bench
        .nothing_comes(&mut *subscription, "all of it is settled")
        .await;
    Outcome::Kept
}

pub(super) async fn what_is_handed_back_with_a_delay_waits(bench: &mut Bench<'_>) -> Outcome {
    let broker = bench.events().await;
    let spec = bench.spec("a", "conf.a");
    let mut subscription = bench.consume(&*broker, &spec).await;
    store_numbers(&*broker, "conf.a", 0..5).await;
    let delay = bench.timing.quiet * 3;
    let handed = Instant::now();
    for delivery in bench.take(&mut *subscription, 5).await {
        let handed = delivery.settle.hand_back(Some(delay)).await;
        ok("handing back", handed);
    }
    let again = bench.finish(&mut *subscription, 5);
    let mut again = within(bench.timing.soon, "what was handed back", again).await;
    let waited = handed.elapsed();
    assert!(
        waited >= delay.mul_f32(0.9),
        "it came again after {waited:?}, and was to wait for {delay:?}"
    );
    again.sort_unstable();
    assert!(again.into_iter().eq(0..5), "each of them comes again");
    Outcome::Kept
}

pub(super) async fn deliveries_are_counted(bench: &mut Bench<'_>) -> Outcome {
    let broker = bench.events().await;
    if !broker.capabilities().counts_deliveries {
        return Outcome::Skipped("the broker does not count deliveries");
    }
    let spec = bench.spec("a", "conf.a");
    let mut subscription = bench.consume(&*broker, &spec).await;
    store_numbers(&*broker, "conf.a", 0..5).await;
    for wanted in 1..=4 {
        for delivery in bench.take(&mut *subscription, 5).await {
            assert_eq!(delivery.origin.deliveries, wanted);
            let handed = delivery.settle.hand_back(None).await;
            ok("handing back", handed);
        }
    }
    Outcome::Kept
}

pub(super) async fn no_more_than_the_limit_is_unsettled(bench: &mut Bench<'_>) -> Outcome {
    let broker = bench.events().await;
    let spec = DurableSpec {
        max_ack_pending: 5,
        ..bench.spec("a", "conf.a")
    };
    store_numbers(&*broker, "conf.a", 0..20).await;
    let mut one = bench.consume(&*broker, &spec).await;
    let mut two = subscribe(&*bench.broker().await, STREAM, &spec).await;
    let mut held = bench.take(&mut *one, 5).await;
    // The limit is the durable's, over all its instances.
    bench.nothing_comes(&mut *one, "five are unsettled").await;
    bench.nothing_comes(&mut *two, "five are unsettled").await;
    assert_eq!(position(&*broker, STREAM, &spec).await.unsettled, 5);
    let last = held.pop().expect("five are held");
    ok("settling", last.settle.done().await);
    let (first, second) = (&mut *one, &mut *two);
    let freed = within(bench.timing.soon, "what there is room for now", async {
        tokio::select! {
            batch = next(first, 1) => batch,
            batch = next(second, 1) => batch,
        }
    });
    assert_eq!(freed.await.len(), 1);
    Outcome::Kept
}

pub(super) async fn a_delivery_outlives_its_subscription(bench: &mut Bench<'_>) -> Outcome {
    let broker = bench.events().await;
    let spec = bench.impatient("a", "conf.a");
    let mut subscription = bench.consume(&*broker, &spec).await;
    store_numbers(&*broker, "conf.a", [1, 2]).await;
    let held = bench.take(&mut *subscription, 2).await;
    ok("closing a subscription", subscription.close().await);
    for delivery in held {
        let beat = delivery.settle.heartbeat().beat().await;
        ok("telling progress", beat);
        ok("settling", delivery.settle.done().await);
    }
    bench.stands_at(&*broker, &spec, Position::default()).await;
    sleep(spec.ack_wait).await;
    let mut after = subscribe(&*broker, STREAM, &spec).await;
    bench.nothing_comes(&mut *after, "both are settled").await;
    Outcome::Kept
}
