//! A handler never goes to sleep while it has events: few permits, slow runs, a lane beside the stream.

use std::time::Duration;

use event_runtime::adapters::memory::Memory;
use event_runtime::{HandlerError, Metadata, State, handler};
use event_tests::nats::{TestNats, api};
use event_tests::on_each_broker;
use event_tests::service::{Seen, Task, World, settle, task};
use serde_json::Value;

/// One at a time, each of several seconds.
#[handler(concurrency = 1, start = "all")]
async fn one_slow_at_a_time(task: Task, State(seen): State<Seen>) {
    tokio::time::sleep(Duration::from_secs(4)).await;
    seen.note(format!("slow {}", task.id));
}

async fn slow_runs_one_at_a_time_all_come(world: World) {
    let seen = Seen::default();
    let app = world
        .app()
        .only((one_slow_at_a_time,))
        .with_state(seen.clone());
    let running = app.start().await.unwrap();
    for id in 0..5 {
        running
            .publisher()
            .publish(&task(&id.to_string()))
            .await
            .unwrap();
    }
    settle(&running).await;
    assert_eq!(seen.of("slow").len(), 5);
    running.stop().await.unwrap();
}

/// Two at once; the first run of what is called `again…` fails, and asks for the lane.
#[handler(concurrency = 2, start = "all")]
async fn busy(
    task: Task,
    metadata: Metadata,
    State(seen): State<Seen>,
) -> Result<(), HandlerError> {
    if task.id.starts_with("again") && metadata.attempt == 1 {
        return Err(HandlerError::retry_after("later", Duration::from_secs(6)));
    }
    tokio::time::sleep(Duration::from_secs(1)).await;
    seen.note(format!("busy {}", task.id));
    Ok(())
}

/// The lane gets its turn while the stream alone would keep every permit busy.
async fn a_lane_gets_its_turn_beside_a_busy_stream(world: World) {
    let seen = Seen::default();
    let app = world.app().only((busy,)).with_state(seen.clone());
    let running = app.start().await.unwrap();
    let publisher = running.publisher();
    // One retry on a quiet lane first, so that the lane's worker knows a slow pace.
    publisher.publish(&task("again-1")).await.unwrap();
    settle(&running).await;
    publisher.publish(&task("again-2")).await.unwrap();
    for id in 0..40 {
        publisher.publish(&task(&id.to_string())).await.unwrap();
    }
    settle(&running).await;
    let lines = seen.of("busy");
    assert_eq!(lines.len(), 42);
    let retried = lines
        .iter()
        .position(|line| line == "busy again-2")
        .unwrap();
    assert!(
        retried < 40,
        "the lane waited for the stream to be empty: {lines:?}"
    );
    running.stop().await.unwrap();
}

on_each_broker!(
    slow_runs_one_at_a_time_all_come,
    a_lane_gets_its_turn_beside_a_busy_stream,
);

/// In memory, where minutes cost nothing.
#[tokio::test(start_paused = true)]
async fn sparse_events_one_at_a_time_all_come() {
    let world = World::Memory(Memory::default());
    let seen = Seen::default();
    let app = world
        .app()
        .only((one_slow_at_a_time,))
        .with_state(seen.clone());
    let running = app.start().await.unwrap();
    for id in 0..5 {
        running
            .publisher()
            .publish(&task(&id.to_string()))
            .await
            .unwrap();
        settle(&running).await;
        tokio::time::sleep(Duration::from_mins(2)).await;
    }
    assert_eq!(seen.of("slow").len(), 5);
    running.stop().await.unwrap();
}

/// Longer than the broker's ack wait.
#[handler(concurrency = 4, start = "all")]
async fn longer_than_the_ack_wait(task: Task, State(seen): State<Seen>) {
    tokio::time::sleep(Duration::from_secs(12)).await;
    seen.note(format!("run {}", task.id));
}

/// What was asked for while the handler was quick, and comes when it is slow, is kept alive too.
#[tokio::test(flavor = "multi_thread")]
async fn what_was_fetched_too_far_ahead_runs_once() {
    let world = World::Nats(TestNats::start());
    let seen = Seen::default();
    let app = world
        .app()
        .only((longer_than_the_ack_wait,))
        .with_state(seen.clone());
    let running = app.start().await.unwrap();
    let publisher = running.publisher();
    publisher.publish(&task("first")).await.unwrap();
    settle(&running).await;
    for id in 0..7 {
        publisher.publish(&task(&id.to_string())).await.unwrap();
    }
    settle(&running).await;
    let mut lines = seen.of("run");
    lines.sort();
    lines.dedup();
    assert_eq!(
        (seen.of("run").len(), lines.len()),
        (8, 8),
        "{:?}",
        seen.lines()
    );
    running.stop().await.unwrap();
}

/// The server hands out all that was asked for, four times over: it never waits in the middle for what is settled.
#[tokio::test(flavor = "multi_thread")]
async fn a_new_durable_has_room_for_what_is_fetched_ahead() {
    let nats = TestNats::start();
    let client = async_nats::connect(nats.url()).await.unwrap();
    let world = World::Nats(nats);
    let app = world.app().only((busy,)).with_state(Seen::default());
    app.start().await.unwrap().stop().await.unwrap();
    let info = api(&client, "CONSUMER.INFO.TASKS.test-busy", Value::Null).await;
    // Two run at once, and 5,000 are fetched ahead.
    assert_eq!(info["config"]["max_ack_pending"], 4 * 5000);
}
