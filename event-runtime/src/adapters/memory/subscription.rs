//! One consumer of a durable. It holds nothing itself: what a call takes, it returns.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use tokio::time::Instant;

use super::Shared;
use super::settle::MemorySettlement;
use crate::broker::{BrokerError, Delivery, Origin, Settle, Subscription};

pub(super) struct MemorySubscription {
    shared: Arc<Shared>,
    stream: Arc<str>,
    durable: Arc<str>,
    life: u64,
    generation: String,
    ack_wait: Duration,
}

impl MemorySubscription {
    pub(super) fn new(
        shared: Arc<Shared>,
        stream: &str,
        durable: &str,
    ) -> Result<Self, BrokerError> {
        let found = shared.with(stream, |held| {
            held.durable(durable)
                .map(|(found, _)| (found.generation(), found.spec().ack_wait))
        })?;
        let (life, ack_wait) = found.ok_or_else(|| {
            BrokerError::misconfigured(format!(
                "there is no durable `{durable}` on the stream `{stream}`: create it first"
            ))
        })?;
        Ok(Self {
            shared,
            stream: stream.into(),
            durable: durable.into(),
            life,
            generation: life.to_string(),
            ack_wait,
        })
    }

    /// What can be delivered now, or when to look again.
    fn take(&self, demand: usize) -> Result<Result<Vec<Delivery>, Option<Instant>>, BrokerError> {
        let now = self.shared.now();
        let taken = self.shared.with(&self.stream, |stream| {
            let arrives = stream.next_due();
            let (durable, messages) = stream.living(&self.durable, self.life)?;
            let taken = durable.take(messages, demand, now);
            let again = durable.next_due();
            Some(if taken.is_empty() {
                Err(arrives.into_iter().chain(again).min())
            } else {
                Ok(taken)
            })
        })?;
        let Some(taken) = taken else {
            return Err(BrokerError::misconfigured(format!(
                "the durable `{}` on the stream `{}` is gone",
                self.durable, self.stream
            )));
        };
        Ok(taken.map(|taken| {
            let deliveries = taken
                .into_iter()
                .map(|(sequence, kept, deliveries)| Delivery {
                    subject: kept.subject,
                    headers: kept.headers,
                    payload: kept.payload,
                    message_id: kept.id,
                    origin: Origin {
                        stream: Arc::clone(&self.stream),
                        sequence,
                        stored_at: kept.stored_at,
                        deliveries,
                    },
                    settle: Settle::new(MemorySettlement {
                        shared: Arc::clone(&self.shared),
                        stream: Arc::clone(&self.stream),
                        durable: Arc::clone(&self.durable),
                        life: self.life,
                        sequence,
                        ack_wait: self.ack_wait,
                    }),
                });
            deliveries.collect()
        }))
    }
}

impl Subscription for MemorySubscription {
    fn generation(&self) -> &str {
        &self.generation
    }

    fn ack_wait(&self) -> Duration {
        self.ack_wait
    }

    fn next(&mut self, demand: usize) -> BoxFuture<'_, Result<Vec<Delivery>, BrokerError>> {
        async move {
            if demand == 0 {
                // Nothing is ever on its way here.
                std::future::pending::<()>().await;
            }
            loop {
                // Listening begins before looking, so that nothing can come in between.
                let mut changed = std::pin::pin!(self.shared.changed.notified());
                changed.as_mut().enable();
                let due = match self.take(demand)? {
                    Ok(deliveries) => return Ok(deliveries),
                    Err(due) => due,
                };
                match due {
                    Some(due) => {
                        let _ = tokio::time::timeout_at(due, changed).await;
                    }
                    None => changed.await,
                }
            }
        }
        .boxed()
    }

    fn close(self: Box<Self>) -> BoxFuture<'static, Result<(), BrokerError>> {
        std::future::ready(Ok(())).boxed()
    }
}

impl fmt::Debug for MemorySubscription {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MemorySubscription")
            .field("durable", &self.durable)
            .finish_non_exhaustive()
    }
}
