//! Start and stop of a service: history, several instances, the grace, slow and blocked handlers.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use event_runtime::{HandlerError, Running, State, handler};
use event_tests::nats::TestNats;
use event_tests::on_each_broker;
use event_tests::service::{Call, Script, Seen, Task, World, first, give, settle, task};
use expect_test::expect;

on_each_broker!(
    a_new_handler_on_a_stream_with_history_says_where_it_starts,
    a_handler_may_start_at_a_time,
    start_counts_only_when_the_durable_is_created,
    instances_share_the_events_of_a_handler,
    what_has_not_begun_is_handed_back_at_the_end,
    what_does_not_finish_within_the_grace_runs_again_elsewhere,
    a_filter_takes_only_the_events_of_one_place,
    handlers_left_out_by_a_process_miss_nothing,
    a_publisher_alone_makes_the_place_for_what_it_publishes,
);

fn quiet() -> Script {
    Script::new(|_| async { Ok(None) })
}

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

async fn publish(running: &Running, ids: &[&str]) {
    for id in ids {
        let published = running.publisher().publish_with_id(id, &task(id)).await;
        published.unwrap();
    }
}

#[handler]
async fn unsaid(task: Task, State(seen): State<Seen>) {
    seen.note(format!("unsaid {}", task.id));
}

#[handler(start = "all")]
async fn from_all(task: Task, State(seen): State<Seen>) {
    seen.note(format!("all {}", task.id));
}

#[handler(start = "new")]
async fn from_new(task: Task, State(seen): State<Seen>) {
    seen.note(format!("new {}", task.id));
}

#[handler(start = "2026-01-01T00:00:00Z")]
async fn from_past(task: Task, State(seen): State<Seen>) {
    seen.note(format!("past {}", task.id));
}

#[handler(start = "2199-01-01T00:00:00Z")]
async fn from_future(task: Task, State(seen): State<Seen>) {
    seen.note(format!("future {}", task.id));
}

#[handler(start = "2026-13-01T00:00:00Z")]
async fn from_nowhere(_task: Task) {}

/// A broker whose stream holds two events already.
async fn with_history(world: &World) {
    let running = world.app().only((first,)).with_state(quiet());
    let running = running.start().await.unwrap();
    give(&running, &[task("t1"), task("t2")]).await;
    running.stop().await.unwrap();
}

async fn a_new_handler_on_a_stream_with_history_says_where_it_starts(world: World) {
    with_history(&world).await;
    let seen = Seen::default();
    let app = world.app().with_state(seen.clone()).only((unsaid,));
    expect![[r#"the program can't start: the handler `unsaid` is new, and the stream `TASKS` already holds 2 events for it: say `#[handler(start = "all")]` to handle them, `"new"` to begin with what comes, or a time"#]]
        .assert_eq(&app.start().await.unwrap_err().to_string());
    let app = world.app().with_state(seen.clone());
    let running = app.only((from_all, from_new)).start().await.unwrap();
    give(&running, &[task("t3")]).await;
    let mut lines = seen.lines();
    lines.sort();
    assert_eq!(lines, ["all t1", "all t2", "all t3", "new t3"]);
    running.stop().await.unwrap();
}

async fn a_handler_may_start_at_a_time(world: World) {
    with_history(&world).await;
    let seen = Seen::default();
    let app = world.app().with_state(seen.clone());
    let running = app.only((from_past, from_future)).start().await.unwrap();
    settle(&running).await;
    assert_eq!(seen.lines(), ["past t1", "past t2"]);
    running.stop().await.unwrap();
    let fault = world.app().only((from_nowhere,)).start().await.unwrap_err();
    let fault = fault.to_string().replace(&line_of(&fault.to_string()), "…");
    expect![[r#"the program can't start: the handler `from_nowhere` (tests/tests/life.rs:…): `start = "2026-13-01T00:00:00Z"` is no time: write `"all"`, `"new"` or an RFC 3339 time such as `"2026-11-24T00:00:00Z"`"#]]
        .assert_eq(&fault);
}

/// The number in `life.rs:70)`.
fn line_of(text: &str) -> String {
    let (_, rest) = text.split_once("life.rs:").unwrap();
    rest.chars().take_while(char::is_ascii_digit).collect()
}

async fn start_counts_only_when_the_durable_is_created(world: World) {
    with_history(&world).await;
    let seen = Seen::default();
    let app = world.app().with_state(seen.clone()).only((from_new,));
    app.start().await.unwrap().stop().await.unwrap();
    // Published while the handler is away: not history, but its own.
    let running = world.app().only((first,)).with_state(quiet());
    let running = running.start().await.unwrap();
    give(&running, &[task("t3")]).await;
    running.stop().await.unwrap();
    let app = world.app().with_state(seen.clone()).only((from_new,));
    let running = app.start().await.unwrap();
    settle(&running).await;
    assert_eq!(seen.lines(), ["new t3"]);
    running.stop().await.unwrap();
}

async fn instances_share_the_events_of_a_handler(world: World) {
    let seen = [Seen::default(), Seen::default()];
    let script = Script::new(|_| async {
        tokio::time::sleep(Duration::from_millis(5)).await;
        Ok(None)
    });
    let mut running = Vec::new();
    for seen in &seen {
        let app = world.app().only((first,)).with_state(script.clone());
        running.push(app.observe(seen.clone()).start().await.unwrap());
    }
    let tasks: Vec<Task> = (0..300).map(|number| task(&format!("t{number}"))).collect();
    give(&running[0], &tasks).await;
    let [one, two] = seen.map(|seen| seen.of("handled"));
    assert!(!one.is_empty() && !two.is_empty(), "both work");
    assert_eq!(one.len() + two.len(), 300, "each event is handled once");
    for running in running {
        running.stop().await.unwrap();
    }
}

async fn what_has_not_begun_is_handed_back_at_the_end(world: World) {
    let seen = Seen::default();
    let script = Script::new(|_| async {
        tokio::time::sleep(Duration::from_millis(300)).await;
        Ok(None)
    });
    let start = || {
        let app = world.app_with(&[("EVENT_HANDLER_FIRST_CONCURRENCY", "1")]);
        let app = app.only((first,)).with_state(script.clone());
        app.observe(seen.clone()).start()
    };
    let running = start().await.unwrap();
    publish(&running, &["t1", "t2", "t3", "t4"]).await;
    wait_for(&seen, "t1 received", 1).await;
    running.stop().await.unwrap();
    assert_eq!(
        seen.lines(),
        ["first t1 received", "first t1 handled at attempt 1"],
        "what has begun is finished, and nothing else is begun"
    );
    let since = tokio::time::Instant::now();
    let running = start().await.unwrap();
    settle(&running).await;
    assert!(
        since.elapsed() < Duration::from_secs(8),
        "handed back, not left to the ack wait of 10 s"
    );
    assert_eq!(seen.of("handled").len(), 4);
    assert_eq!(seen.of("received").len(), 4);
    running.stop().await.unwrap();
}

async fn what_does_not_finish_within_the_grace_runs_again_elsewhere(world: World) {
    let seen = Seen::default();
    let script = Script::new(|call: Call| async move {
        match call.task.id.as_str() {
            "slow" => std::future::pending().await,
            _ => Ok(None),
        }
    });
    let app = world.app_with(&[("EVENT_HANDLER_FIRST_TIMEOUT", "1m")]);
    let app = app.only((first,)).with_state(script);
    let app = app.grace(Duration::from_millis(200));
    let running = app.observe(seen.clone()).start().await.unwrap();
    publish(&running, &["slow"]).await;
    wait_for(&seen, "received", 1).await;
    expect!["stopped before all was done: handlers still ran after the grace of 200ms, and their events were handed back; the broker delivers again what is not acknowledged"]
        .assert_eq(&running.stop().await.unwrap_err().to_string());
    let running = world.app().only((first,)).with_state(quiet());
    let running = running.observe(seen.clone()).start().await.unwrap();
    settle(&running).await;
    assert_eq!(
        seen.lines(),
        [
            "first slow received",
            "first slow received",
            "first slow handled at attempt 1"
        ],
        "a run that was cut off does not count"
    );
    running.stop().await.unwrap();
}

#[handler(start = "all", filter(kind = "with. odd/signs"))]
async fn narrow(task: Task, State(seen): State<Seen>) {
    seen.note(format!("narrow {}", task.id));
}

async fn a_filter_takes_only_the_events_of_one_place(world: World) {
    let seen = Seen::default();
    let app = world.app().with_state(seen.clone());
    let running = app.only((narrow, from_all)).start().await.unwrap();
    let odd = Task {
        id: "odd".into(),
        kind: "with. odd/signs".into(),
    };
    give(&running, &[task("t1"), odd]).await;
    let mut lines = seen.lines();
    lines.sort();
    assert_eq!(lines, ["all odd", "all t1", "narrow odd"]);
    running.stop().await.unwrap();
}

async fn handlers_left_out_by_a_process_miss_nothing(world: World) {
    let seen = Seen::default();
    let app = world.app_with(&[("EVENT_HANDLERS", "from_all")]);
    let app = app.only((from_all, unsaid)).with_state(seen.clone());
    let running = app.start().await.unwrap();
    publish(&running, &["t1"]).await;
    wait_for(&seen, "all t1", 1).await;
    running.stop().await.unwrap();
    // The other process comes later; its durable has been there all the time.
    let app = world.app_with(&[("EVENT_HANDLERS", "unsaid")]);
    let app = app.only((from_all, unsaid)).with_state(seen.clone());
    let running = app.start().await.unwrap();
    settle(&running).await;
    assert_eq!(seen.lines(), ["all t1", "unsaid t1"]);
    running.stop().await.unwrap();
}

async fn a_publisher_alone_makes_the_place_for_what_it_publishes(world: World) {
    let running = world.app().only(()).publish_only().start().await.unwrap();
    let stored = running.publisher().publish(&task("t1")).await.unwrap();
    assert_eq!((stored.stream.as_str(), stored.sequence), ("TASKS", 1));
    assert!(!stored.duplicate);
    let receipt = running.publisher().send_with_id("x", &task("t2")).await;
    assert_eq!(receipt.unwrap().await.unwrap().sequence, 2);
    let again = running.publisher().send_with_id("x", &task("t2")).await;
    let again = again.unwrap().await.unwrap();
    assert_eq!((again.sequence, again.duplicate), (2, true));
    running.stop().await.unwrap();
}

/// Longer than the broker's ack wait of 10 s, in both brokers.
async fn slow_is_alive(world: World) {
    let seen = Seen::default();
    let script = Script::new(|_| async {
        tokio::time::sleep(Duration::from_secs(13)).await;
        Ok(None)
    });
    let app = world.app_with(&[("EVENT_HANDLER_FIRST_TIMEOUT", "1m")]);
    let app = app.only((first,)).with_state(script);
    let running = app.observe(seen.clone()).start().await.unwrap();
    give(&running, &[task("t1")]).await;
    assert_eq!(
        seen.lines(),
        ["first t1 received", "first t1 handled at attempt 1"]
    );
    running.stop().await.unwrap();
}

on_each_broker!(slow_is_alive);

/// Blocks its thread, which no handler should; for longer than three ack waits, since the server may send the
/// event once more to this instance's own pull, which nobody reads, before it comes to another one.
#[handler(timeout = "2s", start = "all", concurrency = 1)]
async fn block(_task: Task, State(runs): State<Arc<AtomicU32>>) -> Result<(), HandlerError> {
    if runs.fetch_add(1, Ordering::SeqCst) == 0 {
        std::thread::sleep(Duration::from_secs(35));
    }
    Ok(())
}

#[handler(timeout = "40s", start = "all")]
async fn block_within_its_time(_task: Task, State(runs): State<Arc<AtomicU32>>) {
    runs.fetch_add(1, Ordering::SeqCst);
    std::thread::sleep(Duration::from_secs(13));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_handler_that_blocks_for_longer_than_its_timeout_loses_its_event_to_another_instance() {
    let world = World::Nats(TestNats::start());
    let runs: Arc<AtomicU32> = Arc::default();
    let seen = Seen::default();
    let app = world.app().only((block,)).with_state(Arc::clone(&runs));
    let app = app.grace(Duration::from_secs(1));
    let blocked = app.observe(seen.clone()).start().await.unwrap();
    publish(&blocked, &["t1"]).await;
    wait_for(&seen, "received", 1).await;
    let app = world.app().only((block,)).with_state(Arc::clone(&runs));
    let other = app.observe(seen.clone()).start().await.unwrap();
    wait_for(&seen, "handled", 1).await;
    assert_eq!(runs.load(Ordering::SeqCst), 2, "the other instance ran it");
    other.stop().await.unwrap();
    let _ = blocked.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_handler_that_blocks_within_its_timeout_keeps_its_event() {
    let world = World::Nats(TestNats::start());
    let runs: Arc<AtomicU32> = Arc::default();
    let app = world.app().only((block_within_its_time,));
    let running = app.with_state(Arc::clone(&runs)).start().await.unwrap();
    give(&running, &[task("t1")]).await;
    assert_eq!(runs.load(Ordering::SeqCst), 1);
    running.stop().await.unwrap();
}
