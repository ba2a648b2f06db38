//! Programs that take some of the linked handlers, by `.only(…)`: the others belong to other programs.

use std::time::Duration;

use event_runtime::broker::{DurableSpec, Start};
use event_tests::logs::Logs;
use event_tests::on_each_broker;
use event_tests::service::{Script, World, first, second};
use expect_test::expect;

on_each_broker!(
    a_handler_that_is_left_out_is_no_orphan,
    settings_of_a_handler_that_is_left_out_are_fine,
);

fn quiet() -> Script {
    Script::new(|_| async { Ok(None) })
}

async fn a_handler_that_is_left_out_is_no_orphan(world: World) {
    let app = world.app().only((first, second)).with_state(quiet());
    let running = app.start().await.unwrap();
    // This one is of a handler that nobody has any more.
    let gone = DurableSpec {
        name: "test-gone".into(),
        service: "test".into(),
        handler: "gone".into(),
        filter: "tasks.*.given".into(),
        start: Some(Start::New),
        ack_wait: Duration::from_secs(10),
        max_ack_pending: 1000,
    };
    let broker = running.broker();
    broker.create_durable("TASKS", &gone).await.unwrap();

    let logs = Logs::listen();
    let half = world.app().only((first,)).with_state(quiet());
    let half = half.start().await.unwrap();
    expect![[r#"WARN this durable of the service has no handler any more; delete it if it is not coming back durable="test-gone" stream="TASKS" pending=0"#]]
        .assert_eq(&logs.of("no handler any more").join("\n"));
    half.stop().await.unwrap();
    running.stop().await.unwrap();
}

async fn settings_of_a_handler_that_is_left_out_are_fine(world: World) {
    let variables = [
        ("EVENT_HANDLER_FIRST_TIMEOUT", "5s"),
        ("EVENT_HANDLER_SECOND_TIMEOUT", "5s"),
    ];
    let app = || world.app_with(&variables).only((first,));
    let running = app().with_state(quiet()).start().await.unwrap();
    running.stop().await.unwrap();

    // To run what the program leaves out is another matter.
    let variables = [("EVENT_HANDLERS", "first,second")];
    let app = world.app_with(&variables).only((first,));
    let error = app.with_state(quiet()).start().await.unwrap_err();
    expect!["the program can't start: EVENT_HANDLERS names `second`, which this program leaves out by `.only(…)`; there are `first`"]
        .assert_eq(&error.to_string());
}
