//! The five handlers. What each does is a pure function of its event and the attempt.

use std::time::Duration;

use event_runtime::{Events, HandlerError, Metadata, State, handler};

use super::events::{OrderPlaced, OrderRefused, OrderShipped, PaymentTaken, StockReserved};

/// Orders above this are refused.
const LIMIT_CENTS: u64 = 1_000_000;

/// What becomes of an order.
#[derive(Debug, Events)]
pub enum Reserved {
    /// Its articles are there.
    Yes(StockReserved),
    /// One of them is not.
    No(OrderRefused),
}

/// Puts an order's articles aside; those whose name begins with `none-` are out of stock.
#[handler]
pub async fn reserve_stock(order: OrderPlaced) -> Reserved {
    let OrderPlaced {
        order_id,
        customer,
        region,
        items,
        total_cents,
    } = order;
    if let Some(item) = items.iter().find(|item| item.sku.starts_with("none-")) {
        let reason = format!("`{}` is out of stock", item.sku);
        return Reserved::No(OrderRefused {
            order_id,
            region,
            reason,
        });
    }
    Reserved::Yes(StockReserved {
        order_id,
        customer,
        region,
        items,
        total_cents,
    })
}

/// What becomes of a payment.
#[derive(Debug, Events)]
pub enum Charged {
    /// It is taken.
    Taken(PaymentTaken),
    /// The order is refused.
    Refused(OrderRefused),
}

/// Why a payment was not taken.
#[derive(Debug, thiserror::Error, HandlerError)]
pub enum ChargeError {
    /// It will be up again.
    #[error("the payment gateway is down")]
    #[retry]
    Down,
    /// It said when.
    #[error("the payment gateway is busy and asks to come back in {wait:?}")]
    #[retry(after = wait)]
    Busy {
        /// When to come back.
        wait: Duration,
    },
    /// No retry makes it good.
    #[error("the card of `{customer}` is reported as stolen")]
    #[reject]
    Stolen {
        /// Whose.
        customer: String,
    },
}

/// A payment gateway with its bad moments: it is down for the first attempt of orders that end in `7`, for the
/// first three of those that end in `77`, and asks once to come back for those that end in `777`.
#[derive(Debug, Clone, Copy)]
pub struct Gateway {
    /// When it wants to be asked again, where it asks for that.
    pub busy_for: Duration,
}

impl Gateway {
    fn ask(self, order_id: &str, attempt: u32) -> Result<(), ChargeError> {
        let down_until = match order_id {
            _ if order_id.ends_with("777") && attempt == 1 => {
                return Err(ChargeError::Busy {
                    wait: self.busy_for,
                });
            }
            _ if order_id.ends_with("777") => 0,
            _ if order_id.ends_with("77") => 3,
            _ if order_id.ends_with('7') => 1,
            _ => 0,
        };
        if attempt <= down_until {
            Err(ChargeError::Down)
        } else {
            Ok(())
        }
    }
}

/// Takes the payment for an order whose articles are put aside.
#[handler]
pub async fn charge_payment(
    stock: StockReserved,
    metadata: Metadata,
    State(gateway): State<Gateway>,
) -> Result<Charged, ChargeError> {
    let StockReserved {
        order_id,
        customer,
        region,
        items,
        total_cents,
    } = stock;
    gateway.ask(&order_id, metadata.attempt)?;
    if customer == "card-thief" {
        return Err(ChargeError::Stolen { customer });
    }
    if total_cents > LIMIT_CENTS {
        let reason = format!("{total_cents} cents are above the limit");
        return Ok(Charged::Refused(OrderRefused {
            order_id,
            region,
            reason,
        }));
    }
    Ok(Charged::Taken(PaymentTaken {
        order_id,
        region,
        items,
        total_cents,
    }))
}

/// Ships an order that is paid.
///
/// # Panics
///
/// When an article is called `panic`: to show that a panic is a failure like others.
#[handler]
pub async fn ship_order(payment: PaymentTaken) -> OrderShipped {
    let PaymentTaken {
        order_id,
        region,
        items,
        ..
    } = payment;
    assert!(
        items.iter().all(|item| item.sku != "panic"),
        "the article `panic` fell on the floor"
    );
    OrderShipped { order_id, region }
}

/// Tells a customer that the order is on its way.
#[handler]
pub async fn notify_shipped(shipped: &OrderShipped) {
    tracing::debug!(order_id = shipped.order_id, "the order is on its way");
}

/// Tells a customer that the order is refused.
#[handler]
pub async fn notify_refused(refused: &OrderRefused) {
    tracing::debug!(
        order_id = refused.order_id,
        reason = refused.reason,
        "the order is refused"
    );
}
