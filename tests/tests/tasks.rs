//! `#[handler(tasks = n)]`: handlers that block their thread, on each broker.

use std::pin::pin;
use std::sync::{Arc, Condvar, Mutex};
use std::time::Duration;

use event_runtime::adapters::memory::Memory;
use event_runtime::broker::Message;
use event_runtime::{Batch, HandlerError, State, handler};
use event_tests::nats::TestNats;
use event_tests::service::{Seen, Task, World, dead_letters, give, settle, task};
use futures_util::FutureExt;

/// Where blocking handlers meet: how many are here, and how many were at once.
#[derive(Debug, Clone, Default)]
struct Meeting(Arc<(Mutex<(u32, u32)>, Condvar)>);

impl Meeting {
    /// Blocks the thread until another one is here too, or until this time has passed.
    fn wait(&self, time: Duration) {
        let (here, changed) = &*self.0;
        let mut counts = here.lock().unwrap();
        counts.0 += 1;
        counts.1 = counts.1.max(counts.0);
        changed.notify_all();
        let (mut counts, _) = changed
            .wait_timeout_while(counts, time, |counts| counts.1 < 2)
            .unwrap();
        counts.0 -= 1;
    }

    fn most_at_once(&self) -> u32 {
        self.0.0.lock().unwrap().1
    }
}

#[handler(tasks = 2, timeout = "1m", start = "all")]
async fn in_two_tasks(_task: Task, State((meeting, time)): State<(Meeting, Duration)>) {
    meeting.wait(time);
}

#[handler(timeout = "1m", start = "all")]
async fn in_one_task(_task: Task, State((meeting, time)): State<(Meeting, Duration)>) {
    meeting.wait(time);
}

#[handler(
    batch(max = 2, wait = "10ms"),
    tasks = 2,
    timeout = "1m",
    start = "all"
)]
async fn batches_in_two_tasks(
    _tasks: Batch<Task>,
    State((meeting, time)): State<(Meeting, Duration)>,
) {
    meeting.wait(time);
}

fn four() -> Vec<Task> {
    ["a", "b", "c", "d"].map(task).to_vec()
}

macro_rules! on_threads {
    ($($name:ident),* $(,)?) => {$(
        mod $name {
            #[tokio::test(flavor = "multi_thread", worker_threads = 4)]
            async fn memory() {
                super::$name(super::World::Memory(super::Memory::new())).await;
            }

            #[tokio::test(flavor = "multi_thread", worker_threads = 4)]
            async fn nats() {
                super::$name(super::World::Nats(super::TestNats::start())).await;
            }
        }
    )*};
}

on_threads!(
    two_tasks_run_two_blocking_handlers_at_once,
    one_task_runs_one_after_the_other,
    batches_run_in_tasks_too,
    a_task_that_blocks_again_keeps_nobody_from_handing_over,
    tasks_retry_and_settle_like_workers,
    batches_in_tasks_split_and_retry,
    a_batch_that_no_task_has_begun_goes_back,
);

async fn two_tasks_run_two_blocking_handlers_at_once(world: World) {
    let meeting = Meeting::default();
    let state = (meeting.clone(), Duration::from_secs(30));
    let app = world.app().only((in_two_tasks,)).with_state(state);
    let running = app.start().await.unwrap();
    give(&running, &four()).await;
    assert_eq!(meeting.most_at_once(), 2);
    running.stop().await.unwrap();
}

async fn one_task_runs_one_after_the_other(world: World) {
    let meeting = Meeting::default();
    let state = (meeting.clone(), Duration::from_millis(100));
    let app = world.app().only((in_one_task,)).with_state(state);
    let running = app.start().await.unwrap();
    give(&running, &four()).await;
    assert_eq!(meeting.most_at_once(), 1);
    running.stop().await.unwrap();
}

async fn batches_run_in_tasks_too(world: World) {
    let meeting = Meeting::default();
    let state = (meeting.clone(), Duration::from_secs(30));
    let app = world.app().only((batches_in_two_tasks,)).with_state(state);
    let running = app.start().await.unwrap();
    give(&running, &four()).await;
    assert_eq!(meeting.most_at_once(), 2);
    running.stop().await.unwrap();
}

/// Fails once, then works; `poison` never does.
#[handler(tasks = 3, retry(max = 2, base = "10ms", cap = "10ms"), start = "all")]
async fn twice(task: Task, metadata: event_runtime::Metadata) -> Result<(), HandlerError> {
    if metadata.attempt < 2 || task.id == "poison" {
        return Err(HandlerError::retry("not yet"));
    }
    Ok(())
}

async fn tasks_retry_and_settle_like_workers(world: World) {
    let seen = Seen::default();
    let app = world.app().only((twice,)).observe(seen.clone());
    let running = app.start().await.unwrap();
    let mut tasks: Vec<Task> = (0..50).map(|number| task(&format!("t{number}"))).collect();
    tasks.push(task("poison"));
    give(&running, &tasks).await;
    assert_eq!(seen.of("handled at attempt 2").len(), 50);
    assert_eq!(dead_letters(&running).await.len(), 1);
    running.stop().await.unwrap();
}

/// Fails each run that holds `poison`.
#[handler(
    batch(max = 10, wait = "10ms"),
    tasks = 3,
    retry(max = 2, base = "10ms", cap = "10ms"),
    start = "all"
)]
async fn without_poison(tasks: Batch<Task>) -> Result<(), HandlerError> {
    if tasks.iter().any(|task| task.id == "poison") {
        return Err(HandlerError::retry("poison"));
    }
    Ok(())
}

async fn batches_in_tasks_split_and_retry(world: World) {
    let seen = Seen::default();
    let app = world.app().only((without_poison,)).observe(seen.clone());
    let running = app.start().await.unwrap();
    let message = Message::new("tasks.a.given", "{not JSON");
    let receipt = running.broker().publish(message).await.unwrap();
    receipt.await.unwrap();
    let mut tasks: Vec<Task> = (0..50).map(|number| task(&format!("t{number}"))).collect();
    tasks.push(task("poison"));
    give(&running, &tasks).await;
    assert_eq!(seen.of("handled at attempt 1").len(), 50);
    let letters = dead_letters(&running).await;
    let mut reasons: Vec<&str> = letters.iter().map(|letter| &*letter.reason).collect();
    reasons.sort_unstable();
    assert_eq!(reasons, ["attempts", "undecodable"]);
    running.stop().await.unwrap();
}

/// Blocks each run until the test says so.
#[derive(Debug, Clone, Default)]
struct Blocked(Arc<(Mutex<(u32, bool)>, Condvar)>);

impl Blocked {
    fn block(&self) {
        let (state, changed) = &*self.0;
        let mut state = state.lock().unwrap();
        state.0 += 1;
        drop(changed.wait_while(state, |state| !state.1).unwrap());
    }

    fn begun(&self) -> u32 {
        self.0.0.lock().unwrap().0
    }

    fn release(&self) {
        self.0.0.lock().unwrap().1 = true;
        self.0.1.notify_all();
    }
}

#[handler(
    batch(max = 2, wait = "10ms"),
    tasks = 2,
    concurrency = 3,
    timeout = "1m",
    start = "all"
)]
async fn blocked(_tasks: Batch<Task>, State(blocked): State<Blocked>) {
    blocked.block();
}

async fn a_batch_that_no_task_has_begun_goes_back(world: World) {
    let (state, seen) = (Blocked::default(), Seen::default());
    let app = || world.app().only((blocked,)).observe(seen.clone());
    let running = app().with_state(state.clone()).start().await.unwrap();
    let six = ["a", "b", "c", "d", "e", "f"].map(task);
    for task in &six {
        running.publisher().publish(task).await.unwrap();
    }
    // Both tasks are busy, and the third batch has its turn.
    while state.begun() < 2 || seen.of("received").len() < 6 {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    let mut stopped = pin!(running.stop());
    assert!(stopped.as_mut().now_or_never().is_none());
    state.release();
    stopped.await.unwrap();
    assert_eq!(state.begun(), 2);
    assert_eq!(seen.of("handled").len(), 4);
    let running = app().with_state(state.clone()).start().await.unwrap();
    settle(&running).await;
    assert_eq!(seen.of("handled at attempt 1").len(), 6);
    running.stop().await.unwrap();
}

#[tokio::test]
async fn more_tasks_than_runs_are_a_fault() {
    let variables = [
        ("EVENT_HANDLER_TWICE_TASKS", "8"),
        ("EVENT_HANDLER_TWICE_CONCURRENCY", "4"),
        ("EVENT_HANDLER_TWICE_BATCH_MAX", "4"),
    ];
    let world = World::Memory(Memory::new());
    let app = world.app_with(&variables).only((twice,));
    let error = app.start().await.unwrap_err().to_string();
    assert!(
        error.contains("`tasks = 8` is more than the 4 that run at once"),
        "{error}"
    );
    assert!(error.contains("it takes one event at a time"), "{error}");
}

/// What blocking handlers wait for, and have seen.
#[derive(Debug, Clone, Default)]
struct Board(Arc<(Mutex<Vec<&'static str>>, Condvar)>);

impl Board {
    fn note(&self, line: &'static str) {
        self.0.0.lock().unwrap().push(line);
        self.0.1.notify_all();
    }

    /// Blocks the thread until this line is there, or for ten seconds.
    fn wait(&self, line: &str) -> bool {
        let (lines, changed) = &*self.0;
        let there = |lines: &mut Vec<&str>| !lines.contains(&line);
        let limit = Duration::from_secs(10);
        let waited = changed.wait_timeout_while(lines.lock().unwrap(), limit, there);
        !waited.unwrap().1.timed_out()
    }
}

/// Two run, one waits for a task, and one for a permit.
#[handler(tasks = 2, concurrency = 3, timeout = "1m", start = "all")]
async fn relay(task: Task, State(board): State<Board>) {
    match &*task.id {
        "a" => {
            board.wait("all are given");
        }
        "b" => {
            board.wait("c begins");
        }
        "c" => {
            board.note("c begins");
            // The end of `a` has to bring `d` to the other task, while this one blocks the task that it was told in.
            if board.wait("d begins") {
                board.note("they met");
            }
        }
        _ => board.note("d begins"),
    }
}

async fn a_task_that_blocks_again_keeps_nobody_from_handing_over(world: World) {
    let board = Board::default();
    let app = world.app().only((relay,)).with_state(board.clone());
    let running = app.start().await.unwrap();
    for task in four() {
        running.publisher().publish(&task).await.unwrap();
    }
    tokio::time::sleep(Duration::from_millis(300)).await;
    board.note("all are given");
    event_tests::service::settle(&running).await;
    assert!(board.wait("they met"));
    running.stop().await.unwrap();
}
