use event_runtime::Event;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

#[derive(Event, Serialize, Deserialize, JsonSchema)]
#[event(name = "order.placed", versoin = 1, topic = "orders.placed")]
struct OrderPlaced {
    order_id: String,
}

#[event_runtime::handler]
async fn ship(order: OrderPlaced) {
    let _ = order.order_id;
}

async fn publish(publisher: event_runtime::Publisher, order: OrderPlaced) {
    let _ = publisher.publish(&order).await;
}

fn main() {}
