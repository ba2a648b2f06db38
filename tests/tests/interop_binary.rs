//! CloudEvents in binary mode, between other people's libraries and ours, over a real server.
//!
//! The libraries differ: Python percent-encodes the values of headers and says `ce-datacontenttype`; JavaScript
//! and Go don't, and say `content-type` or nothing.

use event_tests::interop::orders::{
    OrderPlaced, STREAM, check_read, check_seen, foreign, orders, publish, start, stored,
};
use event_tests::interop::{Library, Mode};
use event_tests::nats::TestNats;
use serde_json::json;

async fn theirs_are_read_by_us(library: Library) {
    let nats = TestNats::start();
    let (running, seen) = start(&nats, &[]).await;
    let orders = orders(library);
    let mut events = foreign(&orders);
    if library != Library::Python {
        // What looks percent-encoded is decoded, so nobody can tell what a writer meant who does not encode.
        events[1]["source"] = "urn:shop:sizes".into();
    }
    let subject = format!("interop.{}.placed", library.name());
    library
        .write(Mode::Binary, &nats, (STREAM, &subject), &events)
        .await;
    for message in stored(&running, &subject).await {
        assert!(message.headers.get("ce-id").is_some());
    }
    check_seen(&running, &seen, &orders, &events).await;
    running.stop().await.unwrap();
}

async fn ours_are_read_by_them(library: Library) {
    let nats = TestNats::start();
    let (running, seen) = start(&nats, &[("EVENT_ENVELOPE", "binary")]).await;
    let mut orders = orders(library);
    // JavaScript and Go take percent-encoded values for what they mean: only plain ones reach them whole.
    let is_plain = |order: &OrderPlaced| !order.id.contains(' ');
    orders.retain(|order| library == Library::Python || is_plain(order));
    publish(&running, &seen, &orders).await;
    let subject = format!("interop.{}.placed", library.name());
    for message in stored(&running, &subject).await {
        assert!(message.headers.get("ce-id").is_some());
    }
    let read = library.read(&nats, (STREAM, &subject), orders.len()).await;
    for (read, order) in read.into_iter().zip(&orders) {
        let expected = json!({
            "id": order.id,
            "type": "com.example.order.placed.v1",
            "dataschema": "urn:interop:com.example.order.placed:1",
            "partitionkey": order.id,
            "data": order,
        });
        check_read(read, expected);
    }
    running.stop().await.unwrap();
}

event_tests::with_each_library!(theirs_are_read_by_us, ours_are_read_by_them);
