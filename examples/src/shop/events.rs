//! What happens in the shop.

use event_runtime::Event;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::lines::cents;

/// Some pieces of one article.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Item {
    /// The article.
    pub sku: String,
    /// How many pieces.
    pub qty: u32,
}

/// An order was accepted, with its total as text.
#[derive(Debug, Clone, Event, Serialize, Deserialize, JsonSchema)]
#[event(name = "order.placed", version = 1, topic = "orders.{region}.placed", key = order_id)]
pub struct OrderPlacedV1 {
    /// The order.
    pub order_id: String,
    /// Who ordered.
    pub customer: String,
    /// Where.
    pub region: String,
    /// What.
    pub items: Vec<Item>,
    /// The total, with at most two decimals: `12.50`.
    pub total: String,
}

/// An order was accepted.
#[derive(Debug, Clone, Event, Serialize, Deserialize, JsonSchema)]
#[event(
    name = "order.placed",
    version = 2,
    topic = "orders.{region}.placed",
    key = order_id,
    upcast_from = OrderPlacedV1
)]
pub struct OrderPlaced {
    /// The order.
    pub order_id: String,
    /// Who ordered.
    pub customer: String,
    /// Where.
    pub region: String,
    /// What.
    pub items: Vec<Item>,
    /// The total in cents.
    pub total_cents: u64,
}

/// A total that is no amount of money.
#[derive(Debug, thiserror::Error)]
#[error("the total `{0}` is no amount with at most two decimals")]
pub struct BadTotal(String);

impl TryFrom<OrderPlacedV1> for OrderPlaced {
    type Error = BadTotal;

    fn try_from(order: OrderPlacedV1) -> Result<Self, BadTotal> {
        let OrderPlacedV1 {
            order_id,
            customer,
            region,
            items,
            total,
        } = order;
        let total_cents = cents(&total).ok_or(BadTotal(total))?;
        Ok(Self {
            order_id,
            customer,
            region,
            items,
            total_cents,
        })
    }
}

/// The articles of an order are put aside.
#[derive(Debug, Clone, Event, Serialize, Deserialize, JsonSchema)]
#[event(name = "stock.reserved", version = 1, topic = "stock.{region}.reserved", key = order_id)]
pub struct StockReserved {
    /// The order.
    pub order_id: String,
    /// Who ordered.
    pub customer: String,
    /// Where.
    pub region: String,
    /// What.
    pub items: Vec<Item>,
    /// The total in cents.
    pub total_cents: u64,
}

/// An order is paid.
#[derive(Debug, Clone, Event, Serialize, Deserialize, JsonSchema)]
#[event(name = "payment.taken", version = 1, topic = "payments.{region}.taken", key = order_id)]
pub struct PaymentTaken {
    /// The order.
    pub order_id: String,
    /// Where.
    pub region: String,
    /// What.
    pub items: Vec<Item>,
    /// The amount in cents.
    pub total_cents: u64,
}

/// An order is on its way.
#[derive(Debug, Clone, Event, Serialize, Deserialize, JsonSchema)]
#[event(name = "order.shipped", version = 1, topic = "orders.{region}.shipped", key = order_id)]
pub struct OrderShipped {
    /// The order.
    pub order_id: String,
    /// Where.
    pub region: String,
}

/// An order is refused.
#[derive(Debug, Clone, Event, Serialize, Deserialize, JsonSchema)]
#[event(name = "order.refused", version = 1, topic = "orders.{region}.refused", key = order_id)]
pub struct OrderRefused {
    /// The order.
    pub order_id: String,
    /// Where.
    pub region: String,
    /// Why.
    pub reason: String,
}
