//! Handlers of batches: how a batch fills, and what becomes of its events when a run fails, on each broker.

use std::fmt;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use event_runtime::broker::Message;
use event_runtime::handler::{BoxFuture, Call, Middleware, Next, Outcome};
use event_runtime::{Batch, HandlerError, Running, State, handler};
use event_tests::nats::TestNats;
use event_tests::on_each_broker;
use event_tests::service::{Seen, Task, World, dead_letters, give, settle, task};
use expect_test::expect;

on_each_broker!(
    a_batch_runs_as_soon_as_it_is_full,
    a_batch_that_does_not_fill_runs_after_its_wait,
    the_environment_decides_over_the_attribute,
    events_handed_to_a_full_house_wait_their_turn,
    an_error_splits_until_the_event_that_fails_stands_alone,
    where_all_fail_a_batch_runs_twice_as_often_less_once,
    named_failures_leave_the_others_handled,
    events_can_be_taken_out_and_failed_all_the_same,
    a_rejected_event_is_a_dead_letter_at_once,
    what_was_tried_before_runs_alone,
    what_is_no_event_never_enters_a_batch,
    a_panic_splits_like_an_error,
    a_timeout_splits_like_an_error,
    told_to_stop_a_batch_that_has_not_begun_goes_back,
    told_to_stop_a_batch_that_runs_may_finish,
    at_the_end_of_the_grace_no_half_begins,
    middleware_runs_around_each_run,
);

type Rule = dyn Fn(Batch<Task>) -> BoxFuture<'static, Result<(), HandlerError>> + Send + Sync;

/// What the handlers do, and with which events they were called.
#[derive(Clone)]
struct Rules(Arc<Rule>, Arc<Mutex<Vec<String>>>);

impl Rules {
    fn new<F>(rule: impl Fn(Batch<Task>) -> F + Send + Sync + 'static) -> Self
    where
        F: Future<Output = Result<(), HandlerError>> + Send + 'static,
    {
        Self(Arc::new(move |batch| Box::pin(rule(batch))), Arc::default())
    }

    /// Fails every run that holds this event.
    fn poison(id: &'static str) -> Self {
        Self::new(move |batch| async move {
            if batch.iter().any(|task| task.id == id) {
                return Err(HandlerError::retry(format!("{id} is poison")));
            }
            Ok(())
        })
    }

    async fn run(&self, batch: Batch<Task>) -> Result<(), HandlerError> {
        let ids: Vec<&str> = batch.iter().map(|task| task.id.as_str()).collect();
        self.1.lock().unwrap().push(ids.join(" "));
        (self.0)(batch).await
    }

    /// The runs so far, each as the ids of its events.
    fn runs(&self) -> Vec<String> {
        self.1.lock().unwrap().clone()
    }
}

impl fmt::Debug for Rules {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Rules").finish_non_exhaustive()
    }
}

/// Four at once; a batch that is not full waits for a second.
#[handler(
    batch(max = 4, wait = "1s"),
    concurrency = 1,
    retry(max = 2, base = "20ms", cap = "20ms"),
    timeout = "500ms",
    start = "all"
)]
async fn gather(tasks: Batch<Task>, State(rules): State<Rules>) -> Result<(), HandlerError> {
    rules.run(tasks).await
}

/// Starts `gather`, with all of these events there before.
async fn start(world: &World, rules: &Rules, seen: &Seen, ids: &[&str]) -> Running {
    start_with(world, rules, seen, ids, &[]).await
}

async fn start_with(
    world: &World,
    rules: &Rules,
    seen: &Seen,
    ids: &[&str],
    variables: &[(&str, &str)],
) -> Running {
    let before = world.app().only(()).publish_only().start().await.unwrap();
    for id in ids {
        let given = task(id);
        before
            .publisher()
            .publish_with_id(id, &given)
            .await
            .unwrap();
    }
    before.stop().await.unwrap();
    let app = world.app_with(variables).only((gather,));
    let app = app.with_state(rules.clone()).observe(seen.clone());
    app.start().await.unwrap()
}

/// Runs these events through `gather`: its runs, what was seen of each event, and the dead letters.
async fn run(world: &World, rules: &Rules, ids: &[&str]) -> String {
    let seen = Seen::default();
    let running = start(world, rules, &seen, ids).await;
    settle(&running).await;
    let mut lines: Vec<String> = rules
        .runs()
        .iter()
        .map(|ids| format!("run {ids}"))
        .collect();
    for id in ids {
        let seen = seen.of(&format!(" {id} "));
        lines.extend(seen.into_iter().filter(|line| !line.ends_with("received")));
    }
    for letter in dead_letters(&running).await {
        let id = letter.event_id.as_deref().unwrap_or("-");
        lines.push(format!("dead letter {id}: {}", letter.error));
    }
    running.stop().await.unwrap();
    lines.join("\n")
}

async fn a_batch_runs_as_soon_as_it_is_full(world: World) {
    let rules = Rules::new(|_| async { Ok(()) });
    expect![[r#"
        run a b c d
        run e f g h
        gather a handled at attempt 1
        gather b handled at attempt 1
        gather c handled at attempt 1
        gather d handled at attempt 1
        gather e handled at attempt 1
        gather f handled at attempt 1
        gather g handled at attempt 1
        gather h handled at attempt 1"#]]
    .assert_eq(&run(&world, &rules, &["a", "b", "c", "d", "e", "f", "g", "h"]).await);
}

async fn a_batch_that_does_not_fill_runs_after_its_wait(world: World) {
    let rules = Rules::new(|_| async { Ok(()) });
    let started = tokio::time::Instant::now();
    expect![[r#"
        run a b
        gather a handled at attempt 1
        gather b handled at attempt 1"#]]
    .assert_eq(&run(&world, &rules, &["a", "b"]).await);
    assert!(
        started.elapsed() >= Duration::from_secs(1),
        "it did not wait"
    );
}

async fn the_environment_decides_over_the_attribute(world: World) {
    let rules = Rules::new(|_| async { Ok(()) });
    let variables = [
        ("EVENT_HANDLER_GATHER_BATCH_MAX", "2"),
        ("EVENT_HANDLER_GATHER_BATCH_WAIT", "10ms"),
    ];
    let ids = ["a", "b", "c"];
    let running = start_with(&world, &rules, &Seen::default(), &ids, &variables).await;
    settle(&running).await;
    assert_eq!(rules.runs(), ["a b", "c"]);
    running.stop().await.unwrap();
}

/// One run at a time: what arrives meanwhile waits, in batches that fill, and all of it is handled once.
async fn events_handed_to_a_full_house_wait_their_turn(world: World) {
    let at_once = Arc::new(AtomicU32::new(0));
    let rules = Rules::new(move |_| {
        let at_once = Arc::clone(&at_once);
        async move {
            assert_eq!(at_once.fetch_add(1, Ordering::SeqCst), 0, "two at once");
            tokio::time::sleep(Duration::from_millis(2)).await;
            at_once.fetch_sub(1, Ordering::SeqCst);
            Ok(())
        }
    });
    let seen = Seen::default();
    let running = start(&world, &rules, &seen, &[]).await;
    let tasks: Vec<Task> = (0..203).map(|number| task(&format!("t{number}"))).collect();
    give(&running, &tasks).await;
    assert_eq!(seen.of("handled at attempt 1").len(), 203);
    assert!(
        rules.runs().len() <= 60,
        "batches filled: {:?}",
        rules.runs()
    );
    running.stop().await.unwrap();
}

async fn an_error_splits_until_the_event_that_fails_stands_alone(world: World) {
    let rules = Rules::poison("b");
    expect![[r#"
        run a b c d
        run a b
        run a
        run b
        run c d
        run b
        gather a handled at attempt 1
        gather b failed at attempt 1
        gather b dead: attempts
        gather c handled at attempt 1
        gather d handled at attempt 1
        dead letter b: b is poison"#]]
    .assert_eq(&run(&world, &rules, &["a", "b", "c", "d"]).await);
}

async fn where_all_fail_a_batch_runs_twice_as_often_less_once(world: World) {
    let rules = Rules::new(|_| async { Err(HandlerError::reject("all are bad")) });
    expect![[r#"
        run a b c d
        run a b
        run a
        run b
        run c d
        run c
        run d
        gather a dead: rejected
        gather b dead: rejected
        gather c dead: rejected
        gather d dead: rejected
        dead letter a: all are bad
        dead letter b: all are bad
        dead letter c: all are bad
        dead letter d: all are bad"#]]
    .assert_eq(&{
        let text = run(&world, &rules, &["a", "b", "c", "d"]).await;
        let mut lines: Vec<&str> = text.lines().collect();
        // Each is stored by its own way through the pipeline.
        lines[11..].sort_unstable();
        lines.join("\n")
    });
}

async fn named_failures_leave_the_others_handled(world: World) {
    let rules = Rules::new(|batch: Batch<Task>| async move {
        for (index, task) in batch.iter().enumerate() {
            if task.id == "b" {
                let attempt = batch.metadata(index).attempt;
                batch.fail(
                    index,
                    std::io::Error::other(format!("not at attempt {attempt}")),
                );
            }
        }
        Ok(())
    });
    expect![[r#"
        run a b c d
        run b
        gather a handled at attempt 1
        gather b failed at attempt 1
        gather b dead: attempts
        gather c handled at attempt 1
        gather d handled at attempt 1
        dead letter b: not at attempt 2"#]]
    .assert_eq(&run(&world, &rules, &["a", "b", "c", "d"]).await);
}

async fn events_can_be_taken_out_and_failed_all_the_same(world: World) {
    let rules = Rules::new(|mut batch: Batch<Task>| async move {
        let tasks = batch.take();
        assert!(batch.is_empty());
        for (index, task) in tasks.into_iter().enumerate() {
            assert_eq!(batch.metadata(index).id, task.id);
            if task.id == "d" {
                batch.fail(index, anyhow::anyhow!("d again"));
            }
        }
        Ok(())
    });
    expect![[r#"
        run a b c d
        run d
        gather a handled at attempt 1
        gather b handled at attempt 1
        gather c handled at attempt 1
        gather d failed at attempt 1
        gather d dead: attempts
        dead letter d: d again"#]]
    .assert_eq(&run(&world, &rules, &["a", "b", "c", "d"]).await);
}

async fn a_rejected_event_is_a_dead_letter_at_once(world: World) {
    let rules = Rules::new(|batch: Batch<Task>| async move {
        batch.fail(0, HandlerError::reject("a is bad"));
        batch.fail(0, HandlerError::retry("the first error counts"));
        Ok(())
    });
    let rules_of_the_rest = rules.clone();
    expect![[r#"
        run a b c d
        gather a dead: rejected
        gather b handled at attempt 1
        gather c handled at attempt 1
        gather d handled at attempt 1
        dead letter a: a is bad"#]]
    .assert_eq(&run(&world, &rules_of_the_rest, &["a", "b", "c", "d"]).await);
}

async fn what_was_tried_before_runs_alone(world: World) {
    let rules = Rules::new(|batch: Batch<Task>| async move {
        for (index, _) in batch.iter().enumerate() {
            if batch.metadata(index).attempt == 1 {
                batch.fail(index, HandlerError::retry("not yet"));
            }
        }
        Ok(())
    });
    let seen = Seen::default();
    let running = start(&world, &rules, &seen, &["a", "b", "c", "d"]).await;
    settle(&running).await;
    let mut runs = rules.runs();
    runs[1..].sort_unstable();
    assert_eq!(runs, ["a b c d", "a", "b", "c", "d"]);
    assert_eq!(seen.of("handled at attempt 2").len(), 4);
    running.stop().await.unwrap();
}

async fn what_is_no_event_never_enters_a_batch(world: World) {
    let rules = Rules::new(|_| async { Ok(()) });
    let running = start(&world, &rules, &Seen::default(), &["a"]).await;
    let message = Message::new("tasks.a.given", "{not JSON");
    let receipt = running.broker().publish(message).await.unwrap();
    receipt.await.unwrap();
    give(&running, &[task("b")]).await;
    let letters = dead_letters(&running).await;
    assert_eq!(letters.len(), 1);
    assert_eq!(letters[0].reason, "undecodable");
    assert!(
        rules.runs().concat().replace(' ', "") == "ab",
        "{:?}",
        rules.runs()
    );
    running.stop().await.unwrap();
}

async fn a_panic_splits_like_an_error(world: World) {
    let rules = Rules::new(|batch: Batch<Task>| async move {
        assert!(batch.iter().all(|task| task.id != "c"), "c fell down");
        Ok(())
    });
    expect![[r#"
        run a b c d
        run a b
        run c d
        run c
        run d
        run c
        gather a handled at attempt 1
        gather b handled at attempt 1
        gather c failed at attempt 1
        gather c dead: attempts
        gather d handled at attempt 1
        dead letter c: the handler panicked: c fell down"#]]
    .assert_eq(&run(&world, &rules, &["a", "b", "c", "d"]).await);
}

async fn a_timeout_splits_like_an_error(world: World) {
    let rules = Rules::new(|batch: Batch<Task>| async move {
        if batch.iter().any(|task| task.id == "b") {
            std::future::pending::<()>().await;
        }
        Ok(())
    });
    expect![[r#"
        run a b
        run a
        run b
        run b
        gather a handled at attempt 1
        gather b failed at attempt 1
        gather b dead: attempts
        dead letter b: the handler did not finish within its timeout of 500ms"#]]
    .assert_eq(&run(&world, &rules, &["a", "b"]).await);
}

async fn told_to_stop_a_batch_that_has_not_begun_goes_back(world: World) {
    let rules = Rules::new(|_| async { Ok(()) });
    let seen = Seen::default();
    let variables = [("EVENT_HANDLER_GATHER_BATCH_WAIT", "1h")];
    let ids = ["a", "b"];
    let running = start_with(&world, &rules, &seen, &ids, &variables).await;
    while seen.of("received").len() < 2 {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    running.stop().await.unwrap();
    assert!(rules.runs().is_empty(), "{:?}", rules.runs());
    let running = start(&world, &rules, &seen, &["c", "d"]).await;
    settle(&running).await;
    assert_eq!(seen.of("handled at attempt 1").len(), 4);
    assert!(dead_letters(&running).await.is_empty());
    running.stop().await.unwrap();
}

async fn told_to_stop_a_batch_that_runs_may_finish(world: World) {
    let rules = Rules::new(|batch: Batch<Task>| async move {
        tokio::time::sleep(Duration::from_millis(100)).await;
        if batch.len() > 1 {
            return Err(HandlerError::retry("one by one, please"));
        }
        Ok(())
    });
    let seen = Seen::default();
    let running = start(&world, &rules, &seen, &["a", "b", "c", "d"]).await;
    while rules.runs().is_empty() {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    running.stop().await.unwrap();
    assert_eq!(rules.runs(), ["a b c d", "a b", "a", "b", "c d", "c", "d"]);
    assert_eq!(seen.of("handled at attempt 1").len(), 4);
}

async fn at_the_end_of_the_grace_no_half_begins(world: World) {
    let rules = Rules::new(|batch: Batch<Task>| async move {
        if batch.len() > 2 {
            return Err(HandlerError::retry("smaller, please"));
        }
        std::future::pending::<()>().await;
        Ok(())
    });
    let seen = Seen::default();
    let variables = [("EVENT_GRACE", "100ms")];
    let ids = ["a", "b", "c", "d"];
    let running = start_with(&world, &rules, &seen, &ids, &variables).await;
    while rules.runs().len() < 2 {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    let error = running.stop().await.unwrap_err().to_string();
    assert!(error.contains("their events were handed back"), "{error}");
    assert_eq!(rules.runs(), ["a b c d", "a b"]);
    let rules = Rules::new(|_| async { Ok(()) });
    let running = start(&world, &rules, &seen, &[]).await;
    settle(&running).await;
    assert_eq!(seen.of("handled at attempt 1").len(), 4);
    running.stop().await.unwrap();
}

#[derive(Debug, Clone, Default)]
struct Around(Arc<Mutex<Vec<String>>>);

impl Middleware for Around {
    fn around<'a>(&'a self, call: &'a Call, next: Next<'a>) -> BoxFuture<'a, Outcome> {
        Box::pin(async move {
            let all = call.context().batch().unwrap_or_default();
            let ids: Vec<&str> = all.iter().map(|metadata| metadata.id.as_str()).collect();
            let line = format!("{} first of {}", call.metadata().id, ids.join(" "));
            self.0.lock().unwrap().push(line);
            next.run().await
        })
    }
}

async fn middleware_runs_around_each_run(world: World) {
    let around = Around::default();
    let rules = Rules::new(|batch: Batch<Task>| async move {
        if batch.len() > 2 {
            return Err(HandlerError::retry("smaller, please"));
        }
        Ok(())
    });
    let app = world.app().only((gather,)).with_state(rules);
    let running = app.middleware(around.clone()).start().await.unwrap();
    let tasks = ["a", "b", "c", "d"].map(task);
    give(&running, &tasks).await;
    let lines = around.0.lock().unwrap().clone();
    assert_eq!(
        lines,
        ["a first of a b c d", "a first of a b", "c first of c d"]
    );
    running.stop().await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_test_app_runs_handlers_of_batches() {
    let rules = Rules::poison("b");
    let app = event_runtime::App::new().service("test").only((gather,));
    let app = event_runtime::testing::TestApp::start(app.with_state(rules.clone())).await;
    for id in ["a", "b", "c"] {
        app.publisher()
            .publish_with_id(id, &task(id))
            .await
            .unwrap();
    }
    app.settled().await;
    app.assert_received(gather, ["a", "b", "c"].map(task));
    assert_eq!(rules.runs()[0], "a b c");
}

/// The second run blocks its thread for long.
#[handler(
    batch(max = 2, wait = "1s"),
    concurrency = 1,
    timeout = "1m",
    start = "all"
)]
async fn blocks_at_second(tasks: Batch<Task>, State(seen): State<Seen>) {
    seen.note("run");
    if seen.of("run").len() == 2 {
        std::thread::sleep(Duration::from_secs(4));
    }
    drop(tasks);
}

/// What is acknowledged reaches the server, also where the next run keeps the thread busy.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_batch_that_blocks_does_not_hold_up_the_settlement_of_the_one_before() {
    let world = World::Nats(TestNats::start());
    let giving = world.app().only(()).publish_only().start().await.unwrap();
    let tasks = ["t1", "t2", "t3", "t4"].map(task);
    giving.publisher().publish_all(&tasks).await.unwrap();
    giving.stop().await.unwrap();
    let seen = Seen::default();
    let app = world.app().only((blocks_at_second,));
    let running = app.with_state(seen.clone()).start().await.unwrap();
    while seen.of("run").len() < 2 {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    tokio::time::sleep(Duration::from_millis(1500)).await;
    let durables = running.broker().durables("TASKS", "test").await.unwrap();
    assert_eq!(durables[0].position.unsettled, 2);
    settle(&running).await;
    assert_eq!(seen.of("run").len(), 2);
    running.stop().await.unwrap();
}
