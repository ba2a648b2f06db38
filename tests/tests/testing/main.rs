//! The test kit: what it waits for, what it records, what it lets go wrong, and what it says.

use std::panic::AssertUnwindSafe;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use event_runtime::broker::{BrokerError, Message};
use event_runtime::dead_letters::DeadLetters;
use event_runtime::handler::RetryPolicy;
use event_runtime::testing::TestApp;
use event_runtime::{App, Event, HandlerError, Publisher, State, handler};
use event_tests::nats::TestNats;
use expect_test::{Expect, expect};
use futures_util::FutureExt;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

mod apps;
mod failures;
mod messages;
mod records;
mod server;

/// An order was paid.
#[derive(Debug, Clone, PartialEq, Event, Serialize, Deserialize, JsonSchema)]
#[event(name = "payment.taken", version = 1, topic = "payments.{shop}.taken", key = order)]
struct PaymentTaken {
    order: String,
    shop: String,
}

/// An order is on its way. Neither `Debug` nor `PartialEq`: the kit needs none.
#[derive(Event, Serialize, Deserialize, JsonSchema)]
#[event(name = "order.shipped", version = 1, topic = "orders.shipped", key = order)]
struct OrderShipped {
    order: String,
}

/// Somebody was told.
#[derive(Debug, PartialEq, Event, Serialize, Deserialize, JsonSchema)]
#[event(name = "customer.told", version = 1, topic = "customers.told")]
struct CustomerTold {
    order: String,
}

fn paid(order: &str) -> PaymentTaken {
    PaymentTaken {
        order: order.into(),
        shop: "rome".into(),
    }
}

fn shipped(order: &str) -> OrderShipped {
    OrderShipped {
        order: order.into(),
    }
}

fn told(order: &str) -> CustomerTold {
    CustomerTold {
        order: order.into(),
    }
}

/// What the carrier answers: an error for each run of an order, in turn; then it takes it.
#[derive(Clone, Default)]
struct Carrier {
    answers: Arc<Mutex<Vec<HandlerError>>>,
    asked: Arc<AtomicU32>,
}

impl Carrier {
    fn answering(answers: impl IntoIterator<Item = HandlerError>) -> Self {
        let answers: Vec<_> = answers.into_iter().collect();
        Self {
            answers: Arc::new(Mutex::new(answers.into_iter().rev().collect())),
            asked: Arc::default(),
        }
    }

    fn take(&self) -> Result<(), HandlerError> {
        self.asked.fetch_add(1, Ordering::SeqCst);
        self.answers.lock().unwrap().pop().map_or(Ok(()), Err)
    }

    fn asked(&self) -> u32 {
        self.asked.load(Ordering::SeqCst)
    }
}

#[handler(retry(max = 3))]
async fn ship_order(
    paid: PaymentTaken,
    State(carrier): State<Carrier>,
) -> Result<OrderShipped, HandlerError> {
    carrier.take()?;
    Ok(shipped(&paid.order))
}

#[handler]
async fn tell_customer(
    shipped: OrderShipped,
    publisher: Publisher,
) -> Result<(), event_runtime::publish::PublishError> {
    publisher.publish(&told(&shipped.order)).await?;
    Ok(())
}

/// Nothing of it is ever done.
#[handler(timeout = "240h")]
async fn hang(_: PaymentTaken) {
    std::future::pending::<()>().await;
}

async fn no_handler() {}

/// The service, as its own `main` would build it.
fn shop(carrier: &Carrier) -> App {
    App::new()
        .service("shop")
        .with_state(carrier.clone())
        .only((ship_order, tell_customer))
}

fn retry_after(error: &str, seconds: u64) -> HandlerError {
    HandlerError::retry_after(error, Duration::from_secs(seconds))
}

/// The text of a panic, without the line of the test's file.
async fn panic_of(test: impl Future<Output = ()>) -> String {
    let panic = AssertUnwindSafe(test).catch_unwind().await.unwrap_err();
    let said = panic.downcast_ref::<String>().unwrap();
    let Some((before, after)) = said.split_once("tests/tests/testing/") else {
        return said.clone();
    };
    let (file, after) = after.split_once(':').unwrap();
    let after = after.trim_start_matches(|c: char| c.is_ascii_digit() || c == ':');
    format!("{before}tests/tests/testing/{file}:…:{after}")
}

/// What a failed claim says.
async fn says(test: impl Future<Output = ()>, expected: Expect) {
    expected.assert_eq(&panic_of(test).await);
}
