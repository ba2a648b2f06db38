//! Retrying: one event in ten fails once, and waits for as long as a handler's retries do by default.

use std::hint::black_box;

use event_runtime::{Metadata, State, handler};

use crate::child::Run;
use crate::meter::Meter;
use crate::order::Order;
use crate::stage::{ORDERS, Watch};

/// Whether events fail at all.
#[derive(Debug, Clone, Copy)]
struct Storm(bool);

#[handler(start = "all")]
async fn stumble(
    order: Order,
    metadata: Metadata,
    State(storm): State<Storm>,
    State(meter): State<Meter>,
) -> anyhow::Result<()> {
    black_box(&order);
    if storm.0 && metadata.attempt == 1 && order.number.is_multiple_of(10) {
        anyhow::bail!("this order fails once");
    }
    meter.count();
    Ok(())
}

/// Consumes until all is acknowledged.
pub(crate) async fn run(run: &Run, meter: &Meter, storm: bool) -> anyhow::Result<()> {
    let watch = Watch::connect(&run.server).await?;
    let concurrency = run.concurrency.to_string();
    let running = super::app(run, [("EVENT_HANDLER_STUMBLE_CONCURRENCY", concurrency)])
        .only((stumble,))
        .with_state(Storm(storm))
        .with_state(meter.clone())
        .start()
        .await?;
    meter.all(super::LIMIT).await?;
    watch.acknowledged(ORDERS, "bench-stumble").await?;
    meter.end();
    running.stop().await?;
    Ok(())
}
