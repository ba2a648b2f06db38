//! Tests of a service, without a server and without waiting.
//!
//! [`TestApp`] starts the service's own [`App`](crate::App), publishes events, waits until all is settled, and
//! keeps all that happened. With tokio's clock paused, delays take no time.
//!
//! ```rust,test_harness
//! use event_runtime::testing::TestApp;
//! use event_runtime::{App, Event, HandlerError, handler};
//! use schemars::JsonSchema;
//! use serde::{Deserialize, Serialize};
//!
//! /// An order was paid.
//! #[derive(Event, Serialize, Deserialize, JsonSchema)]
//! #[event(name = "payment.taken", version = 1, topic = "payments.taken")]
//! struct PaymentTaken {
//!     order: String,
//! }
//!
//! /// An order is on its way.
//! #[derive(Event, Serialize, Deserialize, JsonSchema)]
//! #[event(name = "order.shipped", version = 1, topic = "orders.shipped")]
//! struct OrderShipped {
//!     order: String,
//! }
//!
//! #[handler]
//! async fn ship(paid: PaymentTaken) -> Result<OrderShipped, HandlerError> {
//!     if paid.order.is_empty() {
//!         return Err(HandlerError::reject("no order"));
//!     }
//!     Ok(OrderShipped { order: paid.order })
//! }
//!
//! fn app() -> App {
//!     App::new().service("shop")
//! }
//!
//! #[tokio::test(start_paused = true)]
//! async fn what_is_paid_is_shipped() {
//!     let app = TestApp::start(app()).await;
//!     app.publish(&PaymentTaken { order: "o-1".into() }).await;
//!     app.assert_published([OrderShipped { order: "o-1".into() }]);
//! }
//!
//! #[tokio::test(start_paused = true)]
//! async fn a_payment_for_nothing_is_kept_as_a_dead_letter() {
//!     let app = TestApp::start(app()).await;
//!     app.publish(&PaymentTaken { order: String::new() }).await;
//!     app.assert_dead_letters(ship, ["rejected: no order"]);
//! }
//! ```
//!
//! One variable runs the same tests on a server: `EVENT_TEST_BROKER=nats://127.0.0.1:4222`. Each test has
//! subjects and streams of its own there, whose names begin with `test_`; they stay for a look after a failure,
//! so the server is one that can be thrown away. `EVENT_NATS_USER` and the like ([`Settings`](crate::Settings))
//! log in to it.

mod app;
mod authors;
mod bench;
mod checks;
mod clock;
mod diff;
mod faults;
mod history;
mod isolation;
mod line;
mod recorded;
mod story;
mod trouble;

pub use self::app::TestApp;
pub use self::recorded::{Recorded, Retry};
