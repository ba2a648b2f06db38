//! Latency: one task publishes at a steady pace, and a handler takes the time.

use event_runtime::{Publisher, State, handler};
use tokio::time::interval;

use crate::by_hand::latency::PACE;
use crate::child::Run;
use crate::meter::Meter;
use crate::order::Order;
use crate::stage::{ORDERS, Watch};

#[handler(start = "all")]
async fn note(order: Order, State(meter): State<Meter>) {
    meter.count_latency(order.sent_nanos);
}

/// Publishes and handles at the same time.
pub(crate) async fn run(run: &Run, meter: &Meter) -> anyhow::Result<()> {
    let watch = Watch::connect(&run.server).await?;
    let running = super::app(run, [])
        .only((note,))
        .with_state(meter.clone())
        .start()
        .await?;
    let publishing = tokio::spawn(publish(running.publisher(), meter.clone()));
    meter.all(super::LIMIT).await?;
    publishing.await??;
    watch.acknowledged(ORDERS, "bench-note").await?;
    meter.end();
    running.stop().await?;
    Ok(())
}

async fn publish(publisher: Publisher, meter: Meter) -> anyhow::Result<()> {
    let mut pace = interval(PACE);
    let mut receipts = Vec::new();
    for number in 0..meter.total() {
        pace.tick().await;
        let mut order = Order::numbered(number);
        order.sent_nanos = meter.nanos();
        receipts.push(publisher.send(&order).await?);
    }
    for receipt in receipts {
        receipt.await?;
    }
    Ok(())
}
