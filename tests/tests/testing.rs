//! The test kit: what it waits for, what it records, what it lets go wrong, and what it says.

use std::panic::AssertUnwindSafe;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use event_runtime::broker::{BrokerError, Message};
use event_runtime::dead_letters::DeadLetters;
use event_runtime::handler::RetryPolicy;
use event_runtime::testing::TestApp;
use event_runtime::{App, Event, HandlerError, Publisher, State, handler};
use event_tests::nats::TestNats;
use expect_test::{Expect, expect};
use futures_util::FutureExt;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// An order was paid.
#[derive(Debug, Clone, PartialEq, Event, Serialize, Deserialize, JsonSchema)]
#[event(name = "payment.taken", version = 1, topic = "payments.{shop}.taken", key = order)]
struct PaymentTaken {
    order: String,
    shop: String,
}

/// An order is on its way. Neither `Debug` nor `PartialEq`: the kit needs none.
#[derive(Event, Serialize, Deserialize, JsonSchema)]
#[event(name = "order.shipped", version = 1, topic = "orders.shipped", key = order)]
struct OrderShipped {
    order: String,
}

/// Somebody was told.
#[derive(Debug, PartialEq, Event, Serialize, Deserialize, JsonSchema)]
#[event(name = "customer.told", version = 1, topic = "customers.told")]
struct CustomerTold {
    order: String,
}

fn paid(order: &str) -> PaymentTaken {
    PaymentTaken {
        order: order.into(),
        shop: "rome".into(),
    }
}

fn shipped(order: &str) -> OrderShipped {
    OrderShipped {
        order: order.into(),
    }
}

fn told(order: &str) -> CustomerTold {
    CustomerTold {
        order: order.into(),
    }
}

/// What the carrier answers: an error for each run of an order, in turn; then it takes it.
#[derive(Clone, Default)]
struct Carrier {
    answers: Arc<Mutex<Vec<HandlerError>>>,
    asked: Arc<AtomicU32>,
}

impl Carrier {
    fn answering(answers: impl IntoIterator<Item = HandlerError>) -> Self {
        let answers: Vec<_> = answers.into_iter().collect();
        Self {
            answers: Arc::new(Mutex::new(answers.into_iter().rev().collect())),
            asked: Arc::default(),
        }
    }

    fn take(&self) -> Result<(), HandlerError> {
        self.asked.fetch_add(1, Ordering::SeqCst);
        self.answers.lock().unwrap().pop().map_or(Ok(()), Err)
    }

    fn asked(&self) -> u32 {
        self.asked.load(Ordering::SeqCst)
    }
}

#[handler(retry(max = 3))]
async fn ship_order(
    paid: PaymentTaken,
    State(carrier): State<Carrier>,
) -> Result<OrderShipped, HandlerError> {
    carrier.take()?;
    Ok(shipped(&paid.order))
}

#[handler]
async fn tell_customer(
    shipped: OrderShipped,
    publisher: Publisher,
) -> Result<(), event_runtime::publish::PublishError> {
    publisher.publish(&told(&shipped.order)).await?;
    Ok(())
}

/// Nothing of it is ever done.
#[handler(timeout = "240h")]
async fn hang(_: PaymentTaken) {
    std::future::pending::<()>().await;
}

async fn no_handler() {}

/// The service, as its own `main` would build it.
fn shop(carrier: &Carrier) -> App {
    App::new()
        .service("shop")
        .with_state(carrier.clone())
        .only((ship_order, tell_customer))
}

fn retry_after(error: &str, seconds: u64) -> HandlerError {
    HandlerError::retry_after(error, Duration::from_secs(seconds))
}

/// The text of a panic, without the line of this file.
async fn panic_of(test: impl Future<Output = ()>) -> String {
    let panic = AssertUnwindSafe(test).catch_unwind().await.unwrap_err();
    let said = panic.downcast_ref::<String>().unwrap();
    let Some((before, after)) = said.split_once("testing.rs:") else {
        return said.clone();
    };
    let after = after.trim_start_matches(|c: char| c.is_ascii_digit() || c == ':');
    format!("{before}testing.rs:…:{after}")
}

/// What a failed claim says.
async fn says(test: impl Future<Output = ()>, expected: Expect) {
    expected.assert_eq(&panic_of(test).await);
}

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
    says(stop, expect!["the app does not end well, at tests/tests/testing.rs:…: stopped before all was done: handlers still ran after the grace of 1s, and their events were handed back; the broker delivers again what is not acknowledged"]).await;
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

#[tokio::test(start_paused = true)]
async fn two_services_share_a_broker_and_are_settled_together() {
    let carrier = Carrier::default();
    let shop_app = App::new().service("shop").with_state(carrier);
    let shop = TestApp::start(shop_app.only((ship_order,))).await;
    let desk = App::new().service("desk").only((tell_customer,));
    let desk = shop.beside(desk).await;
    shop.publish(&paid("o-1")).await;
    shop.assert_published([shipped("o-1")]);
    desk.assert_received(tell_customer, [shipped("o-1")]);
    desk.assert_published([told("o-1")]);
    shop.assert_published::<CustomerTold>([]);
    expect![[r##"
        the test published #1 payment.taken.v1 {"order":"o-1","shop":"rome"}
        shop/ship_order received #1
        shop/ship_order published #2 order.shipped.v1 {"order":"o-1"}
        shop/ship_order handled #1
        desk/tell_customer received #2
        desk/tell_customer published #3 customer.told.v1 {"order":"o-1"}
        desk/tell_customer handled #2
    "##]]
    .assert_eq(&shop.history());
}

/// Answers what `ship_order` answers, and once more under an id of its own.
#[handler]
async fn ship_again(paid: PaymentTaken, publisher: Publisher) -> OrderShipped {
    let own = publisher.publish_with_id("own", &shipped("own")).await;
    own.unwrap();
    shipped(&paid.order)
}

#[tokio::test(start_paused = true)]
async fn an_event_is_known_by_the_handler_that_published_it() {
    let app = App::new()
        .service("shop")
        .with_state(Carrier::default())
        .only((ship_order, ship_again));
    let app = TestApp::start(app).await;
    app.publish(&paid("o-1")).await;
    app.publisher().publish(&shipped("o-2")).await.unwrap();
    let mut authors: Vec<_> = app
        .published::<OrderShipped>()
        .into_iter()
        .map(|order| (order.event.order, order.handler))
        .collect();
    authors.sort();
    let name = |handler: &str| Some(handler.to_owned());
    assert_eq!(
        authors,
        [
            ("o-1".to_owned(), name("ship_again")),
            ("o-1".to_owned(), name("ship_order")),
            ("o-2".to_owned(), None),
            // Both had the cause, and the id does not tell.
            ("own".to_owned(), None),
        ]
    );
    let history = app.history();
    for line in [
        "\nship_order published #",
        "\nship_again published #",
        "\nship_again or ship_order published #",
        "\nshop published #",
    ] {
        assert_eq!(history.matches(line).count(), 1, "{line}: {history}");
    }
    let payment = &app.received::<PaymentTaken>(ship_order)[0];
    assert_eq!(payment.handler.as_deref(), Some("ship_order"));
}

#[tokio::test(start_paused = true)]
async fn apps_that_are_started_apart_see_nothing_of_each_other() {
    let one = TestApp::start(shop(&Carrier::default())).await;
    let other = TestApp::start(shop(&Carrier::default())).await;
    one.publish(&paid("o-1")).await;
    other.settled().await;
    assert_eq!(other.history(), "");
    one.assert_published([shipped("o-1")]);
}

#[tokio::test(start_paused = true)]
async fn an_app_that_only_publishes_waits_for_nobody() {
    let app = TestApp::start(shop(&Carrier::default()).publish_only()).await;
    app.publisher().publish(&paid("o-1")).await.unwrap();
    app.settled().await;
    app.assert_published([paid("o-1")]);
    assert!(app.received::<PaymentTaken>(ship_order).is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_wrong_list_of_events_is_shown_with_differences_and_history() {
    let carrier = Carrier::answering([HandlerError::reject("no such address")]);
    let app = TestApp::start(shop(&carrier)).await;
    app.publish(&paid("o-1")).await;
    app.publish(&paid("o-2")).await;
    app.publish(&paid("o-3")).await;
    let claim = async { app.assert_published(["o-1", "o-2"].map(shipped)) };
    says(claim, expect![[r#"
        the app published other `order.shipped.v1` than expected (`-` expected and missing, `+` not expected):
          - {"order":"o-1"}
            {"order":"o-2"}
          + {"order":"o-3"}
        all that happened, in order:
            the test published #1 payment.taken.v1 {"order":"o-1","shop":"rome"}
            ship_order received #1
            ship_order gave up #1 at attempt 1, now a dead letter (rejected): no such address
            the test published #2 payment.taken.v1 {"order":"o-2","shop":"rome"}
            ship_order received #2
            ship_order published #3 order.shipped.v1 {"order":"o-2"}
            ship_order handled #2
            tell_customer received #3
            tell_customer published #4 customer.told.v1 {"order":"o-2"}
            tell_customer handled #3
            the test published #5 payment.taken.v1 {"order":"o-3","shop":"rome"}
            ship_order received #5
            ship_order published #6 order.shipped.v1 {"order":"o-3"}
            ship_order handled #5
            tell_customer received #6
            tell_customer published #7 customer.told.v1 {"order":"o-3"}
            tell_customer handled #6"#]]).await;
}

#[tokio::test(start_paused = true)]
async fn wrong_errors_and_dead_letters_are_shown_so_too() {
    let app = TestApp::start(shop(&Carrier::default())).await;
    let claim = async { app.assert_received(ship_order, [paid("o-1")]) };
    says(claim, expect![[r#"
        `ship_order` received other `payment.taken.v1` than expected (`-` expected and missing, `+` not expected):
          - {"order":"o-1","shop":"rome"}
        all that happened, in order:
            (nothing)"#]]).await;
    let claim = async { app.assert_retries(ship_order, ["the carrier is down"]) };
    says(claim, expect![[r#"
        `ship_order` ran again for other errors than expected (`-` expected and missing, `+` not expected):
          - the carrier is down
        all that happened, in order:
            (nothing)"#]]).await;
    let claim = async { app.assert_dead_letters(ship_order, ["rejected: no"]) };
    says(claim, expect![[r#"
        `ship_order` gave up other events than expected (`-` expected and missing, `+` not expected):
          - rejected: no
        all that happened, in order:
            (nothing)"#]]).await;
}

#[tokio::test(start_paused = true)]
async fn a_function_that_is_no_handler_and_another_event_are_named() {
    let app = TestApp::start(shop(&Carrier::default())).await;
    let claim = async { drop(app.received::<PaymentTaken>(no_handler)) };
    says(
        claim,
        expect!["`testing::no_handler` is no handler: write `#[handler]` above that function"],
    )
    .await;
    let claim = async { drop(app.received::<OrderShipped>(ship_order)) };
    says(
        claim,
        expect!["`ship_order` handles `payment.taken`, and not `order.shipped`"],
    )
    .await;
}

#[tokio::test(start_paused = true)]
async fn what_does_not_settle_is_named_with_the_place_that_waits() {
    let app = TestApp::in_memory(App::new().service("shop").only((hang,))).await;
    app.set_limit(Duration::from_mins(5));
    let wait = async { drop(app.publish(&paid("o-1")).await) };
    says(
        wait,
        expect![[r#"
            not settled within 300s, waited for at tests/tests/testing.rs:…:
              `hang` has 1 begun and not settled
            all that happened, in order:
                the test published #1 payment.taken.v1 {"order":"o-1","shop":"rome"}
                hang received #1"#]],
    )
    .await;
}

#[tokio::test(start_paused = true)]
async fn a_day_of_trouble_is_over_soon_and_its_last_lines_are_shown() {
    let app = TestApp::in_memory(shop(&Carrier::default())).await;
    app.refuse(|_| Some(BrokerError::transient("no leader")));
    let wait = async { drop(app.publish(&paid("o-1")).await) };
    let said = panic_of(wait).await;
    let (head, tail) = said.split_once("    shop could not").unwrap();
    let lines = app.history().lines().count();
    assert!(lines > 8000, "every 10 s of the day, and {lines} lines");
    let skipped = lines - 200;
    assert_eq!(
        head.lines().map(str::trim).collect::<Vec<_>>(),
        [
            "not settled within 86400s, waited for at tests/tests/testing.rs:…:",
            "`ship_order` has 1 begun and not settled",
            "all that happened, in order:",
            &format!("… {skipped} lines, see `history()`"),
        ]
    );
    assert!(tail.ends_with("could not publish #2: no leader"), "{tail}");
}

/// Threads of their own: what one of them has just done must not be overlooked.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn settled_means_settled_where_handlers_run_in_other_threads() {
    let app = TestApp::in_memory(shop(&Carrier::default())).await;
    for round in 1..=200 {
        app.publish(&paid(&format!("o-{round}"))).await;
        assert_eq!(app.published::<CustomerTold>().len(), round);
    }
}

#[tokio::test(start_paused = true)]
async fn a_handler_that_panics_shows_as_such() {
    let app = TestApp::start(App::new().service("shop").only((panics,))).await;
    app.publish(&paid("o-1")).await;
    expect![[r##"
        the test published #1 payment.taken.v1 {"order":"o-1","shop":"rome"}
        panics received #1
        panics gave up #1 at attempt 1, now a dead letter (attempts): the handler panicked: no shelf
    "##]]
    .assert_eq(&app.history());
}

#[handler(retry(max = 1))]
async fn panics(_: PaymentTaken) {
    panic!("no shelf");
}

#[tokio::test]
async fn a_running_clock_is_a_reason_not_to_settle() {
    let carrier = Carrier::answering([retry_after("closed", 3600)]);
    let app = TestApp::in_memory(shop(&carrier)).await;
    app.set_limit(Duration::from_millis(300));
    let wait = async { drop(app.publish(&paid("o-1")).await) };
    says(wait, expect![[r#"
        not settled within 300ms, waited for at tests/tests/testing.rs:…:
          the retry lane of `shop` has 1 waiting
          (the clock is not paused: in memory, `#[tokio::test(start_paused = true)]` makes every delay take no time)
        all that happened, in order:
            the test published #1 payment.taken.v1 {"order":"o-1","shop":"rome"}
            ship_order received #1
            ship_order failed on #1 at attempt 1, the next is in 3600.0s: closed"#]]).await;
}

#[tokio::test(start_paused = true)]
async fn an_app_that_cannot_start_says_why() {
    let app = App::new().service("shop").only((ship_order,));
    let start = async { drop(TestApp::start(app).await) };
    let said = panic_of(start).await;
    assert!(
        said.contains("the program can't start: the handler `ship_order`")
            && said.contains("add `.with_state(…)` or `.state(…)`"),
        "{said}"
    );
    let app = shop(&Carrier::default()).environment([("EVENT_TEST_BROKER", "localhost")]);
    let start = async { drop(TestApp::start(app).await) };
    says(start, expect!["the app can't start on the server that EVENT_TEST_BROKER names, at tests/tests/testing.rs:…: the program can't start: EVENT_TEST_BROKER is no address: it is `nats://host:4222`, `tls://host:4222` or `memory://`"]).await;
    let nobody = "nats://127.0.0.1:1";
    let app = shop(&Carrier::default()).environment([("EVENT_TEST_BROKER", nobody)]);
    let start = async { drop(TestApp::start(app).await) };
    let said = panic_of(start).await;
    let (said, _) = said.split_once(": is it running").unwrap();
    expect!["the app can't start on the server that EVENT_TEST_BROKER names, at tests/tests/testing.rs:…: no NATS server answers at nats://127.0.0.1:1"].assert_eq(said);
}

#[tokio::test(start_paused = true)]
async fn the_setting_may_name_memory_or_nothing() {
    for address in ["memory://", "", " "] {
        let app = shop(&Carrier::default()).environment([("EVENT_TEST_BROKER", address)]);
        let app = TestApp::start(app).await;
        app.publish(&paid("o-1")).await;
        app.assert_published([shipped("o-1")]);
    }
}

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
        "publishing_waits_until_the_whole_chain_is_settled",
        "dead_letters_are_told_with_reason_and_error_and_go_back",
        "a_publish_that_fails_for_a_while_is_stored_later",
        "apps_that_are_started_apart_see_nothing_of_each_other",
        "two_services_share_a_broker_and_are_settled_together",
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
    let (_, service) = include_str!("../src/bakery.rs").split_once("\n\n").unwrap();
    assert!(include_str!("../../docs/testing.md").contains(&format!("```rust\n{service}```")));
}
