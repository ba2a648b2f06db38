//! What strangers write into headers: it is neither believed nor in the way.

use std::time::Duration;

use event_runtime::broker::{Message, lanes};
use event_runtime::dead_letters::DeadLetters;
use event_runtime::envelope::Headers;
use event_runtime::{HandlerError, Running};
use event_tests::nats::TestNats;
use event_tests::on_each_broker;
use event_tests::service::{Call, Script, Seen, World, dead_letters, first, give, settle, task};
use expect_test::expect;

on_each_broker!(
    lane_headers_on_an_event_are_not_believed,
    a_counter_at_its_end_loses_nothing,
);

async fn store(running: &Running, message: Message) {
    let broker = running.broker();
    broker.publish(message).await.unwrap().await.unwrap();
}

async fn failing(world: &World, seen: &Seen) -> Running {
    let script = Script::new(|_: Call| async { Err(HandlerError::reject("no")) });
    let app = world.app().only((first,)).with_state(script);
    app.observe(seen.clone()).start().await.unwrap()
}

async fn lane_headers_on_an_event_are_not_believed(world: World) {
    let seen = Seen::default();
    let running = failing(&world, &seen).await;
    // As if somebody had published a dead letter again, with all of its headers.
    let headers: Headers = [
        ("event-attempt", "3"),
        ("Event-Redrives", "4"),
        ("Event-Fresh", "5"),
        ("Event-Id", "another"),
        ("Event-First-Failed", "2020-01-01T00:00:00Z"),
        ("Event-Body", "reference; length=1; sha256=00"),
        ("Own", "kept"),
    ]
    .into_iter()
    .collect();
    let body = "not JSON";
    store(
        &running,
        Message::new("tasks.a.given", body).headers(headers),
    )
    .await;
    settle(&running).await;
    let letters = dead_letters(&running).await;
    let [letter] = letters.as_slice() else {
        panic!("one dead letter: {letters:?}");
    };
    assert_eq!(letter.payload(), Some(body.as_bytes()));
    assert_eq!(letter.event_id, None);
    assert_eq!(letter.first_failed(), None);
    assert_eq!((letter.attempts(), letter.redrives()), (1, 0));
    assert_eq!(letter.headers().get("event-fresh"), None);
    assert_eq!(letter.headers().get("own"), Some("kept"));
    running.stop().await.unwrap();
}

async fn a_counter_at_its_end_loses_nothing(world: World) {
    let seen = Seen::default();
    let running = failing(&world, &seen).await;
    give(&running, &[task("t1")]).await;
    let [letter] = dead_letters(&running).await.try_into().unwrap();
    let mut headers = letter.headers().clone();
    for name in ["Event-Attempt", "Event-Redrives", "Event-Fresh"] {
        headers.set(name, u32::MAX.to_string());
    }
    let lane = lanes::retry_subject("test", "first");
    let body = letter.payload().unwrap().to_vec();
    store(&running, Message::new(lane, body).headers(headers)).await;
    settle(&running).await;
    let [_, letter] = dead_letters(&running).await.try_into().unwrap();
    assert_eq!((letter.attempts(), letter.redrives()), (u32::MAX, u32::MAX));
    let letters = DeadLetters::new(running.broker(), "test");
    let error = letters.redrive(&letter, true).await.unwrap_err();
    expect!["dead letter 2 can't be redriven: its headers say that it was so often already that nobody can count further; publish its event again instead"]
        .assert_eq(&error.to_string());
    assert_eq!(dead_letters(&running).await.len(), 2);
    running.stop().await.unwrap();
}

/// A message that can be received can be too much to be sent: its dead letter has the body or says where it is.
#[tokio::test(flavor = "multi_thread")]
async fn headers_that_cannot_be_sent_do_not_keep_a_dead_letter_out() {
    let world = World::Nats(TestNats::start());
    let World::Nats(nats) = &world else {
        unreachable!("just made");
    };
    let client = async_nats::connect(nats.url()).await.unwrap();
    let seen = Seen::default();
    let running = failing(&world, &seen).await;
    for value in ["x".repeat(9000), "a\0b".to_owned()] {
        let mut headers = async_nats::HeaderMap::new();
        headers.insert("Own", value.as_str());
        client
            .publish_with_headers("tasks.a.given", headers, "not JSON".into())
            .await
            .unwrap();
    }
    client.flush().await.unwrap();
    give(&running, &[task("t1")]).await;
    assert!(running.settled(Duration::from_secs(20)).await.unwrap());
    let letters = dead_letters(&running).await;
    let reasons: Vec<&str> = letters
        .iter()
        .map(|letter| letter.reason.as_str())
        .collect();
    assert_eq!(reasons.len(), 3, "{reasons:?}");
    for letter in letters
        .iter()
        .filter(|letter| letter.reason == "undecodable")
    {
        let kept = letter.payload();
        assert!(kept.is_none_or(|kept| kept == b"not JSON"));
        let (stream, sequence) = letter.origin();
        let original = running.broker().read(stream, ">", sequence).await.unwrap();
        assert_eq!(original.unwrap().payload, "not JSON");
    }
    running.stop().await.unwrap();
}
