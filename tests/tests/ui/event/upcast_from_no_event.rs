use event_runtime::Event;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

#[derive(Event, Serialize, Deserialize, JsonSchema)]
#[event(name = "order.placed", version = 2, topic = "orders.{region}.placed", upcast_from = String)]
struct OrderPlaced {
    region: String,
}

impl From<String> for OrderPlaced {
    fn from(region: String) -> Self {
        Self { region }
    }
}

fn main() {}
