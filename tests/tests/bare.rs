//! Bare events: plain JSON from programs that know no envelope, on each broker.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use event_runtime::broker::Message;
use event_runtime::dead_letters::DeadLetters;
use event_runtime::event::EventDescriptor;
use event_runtime::{Event, HandlerError, Metadata, Running, State, handler};
use event_tests::on_each_broker;
use event_tests::service::{Seen, World, dead_letters, settle};
use expect_test::expect;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

on_each_broker!(
    a_bare_event_is_known_by_its_message_id_or_its_place,
    a_bare_event_keeps_its_first_identity_through_all_lanes,
    a_bare_event_is_published_as_its_json_alone,
);

/// A scanner saw a parcel.
#[derive(Debug, Event, Serialize, Deserialize, JsonSchema)]
#[event(name = "parcel.scanned", version = 3, topic = "parcels.{depot}.scanned", key = code, bare)]
struct ParcelScanned {
    code: String,
    depot: String,
}

/// What the test says to the handler.
#[derive(Clone, Default)]
struct Truck {
    seen: Seen,
    broken: Arc<AtomicBool>,
}

#[handler(start = "all")]
async fn load(
    parcel: ParcelScanned,
    metadata: Metadata,
    State(truck): State<Truck>,
) -> Result<(), HandlerError> {
    let Metadata {
        id,
        source,
        event_type,
        key,
        attempt,
        ..
    } = &metadata;
    let key = key.as_deref().unwrap_or_default();
    truck.seen.note(format!(
        "run {attempt} of {} with the key {key}: {event_type} {id} from {source}",
        parcel.code
    ));
    match attempt {
        _ if !truck.broken.load(Ordering::SeqCst) => Ok(()),
        1 => Err(HandlerError::retry_after("later", Duration::from_secs(6))),
        _ => Err(HandlerError::reject("no room")),
    }
}

async fn start(world: &World, truck: &Truck) -> Running {
    let app = world.app().only((load,)).with_state(truck.clone());
    app.observe(truck.seen.clone()).start().await.unwrap()
}

/// Publishes as a program that has never heard of us does.
async fn scan(running: &Running, id: Option<&str>, body: &str) {
    let mut message = Message::new("parcels.rome.scanned", body.as_bytes().to_vec());
    message.id = id.map(str::to_owned);
    let receipt = running.broker().publish(message).await.unwrap();
    receipt.await.unwrap();
    settle(running).await;
}

async fn a_bare_event_is_known_by_its_message_id_or_its_place(world: World) {
    let truck = Truck::default();
    let running = start(&world, &truck).await;
    let body = r#"{"code":"p1","depot":"rome"}"#;
    scan(&running, Some("scan-1 €"), body).await;
    scan(&running, None, body).await;
    scan(&running, Some(&"long".repeat(100)), body).await;
    // It may look like an event with an envelope: nobody promised that it is one.
    scan(
        &running,
        Some("scan-4"),
        r#"{"specversion":"1.0","id":"x","code":"p1","depot":"rome"}"#,
    )
    .await;
    scan(&running, Some("scan-5"), r#"{"code":7}"#).await;
    scan(&running, None, "").await;
    for letter in dead_letters(&running).await {
        let id = letter.event_id.as_deref().unwrap_or("-");
        truck
            .seen
            .note(format!("{id}: {}: {}", letter.reason, letter.error));
    }
    expect![[r#"
        load scan-1 € received
        run 1 of p1 with the key p1: parcel.scanned.v3 scan-1 € from /streams/PARCELS
        load scan-1 € handled at attempt 1
        load PARCELS:2 received
        run 1 of p1 with the key p1: parcel.scanned.v3 PARCELS:2 from /streams/PARCELS
        load PARCELS:2 handled at attempt 1
        load PARCELS:3 received
        run 1 of p1 with the key p1: parcel.scanned.v3 PARCELS:3 from /streams/PARCELS
        load PARCELS:3 handled at attempt 1
        load scan-4 received
        run 1 of p1 with the key p1: parcel.scanned.v3 scan-4 from /streams/PARCELS
        load scan-4 handled at attempt 1
        load scan-5 received
        load scan-5 dead: undecodable
        load PARCELS:6 received
        load PARCELS:6 dead: undecodable
        scan-5: undecodable: the event's data does not fit its type: invalid type: integer `7`, expected a string at line 1 column 9
        PARCELS:6: undecodable: the event's data does not fit its type: EOF while parsing a value at line 1 column 0"#]].assert_eq(&truck.seen.lines().join("\n"));
    running.stop().await.unwrap();
}

async fn a_bare_event_keeps_its_first_identity_through_all_lanes(world: World) {
    let truck = Truck::default();
    let running = start(&world, &truck).await;
    truck.broken.store(true, Ordering::SeqCst);
    let body = r#"{"code":"p1","depot":"rome"}"#;
    scan(&running, Some("scan 1 €"), body).await;
    scan(&running, None, body).await;
    let letters = dead_letters(&running).await;
    assert_eq!(letters.len(), 2);
    truck.broken.store(false, Ordering::SeqCst);
    for letter in &letters {
        let kept = DeadLetters::new(running.broker(), "test");
        kept.redrive(letter, false).await.unwrap();
        settle(&running).await;
    }
    expect![[r#"
        load scan 1 € received
        run 1 of p1 with the key p1: parcel.scanned.v3 scan 1 € from /streams/PARCELS
        load scan 1 € failed at attempt 1
        load scan 1 € received
        run 2 of p1 with the key p1: parcel.scanned.v3 scan 1 € from /streams/PARCELS
        load scan 1 € dead: rejected
        load PARCELS:2 received
        run 1 of p1 with the key p1: parcel.scanned.v3 PARCELS:2 from /streams/PARCELS
        load PARCELS:2 failed at attempt 1
        load PARCELS:2 received
        run 2 of p1 with the key p1: parcel.scanned.v3 PARCELS:2 from /streams/PARCELS
        load PARCELS:2 dead: rejected
        load scan 1 € received
        run 1 of p1 with the key p1: parcel.scanned.v3 scan 1 € from /streams/PARCELS
        load scan 1 € handled at attempt 1
        load PARCELS:2 received
        run 1 of p1 with the key p1: parcel.scanned.v3 PARCELS:2 from /streams/PARCELS
        load PARCELS:2 handled at attempt 1"#]]
    .assert_eq(&truck.seen.lines().join("\n"));
    running.stop().await.unwrap();
}

async fn a_bare_event_is_published_as_its_json_alone(world: World) {
    let truck = Truck::default();
    let running = start(&world, &truck).await;
    let parcel = ParcelScanned {
        code: "p1".into(),
        depot: "rome".into(),
    };
    let publisher = running.publisher();
    let chance = publisher.publish(&parcel).await.unwrap();
    let chosen = publisher.publish_with_id("mine", &parcel).await.unwrap();
    let again = publisher.publish_with_id("mine", &parcel).await.unwrap();
    assert!(again.duplicate && again.id == chosen.id);
    settle(&running).await;
    let message = running.broker().read("PARCELS", ">", 1).await.unwrap();
    let message = message.unwrap();
    assert_eq!(message.payload, r#"{"code":"p1","depot":"rome"}"#);
    assert!(message.headers.is_empty(), "{:?}", message.headers);
    assert_eq!(
        truck.seen.of("run"),
        [chance, chosen].map(|published| format!(
            "run 1 of p1 with the key p1: parcel.scanned.v3 {} from /streams/PARCELS",
            published.id
        ))
    );
    running.stop().await.unwrap();
}

#[test]
fn the_contract_of_a_bare_event_says_so() {
    let events = EventDescriptor::linked();
    let about = |name: &str| {
        let event = events.iter().find(|event| event.name == name).unwrap();
        event_runtime::schema::contract(event)["x-event"].to_string()
    };
    expect![[r#"{"bare":true,"key":"code","name":"parcel.scanned","topic":"parcels.{depot}.scanned","type":"parcel.scanned.v3","version":3}"#]].assert_eq(&about("parcel.scanned"));
    expect![[
        r#"{"key":"id","name":"task.done","topic":"done.{kind}","type":"task.done.v1","version":1}"#
    ]]
    .assert_eq(&about("task.done"));
}
