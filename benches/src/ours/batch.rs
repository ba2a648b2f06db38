//! Batches: one run for 500 events, as a service has it that writes many rows at once.

use std::hint::black_box;

use event_runtime::{Batch, State, handler};

use crate::child::Run;
use crate::meter::Meter;
use crate::order::Order;
use crate::stage::{ORDERS, Watch};

#[handler(start = "all", batch(max = 500, wait = "50ms"))]
async fn gather(orders: Batch<Order>, State(meter): State<Meter>) {
    for order in &orders {
        black_box(order);
        meter.count();
    }
}

/// Consumes until all is acknowledged.
pub(crate) async fn run(run: &Run, meter: &Meter) -> anyhow::Result<()> {
    let watch = Watch::connect(&run.server).await?;
    let running = super::app(run, [])
        .only((gather,))
        .with_state(meter.clone())
        .start()
        .await?;
    meter.all(super::LIMIT).await?;
    watch.acknowledged(ORDERS, "bench-gather").await?;
    meter.end();
    running.stop().await?;
    Ok(())
}
