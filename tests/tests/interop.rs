//! CloudEvents in structured mode, between other people's libraries and ours, over a real server.

use event_runtime::envelope::read_attributes;
use event_tests::interop::orders::{
    STREAM, check_read, check_seen, foreign, orders, publish, start, stored,
};
use event_tests::interop::{Library, Mode};
use event_tests::nats::TestNats;
use serde_json::json;

async fn theirs_are_read_by_us(library: Library) {
    let nats = TestNats::start();
    let (running, seen) = start(&nats, &[]).await;
    let orders = orders(library);
    let events = foreign(&orders);
    let subject = format!("interop.{}.placed", library.name());
    library
        .write(Mode::Structured, &nats, (STREAM, &subject), &events)
        .await;
    check_seen(&running, &seen, &orders, &events).await;
    // What handlers are not told, for they have no use for it.
    let messages = stored(&running, &subject).await;
    let full = read_attributes(&messages[1].payload).unwrap();
    assert_eq!(full.subject.as_deref(), Some("orders/größe 2"));
    assert_eq!(
        full.data_schema.as_deref(),
        Some("https://example.com/order/1")
    );
    let extended = read_attributes(&messages[2].payload).unwrap().extensions;
    assert_eq!(
        serde_json::to_value(extended).unwrap(),
        json!({ "comexampletext": "größe 50%", "comexamplecount": -42, "comexampleflag": true })
    );
    running.stop().await.unwrap();
}

async fn ours_are_read_by_them(library: Library) {
    let nats = TestNats::start();
    let (running, seen) = start(&nats, &[]).await;
    let orders = orders(library);
    publish(&running, &seen, &orders).await;
    let placed = format!("interop.{}.placed", library.name());
    let read = library.read(&nats, (STREAM, &placed), orders.len()).await;
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
    let accepted = format!("interop.{}.accepted", library.name());
    let answers = stored(&running, &accepted).await;
    let read = library
        .read(&nats, (STREAM, &accepted), answers.len())
        .await;
    assert_eq!(read.len(), orders.len());
    for ((read, order), answer) in read.into_iter().zip(&orders).zip(answers) {
        let expected = json!({
            "id": read_attributes(&answer.payload).unwrap().id,
            "type": "com.example.order.accepted.v1",
            "dataschema": "urn:interop:com.example.order.accepted:1",
            "correlationid": order.id,
            "causationid": order.id,
            "data": { "id": order.id, "library": library.name() },
        });
        check_read(read, expected);
    }
    running.stop().await.unwrap();
}

event_tests::with_each_library!(theirs_are_read_by_us, ours_are_read_by_them);
