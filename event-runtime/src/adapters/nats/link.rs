//! One connection, and what is heard on it besides messages.

use std::collections::HashSet;
use std::future::Future;
use std::pin::pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use async_nats::{Client, Event};
use futures_util::FutureExt;
use tokio::sync::watch;

use super::HEADER_ROOM;
use crate::broker::BrokerError;

/// How long any single call to the server may take.
pub(super) const CALL: Duration = Duration::from_secs(5);

/// One connection.
#[derive(Clone)]
pub(super) struct Link {
    pub(super) client: Client,
    pub(super) events: Events,
}

impl Link {
    /// The largest body that is published.
    pub(super) fn max_payload(&self) -> usize {
        self.client.max_payload().saturating_sub(HEADER_ROOM)
    }

    /// Waits until the server has read everything that was written before. The client's own flush only
    /// empties its buffer; an answer on the same connection is behind all that was sent on it.
    pub(super) async fn flush(&self) -> Result<(), BrokerError> {
        timed("sending the last acknowledgements", async {
            let asked = self.client.request("$JS.API.INFO", bytes::Bytes::new());
            asked.await.map(drop).map_err(|error| error.to_string())
        })
        .await
    }
}

/// The two connections, as what consumes needs them.
pub(super) struct Links {
    /// For deliveries and what settles them.
    pub(super) consume: Link,
    /// For publishing and for the server's API.
    pub(super) publish: Link,
    /// Whether this is not the first connection that consumes: the one before broke for good.
    pub(super) again: bool,
    ended: AtomicBool,
}

impl Links {
    pub(super) fn new(consume: Link, publish: Link, again: bool) -> Self {
        Self {
            consume,
            publish,
            again,
            ended: AtomicBool::new(false),
        }
    }

    /// The client library has given up the connection that consumes, and does not make it again.
    pub(super) fn end(&self) {
        self.ended.store(true, Ordering::Relaxed);
    }

    pub(super) fn has_ended(&self) -> bool {
        self.ended.load(Ordering::Relaxed)
    }
}

/// Gives a call its time. One that ends when it is first polled, as most that only write do, needs no timer.
pub(super) async fn timed<T>(
    what: &str,
    call: impl Future<Output = Result<T, String>>,
) -> Result<T, BrokerError> {
    let mut call = pin!(call);
    let answer = match call.as_mut().now_or_never() {
        Some(answer) => Ok(answer),
        None => Box::pin(tokio::time::timeout(CALL, call)).await,
    };
    match answer {
        Ok(Ok(value)) => Ok(value),
        Ok(Err(error)) => Err(BrokerError::transient(format!("{what} failed: {error}"))),
        Err(_) => Err(BrokerError::transient(format!(
            "{what}: the server did not answer within {CALL:?}"
        ))),
    }
}

/// What a connection says about itself.
#[derive(Clone)]
pub(super) struct Events {
    connects: Arc<watch::Sender<u64>>,
    denied: Arc<Mutex<HashSet<String>>>,
}

impl Default for Events {
    fn default() -> Self {
        Self {
            connects: Arc::new(watch::Sender::new(0)),
            denied: Arc::default(),
        }
    }
}

impl Events {
    pub(super) fn hear(&self, event: &Event) {
        match event {
            Event::Connected => self.connects.send_modify(|count| *count += 1),
            Event::Disconnected => {
                tracing::warn!("the connection to the NATS server is lost; connecting again");
            }
            Event::ServerError(error) => {
                let text = error.to_string();
                if let Some(subject) = denied_subject(&text) {
                    self.denied
                        .lock()
                        .unwrap_or_else(PoisonError::into_inner)
                        .insert(subject.to_owned());
                }
                tracing::warn!("the NATS server says: {text}");
            }
            _ => {}
        }
    }

    /// Counts connections; what was asked for before the last one is lost.
    pub(super) fn connects(&self) -> watch::Receiver<u64> {
        self.connects.subscribe()
    }

    /// Whether the server has refused this subject: publishing there is not answered, only reported.
    pub(super) fn is_denied(&self, subject: &str) -> bool {
        self.denied
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .remove(subject)
    }
}

/// The subject in `Permissions Violation for Publish to "orders.eu"`.
fn denied_subject(text: &str) -> Option<&str> {
    let lower = text.to_ascii_lowercase();
    let at = lower.find("permissions violation for publish to \"")?;
    text[at..].split('"').nth(1)
}
