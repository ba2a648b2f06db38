//! `examples/src/bin/01_hello.rs` by hand on async-nats: the same stream, durable, event and handler, decoded
//! and acknowledged. Built by `scripts/compile-times`, to have something to compare with.

use std::error::Error;

use async_nats::jetstream;
use async_nats::jetstream::AckKind;
use async_nats::jetstream::consumer::{AckPolicy, PullConsumer, pull};
use async_nats::jetstream::stream;
use futures_util::StreamExt;
use serde::{Deserialize, Serialize};

/// Somebody came in.
#[derive(Serialize, Deserialize)]
struct GuestArrived {
    name: String,
}

async fn greet(guest: GuestArrived) {
    println!("Hello, {}!", guest.name);
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error + Send + Sync>> {
    let address = std::env::var("EVENT_BROKER")?;
    let jetstream = jetstream::new(async_nats::connect(address).await?);
    let stream = jetstream
        .get_or_create_stream(stream::Config {
            name: "GUESTS".into(),
            subjects: vec!["guests.>".into()],
            ..Default::default()
        })
        .await?;
    let consumer: PullConsumer = stream
        .get_or_create_consumer(
            "hello-greet",
            pull::Config {
                durable_name: Some("hello-greet".into()),
                filter_subject: "guests.arrived".into(),
                ack_policy: AckPolicy::Explicit,
                ..Default::default()
            },
        )
        .await?;

    let guest = GuestArrived { name: "Ada".into() };
    let body = serde_json::to_vec(&guest)?;
    let receipt = jetstream.publish("guests.arrived", body.into()).await?;
    receipt.await?;

    let mut messages = consumer.messages().await?;
    if let Some(message) = messages.next().await {
        let message = message?;
        match serde_json::from_slice(&message.payload) {
            Ok(guest) => {
                greet(guest).await;
                message.ack().await?;
            }
            Err(_) => message.ack_with(AckKind::Term).await?,
        }
    }
    Ok(())
}
