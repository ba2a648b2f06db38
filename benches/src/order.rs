//! The event that all programs send and receive: 200 bytes of JSON data, as a shop would have them.

use event_runtime::Event;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// An order was accepted.
#[allow(clippy::struct_field_names, reason = "the name on the wire")]
#[derive(Debug, Clone, Event, Serialize, Deserialize, JsonSchema)]
#[event(name = "order.placed", version = 1, topic = "orders.{region}.placed", key = order_id)]
pub(crate) struct Order {
    /// Also the key.
    pub order_id: String,
    /// A part of the topic.
    pub region: String,
    /// Counts from 0 in each stream.
    pub number: u64,
    /// Who pays.
    pub customer: Customer,
    /// The sum.
    pub amount_cents: i64,
    /// The currency of the sum.
    pub currency: String,
    /// How many things.
    pub items: u32,
    /// When it was sent, in nanoseconds since the program began; only latency reads it.
    pub sent_nanos: u64,
}

/// Who pays for an order.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
pub(crate) struct Customer {
    /// The customer's number.
    pub id: String,
    /// The name.
    pub name: String,
    /// Where to write to.
    pub email: String,
}

/// An order left the house: what the answering handlers return.
#[derive(Debug, Clone, Event, Serialize, Deserialize, JsonSchema)]
#[event(name = "order.shipped", version = 1, topic = "shipments.{region}.shipped", key = order_id)]
pub(crate) struct Shipped {
    /// The order.
    pub order_id: String,
    /// A part of the topic.
    pub region: String,
    /// How many things.
    pub items: u32,
}

impl Order {
    /// The order with this number.
    pub(crate) fn numbered(number: u64) -> Self {
        let regions = ["eu", "us", "asia"];
        let region = regions[usize::try_from(number % 3).unwrap_or_default()];
        Self {
            order_id: format!("ord-{number:010}"),
            region: region.to_owned(),
            number,
            customer: Customer {
                id: format!("c-{:05}", number % 50_000),
                name: "Grace Hopper".to_owned(),
                email: "grace.hopper@example.com".to_owned(),
            },
            amount_cents: 12_999,
            currency: "EUR".to_owned(),
            items: 3,
            sent_nanos: 1_000_000_000_000,
        }
    }

    /// What a handler answers to it.
    pub(crate) fn shipped(self) -> Shipped {
        Shipped {
            order_id: self.order_id,
            region: self.region,
            items: self.items,
        }
    }
}
