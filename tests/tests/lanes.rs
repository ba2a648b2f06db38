//! Lanes: retries that wait at the broker, newer versions, dead letters and their way back.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::time::Duration;

use event_runtime::adapters::memory::Memory;
use event_runtime::broker::{BrokerError, Message};
use event_runtime::dead_letters::DeadLetters;
use event_runtime::{App, Event, HandlerError, Metadata, Publisher, State, handler};
use event_tests::nats::{TestNats, api, count};
use event_tests::on_each_broker;
use event_tests::service::{
    Answer, Call, Done, Script, Seen, Task, World, dead_letters, first, give, lane_messages,
    second, settle, task,
};
use expect_test::expect;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

on_each_broker!(
    a_long_delay_waits_in_the_lane_and_keeps_its_attempt,
    two_handlers_that_fail_on_one_event_lose_neither_retry,
    a_retry_outlives_the_program_that_asked_for_it,
    a_newer_version_waits_for_the_program_that_knows_it,
    a_redriven_event_runs_again_at_its_own_handler_only,
    a_redrive_repeats_answers_under_the_same_ids_unless_it_is_fresh,
    an_answer_that_is_not_stored_yet_is_stored_later_without_another_run,
    a_dead_letter_that_is_not_stored_yet_is_stored_later_without_another_run,
    a_retry_that_is_not_stored_yet_is_stored_later_without_another_run,
);

fn later(text: &str) -> HandlerError {
    HandlerError::retry_after(text, Duration::from_secs(6))
}

/// Waits until a line was seen so often.
async fn wait_for(seen: &Seen, line: &str, times: usize) {
    for _ in 0..3000 {
        if seen.of(line).len() >= times {
            return;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    panic!(
        "`{line}` was not seen {times} times within 30 s: {:#?}",
        seen.lines()
    );
}

async fn a_long_delay_waits_in_the_lane_and_keeps_its_attempt(world: World) {
    let seen = Seen::default();
    let script = Script::new(|call: Call| async move {
        match call.metadata.attempt {
            1 => Err(later("busy")),
            _ => Ok(None),
        }
    });
    let app = world.app().only((first,)).with_state(script);
    let running = app.observe(seen.clone()).start().await.unwrap();
    running
        .publisher()
        .publish_with_id("t1", &task("t1"))
        .await
        .unwrap();
    wait_for(&seen, "failed at attempt 1", 1).await;
    tokio::time::sleep(Duration::from_secs(2)).await;
    assert_eq!(lane_messages(&running).await, 1, "it waits at the broker");
    settle(&running).await;
    assert_eq!(
        seen.lines(),
        [
            "first t1 received",
            "first t1 failed at attempt 1",
            "first t1 received",
            "first t1 handled at attempt 2",
        ]
    );
    assert_eq!(lane_messages(&running).await, 0, "the lane empties itself");
    running.stop().await.unwrap();
}

async fn two_handlers_that_fail_on_one_event_lose_neither_retry(world: World) {
    let seen = Seen::default();
    let script = Script::new(|call: Call| async move {
        match call.metadata.attempt {
            1 => Err(later("busy")),
            _ => Ok(None),
        }
    });
    let app = world.app().only((first, second)).with_state(script);
    let running = app.observe(seen.clone()).start().await.unwrap();
    give(&running, &[task("t1"), task("t2")]).await;
    let mut handled = seen.of("handled");
    handled.sort();
    assert_eq!(
        handled,
        [
            "first t1 handled at attempt 2",
            "first t2 handled at attempt 2",
            "second t1 handled at attempt 2",
            "second t2 handled at attempt 2",
        ]
    );
    running.stop().await.unwrap();
}

async fn a_retry_outlives_the_program_that_asked_for_it(world: World) {
    let seen = Seen::default();
    let script = Script::new(|call: Call| async move {
        match call.metadata.attempt {
            1 => Err(later("busy")),
            // Waits in place when the program is stopped.
            2 => Err(HandlerError::retry_after("soon", Duration::from_secs(4))),
            _ => Ok(None),
        }
    });
    let start = || {
        let app = world.app().only((first,)).with_state(script.clone());
        app.observe(seen.clone()).start()
    };
    let running = start().await.unwrap();
    running
        .publisher()
        .publish_with_id("t1", &task("t1"))
        .await
        .unwrap();
    wait_for(&seen, "failed at attempt 1", 1).await;
    running.stop().await.unwrap();
    let running = start().await.unwrap();
    wait_for(&seen, "failed at attempt 2", 1).await;
    running.stop().await.unwrap();
    let running = start().await.unwrap();
    settle(&running).await;
    assert_eq!(
        seen.of("attempt"),
        [
            "first t1 failed at attempt 1",
            "first t1 failed at attempt 2",
            "first t1 handled at attempt 3",
        ]
    );
    running.stop().await.unwrap();
}

/// The next version of the task, which programs that are still running don't know.
#[derive(Debug, Event, Serialize, Deserialize, JsonSchema)]
#[event(name = "task.given", version = 2, topic = "tasks.{kind}.given", key = id, upcast_from = Task)]
struct TaskV2 {
    id: String,
    kind: String,
    urgent: bool,
}

impl From<Task> for TaskV2 {
    fn from(task: Task) -> Self {
        Self {
            id: task.id,
            kind: task.kind,
            urgent: false,
        }
    }
}

/// The same handler after the deploy.
#[handler(name = "first", start = "all")]
async fn first_deployed(task: TaskV2, metadata: Metadata, State(seen): State<Seen>) {
    let (id, urgent, attempt) = (&task.id, task.urgent, metadata.attempt);
    seen.note(format!("{id} urgent: {urgent}, run {attempt}"));
}

fn urgent(id: &str) -> TaskV2 {
    TaskV2 {
        id: id.to_owned(),
        kind: "a".to_owned(),
        urgent: true,
    }
}

async fn a_newer_version_waits_for_the_program_that_knows_it(world: World) {
    let seen = Seen::default();
    let script = Script::new(|_| async { Ok(None) });
    let app = world.app().only((first,)).with_state(script);
    let running = app.observe(seen.clone()).start().await.unwrap();
    let publisher = running.publisher();
    publisher
        .publish_with_id("t1", &urgent("t1"))
        .await
        .unwrap();
    wait_for(&seen, "failed at attempt 2", 1).await;
    assert_eq!(seen.of("dead"), Vec::<String>::new());
    running.stop().await.unwrap();

    let app = world.app().only((first_deployed,));
    let running = app.with_state(seen.clone()).start().await.unwrap();
    give(&running, &[task("t2")]).await;
    // The old program never ran it: waiting for a deploy costs none of the handler's runs.
    let mut after = seen.of("urgent");
    after.sort();
    assert_eq!(
        after,
        ["t1 urgent: true, run 1", "t2 urgent: false, run 1",]
    );
    running.stop().await.unwrap();
}

// In memory only: the budget is a quarter of an hour, and only there a test may set the clock.
#[tokio::test(start_paused = true)]
async fn a_newer_version_is_kept_once_its_budget_is_used_up() {
    let seen = Seen::default();
    let script = Script::new(|_| async { Ok(None) });
    let world = World::Memory(Memory::new());
    let app = world.app().only((first,)).with_state(script);
    let running = app.observe(seen.clone()).start().await.unwrap();
    let start = tokio::time::Instant::now();
    running
        .publisher()
        .publish_with_id("t1", &urgent("t1"))
        .await
        .unwrap();
    assert!(running.settled(Duration::from_mins(30)).await.unwrap());
    let minutes = start.elapsed().as_secs() / 60;
    assert!((10..=20).contains(&minutes), "{minutes}");
    assert_eq!(seen.of("dead"), ["first t1 dead: newer_version"]);
    expect![
        "the event is version 2, and this program knows versions up to 1: deploy one that knows it"
    ]
    .assert_eq(&dead_letters(&running).await[0].error);
    running.stop().await.unwrap();
}

async fn a_redriven_event_runs_again_at_its_own_handler_only(world: World) {
    let seen = Seen::default();
    let down = Arc::new(AtomicBool::new(true));
    let is_down = Arc::clone(&down);
    let script = Script::new(move |call: Call| {
        let down = is_down.load(Ordering::SeqCst) && call.handler == "first";
        async move {
            if down {
                return Err(HandlerError::reject("down"));
            }
            Ok(None)
        }
    });
    let app = world.app().only((first, second)).with_state(script);
    let running = app.observe(seen.clone()).start().await.unwrap();
    give(&running, &[task("t1")]).await;
    let letters = DeadLetters::new(running.broker(), "test");
    // Twice in vain, then with success: each arrives, within the broker's window.
    for redrives in 1..=3 {
        down.store(redrives < 3, Ordering::SeqCst);
        let letter = dead_letters(&running).await.remove(0);
        assert_eq!((letter.redrives(), letter.attempts()), (redrives - 1, 1));
        letters.redrive(&letter, false).await.unwrap();
        settle(&running).await;
    }
    assert_eq!(
        seen.of("first"),
        [
            "first t1 received",
            "first t1 dead: rejected",
            "first t1 received",
            "first t1 dead: rejected",
            "first t1 received",
            "first t1 dead: rejected",
            "first t1 received",
            "first t1 handled at attempt 1",
        ]
    );
    assert_eq!(
        seen.of("second"),
        ["second t1 received", "second t1 handled at attempt 1"]
    );
    assert_eq!(dead_letters(&running).await.len(), 0);
    running.stop().await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_redrive_after_the_window_arrives_in_memory() {
    redrive_later(&World::Memory(Memory::new()), Duration::from_mins(11)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_redrive_after_the_window_arrives_on_nats() {
    let nats = TestNats::start();
    let client = async_nats::connect(nats.url()).await.unwrap();
    // The service's own lane, but with a window that a test can outwait.
    let config = json!({
        "name": "test_RETRY", "subjects": ["lane.delay.test.>", "lane.retry.test.>"],
        "retention": "workqueue", "storage": "file", "allow_msg_schedules": true,
        "duplicate_window": 200_000_000, "metadata": { "event-runtime.service": "test" },
    });
    let created = api(&client, "STREAM.CREATE.test_RETRY", config).await;
    assert!(created["error"].is_null(), "{created}");
    redrive_later(&World::Nats(nats), Duration::from_secs(1)).await;
}

async fn redrive_later(world: &World, pause: Duration) {
    let seen = Seen::default();
    let script = Script::new(|_| async { Err(HandlerError::reject("no")) });
    let app = world.app().only((first,)).with_state(script);
    let running = app.observe(seen.clone()).start().await.unwrap();
    give(&running, &[task("t1")]).await;
    let letters = DeadLetters::new(running.broker(), "test");
    for runs in 2..=3 {
        tokio::time::sleep(pause).await;
        let letter = dead_letters(&running).await.remove(0);
        letters.redrive(&letter, false).await.unwrap();
        settle(&running).await;
        assert_eq!(seen.of("dead").len(), runs);
    }
    running.stop().await.unwrap();
}

/// Publishes by itself, and fails afterwards while it is told to.
#[handler(start = "all")]
async fn announce(
    task: Task,
    publisher: Publisher,
    State(fail): State<Arc<AtomicBool>>,
) -> Result<(), HandlerError> {
    publisher
        .publish(&Done {
            id: task.id,
            kind: "a".into(),
            note: "announced".into(),
        })
        .await?;
    if fail.load(Ordering::SeqCst) {
        return Err(HandlerError::reject("after publishing"));
    }
    Ok(())
}

async fn a_redrive_repeats_answers_under_the_same_ids_unless_it_is_fresh(world: World) {
    let fail = Arc::new(AtomicBool::new(true));
    let app = world.app().only((announce,)).with_state(Arc::clone(&fail));
    let running = app.start().await.unwrap();
    give(&running, &[task("t1")]).await;
    let stored = || async {
        let stream = running.broker().stream("DONE").await.unwrap();
        stream.unwrap().messages
    };
    assert_eq!(stored().await, 1);
    let letters = DeadLetters::new(running.broker(), "test");
    for (fresh, after) in [(false, 1), (true, 2), (false, 2)] {
        let letter = dead_letters(&running).await.remove(0);
        letters.redrive(&letter, fresh).await.unwrap();
        settle(&running).await;
        assert_eq!(stored().await, after, "fresh: {fresh}");
    }
    running.stop().await.unwrap();
}

fn once(runs: &Arc<AtomicU32>, answer: impl Fn(Call) -> Answer + Send + Sync + 'static) -> Script {
    let runs = Arc::clone(runs);
    Script::new(move |call| {
        runs.fetch_add(1, Ordering::SeqCst);
        std::future::ready(answer(call))
    })
}

fn done(call: Call) -> Done {
    Done {
        id: call.task.id,
        kind: "a".into(),
        note: String::new(),
    }
}

/// The app on a broker that refuses the first five messages whose subject begins with this.
async fn refusing(world: &World, subject: &'static str) -> App {
    let mut left = 5;
    let refuse = move |message: &Message| {
        if message.subject.starts_with(subject) && left > 0 {
            left -= 1;
            return Some(BrokerError::transient("the broker does not answer"));
        }
        None
    };
    world.app().broker(world.faulty(refuse).await)
}

async fn an_answer_that_is_not_stored_yet_is_stored_later_without_another_run(world: World) {
    let (seen, runs) = (Seen::default(), Arc::default());
    let app = refusing(&world, "done.").await;
    let app = app
        .only((first,))
        .with_state(once(&runs, |call| Ok(Some(done(call)))));
    let running = app.observe(seen.clone()).start().await.unwrap();
    give(&running, &[task("t1")]).await;
    assert_eq!(runs.load(Ordering::SeqCst), 1, "the handler ran once");
    assert_eq!(
        seen.lines(),
        ["first t1 received", "first t1 handled at attempt 1"]
    );
    let stored = running.broker().stream("DONE").await.unwrap();
    assert_eq!(stored.unwrap().messages, 1);
    running.stop().await.unwrap();
}

async fn a_dead_letter_that_is_not_stored_yet_is_stored_later_without_another_run(world: World) {
    let (seen, runs) = (Seen::default(), Arc::default());
    let app = refusing(&world, "lane.dead.").await;
    let script = once(&runs, |_| Err(HandlerError::reject("no")));
    let app = app.only((first,)).with_state(script);
    let running = app.observe(seen.clone()).start().await.unwrap();
    give(&running, &[task("t1")]).await;
    assert_eq!(runs.load(Ordering::SeqCst), 1, "the handler ran once");
    assert_eq!(dead_letters(&running).await.len(), 1);
    running.stop().await.unwrap();
}

async fn a_retry_that_is_not_stored_yet_is_stored_later_without_another_run(world: World) {
    let (seen, runs) = (Seen::default(), Arc::default());
    let app = refusing(&world, "lane.retry.").await;
    let script = once(&runs, |call| match call.metadata.attempt {
        1 => Err(later("busy")),
        _ => Ok(None),
    });
    let app = app.only((first,)).with_state(script);
    let running = app.observe(seen.clone()).start().await.unwrap();
    give(&running, &[task("t1")]).await;
    assert_eq!(runs.load(Ordering::SeqCst), 2);
    assert_eq!(seen.of("handled"), ["first t1 handled at attempt 2"]);
    running.stop().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_full_stream_of_dead_letters_stops_the_handler_and_loses_nothing() {
    let nats = TestNats::start();
    let client = async_nats::connect(nats.url()).await.unwrap();
    let mut config = json!({
        "name": "test_DEAD", "subjects": ["lane.dead.test.>"], "storage": "file",
        "discard": "new", "max_msgs": 1, "metadata": { "event-runtime.service": "test" },
    });
    let created = api(&client, "STREAM.CREATE.test_DEAD", config.clone()).await;
    assert!(created["error"].is_null(), "{created}");
    let (seen, runs) = (Seen::default(), Arc::default());
    let script = once(&runs, |_| Err(HandlerError::reject("no")));
    let world = World::Nats(nats);
    let app = world.app().only((first,)).with_state(script);
    let running = app.observe(seen.clone()).start().await.unwrap();
    let publisher = running.publisher();
    for id in ["t1", "t2", "t3"] {
        publisher.publish_with_id(id, &task(id)).await.unwrap();
    }
    wait_for(&seen, "received", 3).await;
    tokio::time::sleep(Duration::from_secs(1)).await;
    let info = api(&client, "CONSUMER.INFO.TASKS.test-first", Value::Null).await;
    assert_eq!(info["num_ack_pending"], 2, "two stay unsettled");
    // Somebody makes room.
    config["max_msgs"] = (-1).into();
    let updated = api(&client, "STREAM.UPDATE.test_DEAD", config).await;
    assert!(updated["error"].is_null(), "{updated}");
    settle(&running).await;
    assert_eq!(count(&client, "test_DEAD", ">").await, 3);
    assert_eq!(runs.load(Ordering::SeqCst), 3, "each ran once");
    running.stop().await.unwrap();
}
