//! Sending back many dead letters, and what is left where one of them can't be sent.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use event_runtime::HandlerError;
use event_runtime::broker::Message;
use event_runtime::dead_letters::{DeadLetter, DeadLetters, Filter};
use event_tests::nats::TestNats;
use event_tests::on_each_broker;
use event_tests::service::{Script, Seen, World, dead_letters, first, give, second, settle, task};
use expect_test::expect;
use serde_json::Value;

on_each_broker!(
    a_walk_ends_before_what_is_stored_meanwhile,
    a_body_that_is_no_text_is_shown_as_what_it_is,
);

fn rejecting() -> Script {
    Script::new(|_| async { Err(HandlerError::reject("no")) })
}

async fn a_walk_ends_before_what_is_stored_meanwhile(world: World) {
    let seen = Seen::default();
    let app = world.app().only((first, second)).with_state(rejecting());
    let running = app.observe(seen.clone()).start().await.unwrap();
    give(&running, &[task("t1"), task("t2"), task("t3")]).await;
    let letters = DeadLetters::new(running.broker(), "test");
    let mut filter = Filter::default();
    filter.handler = Some("first".into());
    let mut walk = letters.walk(&filter).await.unwrap();
    let mut walked = Vec::new();
    while let Some(letter) = walk.next().await.unwrap() {
        assert_eq!(letter.handler, "first");
        walked.push(letter.event_id.clone().unwrap());
        // It fails again at once, and is stored behind the others.
        letters.redrive(&letter, false).await.unwrap();
        settle(&running).await;
    }
    assert_eq!(walked, ["t1", "t2", "t3"], "each once");
    assert_eq!(seen.of("first").len(), 12);
    assert_eq!(dead_letters(&running).await.len(), 6);
    running.stop().await.unwrap();
}

async fn a_body_that_is_no_text_is_shown_as_what_it_is(world: World) {
    let app = world.app().only((first,)).with_state(rejecting());
    let running = app.start().await.unwrap();
    for body in [&b"caf\xe9"[..], "café".as_bytes()] {
        let message = Message::new("tasks.a.given", body.to_vec());
        let receipt = running.broker().publish(message).await.unwrap();
        receipt.await.unwrap();
    }
    settle(&running).await;
    let found = dead_letters(&running).await;
    let shown: Vec<Value> = found.iter().map(DeadLetter::to_json).collect();
    assert_eq!(shown[0]["payload_base64"], "Y2Fm6Q==");
    assert!(shown[0].get("payload").is_none(), "{}", shown[0]);
    assert_eq!(shown[1]["payload"], "café");
    assert!(shown[1].get("payload_base64").is_none(), "{}", shown[1]);
    running.stop().await.unwrap();
}

/// The server takes a body of its own limit, and our messages need room for headers.
#[tokio::test(flavor = "multi_thread")]
async fn one_that_cannot_be_sent_back_does_not_keep_the_others() {
    let world = World::Nats(TestNats::start());
    let World::Nats(nats) = &world else {
        unreachable!()
    };
    let client = async_nats::connect(nats.url()).await.unwrap();
    let down = Arc::new(AtomicBool::new(true));
    let is_down = Arc::clone(&down);
    let script = Script::new(move |_| {
        let down = is_down.load(Ordering::SeqCst);
        async move {
            if down {
                return Err(HandlerError::reject("no"));
            }
            Ok(None)
        }
    });
    let app = || world.app().only((first,)).with_state(script.clone());
    let running = app().start().await.unwrap();
    give(&running, &[task("t1")]).await;
    let huge = vec![b'x'; 1024 * 1024 - 100];
    for _ in 0..2 {
        // The server answers once it is stored.
        let stored = client.request("tasks.a.given", huge.clone().into());
        stored.await.unwrap();
    }
    settle(&running).await;
    give(&running, &[task("t2")]).await;
    assert_eq!(dead_letters(&running).await.len(), 4);
    down.store(false, Ordering::SeqCst);

    let error = app()
        .run_from(["test", "dead-letters", "redrive", "--all"])
        .await
        .unwrap_err();
    expect![[r#"
        not all was sent back:
          - the body of dead letter 2 is too large for a lane: it is message 2 of the stream `TASKS`
          - the body of dead letter 3 is too large for a lane: it is message 3 of the stream `TASKS`"#]].assert_eq(&error.to_string());
    settle(&running).await;
    let left: BTreeSet<u64> = dead_letters(&running)
        .await
        .iter()
        .map(|letter| letter.sequence)
        .collect();
    assert_eq!(left, BTreeSet::from([2, 3]), "the two that can't be sent");

    // One by its number says what is wrong with that one.
    let error = app()
        .run_from(["test", "dead-letters", "redrive", "2"])
        .await
        .unwrap_err();
    expect![
        "the body of dead letter 2 is too large for a lane: it is message 2 of the stream `TASKS`"
    ]
    .assert_eq(&error.to_string());
    running.stop().await.unwrap();
}
