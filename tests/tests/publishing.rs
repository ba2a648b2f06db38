//! Many events at once: all of them, in order, and what becomes of those that can't be published.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use event_runtime::broker::{BrokerError, BrokerErrorKind, Message};
use event_runtime::publish::{PublishError, Published};
use event_runtime::{HandlerError, Publisher, Running, State, handler};
use event_tests::nats::TestNats;
use event_tests::on_each_broker;
use event_tests::service::{Done, Seen, Task, World, give, settle, task};
use expect_test::expect;

on_each_broker!(
    more_events_than_the_window_holds,
    none_at_all,
    owned_and_borrowed_ones,
    receipts_may_be_kept_and_dropped_and_awaited_in_any_order,
    an_id_of_two_lines_is_refused,
    those_that_fail_are_told_and_all_others_are_stored,
    a_broker_that_comes_back_has_each_once,
    a_broker_that_stays_away_gets_no_more,
    in_a_handler_they_have_the_same_ids_on_every_run,
);

async fn publisher(world: &World) -> Running {
    world.app().only(()).publish_only().start().await.unwrap()
}

fn tasks(count: usize) -> Vec<Task> {
    (0..count).map(|index| task(&index.to_string())).collect()
}

fn sequences(stored: &[Published]) -> Vec<u64> {
    stored.iter().map(|stored| stored.sequence).collect()
}

async fn more_events_than_the_window_holds(world: World) {
    let running = publisher(&world).await;
    let stored = running.publisher().publish_all(&tasks(3000)).await.unwrap();
    assert_eq!(sequences(&stored), (1..=3000).collect::<Vec<_>>());
    let message = running
        .broker()
        .read("TASKS", ">", 2900)
        .await
        .unwrap()
        .unwrap();
    let body: serde_json::Value = serde_json::from_slice(&message.payload).unwrap();
    assert_eq!(body["data"]["id"], "2899");
    assert_eq!(body["id"], stored[2899].id.as_str());
    running.stop().await.unwrap();
}

async fn none_at_all(world: World) {
    let running = publisher(&world).await;
    let none: [Task; 0] = [];
    assert_eq!(running.publisher().publish_all(none).await.unwrap(), []);
    running.stop().await.unwrap();
}

async fn owned_and_borrowed_ones(world: World) {
    let running = publisher(&world).await;
    let publisher = running.publisher();
    let many = tasks(2);
    let mut stored = publisher.publish_all(&many).await.unwrap();
    stored.extend(publisher.publish_all(&many[1..]).await.unwrap());
    stored.extend(publisher.publish_all(many.iter().rev()).await.unwrap());
    stored.extend(publisher.publish_all(many).await.unwrap());
    let made = ["a", "b"].into_iter().map(task);
    // The future can be given away.
    let spawned = async move { publisher.publish_all(made).await };
    stored.extend(tokio::spawn(spawned).await.unwrap().unwrap());
    assert_eq!(sequences(&stored), (1..=9).collect::<Vec<_>>());
    running.stop().await.unwrap();
}

async fn receipts_may_be_kept_and_dropped_and_awaited_in_any_order(world: World) {
    let running = publisher(&world).await;
    let publisher = running.publisher();
    for round in 0..2 {
        let mut receipts = Vec::new();
        for (index, mut task) in tasks(2500).into_iter().enumerate() {
            // Of very different lengths.
            task.kind = "k".repeat(1 + index % 7 * 20);
            receipts.push((index, publisher.send(&task).await.unwrap()));
        }
        receipts.retain(|(index, _)| index % 3 != 1);
        for (index, receipt) in receipts.into_iter().rev() {
            let stored = receipt.await.unwrap();
            let sequence = u64::try_from(round * 2500 + index + 1).unwrap();
            assert_eq!(
                (stored.stream.as_str(), stored.sequence),
                ("TASKS", sequence)
            );
        }
    }
    let broker = running.broker();
    assert_eq!(broker.count("TASKS", ">").await.unwrap(), 5000);
    let message = broker.read("TASKS", ">", 4000).await.unwrap().unwrap();
    let body: serde_json::Value = serde_json::from_slice(&message.payload).unwrap();
    let kind = "k".repeat(21);
    assert_eq!(body["data"]["id"], "1499");
    assert_eq!(body["data"]["kind"], kind.as_str());
    assert_eq!(message.subject, format!("tasks.{kind}.given"));
    running.stop().await.unwrap();
}

async fn an_id_of_two_lines_is_refused(world: World) {
    let running = publisher(&world).await;
    give(&running, &[task("a")]).await;
    let message = Message::new("tasks.quick.given", "{}").id("a\r\nNats-TTL: 1s");
    let refused = running.broker().publish(message).await.unwrap_err();
    assert_eq!(refused.kind(), BrokerErrorKind::Permanent);
    expect![[r"the id `a\r\nNats-TTL: 1s` of a message for `tasks.quick.given` can't be sent: it is one line"]]
        .assert_eq(&refused.to_string());
    running.stop().await.unwrap();
}

/// The error in full, with its causes.
fn told(error: &dyn std::error::Error) -> String {
    match error.source() {
        Some(source) => format!("{error}: {}", told(source)),
        None => error.to_string(),
    }
}

async fn those_that_fail_are_told_and_all_others_are_stored(world: World) {
    let faulty = world
        .faulty(|message| {
            let refused = message.subject == "tasks.refused.given";
            refused.then(|| BrokerError::permanent("too round"))
        })
        .await;
    let app = world.app().broker(faulty).only(()).publish_only();
    let running = app.start().await.unwrap();
    let mut many = tasks(6);
    many[4].kind = "refused".into();
    // Not even a topic.
    many[1].kind = String::new();
    let error = running.publisher().publish_all(&many).await.unwrap_err();
    expect!["2 of 6 events were not published, the first of them at index 1: `task.given.v1` was not published: the topic `tasks.{kind}.given` can't be filled in: the value for `{kind}` is empty; give that field a value before publishing"]
        .assert_eq(&told(&error));
    let failed: Vec<_> = error
        .failed
        .iter()
        .map(|(index, error)| (*index, told(error)))
        .collect();
    assert_eq!(failed.len(), 2);
    assert_eq!(
        failed[1],
        (
            4,
            "`task.given.v1` was not published to `tasks.refused.given`: too round".to_owned()
        )
    );
    let published: Vec<_> = error
        .published
        .iter()
        .map(|(index, stored)| (*index, stored.sequence))
        .collect();
    assert_eq!(published, [(0, 1), (2, 2), (3, 3), (5, 4)]);
    running.stop().await.unwrap();
}

async fn a_broker_that_comes_back_has_each_once(world: World) {
    let asked = Arc::new(Mutex::new(0));
    let counted = Arc::clone(&asked);
    let faulty = world
        .faulty(move |_| {
            let mut asked = counted.lock().unwrap();
            *asked += 1;
            (*asked % 3 == 0).then(|| BrokerError::transient("no leader"))
        })
        .await;
    let app = world.app().broker(faulty).only(()).publish_only();
    let running = app.start().await.unwrap();
    let stored = running.publisher().publish_all(&tasks(7)).await.unwrap();
    let mut places = sequences(&stored);
    places.sort_unstable();
    assert_eq!(places, (1..=7).collect::<Vec<_>>());
    assert_eq!(*asked.lock().unwrap(), 10);
    running.stop().await.unwrap();
}

async fn a_broker_that_stays_away_gets_no_more(world: World) {
    if matches!(world, World::Nats(_)) {
        // Half a minute of real time.
        return;
    }
    let mut asked = 0;
    let faulty = world
        .faulty(move |_| {
            asked += 1;
            (asked > 2).then(|| BrokerError::transient("no leader"))
        })
        .await;
    let app = world.app().broker(faulty).only(()).publish_only();
    let running = app.start().await.unwrap();
    let start = tokio::time::Instant::now();
    let error = running
        .publisher()
        .publish_all(&tasks(5000))
        .await
        .unwrap_err();
    assert!(start.elapsed() < Duration::from_secs(35));
    assert_eq!((error.published.len(), error.failed.len()), (2, 4998));
    let indexes: Vec<_> = error.failed.iter().map(|(index, _)| *index).collect();
    assert_eq!(indexes, (2..5000).collect::<Vec<_>>());
    assert!(matches!(error.failed[0].1, PublishError::Broker { .. }));
    expect!["`task.given.v1` was not sent: the broker did not answer for others before it"]
        .assert_eq(&told(&error.failed[1].1));
    assert!(error.failed.iter().all(|(_, error)| error.is_transient()));
    running.stop().await.unwrap();
}

#[handler(retry(max = 3, base = "20ms"), start = "all")]
async fn spread(
    task: Task,
    publisher: Publisher,
    State(ids): State<Arc<Mutex<Vec<Vec<String>>>>>,
) -> Result<(), HandlerError> {
    let done = ["x", "x", "y"].map(|note| Done {
        id: task.id.clone(),
        kind: task.kind.clone(),
        note: note.into(),
    });
    let stored = publisher.publish_all(&done).await?;
    let mut ids = ids.lock().unwrap();
    ids.push(stored.into_iter().map(|stored| stored.id).collect());
    if ids.len() < 3 {
        return Err(HandlerError::retry("once more"));
    }
    Ok(())
}

async fn in_a_handler_they_have_the_same_ids_on_every_run(world: World) {
    let ids = Arc::<Mutex<Vec<Vec<String>>>>::default();
    let seen = Seen::default();
    let app = world.app().only((spread,)).with_state(Arc::clone(&ids));
    let running = app.observe(seen.clone()).start().await.unwrap();
    give(&running, &[task("t")]).await;
    settle(&running).await;
    let stored = running.broker().count("DONE", ">").await.unwrap();
    running.stop().await.unwrap();
    let ids = ids.lock().unwrap().clone();
    assert_eq!(seen.of("handled at attempt 3").len(), 1);
    assert_eq!(ids.len(), 3);
    assert!(ids.iter().all(|run| *run == ids[0]));
    assert_eq!(stored, 3, "and they differ from each other");
}

#[tokio::test(flavor = "multi_thread")]
async fn another_server_may_take_less() {
    let mut world = World::Nats(TestNats::with_config("max_payload: 65536"));
    let running = publisher(&world).await;
    let publisher = running.publisher();
    let event = |size: usize| Done {
        id: "t".into(),
        kind: "a".into(),
        note: "x".repeat(size),
    };
    publisher.publish(&event(30_000)).await.unwrap();
    world.nats().restart_with("max_payload: 32768");
    // Connected again: this is asked until it is stored.
    publisher.publish(&event(10)).await.unwrap();
    let error = publisher.publish(&event(30_000)).await.unwrap_err();
    assert!(!error.is_transient());
    expect!["`task.done.v1` was not published to `done.a`: the message for `done.a` is 30269 bytes, and this server takes 24576 (its max_payload less 8192 for headers): publish a reference to the data instead, or raise max_payload"]
        .assert_eq(&told(&error));
    running.stop().await.unwrap();
}
