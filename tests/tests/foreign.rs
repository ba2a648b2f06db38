//! What strangers put on the topics: subjects and headers that no message of ours may have, and headers that
//! look like ours. Nothing of it is lost, and nothing of it is believed.

use std::time::Duration;

use event_runtime::broker::{BrokerError, Message};
use event_runtime::envelope::Headers;
use event_runtime::testing::TestApp;
use event_runtime::{App, HandlerError};
use event_tests::nats::TestNats;
use event_tests::on_each_broker;
use event_tests::service::{
    Call, Script, Seen, World, dead_letters, first, lane_messages, settle, task,
};

on_each_broker!(
    headers_that_look_like_a_lanes_are_not_believed,
    an_error_that_asks_for_ever_stops_nobody,
);

fn rejecting() -> Script {
    Script::new(|_| async { Err(HandlerError::reject("no")) })
}

/// Publishes as any client of the server could.
async fn publish_raw(
    client: &async_nats::Client,
    subject: &str,
    headers: &[(&str, &str)],
    body: &str,
) {
    let mut map = async_nats::HeaderMap::new();
    for (name, value) in headers {
        map.insert(*name, *value);
    }
    let stored = client
        .request_with_headers(subject.to_owned(), map, body.to_owned().into())
        .await
        .unwrap();
    let answer = String::from_utf8_lossy(&stored.payload).into_owned();
    assert!(answer.contains("\"stream\":\"TASKS\""), "{answer}");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_no_dead_letter_can_be_named_after_is_kept_all_the_same() {
    let world = World::Nats(TestNats::start());
    let World::Nats(nats) = &world else {
        unreachable!()
    };
    let client = async_nats::connect(nats.url()).await.unwrap();
    let running = world
        .app()
        .only((first,))
        .with_state(rejecting())
        .start()
        .await
        .unwrap();
    let large = "x".repeat(7500);
    publish_raw(&client, "tasks.*.given", &[], "a wildcard").await;
    publish_raw(&client, "tasks.a\u{7f}b.given", &[], "a control character").await;
    publish_raw(
        &client,
        "tasks.a.given",
        &[("baggage", &large)],
        "large headers",
    )
    .await;
    publish_raw(&client, "tasks.a.given", &[("note", "a\0b")], "a NUL").await;
    publish_raw(
        &client,
        "tasks.a.given",
        &[("note", "fine")],
        "good headers",
    )
    .await;
    settle(&running).await;
    let mut letters = dead_letters(&running).await;
    letters.sort_by_key(|letter| letter.origin().1);
    let seen: Vec<(&str, &str, Option<&str>)> = letters
        .iter()
        .map(|letter| {
            let body = std::str::from_utf8(letter.payload().unwrap()).unwrap();
            (letter.topic(), body, letter.headers().get("Event-Headers"))
        })
        .collect();
    let left = Some("left at the origin; count=1");
    assert_eq!(
        seen,
        [
            ("tasks.*.given", "a wildcard", None),
            ("tasks.a\\u{7f}b.given", "a control character", None),
            ("tasks.a.given", "large headers", left),
            ("tasks.a.given", "a NUL", None),
            ("tasks.a.given", "good headers", None),
        ]
    );
    assert_eq!(letters[4].headers().get("note"), Some("fine"));
    running.stop().await.unwrap();
}

/// A dead letter that somebody copied back to its topic by hand still has the lane's headers.
async fn headers_that_look_like_a_lanes_are_not_believed(world: World) {
    let seen = Seen::default();
    let script = Script::new(|call: Call| async move {
        match call.metadata.attempt {
            1 => Err(HandlerError::retry_after("later", Duration::from_secs(6))),
            _ => Err(HandlerError::reject("no")),
        }
    });
    let app = world.app().only((first,)).with_state(script);
    let running = app.observe(seen.clone()).start().await.unwrap();
    let body = r#"{"specversion":"1.0","id":"e-1","source":"/s","type":"task.given.v1","data":{"id":"t1","kind":"a"}}"#;
    let headers: Headers = [
        ("Event-Attempt", "20"),
        ("Event-Redrives", "7"),
        ("event-fresh", "5"),
        ("Event-Newer", "3"),
        ("Event-Id", "another"),
        ("Event-Body", "reference; length=1; sha256=00"),
        ("Event-First-Failed", "2001-01-01T00:00:00Z"),
        ("Event-Of-Theirs", "kept"),
    ]
    .into_iter()
    .collect();
    let message = Message::new("tasks.a.given", body).headers(headers);
    running
        .broker()
        .publish(message)
        .await
        .unwrap()
        .await
        .unwrap();
    settle(&running).await;
    assert_eq!(
        seen.lines(),
        [
            "first e-1 received",
            "first e-1 failed at attempt 1",
            "first e-1 received",
            "first e-1 dead: rejected"
        ]
    );
    let letters = dead_letters(&running).await;
    let letter = &letters[0];
    assert_eq!(letter.payload(), Some(body.as_bytes()));
    assert_eq!((letter.attempts(), letter.redrives()), (2, 0));
    assert_eq!(letter.event_id.as_deref(), Some("e-1"));
    assert_eq!(letter.headers().get("Event-Fresh"), None);
    assert_eq!(letter.headers().get("Event-Of-Theirs"), Some("kept"));
    assert!(letter.first_failed().unwrap() > "2020-01-01T00:00:00Z".parse().unwrap());
    running.stop().await.unwrap();
}

async fn an_error_that_asks_for_ever_stops_nobody(world: World) {
    let seen = Seen::default();
    let script = Script::new(|call: Call| async move {
        match call.task.id.as_str() {
            "greedy" => Err(HandlerError::retry_after("later", Duration::MAX)),
            _ => Ok(None),
        }
    });
    let app = world
        .app()
        .only((first,))
        .with_state(script)
        .grace(Duration::MAX);
    let running = app.observe(seen.clone()).start().await.unwrap();
    for id in ["greedy", "modest"] {
        running
            .publisher()
            .publish_with_id(id, &task(id))
            .await
            .unwrap();
    }
    while lane_messages(&running).await == 0 || seen.of("modest handled").is_empty() {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    assert!(!running.settled(Duration::from_millis(100)).await.unwrap());
    running.stop().await.unwrap();
}

/// Refused for a while, and not for what it is: the dead letter is whole in the end.
#[tokio::test(start_paused = true)]
async fn a_dead_letter_that_is_denied_for_a_while_keeps_its_body_and_headers() {
    let app = TestApp::start(
        App::new()
            .service("test")
            .only((first,))
            .with_state(rejecting()),
    )
    .await;
    let mut left = 5;
    app.refuse(move |message: &Message| {
        let denied = message.subject.starts_with("lane.dead.") && left > 0;
        left -= u32::from(denied);
        denied.then(|| BrokerError::permanent("denied"))
    });
    app.publish(&task("t1")).await;
    let letters = app.dead_letters().await;
    assert!(letters[0].payload().is_some());
    assert_eq!(letters[0].headers().get("Event-Headers"), None);
    assert!(letters[0].headers().get("Content-Type").is_some());
    app.stop().await;
}
