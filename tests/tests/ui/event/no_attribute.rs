use event_runtime::Event;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

#[derive(Event, Serialize, Deserialize, JsonSchema)]
struct OrderPlaced {
    order_id: String,
}

fn main() {}
