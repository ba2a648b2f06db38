//! Versions: the wire form changes, old events stay readable, and handlers know only the newest.
//!
//! `cargo run -p examples --bin 04_versions`

use std::time::Duration;

use event_runtime::{App, Event, Metadata, handler};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// A parcel was weighed, in kilograms as text. Old programs still publish this.
#[derive(Event, Serialize, Deserialize, JsonSchema)]
#[event(name = "parcel.weighed", version = 1, topic = "parcels.weighed", key = parcel)]
struct ParcelWeighedV1 {
    parcel: String,
    kilograms: String,
}

/// A parcel was weighed, in grams.
#[derive(Event, Serialize, Deserialize, JsonSchema)]
#[event(
    name = "parcel.weighed",
    version = 2,
    topic = "parcels.weighed",
    key = parcel,
    upcast_from = ParcelWeighedV1
)]
struct ParcelWeighed {
    parcel: String,
    grams: u64,
    /// Added later, and no new version: whoever doesn't send it means `false`, and old readers ignore it.
    #[serde(default)]
    fragile: bool,
}

/// `From` where it always works; `TryFrom` where an old event may not make sense. One that doesn't becomes a
/// dead letter with this error, and is not lost.
impl TryFrom<ParcelWeighedV1> for ParcelWeighed {
    type Error = std::num::ParseFloatError;

    fn try_from(old: ParcelWeighedV1) -> Result<Self, Self::Error> {
        let kilograms: f64 = old.kilograms.parse()?;
        #[allow(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "parcels weigh a few kilograms"
        )]
        let grams = (kilograms * 1000.0).round() as u64;
        Ok(Self {
            parcel: old.parcel,
            grams,
            fragile: false,
        })
    }
}

#[handler]
async fn stamp(parcel: ParcelWeighed, metadata: Metadata) {
    println!(
        "{}: {} g, fragile: {}, written as {}",
        parcel.parcel, parcel.grams, parcel.fragile, metadata.event_type
    );
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let running = App::new()
        .service("parcels")
        .default_broker("memory://")
        .start()
        .await?;
    let publisher = running.publisher();
    publisher
        .publish(&ParcelWeighedV1 {
            parcel: "p-1".into(),
            kilograms: "1.25".into(),
        })
        .await?;
    running.settled(Duration::from_secs(5)).await?;
    publisher
        .publish(&ParcelWeighed {
            parcel: "p-2".into(),
            grams: 400,
            fragile: true,
        })
        .await?;
    running.settled(Duration::from_secs(5)).await?;
    running.stop().await?;
    Ok(())
}
