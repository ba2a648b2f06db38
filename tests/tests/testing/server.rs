//! The same tests on a real server, by one setting.

use super::*;

/// The app on a server, as the one setting puts it there.
fn on(nats: &TestNats, carrier: &Carrier) -> App {
    shop(carrier).environment([("EVENT_TEST_BROKER", nats.url())])
}

#[tokio::test(start_paused = true)]
async fn on_a_server_two_tests_at_once_see_nothing_of_each_other() {
    let nats = TestNats::start();
    let carrier = Carrier::answering([
        retry_after("in place", 1),
        retry_after("through the lane", 6),
    ]);
    let one = TestApp::start(on(&nats, &carrier)).await;
    let other = TestApp::start(on(&nats, &Carrier::default())).await;
    one.publish_with_id("p-1", &paid("o-1")).await;
    other.publish_with_id("p-1", &paid("o-2")).await;
    one.assert_retries(ship_order, ["in place", "through the lane"]);
    one.assert_published([shipped("o-1")]);
    other.assert_published([shipped("o-2")]);
    other.assert_received(tell_customer, [shipped("o-2")]);
    // The names are the usual ones.
    let payment = &one.received::<PaymentTaken>(ship_order)[0];
    assert_eq!(payment.topic, "payments.rome.taken");
    assert_eq!(payment.attributes.source, "/shop");
    let stream = one.broker().stream("PAYMENTS").await.unwrap().unwrap();
    assert_eq!((stream.name.as_str(), stream.messages), ("PAYMENTS", 1));
    assert_eq!(stream.subjects, ["payments", "payments.>"]);
}

#[tokio::test(start_paused = true)]
async fn on_a_server_a_dead_letter_is_kept_and_goes_back() {
    let nats = TestNats::start();
    let carrier = Carrier::answering([HandlerError::reject("no such address")]);
    let app = TestApp::start(on(&nats, &carrier)).await;
    app.publish(&paid("o-1")).await;
    let letters = app.dead_letters().await;
    assert_eq!(letters[0].topic(), "payments.rome.taken");
    assert_eq!(letters[0].origin(), ("PAYMENTS", 1));
    DeadLetters::new(app.broker(), "shop")
        .redrive(&letters[0], false)
        .await
        .unwrap();
    app.settled().await;
    app.assert_published([shipped("o-1")]);
}

#[tokio::test(start_paused = true)]
async fn on_a_server_a_crash_shows_after_the_ack_wait() {
    let nats = TestNats::start();
    let carrier = Carrier::default();
    let app = TestApp::start(on(&nats, &carrier)).await;
    app.crash_after(ship_order);
    app.publish(&paid("o-1")).await;
    app.restart(on(&nats, &carrier)).await;
    app.settled().await;
    assert_eq!(carrier.asked(), 2);
    let orders = app.published::<OrderShipped>();
    assert_eq!((orders.len(), orders[0].times), (1, 2));
    app.assert_published([told("o-1")]);
}

/// The setting itself: tests of this file, in a process that has it in its environment.
#[test]
fn one_setting_runs_the_same_tests_on_a_server() {
    let nats = TestNats::start();
    let tests = [
        "records::publishing_waits_until_the_whole_chain_is_settled",
        "records::dead_letters_are_told_with_reason_and_error_and_go_back",
        "failures::a_publish_that_fails_for_a_while_is_stored_later",
        "apps::apps_that_are_started_apart_see_nothing_of_each_other",
        "apps::two_services_share_a_broker_and_are_settled_together",
    ];
    let output = std::process::Command::new(std::env::current_exe().unwrap())
        .env("EVENT_TEST_BROKER", nats.url())
        .arg("--exact")
        .args(tests)
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{said}");
    assert!(said.contains("5 passed"), "{said}");
    let streams = std::fs::read_dir(nats.folder().join("store/jetstream/$G/streams")).unwrap();
    let names: Vec<_> = streams
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    let payments = names.iter().filter(|name| name.ends_with("_PAYMENTS"));
    assert_eq!(
        payments.count(),
        6,
        "one for each `TestApp::start`: {names:?}"
    );
}

#[test]
fn the_chapter_shows_the_service_that_its_tests_are_about() {
    let (_, service) = include_str!("../../src/bakery.rs")
        .split_once("\n\n")
        .unwrap();
    assert!(include_str!("../../../docs/testing.md").contains(&format!("```rust\n{service}```")));
}
