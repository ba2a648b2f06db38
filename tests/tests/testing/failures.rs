//! What goes wrong as asked: publishes that fail, processes that die.

use super::*;

#[tokio::test(start_paused = true)]
async fn a_publish_that_fails_for_a_while_is_stored_later() {
    let carrier = Carrier::default();
    let app = TestApp::start(shop(&carrier)).await;
    // The first order and its customer go through; the third event that the app publishes does not.
    app.fail_publish(3, BrokerError::transient("no leader"));
    app.publish(&paid("o-1")).await;
    app.publish(&paid("o-2")).await;
    assert_eq!(carrier.asked(), 2, "no second run for the broker's trouble");
    app.assert_published([shipped("o-1"), shipped("o-2")]);
    let history = app.history();
    let (_, story) = history.split_once("#4").unwrap();
    expect![[r##"
         payment.taken.v1 {"order":"o-2","shop":"rome"}
        ship_order received #4
        shop could not publish #5 order.shipped.v1 {"order":"o-2"}: no leader
        ship_order published #5
        ship_order handled #4
        tell_customer received #5
        tell_customer published #6 customer.told.v1 {"order":"o-2"}
        tell_customer handled #5
    "##]]
    .assert_eq(story);
}

#[tokio::test(start_paused = true)]
async fn a_publish_that_fails_for_good_makes_a_dead_letter_of_its_input() {
    let app = TestApp::start(shop(&Carrier::default())).await;
    app.fail_publish(1, BrokerError::permanent("denied"));
    app.publish(&paid("o-1")).await;
    app.assert_dead_letters(
        ship_order,
        ["output: an event returned for `orders.shipped` can't be published: denied"],
    );
    app.assert_published::<OrderShipped>([]);
    // Once the cause is gone, it goes back.
    let letters = DeadLetters::new(app.broker(), "shop");
    let letter = &app.dead_letters().await[0];
    letters.redrive(letter, false).await.unwrap();
    app.settled().await;
    app.assert_published([shipped("o-1")]);
}

#[tokio::test(start_paused = true)]
async fn the_apps_own_publisher_fails_as_asked() {
    let app = TestApp::start(shop(&Carrier::default())).await;
    app.fail_publish(1, BrokerError::permanent("denied"));
    let error = app.publisher().publish(&paid("o-1")).await.unwrap_err();
    assert!(!error.is_transient());
    app.publisher().publish(&paid("o-1")).await.unwrap();
    app.settled().await;
    app.assert_published([paid("o-1")]);
}

#[tokio::test(start_paused = true)]
async fn any_message_may_be_refused() {
    let carrier = Carrier::answering([HandlerError::reject("no")]);
    let app = TestApp::start(shop(&carrier)).await;
    let mut left = 2;
    app.refuse(move |message| {
        (message.subject.starts_with("lane.dead.") && left > 0).then(|| {
            left -= 1;
            BrokerError::transient("the stream is full")
        })
    });
    app.publish(&paid("o-1")).await;
    expect![[r##"
        the test published #1 payment.taken.v1 {"order":"o-1","shop":"rome"}
        ship_order received #1
        shop could not publish a message for `lane.dead.shop.ship_order.payments.rome.taken`: the stream is full
        shop could not publish a message for `lane.dead.shop.ship_order.payments.rome.taken`: the stream is full
        ship_order gave up #1 at attempt 1, now a dead letter (rejected): no
    "##]]
    .assert_eq(&app.history());
}

#[tokio::test(start_paused = true)]
async fn a_process_that_dies_before_its_handler_runs_gets_the_event_again() {
    let carrier = Carrier::default();
    let app = TestApp::start(shop(&carrier)).await;
    app.crash_before(ship_order);
    app.publish(&paid("o-1")).await;
    assert_eq!(carrier.asked(), 0);
    app.restart(shop(&carrier)).await;
    app.settled().await;
    assert_eq!(carrier.asked(), 1);
    app.assert_published([shipped("o-1")]);
    let history = app.history();
    assert!(
        history.starts_with(
            "the test published #1 payment.taken.v1 {\"order\":\"o-1\",\"shop\":\"rome\"}\nshop crashed\nshop started again\nship_order received #1\n"
        ),
        "{history}"
    );
}

#[tokio::test(start_paused = true)]
async fn a_process_that_dies_before_it_settles_repeats_its_work_under_the_same_ids() {
    let carrier = Carrier::default();
    let app = TestApp::start(shop(&carrier)).await;
    app.crash_after(ship_order);
    app.publish(&paid("o-1")).await;
    assert_eq!(carrier.asked(), 1);
    app.restart(shop(&carrier)).await;
    app.settled().await;
    assert_eq!(carrier.asked(), 2, "a handler may run twice");
    assert_eq!(app.received::<PaymentTaken>(ship_order)[0].times, 2);
    let orders = app.published::<OrderShipped>();
    assert_eq!((orders.len(), orders[0].times), (1, 2));
    app.assert_received(tell_customer, [shipped("o-1")]);
    let mut history: Vec<String> = app.history().lines().map(str::to_owned).collect();
    // After the restart, two handlers have work at once.
    history[5..].sort();
    expect![[r##"
        [
            "the test published #1 payment.taken.v1 {\"order\":\"o-1\",\"shop\":\"rome\"}",
            "ship_order received #1",
            "ship_order published #2 order.shipped.v1 {\"order\":\"o-1\"}",
            "ship_order handled #1",
            "shop crashed",
            "ship_order handled #1",
            "ship_order published #2, which the broker had",
            "ship_order received #1 again",
            "shop started again",
            "tell_customer handled #2",
            "tell_customer published #3 customer.told.v1 {\"order\":\"o-1\"}",
            "tell_customer received #2",
        ]
    "##]]
    .assert_debug_eq(&history);
}

#[tokio::test(start_paused = true)]
async fn a_process_is_crashed_while_its_handler_runs_or_stopped_and_started_again() {
    let carrier = Carrier::default();
    let app = || {
        App::new()
            .service("shop")
            .grace(Duration::from_secs(1))
            .with_state(carrier.clone())
    };
    let test = TestApp::in_memory(app().only((hang,))).await;
    test.publisher().publish(&paid("o-1")).await.unwrap();
    test.advance(Duration::from_secs(1)).await;
    test.crash();
    // Nobody is there to settle anything.
    test.publish(&paid("o-2")).await;
    let publisher = async {
        test.publisher();
    };
    says(
        publisher,
        expect![[r##"
        `shop` does not run: `restart` it
        all that happened, in order:
            shop published #1 payment.taken.v1 {"order":"o-1","shop":"rome"}
            hang received #1
            shop crashed
            the test published #2 payment.taken.v1 {"order":"o-2","shop":"rome"}"##]],
    )
    .await;
    test.restart(app().only((hang,))).await;
    test.advance(Duration::from_secs(10)).await;
    assert_eq!(test.received::<PaymentTaken>(hang)[0].times, 2);
    // It hangs beyond the grace: ending it well is not possible, and says so.
    let stop = async { test.stop().await };
    says(stop, expect!["the app does not end well, at tests/tests/testing/failures.rs:…: stopped before all was done: handlers still ran after the grace of 1s, and their events were handed back; the broker delivers again what is not acknowledged"]).await;
}

#[tokio::test(start_paused = true)]
async fn an_app_that_was_stopped_well_goes_on_where_it_was() {
    let carrier = Carrier::answering([retry_after("closed", 60)]);
    let app = TestApp::in_memory(shop(&carrier)).await;
    app.publisher().publish(&paid("o-1")).await.unwrap();
    app.advance(Duration::from_secs(1)).await;
    app.stop().await;
    app.publish(&paid("o-2")).await;
    assert_eq!(carrier.asked(), 1, "nobody is there");
    app.restart(shop(&carrier)).await;
    app.settled().await;
    app.assert_received(ship_order, [paid("o-1"), paid("o-2")]);
    app.assert_published(["o-2", "o-1"].map(shipped));
}

#[tokio::test(start_paused = true)]
async fn a_rolling_deploy_ends_a_process_well_and_starts_the_next() {
    let carrier = Carrier::answering([retry_after("closed", 60)]);
    let app = TestApp::in_memory(shop(&carrier)).await;
    app.publisher().publish(&paid("o-1")).await.unwrap();
    app.advance(Duration::from_secs(1)).await;
    app.restart(shop(&carrier)).await;
    app.settled().await;
    assert_eq!(carrier.asked(), 2);
    let history = app.history();
    assert!(
        history.contains("shop stopped\nshop started again\n"),
        "{history}"
    );
    app.assert_published([shipped("o-1")]);
}
