//! An event, a handler, an app: all that a service needs.
//!
//! `cargo run -p examples --bin 01_hello`

use std::time::Duration;

use event_runtime::{App, Event, handler};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Somebody came in.
#[derive(Event, Serialize, Deserialize, JsonSchema)]
#[event(name = "guest.arrived", version = 1, topic = "guests.arrived")]
struct GuestArrived {
    name: String,
}

#[handler]
async fn greet(guest: GuestArrived) {
    println!("Hello, {}!", guest.name);
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    // A service that only handles says `App::new().service("hello").run().await` here. This one also
    // publishes, so it starts its handlers beside its own code.
    let running = App::new()
        .service("hello")
        .default_broker("memory://")
        .start()
        .await?;
    let guest = GuestArrived { name: "Ada".into() };
    running.publisher().publish(&guest).await?;
    running.settled(Duration::from_secs(5)).await?;
    running.stop().await?;
    Ok(())
}
