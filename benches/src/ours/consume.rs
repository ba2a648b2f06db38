//! Consuming: one handler with the meter as its state.

use std::hint::black_box;

use event_runtime::{State, handler};

use crate::child::Run;
use crate::meter::Meter;
use crate::order::Order;
use crate::stage::{ORDERS, Watch};

#[handler(start = "all")]
async fn count(order: Order, State(meter): State<Meter>) {
    black_box(&order);
    meter.count();
}

/// Consumes until all is acknowledged.
pub(crate) async fn run(run: &Run, meter: &Meter) -> anyhow::Result<()> {
    let watch = Watch::connect(&run.server).await?;
    let concurrency = run.concurrency.to_string();
    let app = super::app(run, [("EVENT_HANDLER_COUNT_CONCURRENCY", concurrency)]);
    let running = app.only((count,)).with_state(meter.clone()).start().await?;
    meter.all(super::LIMIT).await?;
    if !run.part {
        watch.acknowledged(ORDERS, "bench-count").await?;
    }
    meter.end();
    running.stop().await?;
    Ok(())
}
