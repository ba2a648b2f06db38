//! The flagship: orders are read from a file, published, and cascade through five handlers.
//!
//! Every rule is a pure function of an order's line, so anyone can work the figures out from the file.
//! `bin/shop.rs` is the program; it runs all in one process, or as a feeder and workers on a server.

mod events;
mod feed;
mod handlers;
mod ledger;
mod lines;
mod tally;

pub use self::events::{
    Item, OrderPlaced, OrderPlacedV1, OrderRefused, OrderShipped, PaymentTaken, StockReserved,
};
pub use self::feed::{Feed, feed};
pub use self::handlers::{
    Gateway, charge_payment, notify_refused, notify_shipped, reserve_stock, ship_order,
};
pub use self::ledger::{Ledger, read_ledgers};
pub use self::lines::{Line, Order, Total, parse};
pub use self::tally::{SharedTally, Tally};

use std::time::Duration;

use event_runtime::App;
use event_runtime::handler::RetryPolicy;

/// The orders that come with the program.
pub const ORDERS: &[u8] = include_bytes!("../../data/orders.jsonl");

/// The service, before it is said what of it runs here.
///
/// Its retries are quick, so that the shipped file is done within seconds.
pub fn app() -> App {
    let retry = RetryPolicy {
        max: 5,
        base: Duration::from_millis(20),
        cap: Duration::from_millis(200),
    };
    App::new()
        .service("shop")
        .default_broker("memory://")
        .retry(retry)
        .with_state(Gateway {
            busy_for: Duration::from_secs(6),
        })
}
