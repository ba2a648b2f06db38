//! Publishing by hand: a window of the client's acknowledgements, of which the oldest is awaited when it is full.
//!
//! Of the ways that the client offers, this one was the fastest: a task for each event and `FuturesUnordered`
//! were slower.

use std::collections::VecDeque;
use std::ops::Range;

use async_nats::jetstream;
use uuid::Uuid;

use super::envelope::{self, SENT_ORDER};
use crate::child::Run;
use crate::meter::Meter;
use crate::order::Order;

/// Events in flight.
pub(crate) const WINDOW: usize = 1024;

/// Publishes, and waits until all is stored.
pub(crate) async fn run(run: &Run, meter: &Meter) -> anyhow::Result<()> {
    let context = jetstream::new(async_nats::connect(&run.server).await?);
    meter.begin();
    orders(&context, 0..meter.total()).await?;
    meter.end();
    Ok(())
}

/// Publishes the orders with these numbers.
pub(crate) async fn orders(
    context: &jetstream::Context,
    numbers: Range<u64>,
) -> anyhow::Result<()> {
    let mut window = VecDeque::with_capacity(WINDOW);
    for number in numbers {
        let order = Order::numbered(number);
        let subject = format!("orders.{}.placed", order.region);
        let (headers, body) =
            envelope::write(SENT_ORDER, Uuid::now_v7(), &order.order_id, None, &order)?;
        if window.len() == WINDOW
            && let Some(oldest) = window.pop_front()
        {
            stored(oldest).await?;
        }
        window.push_back(context.publish_with_headers(subject, headers, body).await?);
    }
    for rest in window {
        stored(rest).await?;
    }
    Ok(())
}

async fn stored(answer: jetstream::context::PublishAckFuture) -> anyhow::Result<()> {
    let answer = answer.await?;
    anyhow::ensure!(!answer.duplicate, "an event was stored before");
    Ok(())
}
