//! Handlers of batches, in all forms.
use event_runtime::{Batch, Context, Event, Extract, HandlerError, State, handler};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

#[derive(Event, Serialize, Deserialize, JsonSchema)]
#[event(name = "order.placed", version = 1, topic = "orders.{region}.placed")]
struct OrderPlaced {
    region: String,
}

struct Mine;

impl Extract for Mine {
    async fn extract(_context: &Context) -> Result<Self, HandlerError> {
        Ok(Mine)
    }
}

#[handler(batch)]
async fn alone(_orders: Batch<OrderPlaced>) {}

#[handler(batch(max = 500, wait = "50ms"), tasks = 4, concurrency = 8)]
async fn all(
    mut orders: event_runtime::Batch<OrderPlaced>,
    _mine: Mine,
    State(index): State<usize>,
) -> anyhow::Result<()> {
    orders.fail(index, std::io::Error::other("an error"));
    orders.fail(index, anyhow::anyhow!("a report"));
    orders.fail(index, HandlerError::reject("a class"));
    let _ = &orders.metadata(0).id;
    for order in &orders {
        let _ = &order.region;
    }
    let _: Vec<OrderPlaced> = orders.take();
    Ok(())
}

#[handler(batch(max = 10))]
async fn borrowed(orders: &Batch<OrderPlaced>) -> Result<(), std::io::Error> {
    let _ = orders.first().map(|order| &order.region);
    Ok(())
}

fn main() {}
