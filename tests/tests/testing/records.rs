//! What is recorded, and what the clock does.

use super::*;

#[tokio::test(start_paused = true)]
async fn publishing_waits_until_the_whole_chain_is_settled() {
    let app = TestApp::start(shop(&Carrier::default())).await;
    let published = app.publish(&paid("o-1")).await;
    app.assert_received(ship_order, [paid("o-1")]);
    app.assert_published([shipped("o-1")]);
    app.assert_published([told("o-1")]);
    app.assert_retries(ship_order, []);
    app.assert_dead_letters(ship_order, []);
    assert_eq!(app.dead_letters().await.len(), 0);
    assert_eq!(published.stream, "PAYMENTS");
    expect![[r##"
        the test published #1 payment.taken.v1 {"order":"o-1","shop":"rome"}
        ship_order received #1
        ship_order published #2 order.shipped.v1 {"order":"o-1"}
        ship_order handled #1
        tell_customer received #2
        tell_customer published #3 customer.told.v1 {"order":"o-1"}
        tell_customer handled #2
    "##]]
    .assert_eq(&app.history());
}

#[tokio::test(start_paused = true)]
async fn events_are_read_back_with_their_envelopes() {
    let app = TestApp::start(shop(&Carrier::default())).await;
    app.publish_with_id("p-1", &paid("o-1")).await;
    let [ref payment] = app.received::<PaymentTaken>(ship_order)[..] else {
        panic!("one payment");
    };
    assert_eq!(*payment, paid("o-1"));
    assert_eq!(payment.order, "o-1");
    assert_eq!(payment.attributes.id, "p-1");
    assert_eq!(payment.attributes.source, "/shop");
    assert_eq!(payment.topic, "payments.rome.taken");
    assert_eq!(payment.times, 1);
    let [ref order] = app.published::<OrderShipped>()[..] else {
        panic!("one order");
    };
    assert_eq!(order.event.order, "o-1");
    assert_eq!(order.attributes.causation_id.as_deref(), Some("p-1"));
    assert_eq!(order.attributes.partition_key.as_deref(), Some("o-1"));
    assert_eq!(app.published::<CustomerTold>(), [told("o-1")]);
    // What the test publishes is not the app's.
    assert!(app.published::<PaymentTaken>().is_empty());
}

#[tokio::test(start_paused = true)]
async fn retries_are_told_with_attempts_delays_and_errors() {
    let carrier = Carrier::answering([
        retry_after("the carrier is down", 2),
        // Longer than what waits in place: it goes through the retry lane.
        retry_after("the carrier is still down", 3600),
    ]);
    let app = TestApp::in_memory(shop(&carrier)).await;
    let start = tokio::time::Instant::now();
    app.publish(&paid("o-1")).await;
    assert_eq!(start.elapsed().as_secs(), 3602, "the virtual clock");
    app.assert_published([shipped("o-1")]);
    app.assert_retries(
        ship_order,
        ["the carrier is down", "the carrier is still down"],
    );
    let retries = app.retries(ship_order);
    assert_eq!(retries[1].attempt, 2);
    assert_eq!(retries[1].delay, Duration::from_hours(1));
    assert_eq!(app.received::<PaymentTaken>(ship_order)[0].times, 2);
    expect![[r##"
        the test published #1 payment.taken.v1 {"order":"o-1","shop":"rome"}
        ship_order received #1
        ship_order failed on #1 at attempt 1, the next is in 2.0s: the carrier is down
        ship_order failed on #1 at attempt 2, the next is in 3600.0s: the carrier is still down
        ship_order received #1 again
        ship_order published #2 order.shipped.v1 {"order":"o-1"}
        ship_order handled #1 at attempt 3
        tell_customer received #2
        tell_customer published #3 customer.told.v1 {"order":"o-1"}
        tell_customer handled #2
    "##]]
    .assert_eq(&app.history());
}

#[tokio::test(start_paused = true)]
async fn the_default_policy_of_two_hours_takes_no_time() {
    let carrier = Carrier::answering((0..100).map(|_| HandlerError::retry("down")));
    let policy = RetryPolicy::default();
    let app = App::new().service("shop").with_state(carrier.clone());
    let app = TestApp::in_memory(app.retry(policy).only((patient,))).await;
    let real = std::time::Instant::now();
    app.publish(&paid("o-1")).await;
    assert_eq!(carrier.asked(), policy.max);
    app.assert_dead_letters(patient, ["attempts: down"]);
    assert!(real.elapsed() < Duration::from_secs(30));
}

#[handler]
async fn patient(_: PaymentTaken, State(carrier): State<Carrier>) -> Result<(), HandlerError> {
    carrier.take()
}

#[tokio::test(start_paused = true)]
async fn the_clock_is_the_tests() {
    let carrier = Carrier::answering([retry_after("closed", 3600)]);
    let app = TestApp::in_memory(shop(&carrier)).await;
    app.publisher().publish(&paid("o-1")).await.unwrap();
    app.advance(Duration::from_mins(59)).await;
    assert_eq!(carrier.asked(), 1);
    app.advance(Duration::from_mins(1)).await;
    assert_eq!(carrier.asked(), 2);
    // It is settled already: waiting for it does not move the clock.
    let before = tokio::time::Instant::now();
    app.settled().await;
    assert_eq!(before.elapsed(), Duration::ZERO);
}

#[tokio::test]
async fn a_running_clock_is_not_advanced_for_an_hour() {
    let app = TestApp::in_memory(shop(&Carrier::default())).await;
    let advance = async { app.advance(Duration::from_hours(1)).await };
    says(advance, expect!["`advance(3600s)` would take 3600s, for the clock is not paused: say `#[tokio::test(start_paused = true)]`, and `TestApp::in_memory` for a test that is never to run on a server"]).await;
    app.publish(&paid("o-1")).await;
    app.assert_published([shipped("o-1")]);
}

#[tokio::test(start_paused = true)]
async fn dead_letters_are_told_with_reason_and_error_and_go_back() {
    let carrier = Carrier::answering([HandlerError::reject("no such address")]);
    let app = TestApp::start(shop(&carrier)).await;
    app.publish(&paid("o-1")).await;
    app.assert_dead_letters(ship_order, ["rejected: no such address"]);
    app.assert_published::<OrderShipped>([]);
    let letters = app.dead_letters().await;
    assert_eq!(letters[0].handler, "ship_order");
    DeadLetters::new(app.broker(), "shop")
        .redrive(&letters[0], false)
        .await
        .unwrap();
    app.settled().await;
    app.assert_published([shipped("o-1")]);
    assert_eq!(app.dead_letters().await.len(), 0);
    expect![[r##"
        the test published #1 payment.taken.v1 {"order":"o-1","shop":"rome"}
        ship_order received #1
        ship_order gave up #1 at attempt 1, now a dead letter (rejected): no such address
        ship_order received #1 again
        ship_order published #2 order.shipped.v1 {"order":"o-1"}
        ship_order handled #1
        tell_customer received #2
        tell_customer published #3 customer.told.v1 {"order":"o-1"}
        tell_customer handled #2
    "##]]
    .assert_eq(&app.history());
}

#[tokio::test(start_paused = true)]
async fn a_message_that_is_no_event_shows_as_it_is() {
    let app = TestApp::start(shop(&Carrier::default())).await;
    let message = Message::new("payments.rome.taken", "paid!\n");
    app.broker().publish(message).await.unwrap().await.unwrap();
    app.settled().await;
    expect![[r#"
        ship_order received #1 (no event) paid!\n
        ship_order gave up #1 at attempt 1, now a dead letter (undecodable): not a CloudEvent: the message is not a JSON object: expected value at line 1 column 1
    "#]]
    .assert_eq(&app.history());
    assert!(app.received::<PaymentTaken>(ship_order).is_empty());
}
