use event_runtime::Event;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

#[derive(Event, Serialize, Deserialize, JsonSchema)]
#[event(name = "order.placed", version = 1, topic = "orders.{region}.placed")]
struct OrderPlacedV1 {
    region: String,
}

#[derive(Event, Serialize, Deserialize, JsonSchema)]
#[event(name = "order.placed", version = 1, topic = "orders.{region}.placed", upcast_from = OrderPlacedV1)]
struct OrderPlaced {
    region: String,
}

impl From<OrderPlacedV1> for OrderPlaced {
    fn from(old: OrderPlacedV1) -> Self {
        Self { region: old.region }
    }
}

fn main() {}
