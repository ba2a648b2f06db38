//! Middleware: what runs around every handler.

use event_runtime::handler::{self, BoxFuture, Middleware, Next, Outcome};
use event_runtime::{HandlerError, Metadata};
use event_tests::on_each_broker;
use event_tests::service::{
    Call, Done, Script, Seen, World, dead_letters, first, give, second, task,
};
use expect_test::expect;

on_each_broker!(
    the_first_one_is_outermost_and_sees_each_run_and_its_outcome,
    one_may_end_a_run_and_fails_like_a_handler,
    what_one_publishes_afterwards_is_another_event,
);

/// Notes each run before and after.
#[derive(Debug)]
struct Notes(&'static str, Seen);

impl Middleware for Notes {
    fn around<'a>(&'a self, call: &'a handler::Call, next: Next<'a>) -> BoxFuture<'a, Outcome> {
        Box::pin(async move {
            let Self(name, seen) = self;
            let (handler, metadata) = (call.handler(), call.metadata());
            let run = format!("{handler} {} {}", metadata.id, metadata.attempt);
            seen.note(format!("{name} before {run}"));
            let outcome = next.run().await;
            let ended = match &outcome {
                Outcome::Done(messages) => format!("{} events", messages.len()),
                Outcome::Failed(error) => error.to_string(),
                Outcome::Output(error) => error.to_string(),
            };
            seen.note(format!("{name} after {run}: {ended}"));
            outcome
        })
    }
}

/// Does what the event's id says.
#[derive(Debug)]
struct Moody;

impl Middleware for Moody {
    fn around<'a>(&'a self, call: &'a handler::Call, next: Next<'a>) -> BoxFuture<'a, Outcome> {
        Box::pin(async move {
            let Metadata { id, attempt, .. } = call.metadata();
            match (id.as_str(), attempt) {
                ("reject", _) => Outcome::Failed(HandlerError::reject("not in this mood")),
                ("retry", 1) => Outcome::Failed(HandlerError::retry("not in this mood")),
                ("panic", 1) => panic!("a bad mood"),
                ("hang", 1) => std::future::pending().await,
                ("forgive", _) => match next.run().await {
                    Outcome::Failed(_) => Outcome::Done(Vec::new()),
                    outcome => outcome,
                },
                _ => next.run().await,
            }
        })
    }
}

async fn the_first_one_is_outermost_and_sees_each_run_and_its_outcome(world: World) {
    let seen = Seen::default();
    let script = Script::new(|call: Call| async move {
        let Call {
            handler,
            metadata,
            task,
        } = call;
        match (handler, metadata.attempt) {
            ("first", 1) => Err(HandlerError::retry("not yet")),
            ("first", _) => Ok(Some(Done {
                id: task.id,
                kind: "a".into(),
                note: String::new(),
            })),
            _ => Err(HandlerError::reject("never")),
        }
    });
    let app = world.app().only((first, second)).with_state(script);
    let app = app
        .middleware(Notes("outer", seen.clone()))
        .middleware(Notes("inner", seen.clone()));
    let running = app.start().await.unwrap();
    give(&running, &[task("t1")]).await;
    expect![[r#"
        outer before first t1 1
        inner before first t1 1
        inner after first t1 1: not yet
        outer after first t1 1: not yet
        outer before first t1 2
        inner before first t1 2
        inner after first t1 2: 1 events
        outer after first t1 2: 1 events"#]]
    .assert_eq(&seen.of(" first ").join("\n"));
    expect![[r#"
        outer before second t1 1
        inner before second t1 1
        inner after second t1 1: never
        outer after second t1 1: never"#]]
    .assert_eq(&seen.of(" second ").join("\n"));
    running.stop().await.unwrap();
}

async fn one_may_end_a_run_and_fails_like_a_handler(world: World) {
    let seen = Seen::default();
    let notes = seen.clone();
    let script = Script::new(move |call: Call| {
        let id = call.task.id;
        notes.note(format!("{id} runs"));
        async move {
            match id.as_str() {
                "forgive" => Err(HandlerError::reject("a mistake")),
                _ => Ok(None),
            }
        }
    });
    let app = world.app().only((first,)).with_state(script);
    let running = app
        .middleware(Moody)
        .observe(seen.clone())
        .start()
        .await
        .unwrap();
    for id in ["reject", "retry", "panic", "hang", "forgive"] {
        give(&running, &[task(id)]).await;
    }
    let letters = dead_letters(&running).await.into_iter();
    for letter in letters {
        seen.note(format!("{}: {}", letter.reason, letter.error));
    }
    expect![[r#"
        first reject received
        first reject dead: rejected
        first retry received
        first retry failed at attempt 1
        retry runs
        first retry handled at attempt 2
        first panic received
        first panic failed at attempt 1
        panic runs
        first panic handled at attempt 2
        first hang received
        first hang failed at attempt 1
        hang runs
        first hang handled at attempt 2
        first forgive received
        forgive runs
        first forgive handled at attempt 1
        rejected: not in this mood"#]]
    .assert_eq(&seen.lines().join("\n"));
    running.stop().await.unwrap();
}

/// Publishes an event like the handler's, once that is over.
#[derive(Debug)]
struct Audit;

fn done() -> Done {
    Done {
        id: "t1".into(),
        kind: "a".into(),
        note: String::new(),
    }
}

impl Middleware for Audit {
    fn around<'a>(&'a self, call: &'a handler::Call, next: Next<'a>) -> BoxFuture<'a, Outcome> {
        Box::pin(async move {
            let outcome = next.run().await;
            let published = call.context().publisher().publish(&done()).await.unwrap();
            assert!(!published.duplicate, "it has the id of the handler's event");
            outcome
        })
    }
}

async fn what_one_publishes_afterwards_is_another_event(world: World) {
    let script = Script::new(|_| async { Ok(Some(done())) });
    let app = world.app().only((first,)).with_state(script);
    let running = app.middleware(Audit).start().await.unwrap();
    give(&running, &[task("t1")]).await;
    assert_eq!(dead_letters(&running).await.len(), 0);
    let stored = running.publisher().publish(&done()).await.unwrap();
    assert_eq!(stored.sequence, 3, "both are stored, and this one");
    running.stop().await.unwrap();
}
