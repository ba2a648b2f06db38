use event_runtime::Event;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

#[derive(Event, Serialize, Deserialize, JsonSchema)]
#[event(name = OrderPlaced, version = 0, topic = "orders.{region}.placed", key = order, colour = "red")]
struct OrderPlaced {
    order_id: String,
}

fn main() {}
