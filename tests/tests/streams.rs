//! Streams of events: which events share one, and in which order they may come.

use event_runtime::broker::{StreamKind, StreamSpec};
use event_runtime::{Event, handler};
use event_tests::nats::{TestNats, api};
use event_tests::on_each_broker;
use event_tests::service::{Script, Seen, Task, World, first, settle, task};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::json;

on_each_broker!(
    events_that_name_one_stream_are_published_in_any_order,
    a_handler_of_one_event_leaves_room_for_the_others_of_its_stream,
    two_programs_may_create_one_stream_at_once,
);

/// The first of two families in one stream.
#[derive(Event, Serialize, Deserialize, JsonSchema)]
#[event(
    name = "room.booked",
    version = 1,
    topic = "rooms.{house}.booked",
    stream = "HOTEL"
)]
struct RoomBooked {
    house: String,
}

/// The second.
#[derive(Event, Serialize, Deserialize, JsonSchema)]
#[event(
    name = "meal.served",
    version = 1,
    topic = "meals.served",
    stream = "HOTEL"
)]
struct MealServed {}

/// Its topic is within that of [`RoomBooked`], and a stream holds a subject once.
#[derive(Event, Serialize, Deserialize, JsonSchema)]
#[event(
    name = "suite.booked",
    version = 1,
    topic = "rooms.suites.booked",
    stream = "HOTEL"
)]
struct SuiteBooked {}

/// It names no stream, and its topic's first word is the stream's name.
#[derive(Event, Serialize, Deserialize, JsonSchema)]
#[event(name = "hotel.opened", version = 1, topic = "hotel.opened")]
struct HotelOpened {}

#[handler(start = "all")]
async fn clean(_booked: RoomBooked) {}

fn booked() -> RoomBooked {
    RoomBooked { house: "a".into() }
}

async fn events_that_name_one_stream_are_published_in_any_order(world: World) {
    let running = world.app().only(()).publish_only().start().await.unwrap();
    let publisher = running.publisher();
    let mut stored = Vec::new();
    stored.push(publisher.publish(&HotelOpened {}).await.unwrap());
    stored.push(publisher.publish(&booked()).await.unwrap());
    stored.push(publisher.publish(&MealServed {}).await.unwrap());
    stored.push(publisher.publish(&SuiteBooked {}).await.unwrap());
    for (sequence, stored) in (1..).zip(stored) {
        assert_eq!(
            (stored.stream.as_str(), stored.sequence),
            ("HOTEL", sequence)
        );
    }
    let stream = running.broker().stream("HOTEL").await.unwrap().unwrap();
    assert_eq!(
        stream.subjects,
        ["hotel", "hotel.>", "meals.served", "rooms.*.booked"]
    );
    running.stop().await.unwrap();
}

async fn a_handler_of_one_event_leaves_room_for_the_others_of_its_stream(world: World) {
    let running = world.app().only((clean,)).start().await.unwrap();
    let publisher = running.publisher();
    for stored in [
        publisher.publish(&MealServed {}).await.unwrap(),
        publisher.publish(&booked()).await.unwrap(),
    ] {
        assert_eq!(stored.stream, "HOTEL");
    }
    settle(&running).await;
    running.stop().await.unwrap();
}

async fn two_programs_may_create_one_stream_at_once(world: World) {
    let running = world.app().only(()).publish_only().start().await.unwrap();
    let broker = running.broker();
    // Each was told that there is no stream yet, and needs it for another event.
    for topic in ["pets.fed", "pets.sold"] {
        let spec = StreamSpec {
            name: "PETS".into(),
            subjects: vec!["pets".into(), "pets.>".into()],
            kind: StreamKind::Events {
                topic: topic.into(),
                named: false,
            },
        };
        let created = broker.create_stream(&spec).await.unwrap();
        assert_eq!(created.subjects, spec.subjects);
    }
    let other = StreamSpec {
        name: "PETS".into(),
        subjects: vec!["pets".into()],
        kind: StreamKind::Events {
            topic: "pets".into(),
            named: false,
        },
    };
    broker.create_stream(&other).await.unwrap_err();
    running.stop().await.unwrap();
}

/// A stream of somebody's whose durables may have 100 deliveries unsettled.
#[tokio::test(flavor = "multi_thread")]
async fn a_durable_asks_for_no_more_room_than_its_stream_gives() {
    let nats = TestNats::start();
    let client = async_nats::connect(nats.url()).await.unwrap();
    let config = json!({
        "name": "TASKS", "subjects": ["tasks.>"], "consumer_limits": { "max_ack_pending": 100 },
    });
    let created = api(&client, "STREAM.CREATE.TASKS", config).await;
    assert!(created["error"].is_null(), "{created}");
    let seen = Seen::default();
    let world = World::Nats(nats);
    let app = world.app().only((first,));
    let script = Script::new(|_| async { Ok(None) });
    let running = app
        .with_state(script)
        .observe(seen.clone())
        .start()
        .await
        .unwrap();
    let info = api(&client, "CONSUMER.INFO.TASKS.test-first", json!(null)).await;
    assert_eq!(info["config"]["max_ack_pending"], 100);
    let tasks: Vec<Task> = (0..300).map(|id| task(&id.to_string())).collect();
    running.publisher().publish_all(&tasks).await.unwrap();
    settle(&running).await;
    assert_eq!(seen.of("handled").len(), 300);
    running.stop().await.unwrap();
}
