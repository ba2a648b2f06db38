//! Batches and what is around them: the room that an event takes, the connection, middleware, the clock.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use event_runtime::adapters::memory::Memory;
use event_runtime::broker::Message;
use event_runtime::handler::{BoxFuture, Call, Middleware, Next, Outcome};
use event_runtime::{Batch, HandlerError, Running, State, handler};
use event_tests::on_each_broker;
use event_tests::service::{Done, Seen, Task, World, dead_letters, give, settle, task};
use tokio::sync::Semaphore;

on_each_broker!(
    what_waits_for_its_next_run_leaves_room_for_a_full_batch,
    what_failed_alone_goes_its_way_while_the_rest_still_runs,
    more_events_than_the_connection_has_room_for_are_settled,
    what_middleware_adds_is_published_once,
);

/// The runs so far, each as the ids of its events.
#[derive(Debug, Clone, Default)]
struct Runs(Arc<Mutex<Vec<String>>>);

impl Runs {
    fn note(&self, batch: &Batch<Task>) -> String {
        let ids: Vec<&str> = batch.iter().map(|task| task.id.as_str()).collect();
        let run = ids.join(" ");
        self.0.lock().unwrap().push(run.clone());
        run
    }

    fn all(&self) -> Vec<String> {
        self.0.lock().unwrap().clone()
    }
}

/// Publishes these tasks before any handler is there to take them.
async fn given_before(world: &World, ids: impl IntoIterator<Item = String>) {
    let before = world.app().only(()).publish_only().start().await.unwrap();
    for id in ids {
        let publisher = before.publisher();
        publisher.publish_with_id(&id, &task(&id)).await.unwrap();
    }
    before.stop().await.unwrap();
}

fn ids(text: &str) -> impl Iterator<Item = String> {
    text.split(' ').map(str::to_owned)
}

#[handler(
    batch(max = 4, wait = "10s"),
    concurrency = 1,
    retry(max = 2, base = "3s", cap = "3s"),
    start = "all"
)]
async fn one_fails(tasks: Batch<Task>, State(runs): State<Runs>) {
    runs.note(&tasks);
    if tasks.metadata(0).id == "a" && tasks.metadata(0).attempt == 1 {
        tasks.fail(0, HandlerError::retry("later"));
    }
}

async fn what_waits_for_its_next_run_leaves_room_for_a_full_batch(world: World) {
    let runs = Runs::default();
    given_before(&world, ids("a b c d e f g h")).await;
    let app = world.app().only((one_fails,)).with_state(runs.clone());
    let running = app.start().await.unwrap();
    settle(&running).await;
    // There is room for four events: while `a` waits, its place is another one's.
    assert_eq!(runs.all(), ["a b c d", "e f g h", "a"]);
    running.stop().await.unwrap();
}

/// Lets the second half of a batch end.
#[derive(Debug, Clone)]
struct Gate(Arc<Semaphore>);

#[handler(batch(max = 4, wait = "10s"), concurrency = 1, start = "all")]
async fn half_is_held(
    tasks: Batch<Task>,
    State(runs): State<Runs>,
    State(Gate(gate)): State<Gate>,
) -> Result<(), HandlerError> {
    match &*runs.note(&tasks) {
        "a b c d" | "a b" | "a" => Err(HandlerError::reject("with a")),
        "c d" => gate.acquire().await.map(drop).map_err(|_| {
            // The test never closes it.
            HandlerError::reject("closed")
        }),
        _ => Ok(()),
    }
}

async fn what_failed_alone_goes_its_way_while_the_rest_still_runs(world: World) {
    let (runs, seen) = (Runs::default(), Seen::default());
    let gate = Gate(Arc::new(Semaphore::new(0)));
    given_before(&world, ids("a b c d")).await;
    let app = world.app().only((half_is_held,)).observe(seen.clone());
    let app = app.with_state(runs.clone()).with_state(gate.clone());
    let running = app.start().await.unwrap();
    while seen.of("half_is_held a dead: rejected").is_empty() {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    assert_eq!(runs.all(), ["a b c d", "a b", "a", "b", "c d"]);
    assert_eq!(seen.of("handled").len(), 1, "{:?}", seen.lines());
    gate.0.add_permits(1);
    settle(&running).await;
    assert_eq!(seen.of("handled at attempt 1").len(), 3);
    running.stop().await.unwrap();
}

const MANY: usize = 3000;

#[handler(batch(max = 3000, wait = "1m"), concurrency = 1, start = "all")]
async fn many_at_once(tasks: Batch<Task>, State(runs): State<Runs>) {
    runs.0.lock().unwrap().push(tasks.len().to_string());
}

async fn more_events_than_the_connection_has_room_for_are_settled(world: World) {
    let (runs, seen) = (Runs::default(), Seen::default());
    let app = || {
        let app = world.app().only((many_at_once,)).observe(seen.clone());
        app.with_state(runs.clone())
    };
    let running = app().start().await.unwrap();
    let tasks: Vec<Task> = (0..MANY).map(|number| task(&number.to_string())).collect();
    let stored = running.publisher().publish_all(&tasks).await;
    assert_eq!(stored.unwrap().len(), MANY);
    settle(&running).await;
    running.stop().await.unwrap();
    assert_eq!(runs.all(), ["3000"]);
    assert_eq!(seen.of("handled at attempt 1").len(), MANY);
    let running: Running = app().start().await.unwrap();
    settle(&running).await;
    assert_eq!(seen.of("received").len(), MANY, "none came again");
    running.stop().await.unwrap();
}

#[handler(batch(max = 4, wait = "10s"), start = "all")]
async fn first_fails(tasks: Batch<Task>) {
    if tasks.len() > 1 {
        tasks.fail(0, HandlerError::reject("the first"));
    }
}

#[handler(start = "all")]
async fn after(_done: Done) {}

/// Adds a message that no handler can read, so that it ends where it can be counted.
#[derive(Debug)]
struct Adds;

impl Middleware for Adds {
    fn around<'a>(&'a self, call: &'a Call, next: Next<'a>) -> BoxFuture<'a, Outcome> {
        Box::pin(async move {
            match next.run().await {
                Outcome::Done(mut messages) if call.handler() == "first_fails" => {
                    messages.push(Message::new("done.a", "{not JSON"));
                    Outcome::Done(messages)
                }
                outcome => outcome,
            }
        })
    }
}

async fn what_middleware_adds_is_published_once(world: World) {
    let seen = Seen::default();
    let app = world.app().only((first_fails, after)).observe(seen.clone());
    let running = app.middleware(Adds).start().await.unwrap();
    give(&running, &["a", "b", "c", "d"].map(task)).await;
    let letters = dead_letters(&running).await;
    let reasons: Vec<&str> = letters.iter().map(|letter| &*letter.reason).collect();
    assert_eq!(reasons.len(), 2, "{reasons:?}");
    assert!(reasons.contains(&"rejected") && reasons.contains(&"undecodable"));
    assert_eq!(seen.of("first_fails").len(), 4 + 4, "{:?}", seen.lines());
    running.stop().await.unwrap();
}

#[handler(batch(max = 4, wait = "1h"), start = "all")]
async fn forms_for_long(_tasks: Batch<Task>) {}

#[tokio::test(start_paused = true)]
async fn what_waits_in_a_batch_is_kept_alive() {
    let (world, seen) = (World::Memory(Memory::new()), Seen::default());
    given_before(&world, ids("a b c")).await;
    let app = world.app().only((forms_for_long,)).observe(seen.clone());
    let running = app.start().await.unwrap();
    // Six times the time after which the broker delivers again what it hears nothing of.
    tokio::time::sleep(Duration::from_mins(1)).await;
    assert_eq!(seen.of("received").len(), 3, "{:?}", seen.lines());
    give(&running, &[task("d")]).await;
    assert_eq!(seen.of("handled at attempt 1").len(), 4);
    running.stop().await.unwrap();
}
