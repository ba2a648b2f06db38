//! Several instances of one durable, at the same time or one after the other.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use futures_util::future::join_all;
use tokio::sync::watch;

use super::bench::{Bench, STREAM, next, number, ok, store_numbers, subscribe, within};
use super::world::Outcome;
use crate::broker::{Broker, DurableSpec, Position};

/// How often each number came, over all instances.
#[derive(Default)]
struct Came {
    times: Mutex<BTreeMap<u64, u32>>,
    distinct: watch::Sender<usize>,
}

impl Came {
    fn note(&self, number: u64) {
        let mut times = self.times.lock().unwrap_or_else(PoisonError::into_inner);
        *times.entry(number).or_default() += 1;
        self.distinct.send_replace(times.len());
    }

    async fn reached(&self, count: usize) {
        let mut distinct = self.distinct.subscribe();
        let _ = distinct.wait_for(|distinct| *distinct >= count).await;
    }

    /// Each number came exactly once.
    fn assert_once(&self, count: u64) {
        let times = self.times.lock().unwrap_or_else(PoisonError::into_inner);
        let wrong = times.iter().find(|(_, times)| **times != 1);
        assert_eq!(wrong, None, "what came more than once, and how often");
        assert!(times.keys().copied().eq(0..count), "everything came");
    }
}

/// Consumes and settles until so many different numbers have come to all instances together.
async fn instance(broker: Arc<dyn Broker>, spec: DurableSpec, came: Arc<Came>, count: usize) {
    let mut subscription = subscribe(&*broker, STREAM, &spec).await;
    loop {
        tokio::select! {
            batch = next(&mut *subscription, 16) => for delivery in batch {
                came.note(number(&delivery.payload));
                ok("settling", delivery.settle.done().await);
            },
            () = came.reached(count) => break,
        }
    }
    ok("closing a subscription", subscription.close().await);
}

pub(super) async fn instances_share_a_durable_without_doubling(bench: &mut Bench<'_>) -> Outcome {
    let brokers = [bench.events().await, bench.broker().await];
    let spec = bench.spec("a", "conf.a");
    let created = brokers[0].create_durable(STREAM, &spec).await;
    ok("creating a durable", created);
    let came = Arc::new(Came::default());
    let instances: Vec<_> = (0..8)
        .map(|place| {
            let broker = Arc::clone(&brokers[place % 2]);
            tokio::spawn(instance(broker, spec.clone(), Arc::clone(&came), 2_000))
        })
        .collect();
    store_numbers(&*brokers[0], "conf.a", 0..2_000).await;
    let all = within(bench.timing.soon * 3, "sharing", join_all(instances)).await;
    assert!(all.iter().all(Result::is_ok), "an instance failed");
    came.assert_once(2_000);
    let mut after = subscribe(&*brokers[1], STREAM, &spec).await;
    bench
        .nothing_comes(&mut *after, "all of it is settled")
        .await;
    Outcome::Kept
}

pub(super) async fn reopened_subscriptions_lose_nothing(bench: &mut Bench<'_>) -> Outcome {
    let broker = bench.events().await;
    // What is on the wire at a close comes again after the ack wait.
    let spec = bench.impatient("a", "conf.a");
    let created = broker.create_durable(STREAM, &spec).await;
    ok("creating a durable", created);
    store_numbers(&*broker, "conf.a", 0..1_000).await;
    let mut came: Vec<u64> = Vec::new();
    while came.len() < 1_000 {
        let mut subscription = subscribe(&*broker, STREAM, &spec).await;
        // It asks for more than it takes, so that something is left to hand back.
        let asking = within(bench.timing.soon, "asking", next(&mut *subscription, 150));
        for delivery in asking.await {
            came.push(number(&delivery.payload));
            ok("settling", delivery.settle.done().await);
        }
        ok("closing a subscription", subscription.close().await);
    }
    came.sort_unstable();
    assert!(came.into_iter().eq(0..1_000), "each message came, and once");
    Outcome::Kept
}

pub(super) async fn closing_at_the_same_time_loses_nothing(bench: &mut Bench<'_>) -> Outcome {
    let broker = bench.events().await;
    let spec = bench.impatient("a", "conf.a");
    let created = broker.create_durable(STREAM, &spec).await;
    ok("creating a durable", created);
    store_numbers(&*broker, "conf.a", 0..500).await;
    let came = Arc::new(Came::default());
    let closing = (0..10).map(|_| {
        let (broker, spec, came) = (Arc::clone(&broker), spec.clone(), Arc::clone(&came));
        tokio::spawn(async move {
            let mut subscription = subscribe(&*broker, STREAM, &spec).await;
            for delivery in next(&mut *subscription, 40).await {
                came.note(number(&delivery.payload));
                ok("settling", delivery.settle.done().await);
            }
            ok("closing a subscription", subscription.close().await);
        })
    });
    let all = within(bench.timing.soon, "ten closing at once", join_all(closing)).await;
    assert!(all.iter().all(Result::is_ok), "one of them failed");
    let last = instance(Arc::clone(&broker), spec.clone(), Arc::clone(&came), 500);
    within(bench.timing.soon, "taking the rest", last).await;
    bench.stands_at(&*broker, &spec, Position::default()).await;
    Outcome::Kept
}

pub(super) async fn hand_backs_by_several_lose_nothing(bench: &mut Bench<'_>) -> Outcome {
    let broker = bench.events().await;
    let spec = bench.spec("a", "conf.a");
    let created = broker.create_durable(STREAM, &spec).await;
    ok("creating a durable", created);
    store_numbers(&*broker, "conf.a", 0..300).await;
    for _ in 0..3 {
        let mut subscription = subscribe(&*broker, STREAM, &spec).await;
        for delivery in bench.take(&mut *subscription, 100).await {
            let handed = delivery.settle.hand_back(None).await;
            ok("handing back", handed);
        }
        ok("closing a subscription", subscription.close().await);
    }
    let came = Arc::new(Came::default());
    let last = instance(Arc::clone(&broker), spec.clone(), Arc::clone(&came), 300);
    within(bench.timing.soon, "taking all of it", last).await;
    came.assert_once(300);
    bench.stands_at(&*broker, &spec, Position::default()).await;
    Outcome::Kept
}

pub(super) async fn a_lost_connection_loses_nothing(bench: &mut Bench<'_>) -> Outcome {
    let other = bench.events().await;
    let spec = bench.impatient("a", "conf.a");
    let stored = store_numbers(&*other, "conf.a", 0..50).await;
    assert_eq!(stored.len(), 50);
    let broker = bench.broker().await;
    let mut subscription = bench.consume(&*broker, &spec).await;
    // Without a word: as a process that is killed.
    drop(bench.take(&mut *subscription, 20).await);
    drop(subscription);
    drop(broker);
    let came = Arc::new(Came::default());
    let next = instance(Arc::clone(&other), spec.clone(), Arc::clone(&came), 50);
    within(bench.timing.soon, "taking all of it", next).await;
    came.assert_once(50);
    bench.stands_at(&*other, &spec, Position::default()).await;
    Outcome::Kept
}
