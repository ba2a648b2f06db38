//! For how long a repeated message id is recognised: what others' streams promise, and what ours do.

use event_tests::logs::Logs;
use event_tests::nats::{TestNats, api};
use event_tests::on_each_broker;
use event_tests::service::{Script, World, dead_letters, first, give, task};
use expect_test::expect;
use serde_json::{Value, json};

on_each_broker!(
    dead_letters_may_be_kept_for_less_than_the_window,
    dead_letters_are_kept_for_some_time,
);

async fn window_of(nats: &TestNats, stream: &str) -> Value {
    let client = async_nats::connect(nats.url()).await.unwrap();
    let info = api(&client, &format!("STREAM.INFO.{stream}"), Value::Null).await;
    info["config"]["duplicate_window"].clone()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stream_of_others_with_a_short_window_is_told_of() {
    let nats = TestNats::start();
    let client = async_nats::connect(nats.url()).await.unwrap();
    let config = json!({ "name": "TASKS", "subjects": ["tasks.>"] });
    let created = api(&client, "STREAM.CREATE.TASKS", config).await;
    assert!(created["error"].is_null(), "{created}");
    let world = World::Nats(nats);
    let start = async || {
        let app = world.app().only((first,));
        let app = app.with_state(Script::new(|_| async { Ok(None) }));
        app.start().await.unwrap()
    };
    let logs = Logs::listen();
    let running = start().await;
    let warning = expect![[
        r#"WARN the stream recognises a repeated message id for 120s, and 600s are counted on: an event that is published again later than that is stored twice, and handled twice; raise its `duplicate_window` at the broker stream="TASKS""#
    ]];
    warning.assert_eq(&logs.of("message id").join("\n"));
    running.stop().await.unwrap();

    // A program that only publishes learns of the stream with its first event.
    let publisher = world.app().only(()).publish_only().start().await.unwrap();
    let logs = Logs::listen();
    for id in ["t1", "t2"] {
        publisher.publisher().publish(&task(id)).await.unwrap();
    }
    warning.assert_eq(&logs.of("message id").join("\n"));
    publisher.stop().await.unwrap();

    // Somebody does as told.
    let config = json!({ "name": "TASKS", "subjects": ["tasks.>"], "duplicate_window": 600_000_000_000_u64 });
    let updated = api(&client, "STREAM.UPDATE.TASKS", config).await;
    assert!(updated["error"].is_null(), "{updated}");
    let logs = Logs::listen();
    let running = start().await;
    give(&running, &[task("t3")]).await;
    assert_eq!(logs.of("message id"), Vec::<String>::new());
    running.stop().await.unwrap();
}

async fn dead_letters_may_be_kept_for_less_than_the_window(world: World) {
    let logs = Logs::listen();
    let app = world.app_with(&[("EVENT_DEAD_LETTER_AGE", "5m")]);
    let reject = Script::new(|_| async { Err(event_runtime::HandlerError::reject("no")) });
    let app = app.only((first,)).with_state(reject);
    let running = app.start().await.unwrap();
    give(&running, &[task("t1")]).await;
    assert_eq!(dead_letters(&running).await.len(), 1);
    assert_eq!(logs.of("message id"), Vec::<String>::new());
    running.stop().await.unwrap();
    if let World::Nats(nats) = &world {
        assert_eq!(window_of(nats, "test_DEAD").await, 300_000_000_000_u64);
        assert_eq!(window_of(nats, "test_RETRY").await, 600_000_000_000_u64);
        assert_eq!(window_of(nats, "TASKS").await, 600_000_000_000_u64);
    }
}

async fn dead_letters_are_kept_for_some_time(world: World) {
    for (age, expected) in [
        (
            "0s",
            expect![
                "the program can't start: EVENT_DEAD_LETTER_AGE=`0s` keeps no dead letter for long enough to read it: at least `1s`"
            ],
        ),
        (
            "50ms",
            expect![
                "the program can't start: EVENT_DEAD_LETTER_AGE=`50ms` keeps no dead letter for long enough to read it: at least `1s`"
            ],
        ),
    ] {
        let app = world.app_with(&[("EVENT_DEAD_LETTER_AGE", age)]);
        let app = app.only((first,));
        let app = app.with_state(Script::new(|_| async { Ok(None) }));
        expected.assert_eq(&app.start().await.unwrap_err().to_string());
    }
}
