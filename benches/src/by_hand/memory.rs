//! In memory by hand: a channel of 1,024 bodies, with the same envelope written and read.

use std::hint::black_box;

use tokio::sync::mpsc;
use uuid::Uuid;

use super::envelope::{self, ORDER, SENT_ORDER};
use super::publish::WINDOW;
use crate::meter::Meter;
use crate::order::Order;

/// One task sends, another one receives.
pub(crate) async fn run(meter: &Meter) -> anyhow::Result<()> {
    let (sender, mut bodies) = mpsc::channel(WINDOW);
    meter.begin();
    let total = meter.total();
    let sending = tokio::spawn(async move {
        for number in 0..total {
            let order = Order::numbered(number);
            let id = Uuid::now_v7().to_string();
            let body = envelope::body(SENT_ORDER, &id, &order.order_id, None, &order)?;
            sender.send(body).await?;
        }
        anyhow::Ok(())
    });
    while let Some(body) = bodies.recv().await {
        let received = envelope::read::<Order>(&body, ORDER)?;
        black_box((&received.id, &received.source, &received.data));
        meter.count();
    }
    sending.await??;
    meter.end();
    Ok(())
}
