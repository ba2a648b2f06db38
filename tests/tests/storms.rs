//! Many events fail at once: where they wait, and who goes on meanwhile.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use event_runtime::adapters::memory::Memory;
use event_runtime::broker::{BrokerError, Message};
use event_runtime::{App, HandlerError, Metadata, State, handler};
use event_tests::service::{Done, Seen, Task, World, lane_messages, settle, task};

/// How long an event waits after its first run, which fails.
#[derive(Debug, Clone, Copy)]
struct Wait(Duration);

fn fail_once(metadata: &Metadata, Wait(wait): Wait) -> Result<(), HandlerError> {
    match metadata.attempt {
        1 => Err(HandlerError::retry_after("down", wait)),
        _ => Ok(()),
    }
}

#[handler(start = "all")]
async fn stumble(
    _: Task,
    metadata: Metadata,
    State(wait): State<Wait>,
) -> Result<(), HandlerError> {
    fail_once(&metadata, wait)
}

/// The same for events that may be large.
#[handler(start = "all")]
async fn stumble_over(
    _: Done,
    metadata: Metadata,
    State(wait): State<Wait>,
) -> Result<(), HandlerError> {
    fail_once(&metadata, wait)
}

fn app(memory: &Memory, seen: &Seen, wait: Duration) -> App {
    let app = World::Memory(memory.clone()).app();
    app.observe(seen.clone()).with_state(Wait(wait))
}

/// Lets everything happen that needs no clock.
async fn a_moment() {
    tokio::time::sleep(Duration::from_millis(500)).await;
}

/// An eighth of the deliveries that may be unsettled wait in place: four times 5,000 by default.
#[tokio::test(start_paused = true)]
async fn two_thousand_and_a_half_wait_in_place_and_the_others_in_the_lane() {
    let seen = Seen::default();
    let app = app(&Memory::new(), &seen, Duration::from_secs(4)).only((stumble,));
    let running = app.start().await.unwrap();
    for id in 0..3000 {
        let task = task(&id.to_string());
        running.publisher().publish(&task).await.unwrap();
    }
    a_moment().await;
    assert_eq!(seen.of("failed at attempt 1").len(), 3000);
    assert_eq!(lane_messages(&running).await, 500);
    settle(&running).await;
    assert_eq!(seen.of("handled at attempt 2").len(), 3000);
    running.stop().await.unwrap();
}

/// A place has room for 64 KiB, so that what waits stays far from filling the memory.
#[tokio::test(start_paused = true)]
async fn of_large_events_fewer_wait_in_place() {
    let seen = Seen::default();
    let app = app(&Memory::new(), &seen, Duration::from_secs(4)).only((stumble_over,));
    let running = app.start().await.unwrap();
    for id in 0..100 {
        let done = Done {
            id: id.to_string(),
            kind: "a".to_owned(),
            // 16 places, of which 2,500 have room for 156.
            note: "x".repeat(31 * 1024 * 32),
        };
        running.publisher().publish(&done).await.unwrap();
        running.publisher().publish(&done).await.unwrap();
    }
    a_moment().await;
    assert_eq!(seen.of("failed at attempt 1").len(), 200);
    assert_eq!(lane_messages(&running).await, 200 - 156);
    settle(&running).await;
    assert_eq!(seen.of("handled at attempt 2").len(), 200);
    running.stop().await.unwrap();
}

/// What is on its way to the lane lets others run, until 256 are: then the broker is in trouble.
#[tokio::test(start_paused = true)]
async fn others_run_while_the_lane_is_slow_and_pause_where_it_stores_nothing() {
    let (seen, down) = (Seen::default(), Arc::new(AtomicBool::new(true)));
    let is_down = Arc::clone(&down);
    let world = World::Memory(Memory::new());
    let refuse = move |message: &Message| {
        let refused = message.subject.starts_with("lane.") && is_down.load(Ordering::SeqCst);
        refused.then(|| BrokerError::transient("no answer"))
    };
    let app = world.app().broker(world.faulty(refuse).await);
    let app = app
        .observe(seen.clone())
        .with_state(Wait(Duration::from_secs(6)));
    let running = app.only((stumble,)).start().await.unwrap();
    for id in 0..1000 {
        let task = task(&id.to_string());
        running.publisher().publish(&task).await.unwrap();
    }
    a_moment().await;
    // 256 without a permit, and 16 that keep theirs.
    assert_eq!(seen.of("failed at attempt 1").len(), 256 + 16);
    down.store(false, Ordering::SeqCst);
    settle(&running).await;
    assert_eq!(seen.of("failed at attempt 1").len(), 1000);
    assert_eq!(seen.of("handled at attempt 2").len(), 1000);
    running.stop().await.unwrap();
}
