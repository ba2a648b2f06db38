//! A real server that dies, goes silent, or loses what a handler depends on.

use std::time::{Duration, Instant};

use event_runtime::Running;
use event_tests::nats::{TestNats, api, count};
use event_tests::proxy::Proxy;
use event_tests::service::{Call, Done, Script, Seen, World, first, give, settle, task};
use expect_test::expect;
use serde_json::{Value, json};

/// Answers each task after a moment.
fn answering(pause: Duration) -> Script {
    Script::new(move |call: Call| async move {
        tokio::time::sleep(pause).await;
        Ok(Some(Done {
            id: call.task.id,
            kind: "a".into(),
            note: String::new(),
        }))
    })
}

async fn start(world: &World, script: Script, seen: &Seen) -> Running {
    let app = world.app_with(&[("EVENT_HANDLER_FIRST_TIMEOUT", "20s")]);
    let app = app.only((first,)).with_state(script);
    app.observe(seen.clone()).start().await.unwrap()
}

async fn wait_for(seen: &Seen, line: &str, times: usize) {
    let deadline = Instant::now() + Duration::from_mins(1);
    while seen.of(line).len() < times {
        assert!(
            Instant::now() < deadline,
            "`{line}` was not seen {times} times within a minute: {:#?}",
            seen.lines()
        );
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_killed_under_load_loses_nothing_and_doubles_no_answer() {
    let mut world = World::Nats(TestNats::start());
    let seen = Seen::default();
    let running = start(&world, answering(Duration::from_millis(20)), &seen).await;
    let publisher = running.publisher();
    let feed = tokio::spawn(async move {
        for number in 0..600 {
            let id = format!("t{number}");
            // Asks again while the server is away, under the same id.
            publisher.publish_with_id(&id, &task(&id)).await.unwrap();
        }
    });
    for kills in 1..=2 {
        wait_for(&seen, "handled", kills * 100).await;
        world.nats().kill();
        tokio::time::sleep(Duration::from_millis(700)).await;
        world.nats().restart();
    }
    feed.await.unwrap();
    settle(&running).await;
    let handled = seen.of("handled at attempt 1");
    let distinct: std::collections::HashSet<_> = handled.iter().collect();
    assert_eq!(distinct.len(), 600, "each event is handled");
    let client = async_nats::connect(world.nats().url()).await.unwrap();
    assert_eq!(count(&client, "TASKS", ">").await, 600);
    assert_eq!(count(&client, "DONE", ">").await, 600, "each answer once");
    assert_eq!(count(&client, "test_DEAD", ">").await, 0);
    running.stop().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lost_acknowledgement_runs_the_handler_again_and_stores_its_answer_once() {
    let nats = TestNats::start();
    let proxy = Proxy::start(nats.port()).await;
    let client = async_nats::connect(nats.url()).await.unwrap();
    let seen = Seen::default();
    let app = event_runtime::App::new().service("test");
    let app = app.environment([("EVENT_BROKER", proxy.url())]);
    let script = Script::new(|call: Call| async move {
        Ok(Some(Done {
            id: call.task.id,
            kind: "a".into(),
            note: String::new(),
        }))
    });
    // Loses everything from the moment on when the answer is stored and nothing is acknowledged.
    let app = app.only((first,)).with_state(script).observe(seen.clone());
    let deaf = DeafAtFirst::new(&proxy);
    let running = app.observe(deaf).start().await.unwrap();
    running
        .publisher()
        .publish_with_id("t1", &task("t1"))
        .await
        .unwrap();
    wait_for(&seen, "handled", 1).await;
    tokio::time::sleep(Duration::from_millis(500)).await;
    proxy.cut();
    wait_for(&seen, "handled", 2).await;
    settle(&running).await;
    assert_eq!(seen.of("received").len(), 2, "it was delivered again");
    assert_eq!(count(&client, "DONE", ">").await, 1);
    running.stop().await.unwrap();
}

/// Makes a proxy deaf when the first event is handled, before it is acknowledged.
#[derive(Debug)]
struct DeafAtFirst {
    proxy: event_tests::proxy::Switch,
    done: std::sync::atomic::AtomicBool,
}

impl DeafAtFirst {
    fn new(proxy: &Proxy) -> Self {
        Self {
            proxy: proxy.switch(),
            done: std::sync::atomic::AtomicBool::new(false),
        }
    }
}

impl event_runtime::telemetry::Observer for DeafAtFirst {
    fn observe(&self, observation: &event_runtime::telemetry::Observation<'_>) {
        let first = !self.done.load(std::sync::atomic::Ordering::SeqCst);
        if first && observation.what == event_runtime::telemetry::What::Handled {
            self.done.store(true, std::sync::atomic::Ordering::SeqCst);
            self.proxy.lose_what_clients_send();
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cut_connection_is_made_again() {
    let nats = TestNats::start();
    let proxy = Proxy::start(nats.port()).await;
    let seen = Seen::default();
    let app = event_runtime::App::new().service("test");
    let app = app.environment([("EVENT_BROKER", proxy.url())]);
    let app = app.only((first,)).with_state(answering(Duration::ZERO));
    let running = app.observe(seen.clone()).start().await.unwrap();
    for number in 0..5 {
        let id = format!("t{number}");
        let published = running.publisher().publish_with_id(&id, &task(&id)).await;
        published.unwrap();
        proxy.cut();
    }
    wait_for(&seen, "handled", 5).await;
    settle(&running).await;
    running.stop().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn who_waits_for_the_end_of_the_work_asks_again_where_nobody_answers() {
    let mut world = World::Nats(TestNats::start());
    let running = start(&world, answering(Duration::ZERO), &Seen::default()).await;
    world.nats().freeze();
    let settled = running.settled(Duration::from_mins(1));
    let thaw = async {
        // Longer than one question waits for its answer.
        tokio::time::sleep(Duration::from_secs(12)).await;
        world.nats().thaw();
    };
    let (settled, ()) = tokio::join!(settled, thaw);
    assert!(settled.unwrap());
    running.stop().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_frozen_server_is_noticed_and_work_goes_on_when_it_thaws() {
    let mut world = World::Nats(TestNats::start());
    let seen = Seen::default();
    let running = start(&world, answering(Duration::ZERO), &seen).await;
    let publish = |id: &'static str| {
        let publisher = running.publisher();
        async move { publisher.publish_with_id(id, &task(id)).await }
    };
    publish("t1").await.unwrap();
    wait_for(&seen, "t1 handled", 1).await;
    world.nats().freeze();
    let frozen = publish("t2");
    let thaw = async {
        tokio::time::sleep(Duration::from_secs(14)).await;
        world.nats().thaw();
    };
    let (published, ()) = tokio::join!(frozen, thaw);
    published.unwrap();
    wait_for(&seen, "t2 handled", 1).await;
    settle(&running).await;
    running.stop().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_deleted_durable_is_reported_and_used_again_once_it_is_back() {
    let mut world = World::Nats(TestNats::start());
    let client = async_nats::connect(world.nats().url()).await.unwrap();
    let seen = Seen::default();
    let running = start(&world, answering(Duration::ZERO), &seen).await;
    running
        .publisher()
        .publish_with_id("t1", &task("t1"))
        .await
        .unwrap();
    settle(&running).await;
    let durable = "TASKS.test-first";
    let info = api(&client, &format!("CONSUMER.INFO.{durable}"), Value::Null).await;
    let mut config = info["config"].clone();
    api(&client, &format!("CONSUMER.DELETE.{durable}"), Value::Null).await;
    tokio::time::sleep(Duration::from_secs(1)).await;
    config["deliver_policy"] = "new".into();
    let body = json!({ "stream_name": "TASKS", "config": config });
    let created = api(&client, &format!("CONSUMER.CREATE.{durable}"), body).await;
    assert!(created["error"].is_null(), "{created}");
    running
        .publisher()
        .publish_with_id("t2", &task("t2"))
        .await
        .unwrap();
    wait_for(&seen, "t2 handled", 1).await;
    running.stop().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_durable_that_stays_away_ends_the_program_with_the_reason() {
    let mut world = World::Nats(TestNats::start());
    let client = async_nats::connect(world.nats().url()).await.unwrap();
    let seen = Seen::default();
    let mut running = start(&world, answering(Duration::ZERO), &seen).await;
    api(&client, "STREAM.DELETE.TASKS", Value::Null).await;
    let failed = tokio::time::timeout(Duration::from_mins(2), running.failed());
    let error = failed.await.unwrap();
    let cause = std::error::Error::source(&error).unwrap();
    expect_test::expect!["the handler `first` gets no events any more: the durable `test-first` on the stream `TASKS` is gone: was it or the stream deleted? Restart the service to create it again"].assert_eq(&format!("{error}: {cause}"));
    running.stop().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_is_away_for_long_stops_no_program() {
    let mut world = World::Nats(TestNats::start());
    let seen = Seen::default();
    let running = start(&world, answering(Duration::ZERO), &seen).await;
    world.nats().kill();
    tokio::time::sleep(Duration::from_secs(20)).await;
    world.nats().restart();
    running
        .publisher()
        .publish_with_id("t1", &task("t1"))
        .await
        .unwrap();
    wait_for(&seen, "t1 handled", 1).await;
    settle(&running).await;
    running.stop().await.unwrap();
}

/// What the server has not confirmed is not called done.
#[tokio::test(flavor = "multi_thread")]
async fn a_stop_that_the_server_does_not_confirm_is_not_clean() {
    let mut world = World::Nats(TestNats::start());
    let seen = Seen::default();
    let running = start(&world, answering(Duration::ZERO), &seen).await;
    give(&running, &[task("t1")]).await;
    world.nats().freeze();
    let stopped = tokio::time::timeout(Duration::from_secs(10), running.stop()).await;
    expect!["stopped before all was done: the broker did not confirm the last acknowledgements within 2s; the broker delivers again what is not acknowledged"].assert_eq(&stopped.unwrap().unwrap_err().to_string());
    world.nats().thaw();
}

#[tokio::test(flavor = "multi_thread")]
async fn publishing_after_the_end_is_an_error_and_no_endless_wait() {
    let world = World::Nats(TestNats::start());
    let running = start(&world, answering(Duration::ZERO), &Seen::default()).await;
    let publisher = running.publisher();
    publisher.publish(&task("t1")).await.unwrap();
    running.stop().await.unwrap();
    let late = tokio::time::timeout(Duration::from_secs(5), async {
        publisher.publish(&task("t2")).await
    });
    let error = late.await.expect("an answer at once").unwrap_err();
    let source = std::error::Error::source(&error).unwrap().to_string();
    expect![
        "the connection is closed, since the service has stopped: publish before `Running::stop`"
    ]
    .assert_eq(&source);
}
