use event_runtime::{Event, handler};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

#[derive(Event, Serialize, Deserialize, JsonSchema)]
#[event(name = "order.placed", version = 1, topic = "orders.{region}.placed")]
struct OrderPlaced {
    region: String,
}

struct Shop;

impl Shop {
    #[handler]
    async fn ship(&self, _order: OrderPlaced) {}
}

fn main() {}
