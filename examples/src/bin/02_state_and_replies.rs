//! Handlers with state, and handlers that answer: what a handler returns is published.
//!
//! `cargo run -p examples --bin 02_state_and_replies`

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use event_runtime::{App, Event, Events, Metadata, State, handler};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// A guest asked for a table.
#[derive(Event, Serialize, Deserialize, JsonSchema)]
#[event(name = "table.wanted", version = 1, topic = "tables.{house}.wanted", key = guest)]
struct TableWanted {
    house: String,
    guest: String,
    people: u32,
}

/// A table is kept for a guest.
#[derive(Event, Serialize, Deserialize, JsonSchema)]
#[event(name = "table.kept", version = 1, topic = "tables.{house}.kept", key = guest)]
struct TableKept {
    house: String,
    guest: String,
}

/// No table is large enough.
#[derive(Event, Serialize, Deserialize, JsonSchema)]
#[event(name = "table.refused", version = 1, topic = "tables.{house}.refused", key = guest)]
struct TableRefused {
    house: String,
    guest: String,
}

/// The seats of the largest table in each house. State is cloned for each event, so it is behind an `Arc`.
#[derive(Clone)]
struct Seats(Arc<HashMap<&'static str, u32>>);

/// Either answer.
#[derive(Events)]
enum Answer {
    Kept(TableKept),
    Refused(TableRefused),
}

#[handler]
async fn keep_table(wanted: TableWanted, State(seats): State<Seats>) -> Answer {
    let TableWanted {
        house,
        guest,
        people,
    } = wanted;
    if seats
        .0
        .get(house.as_str())
        .is_some_and(|seats| *seats >= people)
    {
        Answer::Kept(TableKept { house, guest })
    } else {
        Answer::Refused(TableRefused { house, guest })
    }
}

/// Only the events of one house: its name is a placeholder of the topic.
#[handler(filter(house = "rome"))]
async fn light_candles(kept: &TableKept) {
    println!("rome: candles for {}", kept.guest);
}

#[handler]
async fn apologize(refused: &TableRefused, metadata: Metadata) {
    // Every answer carries the id of the event that caused it.
    let caused = metadata.causation_id.is_some();
    println!(
        "{}: no table for {} (an answer: {caused})",
        refused.house, refused.guest
    );
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let seats = Seats(Arc::new(HashMap::from([("rome", 6), ("paris", 2)])));
    let running = App::new()
        .service("tables")
        .default_broker("memory://")
        .with_state(seats)
        .start()
        .await?;
    let publisher = running.publisher();
    for (house, guest, people) in [
        ("rome", "Ada", 4),
        ("paris", "Ben", 2),
        ("paris", "Cleo", 8),
    ] {
        let (house, guest) = (house.to_owned(), guest.to_owned());
        publisher
            .publish(&TableWanted {
                house,
                guest,
                people,
            })
            .await?;
        // Handlers run at the same time; waiting here keeps this program's output in order.
        running.settled(Duration::from_secs(5)).await?;
    }
    running.stop().await?;
    Ok(())
}
