//! Answering: a handler that returns an event.

use event_runtime::{State, handler};

use crate::child::Run;
use crate::meter::Meter;
use crate::order::{Order, Shipped};
use crate::stage::{ORDERS, Watch};

#[handler(start = "all")]
async fn ship(order: Order, State(meter): State<Meter>) -> Shipped {
    meter.count();
    order.shipped()
}

/// Answers until all is acknowledged.
pub(crate) async fn run(run: &Run, meter: &Meter) -> anyhow::Result<()> {
    let watch = Watch::connect(&run.server).await?;
    let concurrency = run.concurrency.to_string();
    let running = super::app(run, [("EVENT_HANDLER_SHIP_CONCURRENCY", concurrency)])
        .only((ship,))
        .with_state(meter.clone())
        .start()
        .await?;
    meter.all(super::LIMIT).await?;
    watch.acknowledged(ORDERS, "bench-ship").await?;
    meter.end();
    running.stop().await?;
    Ok(())
}
