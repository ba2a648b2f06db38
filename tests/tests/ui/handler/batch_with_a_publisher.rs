use event_runtime::{Batch, Event, Publisher, handler};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

#[derive(Event, Serialize, Deserialize, JsonSchema)]
#[event(name = "order.placed", version = 1, topic = "orders.{region}.placed")]
struct OrderPlaced {
    region: String,
}

#[handler(batch)]
async fn index(_orders: Batch<OrderPlaced>, _publisher: Publisher) {}

fn main() {}
