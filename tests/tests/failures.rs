//! The failure model: what happens by default when a handler fails, on each broker.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use event_runtime::adapters::memory::Memory;
use event_runtime::broker::{Message, lanes};
use event_runtime::telemetry::{Observation, Observer, What};
use event_runtime::{HandlerError, Metadata, State, handler};
use event_tests::on_each_broker;
use event_tests::service::{
    Call, Done, Script, Seen, Task, World, dead_letters, first, give, second, settle, task,
};
use expect_test::expect;

on_each_broker!(
    an_error_is_retried_and_then_kept_with_its_causes,
    an_error_that_goes_away_costs_retries_only,
    a_panic_is_a_failure_like_others,
    a_run_that_takes_too_long_is_a_failure_like_others,
    a_rejected_event_is_a_dead_letter_at_once,
    what_is_no_event_is_a_dead_letter_at_once,
    an_event_of_another_name_is_a_dead_letter_at_once,
    a_handler_may_pass_over_events_of_other_names,
    a_broken_envelope_is_a_dead_letter_with_the_rule,
    an_answer_that_can_never_be_stored_makes_a_dead_letter_of_its_input,
    an_answer_without_a_place_makes_a_dead_letter_of_its_input,
    two_handlers_that_fail_on_one_event_lose_neither_dead_letter,
    a_waiting_event_lets_others_run,
    more_failures_at_once_than_may_wait_in_place_are_all_kept,
    an_observer_that_panics_changes_nothing,
    foreign_events_that_share_an_id_are_all_kept,
);

/// Runs tasks through `first` alone, and returns what was seen and the dead letters, a line each.
async fn run(world: &World, script: Script, tasks: &[&str]) -> String {
    let seen = Seen::default();
    let app = world.app().only((first,)).with_state(script);
    let running = app.observe(seen.clone()).start().await.unwrap();
    for id in tasks {
        give(&running, &[task(id)]).await;
    }
    let mut lines = seen.lines();
    for letter in dead_letters(&running).await {
        lines.push(format!(
            "dead letter of {}: {} from {} at {:?} after {} attempts: {}",
            letter.handler,
            letter.event_id.as_deref().unwrap_or("-"),
            letter.topic(),
            letter.origin(),
            letter.attempts(),
            letter.error
        ));
    }
    running.stop().await.unwrap();
    lines.join("\n")
}

#[derive(Debug, thiserror::Error)]
#[error("the parcel is lost")]
struct Lost(#[source] std::io::Error);

async fn an_error_is_retried_and_then_kept_with_its_causes(world: World) {
    let script = Script::new(|_| async {
        let cause = std::io::Error::other("the truck\nis gone");
        Err(Lost(cause).into())
    });
    expect![[r#"
        first t1 received
        first t1 failed at attempt 1
        first t1 failed at attempt 2
        first t1 dead: attempts
        dead letter of first: t1 from tasks.a.given at ("TASKS", 1) after 3 attempts: the parcel is lost: the truck\nis gone"#]]
    .assert_eq(&run(&world, script, &["t1"]).await);
}

async fn an_error_that_goes_away_costs_retries_only(world: World) {
    let script = Script::new(|call: Call| async move {
        if call.metadata.attempt < 3 {
            return Err(std::io::Error::other("not yet").into());
        }
        Ok(None)
    });
    expect![[r#"
        first t1 received
        first t1 failed at attempt 1
        first t1 failed at attempt 2
        first t1 handled at attempt 3"#]]
    .assert_eq(&run(&world, script, &["t1"]).await);
}

async fn a_panic_is_a_failure_like_others(world: World) {
    let script = Script::new(|call: Call| async move {
        assert!(call.task.id != "t1", "{} fell down", call.task.id);
        Ok(None)
    });
    expect![[r#"
        first t1 received
        first t1 failed at attempt 1
        first t1 failed at attempt 2
        first t1 dead: attempts
        first t2 received
        first t2 handled at attempt 1
        dead letter of first: t1 from tasks.a.given at ("TASKS", 1) after 3 attempts: the handler panicked: t1 fell down"#]]
    .assert_eq(&run(&world, script, &["t1", "t2"]).await);
}

async fn a_run_that_takes_too_long_is_a_failure_like_others(world: World) {
    let script = Script::new(|call: Call| async move {
        if call.metadata.attempt < 2 || call.task.id == "t2" {
            std::future::pending::<()>().await;
        }
        Ok(None)
    });
    expect![[r#"
        first t1 received
        first t1 failed at attempt 1
        first t1 handled at attempt 2
        first t2 received
        first t2 failed at attempt 1
        first t2 failed at attempt 2
        first t2 dead: attempts
        dead letter of first: t2 from tasks.a.given at ("TASKS", 2) after 3 attempts: the handler did not finish within its timeout of 500ms"#]]
    .assert_eq(&run(&world, script, &["t1", "t2"]).await);
}

async fn a_rejected_event_is_a_dead_letter_at_once(world: World) {
    let script = Script::new(|_| async { Err(HandlerError::reject("nobody lives there")) });
    expect![[r#"
        first t1 received
        first t1 dead: rejected
        dead letter of first: t1 from tasks.a.given at ("TASKS", 1) after 1 attempts: nobody lives there"#]]
    .assert_eq(&run(&world, script, &["t1"]).await);
}

/// Publishes bodies as they are, and returns what became of each.
async fn run_raw(world: &World, bodies: &[&[u8]]) -> String {
    let seen = Seen::default();
    let script = Script::new(|_| async { Ok(None) });
    let app = world.app().only((first,)).with_state(script);
    let running = app.observe(seen.clone()).start().await.unwrap();
    for body in bodies {
        let message = Message::new("tasks.a.given", body.to_vec());
        running
            .broker()
            .publish(message)
            .await
            .unwrap()
            .await
            .unwrap();
        settle(&running).await;
    }
    let mut lines = seen.lines();
    for (letter, body) in dead_letters(&running).await.iter().zip(bodies) {
        assert_eq!(
            letter.payload(),
            Some(*body),
            "the bytes are what they were"
        );
        lines.push(format!(
            "{}: {}",
            letter.event_id.as_deref().unwrap_or("-"),
            letter.error
        ));
    }
    running.stop().await.unwrap();
    lines.join("\n")
}

async fn what_is_no_event_is_a_dead_letter_at_once(world: World) {
    let bodies: [&[u8]; 5] = [b"", b"hello", b"\xff\xfe", b"[1,2]", b"{\"id\":"];
    expect![[r#"
        first TASKS:1 received
        first TASKS:1 dead: undecodable
        first TASKS:2 received
        first TASKS:2 dead: undecodable
        first TASKS:3 received
        first TASKS:3 dead: undecodable
        first TASKS:4 received
        first TASKS:4 dead: undecodable
        first TASKS:5 received
        first TASKS:5 dead: undecodable
        -: not a CloudEvent: the message is empty
        -: not a CloudEvent: the message is not a JSON object: expected value at line 1 column 1
        -: not a CloudEvent: the message is not UTF-8 after byte 0
        -: not a CloudEvent: the message is not a JSON object: invalid type: sequence, expected a JSON object with the attributes of a CloudEvent at line 1 column 0
        -: not a CloudEvent: the message is not a JSON object: EOF while parsing a value at line 1 column 6"#]].assert_eq(&run_raw(&world, &bodies).await);
}

async fn an_event_of_another_name_is_a_dead_letter_at_once(world: World) {
    let body =
        br#"{"specversion":"1.0","id":"x-1","source":"/other","type":"parcel.sent.v1","data":{}}"#;
    expect![[r#"
        first x-1 received
        first x-1 dead: unknown_name
        x-1: the event is a `parcel.sent.v1`, and this handler takes `task.given`"#]]
    .assert_eq(&run_raw(&world, &[body]).await);
}

/// Shares its topic with events of other names.
#[handler(others = "skip", start = "all")]
async fn choosy(_task: Task, metadata: Metadata, State(seen): State<Seen>) {
    seen.note(format!("choosy runs {}", metadata.id));
}

async fn a_handler_may_pass_over_events_of_other_names(world: World) {
    let seen = Seen::default();
    let app = world.app().only((choosy,)).with_state(seen.clone());
    let running = app.observe(seen.clone()).start().await.unwrap();
    let data = r#"{"id":"t1","kind":"a"}"#;
    for kind in [
        "parcel.sent.v1",
        "com.example.other",
        "task.given.v1",
        "task.given",
        "task.given.value.v1",
    ] {
        let body = format!(
            r#"{{"specversion":"1.0","id":"{kind}","source":"/s","type":"{kind}","data":{data}}}"#
        );
        let message = Message::new("tasks.a.given", body);
        let receipt = running.broker().publish(message).await.unwrap();
        receipt.await.unwrap();
        settle(&running).await;
    }
    expect![[r#"
        choosy parcel.sent.v1 received
        choosy parcel.sent.v1 skipped
        choosy com.example.other received
        choosy com.example.other skipped
        choosy task.given.v1 received
        choosy runs task.given.v1
        choosy task.given.v1 handled at attempt 1
        choosy task.given received
        choosy task.given dead: unknown_name
        choosy task.given.value.v1 received
        choosy task.given.value.v1 skipped"#]]
    .assert_eq(&seen.lines().join("\n"));
    let letters = dead_letters(&running).await;
    assert_eq!(letters.len(), 1, "what has the handler's name is kept");
    running.stop().await.unwrap();
}

async fn a_broken_envelope_is_a_dead_letter_with_the_rule(world: World) {
    let bodies: [&[u8]; 8] = [
        br#"{"specversion":"0.3","id":"1","source":"/s","type":"task.given.v1","data":{"id":"1","kind":"a"}}"#,
        br#"{"specversion":"1.0","source":"/s","type":"task.given.v1","data":{"id":"1","kind":"a"}}"#,
        br#"{"specversion":"1.0","id":"","source":"/s","type":"task.given.v1","data":{"id":"1","kind":"a"}}"#,
        br#"{"specversion":"1.0","id":"1","source":"/s","type":"task.given.v1","time":"yesterday","data":{"id":"1","kind":"a"}}"#,
        br#"{"specversion":"1.0","id":"1","source":"/s","type":"task.given.v1","Bad-Name":"x","data":{"id":"1","kind":"a"}}"#,
        br#"{"specversion":"1.0","id":"1","source":"/s","type":"task.given.v1","datacontenttype":"text/xml","data":{"id":"1","kind":"a"}}"#,
        br#"{"specversion":"1.0","id":"1","source":"/s","type":"task.given.v1","data_base64":"AA=="}"#,
        br#"{"specversion":"1.0","id":"1","source":"/s","type":"task.given.v1","data":{"id":7}}"#,
    ];
    expect![[r#"
        first TASKS:1 received
        first TASKS:1 dead: undecodable
        first TASKS:2 received
        first TASKS:2 dead: undecodable
        first TASKS:3 received
        first TASKS:3 dead: undecodable
        first TASKS:4 received
        first TASKS:4 dead: undecodable
        first TASKS:5 received
        first TASKS:5 dead: undecodable
        first TASKS:6 received
        first TASKS:6 dead: undecodable
        first TASKS:7 received
        first TASKS:7 dead: undecodable
        first 1 received
        first 1 dead: undecodable
        -: not a CloudEvent: the attribute `specversion` breaks the rule that it is "1.0"
        -: not a CloudEvent: the attribute `id` is missing
        -: not a CloudEvent: the attribute `id` breaks the rule that it is not empty
        -: not a CloudEvent: the attribute `time` breaks the rule that it is an RFC 3339 timestamp
        -: not a CloudEvent: the attribute `Bad-Name` breaks the rule that it has a name of lower-case letters and digits
        -: not a CloudEvent: the attribute `datacontenttype` breaks the rule that it is a JSON media type for an event with JSON data
        -: the event's data is binary (`data_base64`), and this handler reads JSON
        1: the event's data does not fit its type: invalid type: integer `7`, expected a string at line 1 column 7"#]].assert_eq(&run_raw(&world, &bodies).await);
}

async fn an_answer_that_can_never_be_stored_makes_a_dead_letter_of_its_input(world: World) {
    let runs = Arc::new(AtomicU32::new(0));
    let count = Arc::clone(&runs);
    let script = Script::new(move |call: Call| {
        count.fetch_add(1, Ordering::SeqCst);
        async move {
            Ok(Some(Done {
                id: call.task.id,
                kind: "a".into(),
                note: "x".repeat(2 * 1024 * 1024),
            }))
        }
    });
    let found = run(&world, script, &["t1"]).await;
    // Each broker has a limit of its own, and tells it.
    let (found, _) = found.split_once(" is 2097").unwrap();
    expect![[r#"
        first t1 received
        first t1 dead: output
        dead letter of first: t1 from tasks.a.given at ("TASKS", 1) after 1 attempts: an event returned for `done.a` can't be published: the message for `done.a`"#]].assert_eq(found);
    assert_eq!(runs.load(Ordering::SeqCst), 1, "the handler ran once");
}

async fn an_answer_without_a_place_makes_a_dead_letter_of_its_input(world: World) {
    let script = Script::new(|call: Call| async {
        Ok(Some(Done {
            id: call.task.id,
            kind: String::new(),
            note: String::new(),
        }))
    });
    expect![[r#"
        first t1 received
        first t1 dead: output
        dead letter of first: t1 from tasks.a.given at ("TASKS", 1) after 1 attempts: `task.done.v1` was not published: the topic `done.{kind}` can't be filled in: the value for `{kind}` is empty; give that field a value before publishing"#]].assert_eq(&run(&world, script, &["t1"]).await);
}

async fn two_handlers_that_fail_on_one_event_lose_neither_dead_letter(world: World) {
    let seen = Seen::default();
    let script = Script::new(|call: Call| async move {
        Err(HandlerError::retry(format!("{} can't", call.handler)))
    });
    let app = world.app().only((first, second)).with_state(script);
    let running = app.observe(seen.clone()).start().await.unwrap();
    give(&running, &[task("t1")]).await;
    for handler in ["first", "second"] {
        assert_eq!(
            seen.of(handler),
            [
                format!("{handler} t1 received"),
                format!("{handler} t1 failed at attempt 1"),
                format!("{handler} t1 failed at attempt 2"),
                format!("{handler} t1 dead: attempts"),
            ]
        );
    }
    let mut kept: Vec<String> = dead_letters(&running)
        .await
        .into_iter()
        .map(|letter| letter.error)
        .collect();
    kept.sort();
    assert_eq!(kept, ["first can't", "second can't"]);
    running.stop().await.unwrap();
}

async fn a_waiting_event_lets_others_run(world: World) {
    let seen = Seen::default();
    let script = Script::new(|call: Call| async move {
        if call.task.id == "slow" && call.metadata.attempt == 1 {
            return Err(HandlerError::retry_after(
                "come back",
                Duration::from_millis(1500),
            ));
        }
        Ok(None)
    });
    let app = world.app_with(&[("EVENT_HANDLER_FIRST_CONCURRENCY", "1")]);
    let running = app
        .only((first,))
        .with_state(script)
        .observe(seen.clone())
        .start()
        .await
        .unwrap();
    give(&running, &[task("slow"), task("t1"), task("t2")]).await;
    assert_eq!(
        seen.lines(),
        [
            "first slow received",
            "first slow failed at attempt 1",
            "first t1 received",
            "first t1 handled at attempt 1",
            "first t2 received",
            "first t2 handled at attempt 1",
            "first slow handled at attempt 2",
        ]
    );
    running.stop().await.unwrap();
}

async fn more_failures_at_once_than_may_wait_in_place_are_all_kept(world: World) {
    // Before the handler begins, so that all fail within one delay.
    let giving = world.app().only(()).publish_only().start().await.unwrap();
    let tasks: Vec<_> = (0..2700)
        .map(|number| task(&format!("t{number}")))
        .collect();
    giving.publisher().publish_all(&tasks).await.unwrap();
    giving.stop().await.unwrap();
    let seen = Seen::default();
    let script = Script::new(|call: Call| async move {
        match call.metadata.attempt {
            1 => Err(HandlerError::retry_after("later", Duration::from_secs(5))),
            _ => Ok(None),
        }
    });
    let app = world.app().only((first,)).with_state(script);
    let running = app.observe(seen.clone()).start().await.unwrap();
    settle(&running).await;
    assert_eq!(seen.of("handled at attempt 2").len(), 2700);
    assert_eq!(seen.of("received").len(), 2700 + moved(&seen));
    assert!(moved(&seen) > 0, "some went through the lane");
    running.stop().await.unwrap();
}

/// Deliveries beyond the first of each event: those that came back by the retry lane.
fn moved(seen: &Seen) -> usize {
    let received = seen.of("received");
    let distinct: std::collections::HashSet<_> = received.iter().collect();
    received.len() - distinct.len()
}

async fn foreign_events_that_share_an_id_are_all_kept(world: World) {
    let seen = Seen::default();
    let script = Script::new(|_| async { Err(HandlerError::reject("no")) });
    let app = world.app().only((first,)).with_state(script);
    let running = app.observe(seen.clone()).start().await.unwrap();
    for _ in 0..3 {
        let body = br#"{"specversion":"1.0","id":"same","source":"/foreign","type":"task.given.v1","data":{"id":"x","kind":"a"}}"#;
        let message = Message::new("tasks.a.given", body.to_vec());
        running
            .broker()
            .publish(message)
            .await
            .unwrap()
            .await
            .unwrap();
    }
    settle(&running).await;
    assert_eq!(dead_letters(&running).await.len(), 3);
    let lane = running.broker().stream(&lanes::retry_stream("test")).await;
    assert_eq!(lane.unwrap().unwrap().messages, 0);
    running.stop().await.unwrap();
}

/// One at a time, for long; the first run of all others fails.
#[handler(
    concurrency = 1,
    timeout = "1m",
    retry(max = 5, base = "100ms", cap = "100ms"),
    start = "all"
)]
async fn holds_the_permit(
    task: Task,
    metadata: Metadata,
    State(seen): State<Seen>,
) -> Result<(), HandlerError> {
    seen.note(format!("{} run {}", task.id, metadata.attempt));
    if task.id == "long" {
        tokio::time::sleep(Duration::from_secs(40)).await;
    }
    match metadata.attempt {
        1 => Err(HandlerError::retry("not yet")),
        _ => Ok(()),
    }
}

/// A retry that is due and waits for its permit has not begun, so at the end of the program it moves to the lane.
#[tokio::test(start_paused = true)]
async fn told_to_stop_a_retry_that_waits_for_its_turn_does_not_begin() {
    let seen = Seen::default();
    let world = World::Memory(Memory::new());
    let app = world.app().only((holds_the_permit,));
    let running = app.with_state(seen.clone()).start().await.unwrap();
    for id in ["t1", "t2", "t3", "long"] {
        running.publisher().publish(&task(id)).await.unwrap();
    }
    tokio::time::sleep(Duration::from_secs(2)).await;
    // `long` does not end within the grace.
    running.stop().await.unwrap_err();
    assert_eq!(seen.of("run 1").len(), 4);
    assert_eq!(seen.of("run 2").len(), 0);
    let app = world.app().only((holds_the_permit,));
    let running = app.with_state(seen.clone()).start().await.unwrap();
    tokio::time::sleep(Duration::from_mins(3)).await;
    settle(&running).await;
    for id in ["t1", "t2", "t3"] {
        assert_eq!(
            seen.of(&format!("{id} run")),
            [format!("{id} run 1"), format!("{id} run 2")]
        );
    }
    running.stop().await.unwrap();
}

/// Panics at what is handled.
#[derive(Debug)]
struct Clumsy;

impl Observer for Clumsy {
    fn observe(&self, observation: &Observation<'_>) {
        assert!(!matches!(observation.what, What::Handled), "oh");
    }
}

async fn an_observer_that_panics_changes_nothing(world: World) {
    let seen = Seen::default();
    let script = Script::new(|_| async { Ok(None) });
    let app = world.app().only((first,)).with_state(script);
    let app = app.observe(Clumsy).observe(seen.clone());
    let running = app.start().await.unwrap();
    give(&running, &[task("t1"), task("t2")]).await;
    assert_eq!(seen.of("handled").len(), 2);
    running.stop().await.unwrap();
}
