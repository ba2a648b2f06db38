//! What the libraries and we tell each other: orders, and the check that nothing of them was lost.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use event_runtime::broker::StoredMessage;
use event_runtime::{App, Event, Metadata, Running, State, handler};
use jiff::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::Library;
use crate::nats::TestNats;

/// The stream that holds all of this.
pub const STREAM: &str = "INTEROP";

/// A line of an order.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Line {
    /// What.
    pub sku: String,
    /// How many; negative for what comes back.
    pub count: i32,
}

/// An order was placed, somewhere else.
#[derive(Debug, Clone, PartialEq, Event, Serialize, Deserialize, JsonSchema)]
#[event(
    name = "com.example.order.placed",
    version = 1,
    topic = "interop.{library}.placed",
    key = id
)]
pub struct OrderPlaced {
    /// Its id, which is the event's as well.
    pub id: String,
    /// Who wrote it.
    pub library: String,
    /// Any text.
    pub note: String,
    /// A number with a fraction.
    pub total: f64,
    /// A large number.
    pub points: u64,
    /// Its lines.
    pub lines: Vec<Line>,
    /// May be nothing.
    pub gift: Option<String>,
}

/// It was accepted.
#[derive(Debug, Clone, PartialEq, Event, Serialize, Deserialize, JsonSchema)]
#[event(
    name = "com.example.order.accepted",
    version = 1,
    topic = "interop.{library}.accepted"
)]
pub struct OrderAccepted {
    /// The order's id.
    pub id: String,
    /// Who wrote the order.
    pub library: String,
}

/// What the handler was called with.
#[derive(Debug, Clone, Default)]
pub struct Seen(Arc<Mutex<Vec<(OrderPlaced, Metadata)>>>);

impl Seen {
    /// All calls so far.
    ///
    /// # Panics
    ///
    /// When a handler panicked meanwhile.
    pub fn all(&self) -> Vec<(OrderPlaced, Metadata)> {
        self.0.lock().unwrap().clone()
    }
}

/// Accepts every order.
#[handler]
pub async fn accept(
    order: OrderPlaced,
    metadata: Metadata,
    State(seen): State<Seen>,
) -> OrderAccepted {
    seen.0.lock().unwrap().push((order.clone(), metadata));
    OrderAccepted {
        id: order.id,
        library: order.library,
    }
}

/// The service, with variables besides the broker's.
///
/// # Panics
///
/// When it does not start.
pub async fn start(nats: &TestNats, variables: &[(&str, &str)]) -> (Running, Seen) {
    let seen = Seen::default();
    let mut environment = vec![("EVENT_BROKER".to_owned(), nats.url())];
    for (name, value) in variables {
        environment.push(((*name).to_owned(), (*value).to_owned()));
    }
    let running = App::new()
        .service("interop")
        .environment(environment)
        .with_state(seen.clone())
        .only((accept,))
        .start()
        .await
        .unwrap();
    (running, seen)
}

/// Orders that are hard to carry. Their ids are of any printable text, since attributes may be.
pub fn orders(library: Library) -> Vec<OrderPlaced> {
    let order = |id: &str, note: &str, lines: &[(&str, i32)]| OrderPlaced {
        id: id.to_owned(),
        library: library.name().to_owned(),
        note: note.to_owned(),
        total: 1234.1,
        points: library.largest_integer(),
        lines: lines
            .iter()
            .map(|&(sku, count)| Line {
                sku: sku.to_owned(),
                count,
            })
            .collect(),
        gift: None,
    };
    let mut orders = vec![
        order("order-1", "", &[]),
        order(
            r#"no 2: "Größe" 50% \o/"#,
            "a\r\n\t\u{7}\u{2028}\"quoted\" \\ <b>&amp; %41 \u{1F600} \u{0}",
            &[("ä", -1), ("", i32::MIN), ("x", i32::MAX)],
        ),
        order("order-3", &"long ".repeat(10_000), &[("y", 0)]),
    ];
    orders[2].gift = Some("ribbon".to_owned());
    orders[2].total = -1e-7;
    orders
}

/// Each order as an event of somebody else: with the required attributes, with all that we know, and with
/// those that we don't.
pub fn foreign(orders: &[OrderPlaced]) -> Vec<Value> {
    let attributes = [
        json!({ "source": "/shop" }),
        json!({
            "source": "urn:shop:gr%C3%B6%C3%9Fe%2050%25", "subject": "orders/größe 2", "time": "2026-02-28T23:59:59.123456Z",
            "datacontenttype": "application/json", "dataschema": "https://example.com/order/1",
            "partitionkey": "käse 3", "correlationid": "c-1", "causationid": "c 2",
            "traceparent": "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
        }),
        json!({
            "source": "https://example.com/shop?a=b#c", "time": "2026-12-01T00:30:00+05:30",
            "comexampletext": "größe 50%", "comexamplecount": -42, "comexampleflag": true,
        }),
    ];
    let mut events = Vec::new();
    for (order, attributes) in orders.iter().zip(attributes) {
        let mut event = attributes;
        event["id"] = order.id.as_str().into();
        event["type"] = "com.example.order.placed.v1".into();
        event["data"] = serde_json::to_value(order).expect("an order is JSON");
        events.push(event);
    }
    events
}

/// Waits for the orders, and compares what the handler saw with what was written.
///
/// # Panics
///
/// When something of them is missing or different.
pub async fn check_seen(running: &Running, seen: &Seen, orders: &[OrderPlaced], events: &[Value]) {
    assert!(running.settled(Duration::from_secs(20)).await.unwrap());
    let seen = seen.all();
    assert_eq!(seen.len(), orders.len());
    for ((order, event), (seen, metadata)) in orders.iter().zip(events).zip(&seen) {
        assert_eq!(seen, order);
        let text = |name: &str| event.get(name).and_then(Value::as_str);
        assert_eq!(Some(metadata.id.as_str()), text("id"));
        assert_eq!(Some(metadata.source.as_str()), text("source"));
        assert_eq!(metadata.event_type, OrderPlaced::WIRE_TYPE);
        assert_eq!(metadata.key.as_deref(), text("partitionkey"));
        assert_eq!(metadata.correlation_id.as_deref(), text("correlationid"));
        assert_eq!(metadata.causation_id.as_deref(), text("causationid"));
        assert_eq!(metadata.trace_parent.as_deref(), text("traceparent"));
        if let Some(time) = text("time") {
            let difference = metadata.time.duration_since(time.parse().unwrap());
            // The JavaScript library keeps milliseconds.
            assert!(difference.as_millis().abs() < 1, "{} {time}", metadata.time);
        }
    }
}

/// Publishes the orders under their ids, and waits until they are accepted.
///
/// # Panics
///
/// When one of them is not.
pub async fn publish(running: &Running, seen: &Seen, orders: &[OrderPlaced]) {
    for order in orders {
        let publisher = running.publisher();
        publisher.publish_with_id(&order.id, order).await.unwrap();
    }
    assert!(running.settled(Duration::from_secs(20)).await.unwrap());
    assert_eq!(seen.all().len(), orders.len());
}

/// All messages that the stream holds for a subject.
///
/// # Panics
///
/// When the broker does not answer.
pub async fn stored(running: &Running, subject: &str) -> Vec<StoredMessage> {
    let mut all = Vec::new();
    let mut next = 1;
    while let Some(message) = running.broker().read(STREAM, subject, next).await.unwrap() {
        next = message.sequence + 1;
        all.push(message);
    }
    all
}

/// Compares an event as a library read it with what was published; any time is right that is near.
///
/// # Panics
///
/// When they differ.
pub fn check_read(mut read: Value, mut expected: Value) {
    let attributes = read.as_object_mut().expect("an event is an object");
    let time = attributes.remove("time").expect("our events have a time");
    let time: Timestamp = time.as_str().unwrap().parse().unwrap();
    assert!(time.duration_until(Timestamp::now()).as_secs() < 60);
    expected["specversion"] = "1.0".into();
    expected["source"] = "/interop".into();
    expected["datacontenttype"] = "application/json".into();
    assert_eq!(read, expected);
}
