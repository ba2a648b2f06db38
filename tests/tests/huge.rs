//! Foreign messages that the broker takes and our lanes, which need room for headers, do not.

use std::time::Duration;

use event_runtime::HandlerError;
use event_runtime::broker::Message;
use event_runtime::dead_letters::DeadLetters;
use event_tests::on_each_broker;
use event_tests::service::{
    Call, Script, Seen, World, dead_letters, first, give, second, settle, task,
};
use expect_test::expect;
use serde_json::json;
use sha2::{Digest, Sha256};

on_each_broker!(
    a_body_too_large_for_a_lane_stays_at_its_origin,
    an_event_too_large_for_a_lane_waits_in_place,
);

/// Just under the 1 MiB that both brokers take with headers.
const SIZE: usize = 1024 * 1024 - 200;

/// Publishes as somebody without our library does, and waits until it is stored.
async fn publish_foreign(world: &World, body: Vec<u8>) {
    match world {
        World::Memory(memory) => {
            let message = Message::new("tasks.a.given", body);
            memory.publish_foreign(message).unwrap().await.unwrap();
        }
        World::Nats(nats) => {
            let client = async_nats::connect(nats.url()).await.unwrap();
            let stored = client.request("tasks.a.given", body.into());
            stored.await.unwrap();
        }
    }
}

async fn a_body_too_large_for_a_lane_stays_at_its_origin(world: World) {
    let seen = Seen::default();
    let script = Script::new(|_| async { Ok(None) });
    let app = world.app().only((first,)).with_state(script);
    let running = app.observe(seen.clone()).start().await.unwrap();
    let body = vec![b'x'; SIZE];
    publish_foreign(&world, body.clone()).await;
    settle(&running).await;
    give(&running, &[task("t2")]).await;
    assert_eq!(seen.of("t2").len(), 2, "others are handled as always");

    let letter = dead_letters(&running).await.remove(0);
    assert_eq!(letter.reason, "undecodable");
    assert_eq!(letter.origin(), ("TASKS", 1));
    assert_eq!(letter.payload(), None);
    let digest = Sha256::digest(&body);
    let digest = digest
        .iter()
        .fold(String::new(), |text, byte| text + &format!("{byte:02x}"));
    assert_eq!(
        letter.headers().get("Event-Body"),
        Some(format!("reference; length={SIZE}; sha256={digest}").as_str())
    );
    let origin = running.broker().read("TASKS", ">", 1).await.unwrap();
    assert_eq!(origin.unwrap().payload, body, "it is still there");

    let letters = DeadLetters::new(running.broker(), "test");
    let error = letters.redrive(&letter, false).await.unwrap_err();
    expect![
        "the body of dead letter 1 is too large for a lane: it is message 1 of the stream `TASKS`"
    ]
    .assert_eq(&error.to_string());
    assert!(!error.is_transient());
    assert_eq!(dead_letters(&running).await.len(), 1, "it stays");
    running.stop().await.unwrap();
}

async fn an_event_too_large_for_a_lane_waits_in_place(world: World) {
    let seen = Seen::default();
    let script = Script::new(|call: Call| async move {
        match (call.handler, call.metadata.attempt) {
            ("second", _) => Err(HandlerError::reject("no")),
            // As long as only a lane waits otherwise.
            (_, 1) => Err(HandlerError::retry_after("busy", Duration::from_secs(6))),
            _ => Ok(None),
        }
    });
    let app = world.app().only((first, second)).with_state(script);
    let running = app.observe(seen.clone()).start().await.unwrap();
    let event = |filling: usize| {
        let event = json!({
            "specversion": "1.0", "id": "t1", "source": "/elsewhere", "type": "task.given.v1",
            "data": { "id": "t1", "kind": "a", "filling": "x".repeat(filling) },
        });
        event.to_string().into_bytes()
    };
    let body = event(SIZE - event(0).len());
    assert_eq!(body.len(), SIZE);
    publish_foreign(&world, body).await;
    settle(&running).await;
    assert_eq!(
        seen.of("first"),
        [
            "first t1 received",
            "first t1 failed at attempt 1",
            "first t1 handled at attempt 2",
        ]
    );
    let letter = dead_letters(&running).await.remove(0);
    assert_eq!(
        (letter.handler.as_str(), letter.event_id.as_deref()),
        ("second", Some("t1"))
    );
    assert_eq!(
        (letter.reason.as_str(), letter.payload()),
        ("rejected", None)
    );
    running.stop().await.unwrap();
}
