use event_runtime::Event;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

#[derive(Event, Serialize, Deserialize, JsonSchema)]
#[event(name = "order.placed", version = 1, topic = "orders.{region}.placed")]
struct OrderPlacedV1 {
    region: String,
}

#[derive(Event, Serialize, Deserialize, JsonSchema)]
#[event(name = "order.placed", version = 2, topic = "orders.{region}.placed", upcast_from = OrderPlacedV1)]
struct OrderPlaced {
    region: String,
}

fn main() {}
