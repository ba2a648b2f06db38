//! Consuming by hand: one pull loop in one task, handlers polled in it, an acknowledgement for each event.

use std::hint::black_box;

use async_nats::{Client, Message, jetstream};
use futures_util::{StreamExt, TryStreamExt};

use super::envelope::{self, ORDER};
use super::pull::{Pull, acknowledge, consumer};
use crate::child::Run;
use crate::meter::Meter;
use crate::order::Order;
use crate::stage::{FILTER, ORDERS, Watch};

/// The best loop that we know.
pub(crate) async fn run(run: &Run, meter: &Meter) -> anyhow::Result<()> {
    let watch = Watch::connect(&run.server).await?;
    let client = async_nats::connect(&run.server).await?;
    let consumer = consumer(&client, ORDERS, FILTER, run.concurrency).await?;
    let mut pull = Pull::new(&client, &consumer).await?;
    if run.concurrency == 1 {
        for _ in 0..meter.total() {
            let message = pull.next().await?;
            handle(&client, message, meter).await?;
        }
    } else {
        pull.take(meter.total())
            .try_for_each_concurrent(run.concurrency, |message| handle(&client, message, meter))
            .await?;
    }
    if !run.part {
        watch.acknowledged(ORDERS, "by-hand").await?;
    }
    meter.end();
    Ok(())
}

async fn handle(client: &Client, mut message: Message, meter: &Meter) -> anyhow::Result<()> {
    let received = envelope::read::<Order>(&message.payload, ORDER)?;
    black_box((&received.id, &received.source));
    count(received.data, meter).await;
    acknowledge(client, &mut message).await
}

/// The handler.
#[allow(clippy::unused_async, reason = "handlers are async functions")]
async fn count(order: Order, meter: &Meter) {
    black_box(&order);
    meter.count();
}

/// The loop of the client's documentation: `messages()`, and `ack()` of each message.
pub(crate) async fn run_default(run: &Run, meter: &Meter) -> anyhow::Result<()> {
    let watch = Watch::connect(&run.server).await?;
    let client = async_nats::connect(&run.server).await?;
    let consumer = consumer(&client, ORDERS, FILTER, run.concurrency).await?;
    let total = usize::try_from(meter.total())?;
    let mut messages = consumer.messages().await?.take(total);
    if run.concurrency == 1 {
        while let Some(message) = messages.try_next().await? {
            handle_default(message, meter).await?;
        }
    } else {
        messages
            .map_err(anyhow::Error::from)
            .try_for_each_concurrent(run.concurrency, |message| handle_default(message, meter))
            .await?;
    }
    watch.acknowledged(ORDERS, "by-hand").await?;
    meter.end();
    Ok(())
}

async fn handle_default(message: jetstream::Message, meter: &Meter) -> anyhow::Result<()> {
    let received = envelope::read::<Order>(&message.payload, ORDER)?;
    black_box((&received.id, &received.source));
    count(received.data, meter).await;
    message.ack().await.map_err(anyhow::Error::from_boxed)
}
