//! Answering by hand: each event is answered by another one, which is stored before the first is acknowledged.
//!
//! One connection, which was faster than one for each direction.

use std::hint::black_box;

use anyhow::Context as _;
use async_nats::jetstream::{self, Context};
use async_nats::{Client, Message};
use futures_util::TryStreamExt;
use uuid::Uuid;

use super::envelope::{self, ORDER, SENT_SHIPPED};
use super::pull::{Pull, acknowledge, consumer};
use crate::child::Run;
use crate::meter::Meter;
use crate::order::{Order, Shipped};
use crate::stage::{FILTER, ORDERS, Watch};

/// Makes the answer's id from its cause's: the same on every run, so that it is stored once.
const ANSWER: u128 = 0x5eed_0000_0000_0000_0000_5eed;

/// Answers until all is acknowledged.
pub(crate) async fn run(run: &Run, meter: &Meter) -> anyhow::Result<()> {
    let watch = Watch::connect(&run.server).await?;
    let client = async_nats::connect(&run.server).await?;
    let answers = jetstream::new(client.clone());
    let consumer = consumer(&client, ORDERS, FILTER, run.concurrency).await?;
    let pull = Pull::new(&client, &consumer).await?;
    pull.take(meter.total())
        .try_for_each_concurrent(run.concurrency, |message| {
            answer(&client, &answers, message, meter)
        })
        .await?;
    watch.acknowledged(ORDERS, "by-hand").await?;
    meter.end();
    Ok(())
}

async fn answer(
    client: &Client,
    answers: &Context,
    mut message: Message,
    meter: &Meter,
) -> anyhow::Result<()> {
    let received = envelope::read::<Order>(&message.payload, ORDER)?;
    black_box(&received.source);
    let cause: Uuid = received.id.parse().context("an event's id is a UUID")?;
    let shipped = ship(received.data, meter).await;
    let id = Uuid::from_u128(cause.as_u128() ^ ANSWER);
    let (headers, body) = envelope::write(
        SENT_SHIPPED,
        id,
        &shipped.order_id,
        Some(&received.id),
        &shipped,
    )?;
    let subject = format!("shipments.{}.shipped", shipped.region);
    answers
        .publish_with_headers(subject, headers, body)
        .await?
        .await?;
    acknowledge(client, &mut message).await
}

/// The handler.
#[allow(clippy::unused_async, reason = "handlers are async functions")]
async fn ship(order: Order, meter: &Meter) -> Shipped {
    meter.count();
    order.shipped()
}
