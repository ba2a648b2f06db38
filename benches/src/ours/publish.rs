//! Publishing: `send`, whose window holds 1,024 events, with the oldest receipt awaited as by hand.

use std::collections::VecDeque;

use event_runtime::Publisher;
use event_runtime::broker::Receipt;

use crate::by_hand::publish::WINDOW;
use crate::child::Run;
use crate::meter::Meter;
use crate::order::Order;

/// Publishes, and waits until all is stored.
pub(crate) async fn run(run: &Run, meter: &Meter) -> anyhow::Result<()> {
    let running = super::app(run, []).only(()).publish_only().start().await?;
    meter.begin();
    send(running.publisher(), meter.total()).await?;
    meter.end();
    running.stop().await?;
    Ok(())
}

/// Sends this many orders.
pub(super) async fn send(publisher: Publisher, events: u64) -> anyhow::Result<()> {
    let mut window = VecDeque::with_capacity(WINDOW);
    for number in 0..events {
        if window.len() == WINDOW
            && let Some(oldest) = window.pop_front()
        {
            stored(oldest).await?;
        }
        window.push_back(publisher.send(&Order::numbered(number)).await?);
    }
    for rest in window {
        stored(rest).await?;
    }
    Ok(())
}

async fn stored(receipt: Receipt) -> anyhow::Result<()> {
    let stored = receipt.await?;
    anyhow::ensure!(!stored.duplicate, "an event was stored before");
    Ok(())
}
