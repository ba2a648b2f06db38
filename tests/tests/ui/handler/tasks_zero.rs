use event_runtime::{Event, handler};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

#[derive(Event, Serialize, Deserialize, JsonSchema)]
#[event(name = "order.placed", version = 1, topic = "orders.{region}.placed")]
struct OrderPlaced {
    region: String,
}

#[handler(tasks = 0)]
async fn index(_order: OrderPlaced) {}

fn main() {}
