//! What failed claims say, word for word.

use super::*;

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
            not settled within 300s, waited for at tests/tests/testing/messages.rs:…:
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
            "not settled within 86400s, waited for at tests/tests/testing/messages.rs:…:",
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
        not settled within 300ms, waited for at tests/tests/testing/messages.rs:…:
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
    says(start, expect!["the app can't start on the server that EVENT_TEST_BROKER names, at tests/tests/testing/messages.rs:…: the program can't start: EVENT_TEST_BROKER is no address: it is `nats://host:4222`, `tls://host:4222` or `memory://`"]).await;
    let nobody = "nats://127.0.0.1:1";
    let app = shop(&Carrier::default()).environment([("EVENT_TEST_BROKER", nobody)]);
    let start = async { drop(TestApp::start(app).await) };
    let said = panic_of(start).await;
    let (said, _) = said.split_once(": is it running").unwrap();
    expect!["the app can't start on the server that EVENT_TEST_BROKER names, at tests/tests/testing/messages.rs:…: no NATS server answers at nats://127.0.0.1:1"].assert_eq(said);
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
