//! Several apps, side by side or on one broker.

use super::*;

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
