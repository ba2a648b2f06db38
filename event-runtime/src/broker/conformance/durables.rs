//! Durables: created once, owned by a service, beginning where they should, and told apart by their lives.

use std::sync::Arc;

use futures_util::future::join_all;
use tokio::time::sleep;

use super::bench::{
    Bench, SERVICE, STREAM, ok, position, refused, store_numbers, subscribe, within,
};
use super::world::Outcome;
use crate::broker::{BrokerErrorKind, DurableSpec, Position, Start};

pub(super) async fn a_durable_is_created_once_and_never_altered(bench: &mut Bench<'_>) -> Outcome {
    let broker = bench.events().await;
    let spec = bench.spec("a", "conf.a");
    let found = broker.durable(STREAM, &spec.name).await;
    assert_eq!(ok("looking for a durable", found), None);
    let mut subscription = bench.consume(&*broker, &spec).await;
    store_numbers(&*broker, "conf.a", 0..10).await;
    bench.finish(&mut *subscription, 4).await;
    let left = Position {
        pending: 6,
        unsettled: 0,
    };
    bench.stands_at(&*broker, &spec, left).await;
    let again = broker.create_durable(STREAM, &spec).await;
    ok("creating the same durable again", again);
    let other = DurableSpec {
        filter: "conf.b".to_owned(),
        ..spec.clone()
    };
    let error = refused(
        "a durable of the same name with another filter",
        broker.create_durable(STREAM, &other).await,
    );
    assert_eq!(error.kind(), BrokerErrorKind::Misconfigured, "{error}");
    let found = broker.durable(STREAM, &spec.name).await;
    let found = ok("looking for a durable", found).expect("it is there");
    assert_eq!(found.filters, ["conf.a"], "the filter is as it was");
    assert_eq!(found.position, left, "and so is the position");
    assert_eq!(
        bench.finish(&mut *subscription, 6).await,
        [4, 5, 6, 7, 8, 9]
    );
    Outcome::Kept
}

pub(super) async fn instances_create_the_same_things_at_once(bench: &mut Bench<'_>) -> Outcome {
    let brokers = [bench.broker().await, bench.broker().await];
    let spec = bench.spec("a", "conf.a");
    let starting = (0..8).map(|place| {
        let (broker, spec) = (Arc::clone(&brokers[place % 2]), spec.clone());
        tokio::spawn(async move {
            let created = broker.create_stream(&super::bench::events()).await;
            ok("creating a stream at the same time", created);
            let created = broker.create_durable(STREAM, &spec).await;
            ok("creating a durable at the same time", created);
            let subscription = subscribe(&*broker, STREAM, &spec).await;
            subscription.generation().to_owned()
        })
    });
    let starting = within(
        bench.timing.soon,
        "eight starting at once",
        join_all(starting),
    )
    .await;
    let generations: Vec<_> = starting
        .into_iter()
        .map(|generation| generation.expect("an instance starts well"))
        .collect();
    assert!(
        generations.iter().all(|one| *one == generations[0]),
        "all of them consume one life of the durable: {generations:?}"
    );
    Outcome::Kept
}

pub(super) async fn a_durable_tells_its_settings(bench: &mut Bench<'_>) -> Outcome {
    let broker = bench.events().await;
    let spec = DurableSpec {
        max_ack_pending: 77,
        ..bench.impatient("a", "conf.*.a")
    };
    let created = broker.create_durable(STREAM, &spec).await;
    let created = ok("creating a durable", created);
    let found = broker.durable(STREAM, &spec.name).await;
    let found = ok("looking for a durable", found).expect("it is there");
    assert_eq!(created, found, "created and found are the same");
    assert_eq!(crate::broker::plan::compare_durable(&spec, &found), []);
    assert_eq!(found.name, spec.name);
    Outcome::Kept
}

pub(super) async fn durables_belong_to_their_service(bench: &mut Bench<'_>) -> Outcome {
    let broker = bench.events().await;
    let own = bench.spec("a", "conf.a");
    let foreign = DurableSpec {
        name: "other-a".to_owned(),
        service: "other".to_owned(),
        ..own.clone()
    };
    for spec in [&own, &foreign] {
        let created = broker.create_durable(STREAM, spec).await;
        ok("creating a durable", created);
    }
    for (service, name) in [(SERVICE, &own.name), ("other", &foreign.name)] {
        let durables = broker.durables(STREAM, service).await;
        let durables = ok("listing a service's durables", durables);
        let names: Vec<_> = durables.iter().map(|durable| &durable.name).collect();
        assert_eq!(names, [name], "the durables of `{service}`");
        assert_eq!(durables[0].owner.as_deref(), Some(service));
    }
    let none = broker.durables(STREAM, "nobody").await;
    assert_eq!(ok("listing a service's durables", none), []);
    // Whatever another service asks for by this name: the owner stays.
    let taking = DurableSpec {
        service: "other".to_owned(),
        ..own.clone()
    };
    let _ = broker.create_durable(STREAM, &taking).await;
    let found = broker.durable(STREAM, &own.name).await;
    let found = ok("looking for a durable", found).expect("it is there");
    assert_eq!(found.owner.as_deref(), Some(SERVICE));
    Outcome::Kept
}

pub(super) async fn a_durable_begins_where_its_start_says(bench: &mut Bench<'_>) -> Outcome {
    let broker = bench.events().await;
    let early = store_numbers(&*broker, "conf.a", 0..5).await;
    let read = broker.read(STREAM, "conf.a", early[4].sequence).await;
    let fifth = ok("reading", read).expect("it is stored").stored_at;
    // Broker clocks have at least this resolution.
    sleep(std::time::Duration::from_millis(20)).await;
    store_numbers(&*broker, "conf.a", 5..10).await;
    let between = fifth + jiff::SignedDuration::from_millis(5);
    let starts = [
        ("all", Some(Start::All), 0),
        ("unsaid", None, 0),
        ("time", Some(Start::At(between)), 5),
        ("new", Some(Start::New), 10),
    ];
    let mut subscriptions = Vec::new();
    for (handler, start, first) in starts {
        let spec = DurableSpec {
            start,
            ..bench.spec(handler, "conf.a")
        };
        let subscription = bench.consume(&*broker, &spec).await;
        let pending = position(&*broker, STREAM, &spec).await.pending;
        assert_eq!(
            pending,
            10 - first,
            "what a start of `{handler}` has to come"
        );
        subscriptions.push((subscription, handler, first));
    }
    store_numbers(&*broker, "conf.a", 10..12).await;
    for (mut subscription, handler, first) in subscriptions {
        let wanted: Vec<u64> = (first..12).collect();
        let came = bench.finish(&mut *subscription, wanted.len()).await;
        assert_eq!(came, wanted, "with a start of `{handler}`");
    }
    Outcome::Kept
}

pub(super) async fn a_position_says_what_is_left(bench: &mut Bench<'_>) -> Outcome {
    let broker = bench.events().await;
    let spec = bench.spec("a", "conf.a");
    let mut subscription = bench.consume(&*broker, &spec).await;
    store_numbers(&*broker, "conf.a", 0..10).await;
    store_numbers(&*broker, "conf.b", 0..10).await;
    let stands = |pending, unsettled| Position { pending, unsettled };
    bench.stands_at(&*broker, &spec, stands(10, 0)).await;
    let mut held = bench.take(&mut *subscription, 4).await;
    bench.stands_at(&*broker, &spec, stands(6, 4)).await;
    for delivery in held.drain(..3) {
        ok("settling", delivery.settle.done().await);
    }
    bench.stands_at(&*broker, &spec, stands(6, 1)).await;
    bench.finish(&mut *subscription, 6).await;
    bench.stands_at(&*broker, &spec, stands(0, 1)).await;
    for delivery in held {
        ok("settling", delivery.settle.done().await);
    }
    bench.stands_at(&*broker, &spec, stands(0, 0)).await;
    Outcome::Kept
}

pub(super) async fn a_missing_durable_is_misconfigured(bench: &mut Bench<'_>) -> Outcome {
    let broker = bench.events().await;
    for (stream, durable) in [(STREAM, "conf-missing"), ("MISSING", "conf-a")] {
        let answer = broker.subscribe(stream, durable);
        let answer = within(bench.timing.soon, "subscribing", answer).await;
        let error = refused("a subscription to what is not there", answer);
        assert_eq!(error.kind(), BrokerErrorKind::Misconfigured, "{error}");
    }
    let answer = broker
        .create_durable("MISSING", &bench.spec("a", "conf.a"))
        .await;
    refused("a durable on a stream that is not there", answer);
    Outcome::Kept
}

pub(super) async fn each_life_of_a_durable_has_a_generation(bench: &mut Bench<'_>) -> Outcome {
    let broker = bench.events().await;
    let spec = bench.spec("a", "conf.a");
    let first = bench.consume(&*broker, &spec).await;
    let other = subscribe(&*bench.broker().await, STREAM, &spec).await;
    assert_eq!(
        first.generation(),
        other.generation(),
        "one life has one generation"
    );
    let before = first.generation().to_owned();
    assert!(!before.is_empty(), "it says something");
    drop((first, other));
    if !bench.world.delete_durable(STREAM, &spec.name).await {
        return Outcome::Skipped("this world can't delete a durable");
    }
    let found = broker.durable(STREAM, &spec.name).await;
    assert_eq!(ok("looking for a durable", found), None);
    let second = bench.consume(&*broker, &spec).await;
    assert_ne!(second.generation(), before, "another life is told apart");
    Outcome::Kept
}

pub(super) async fn deleting_a_durable_ends_its_subscriptions(bench: &mut Bench<'_>) -> Outcome {
    let broker = bench.events().await;
    let spec = bench.spec("a", "conf.a");
    let mut subscription = bench.consume(&*broker, &spec).await;
    // It waits for something, as a handler does that has nothing to do.
    bench
        .nothing_comes(&mut *subscription, "nothing was published")
        .await;
    if !bench.world.delete_durable(STREAM, &spec.name).await {
        return Outcome::Skipped("this world can't delete a durable");
    }
    // Nor does it go on with the next life, as if nothing had happened.
    let created = broker.create_durable(STREAM, &spec).await;
    ok("creating a durable", created);
    store_numbers(&*broker, "conf.a", [1]).await;
    let ending = async {
        loop {
            match subscription.next(1).await {
                Ok(batch) => panic!("it was deleted, and yet there came {batch:?}"),
                Err(error) if error.is_transient() => sleep(bench.timing.quiet / 10).await,
                Err(error) => return error,
            }
        }
    };
    let error = within(bench.timing.soon, "hearing that it is gone", ending).await;
    assert_eq!(error.kind(), BrokerErrorKind::Misconfigured, "{error}");
    Outcome::Kept
}
