//! Bodies and headers that mean harm: none of them takes the service down, and none of them is lost.

use event_runtime::HandlerError;
use event_runtime::broker::Message;
use event_tests::on_each_broker;
use event_tests::service::{Call, Script, Seen, World, dead_letters, first, give, settle, task};
use expect_test::expect;

on_each_broker!(
    bodies_nested_very_deep_end_as_dead_letters,
    headers_that_no_lane_can_carry_do_not_hold_a_dead_letter_up,
);

const DEPTH: usize = 100_000;

/// Lists in lists.
fn lists() -> String {
    "[".repeat(DEPTH) + &"]".repeat(DEPTH)
}

/// Objects in objects.
fn objects() -> String {
    "{\"a\":".repeat(DEPTH) + "1" + &"}".repeat(DEPTH)
}

async fn bodies_nested_very_deep_end_as_dead_letters(world: World) {
    let seen = Seen::default();
    let script = Script::new(|_| async { Ok(None) });
    let app = world.app().only((first,)).with_state(script);
    let running = app.observe(seen.clone()).start().await.unwrap();
    let head = r#""specversion":"1.0","id":"1","source":"/s""#;
    let kind = r#""type":"task.given.v1""#;
    let data = r#""data":{"id":"1","kind":"a"}"#;
    let mut bodies = Vec::new();
    for deep in [lists(), objects()] {
        bodies.extend([
            deep.clone(),
            format!(r#"{{{head},{kind},"data":{deep}}}"#),
            format!(r#"{{{head},"data":{deep},{kind}}}"#),
            format!(r#"{{{head},{kind},"data":{{"id":{deep},"kind":"a"}}}}"#),
            format!(r#"{{{head},{kind},"mine":{deep},{data}}}"#),
            format!(r#"{{{head},{kind},"time":{deep},{data}}}"#),
            format!(r#"{{{head},{kind},"data_base64":{deep}}}"#),
            format!(r#"{{{head},{kind},"data":{}"#, &deep[..DEPTH]),
            // Nobody reads it: the event of another name stays one, and the unknown field is passed over.
            format!(r#"{{{head},"type":"other.v1","data":{deep}}}"#),
            format!(r#"{{{head},{kind},"data":{{"id":"1","kind":"a","more":{deep}}}}}"#),
        ]);
    }
    for body in &bodies {
        let message = Message::new("tasks.a.given", body.clone());
        let receipt = running.broker().publish(message).await.unwrap();
        receipt.await.unwrap();
        settle(&running).await;
    }
    give(&running, &[task("after")]).await;
    let lines = seen
        .lines()
        .into_iter()
        .filter(|line| !line.contains("received"));
    expect![[r#"
        first TASKS:1 dead: undecodable
        first 1 dead: undecodable
        first 1 dead: undecodable
        first 1 dead: undecodable
        first TASKS:5 dead: undecodable
        first TASKS:6 dead: undecodable
        first TASKS:7 dead: undecodable
        first TASKS:8 dead: undecodable
        first 1 dead: unknown_name
        first 1 handled at attempt 1
        first TASKS:11 dead: undecodable
        first 1 dead: undecodable
        first 1 dead: undecodable
        first 1 dead: undecodable
        first TASKS:15 dead: undecodable
        first TASKS:16 dead: undecodable
        first TASKS:17 dead: undecodable
        first TASKS:18 dead: undecodable
        first 1 dead: unknown_name
        first 1 handled at attempt 1
        first after handled at attempt 1"#]]
    .assert_eq(&lines.collect::<Vec<_>>().join("\n"));
    let letters = dead_letters(&running).await;
    assert!(letters.iter().all(|letter| {
        let payload = letter.payload().unwrap();
        bodies.iter().any(|body| body.as_bytes() == payload)
    }));
    running.stop().await.unwrap();
}

async fn headers_that_no_lane_can_carry_do_not_hold_a_dead_letter_up(world: World) {
    let seen = Seen::default();
    let script = Script::new(|call: Call| async move {
        match call.task.id.as_str() {
            "after" => Ok(None),
            _ => Err(HandlerError::reject("no")),
        }
    });
    let app = world.app().only((first,)).with_state(script);
    let running = app.observe(seen.clone()).start().await.unwrap();
    let body = r#"{"specversion":"1.0","id":"1","source":"/s","type":"task.given.v1","data":{"id":"1","kind":"a"}}"#;
    let many = (0..64).map(|number| (format!("X-{number}"), "y".repeat(100)));
    let message = Message::new("tasks.a.given", body).headers(many.collect());
    let receipt = running.broker().publish(message).await.unwrap();
    receipt.await.unwrap();
    settle(&running).await;
    give(&running, &[task("after")]).await;
    expect![[r#"
        first 1 received
        first 1 dead: rejected
        first after received
        first after handled at attempt 1"#]]
    .assert_eq(&seen.lines().join("\n"));
    let letters = dead_letters(&running).await;
    assert_eq!(letters[0].origin(), ("TASKS", 1));
    // Whole where the broker takes it, else a reference to its origin.
    let kept = letters[0].payload();
    assert!(kept.is_none_or(|kept| kept == body.as_bytes()));
    running.stop().await.unwrap();
}
