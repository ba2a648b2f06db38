use event_runtime::Event;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

#[derive(Event, Deserialize, JsonSchema)]
#[event(name = "order.placed", version = 1, topic = "orders.placed")]
struct OrderPlaced {
    order_id: String,
}

fn main() {}
