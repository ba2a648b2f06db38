//! Errors with classes: what is tried again, what is not, and what becomes of the rest.
//!
//! `cargo run -p examples --bin 03_errors_and_dead_letters`

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use event_runtime::dead_letters::{DeadLetters, Filter};
use event_runtime::{App, Event, HandlerError, Metadata, State, handler};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// A letter was posted.
#[derive(Event, Serialize, Deserialize, JsonSchema)]
#[event(name = "letter.posted", version = 1, topic = "letters.posted", key = to)]
struct LetterPosted {
    to: String,
}

/// Whether the bridge to the island stands.
#[derive(Clone, Default)]
struct Bridge(Arc<AtomicBool>);

/// Every variant says whether trying again can help, or it does not compile.
#[derive(Debug, thiserror::Error, HandlerError)]
enum DeliveryError {
    #[error("nobody opens")]
    #[retry]
    NobodyOpens,
    #[error("the ferry is full for {wait:?}")]
    #[retry(after = wait)]
    FerryIsFull { wait: Duration },
    #[error("there is no `{to}`")]
    #[reject]
    NoSuchPlace { to: String },
    #[error("the bridge is down")]
    #[retry]
    BridgeIsDown,
}

#[handler(retry(max = 3, base = "20ms", cap = "100ms"))]
async fn deliver(
    letter: LetterPosted,
    metadata: Metadata,
    State(bridge): State<Bridge>,
) -> Result<(), DeliveryError> {
    match letter.to.as_str() {
        "Ada" if metadata.attempt < 3 => return Err(DeliveryError::NobodyOpens),
        "Ben" if metadata.attempt < 2 => {
            let wait = Duration::from_millis(50);
            return Err(DeliveryError::FerryIsFull { wait });
        }
        "Nowhere" => return Err(DeliveryError::NoSuchPlace { to: letter.to }),
        "Island" if !bridge.0.load(Ordering::Relaxed) => return Err(DeliveryError::BridgeIsDown),
        _ => {}
    }
    println!("{}: delivered at attempt {}", letter.to, metadata.attempt);
    Ok(())
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let bridge = Bridge::default();
    let running = App::new()
        .service("post")
        .default_broker("memory://")
        .with_state(bridge.clone())
        .start()
        .await?;
    for to in ["Ada", "Ben", "Nowhere", "Island"] {
        let letter = LetterPosted { to: to.to_owned() };
        running.publisher().publish(&letter).await?;
        running.settled(Duration::from_secs(5)).await?;
    }

    // What could not be handled is kept with its reason. On a server, people look with the program's own
    // command: `post dead-letters list`, `show` and `redrive`.
    let dead_letters = DeadLetters::new(running.broker(), "post");
    for letter in dead_letters.list(&Filter::default(), 10).await? {
        println!(
            "dead letter: {}, {} attempts: {}",
            letter.reason,
            letter.attempts(),
            letter.error
        );
    }

    // The bridge is up again: only what failed for it goes back, and only to the handler that failed.
    bridge.0.store(true, Ordering::Relaxed);
    let mut filter = Filter::default();
    filter.reason = Some("attempts".to_owned());
    for letter in dead_letters.list(&filter, 10).await? {
        dead_letters.redrive(&letter, false).await?;
    }
    running.settled(Duration::from_secs(5)).await?;
    running.stop().await?;
    Ok(())
}
