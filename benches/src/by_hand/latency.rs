//! Latency by hand: one task publishes at a steady pace, another one pulls.

use std::time::Duration;

use async_nats::jetstream;
use tokio::time::interval;
use uuid::Uuid;

use super::envelope::{self, ORDER, SENT_ORDER};
use super::pull::{Pull, acknowledge, consumer};
use crate::child::Run;
use crate::meter::Meter;
use crate::order::Order;
use crate::stage::{FILTER, ORDERS, Watch};

/// One event each millisecond.
pub(crate) const PACE: Duration = Duration::from_millis(1);

/// Publishes and handles at the same time.
pub(crate) async fn run(run: &Run, meter: &Meter) -> anyhow::Result<()> {
    let watch = Watch::connect(&run.server).await?;
    let client = async_nats::connect(&run.server).await?;
    let context = jetstream::new(async_nats::connect(&run.server).await?);
    let consumer = consumer(&client, ORDERS, FILTER, run.concurrency).await?;
    let mut pull = Pull::new(&client, &consumer).await?;
    let publishing = tokio::spawn(publish(context, meter.clone()));
    for _ in 0..meter.total() {
        let mut message = pull.next().await?;
        let received = envelope::read::<Order>(&message.payload, ORDER)?;
        meter.count_latency(received.data.sent_nanos);
        acknowledge(&client, &mut message).await?;
    }
    publishing.await??;
    watch.acknowledged(ORDERS, "by-hand").await?;
    meter.end();
    Ok(())
}

async fn publish(context: jetstream::Context, meter: Meter) -> anyhow::Result<()> {
    let mut pace = interval(PACE);
    let mut answers = Vec::new();
    for number in 0..meter.total() {
        pace.tick().await;
        let mut order = Order::numbered(number);
        order.sent_nanos = meter.nanos();
        let subject = format!("orders.{}.placed", order.region);
        let (headers, body) =
            envelope::write(SENT_ORDER, Uuid::now_v7(), &order.order_id, None, &order)?;
        answers.push(context.publish_with_headers(subject, headers, body).await?);
    }
    for answer in answers {
        answer.await?;
    }
    Ok(())
}
