//! A broker that goes away and comes back.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use futures_util::future::join_all;
use tokio::sync::watch;
use tokio::time::sleep;

use super::bench::{Bench, count, next, number, publish, within};
use super::world::Outcome;
use crate::broker::{Broker, BrokerError, Message, Stored};

/// Publishes until it is stored, as the runtime does: again under the same id.
async fn insist(broker: &dyn Broker, number: u64) -> Result<Stored, BrokerError> {
    let message = Message::new("conf.a", number.to_string()).id(number.to_string());
    loop {
        match publish(broker, message.clone()).await {
            Err(error) if error.is_transient() => sleep(Duration::from_millis(20)).await,
            answer => return answer,
        }
    }
}

pub(super) async fn a_restart_of_the_broker_loses_nothing(bench: &mut Bench<'_>) -> Outcome {
    let broker = bench.events().await;
    let mut subscription = bench
        .consume(&*broker, &bench.impatient("a", "conf.a"))
        .await;
    if !bench.world.restart().await {
        return Outcome::Skipped("this world can't restart its broker");
    }
    let soon = bench.timing.soon;
    let stored = watch::Sender::new(0_u32);
    let mut progress = stored.subscribe();
    let publishing = join_all((0..10_u64).map(|publisher| {
        let (broker, stored) = (Arc::clone(&broker), stored.clone());
        tokio::spawn(async move {
            for number in publisher * 100..(publisher + 1) * 100 {
                let answer = insist(&*broker, number).await;
                assert!(answer.is_ok(), "publishing {number}: {answer:?}");
                stored.send_modify(|stored| *stored += 1);
            }
        })
    }));
    let consuming = async {
        let mut came = BTreeSet::new();
        while came.len() < 1_000 {
            for delivery in next(&mut *subscription, 50).await {
                came.insert(number(&delivery.payload));
                // Lost with the connection, it comes again.
                let _ = delivery.settle.done().await;
            }
        }
    };
    let world = &mut *bench.world;
    let restarting = async {
        for third in 1..=2 {
            let _ = progress.wait_for(|stored| *stored >= third * 333).await;
            assert!(world.restart().await, "it could be restarted before");
        }
    };
    let all = async { tokio::join!(publishing, consuming, restarting) };
    let (published, ..) = within(soon * 10, "publishing and consuming", all).await;
    assert!(published.iter().all(Result::is_ok), "a publisher failed");
    if broker.capabilities().deduplicates_for.is_some() {
        assert_eq!(
            count(&*broker, "conf.a").await,
            1_000,
            "each is stored once"
        );
    } else {
        assert!(count(&*broker, "conf.a").await >= 1_000);
    }
    Outcome::Kept
}
