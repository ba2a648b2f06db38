use event_runtime::{Batch, Event, handler};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

#[derive(Event, Serialize, Deserialize, JsonSchema)]
#[event(name = "order.placed", version = 1, topic = "orders.{region}.placed")]
struct OrderPlaced {
    region: String,
}

#[handler]
async fn index(_orders: Batch<OrderPlaced>) {}

fn main() {}
