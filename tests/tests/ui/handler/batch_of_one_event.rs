use event_runtime::{Event, handler};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

#[derive(Event, Serialize, Deserialize, JsonSchema)]
#[event(name = "order.placed", version = 1, topic = "orders.{region}.placed")]
struct OrderPlaced {
    region: String,
}

#[handler(batch(max = 10))]
async fn index(_order: OrderPlaced) {}

fn main() {}
