//! In memory: a publisher and a handler on `memory://`.

use std::hint::black_box;

use event_runtime::{App, State, handler};

use super::publish::send;
use crate::child::Run;
use crate::meter::Meter;
use crate::order::Order;

#[handler]
async fn take(order: Order, State(meter): State<Meter>) {
    black_box(&order);
    meter.count();
}

/// Publishes, and waits until all is handled.
pub(crate) async fn run(run: &Run, meter: &Meter) -> anyhow::Result<()> {
    let concurrency = run.concurrency.to_string();
    let running = App::new()
        .service("bench")
        .environment([
            ("EVENT_BROKER", "memory://".to_owned()),
            ("EVENT_HANDLER_TAKE_CONCURRENCY", concurrency),
        ])
        .only((take,))
        .with_state(meter.clone())
        .start()
        .await?;
    meter.begin();
    let sending = tokio::spawn(send(running.publisher(), meter.total()));
    meter.all(super::LIMIT).await?;
    meter.end();
    sending.await??;
    running.stop().await?;
    Ok(())
}
