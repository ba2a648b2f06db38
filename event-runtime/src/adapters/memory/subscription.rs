//! One consumer of a durable. It holds nothing itself: what a call takes, it returns.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use tokio::sync::Notify;
use tokio::time::Instant;

use super::Shared;
use super::durable::Taken;
use super::settle::MemorySettlement;
use super::settled::Settled;
use crate::broker::{BrokerError, Delivery, Origin, Settle, Subscription};

pub(super) struct MemorySubscription {
    source: Arc<Source>,
    generation: String,
    /// The durable may have something to deliver, or is gone.
    changed: Arc<Notify>,
}

/// Where deliveries come from: one life of a durable.
pub(super) struct Source {
    pub(super) shared: Arc<Shared>,
    pub(super) stream: Arc<str>,
    pub(super) durable: Arc<str>,
    pub(super) life: u64,
    pub(super) ack_wait: Duration,
    /// Where deliveries are settled; not those of a work queue, whose messages go at once.
    pub(super) settled: Option<Arc<Settled>>,
}

impl MemorySubscription {
    pub(super) fn new(
        shared: Arc<Shared>,
        stream: &str,
        durable: &str,
    ) -> Result<Self, BrokerError> {
        let found = shared.with(stream, |held| {
            held.durable(durable).map(|found| {
                let settled = (!held.is_queue()).then(|| Arc::clone(found.settled()));
                let changed = Arc::clone(found.changed());
                (found.generation(), found.spec().ack_wait, settled, changed)
            })
        })?;
        let (life, ack_wait, settled, changed) = found.ok_or_else(|| {
            BrokerError::misconfigured(format!(
                "there is no durable `{durable}` on the stream `{stream}`: create it first"
            ))
        })?;
        let source = Source {
            shared,
            stream: stream.into(),
            durable: durable.into(),
            life,
            ack_wait,
            settled,
        };
        Ok(Self {
            source: Arc::new(source),
            generation: life.to_string(),
            changed,
        })
    }

    /// What can be delivered now, or when to look again.
    fn take(&self, demand: usize) -> Result<Result<Vec<Delivery>, Option<Instant>>, BrokerError> {
        let source = &*self.source;
        let taken = source.shared.with_due(&source.stream, |stream, now| {
            stream.take(&source.durable, source.life, demand, now)
        })?;
        let Some(taken) = taken else {
            return Err(BrokerError::misconfigured(format!(
                "the durable `{}` on the stream `{}` is gone",
                source.durable, source.stream
            )));
        };
        Ok(taken.map(|taken| {
            taken
                .into_iter()
                .map(|taken| self.delivery(taken))
                .collect()
        }))
    }

    fn delivery(&self, taken: Taken) -> Delivery {
        let Taken {
            sequence,
            kept,
            deliveries,
        } = taken;
        let source = &self.source;
        Delivery {
            subject: kept.subject,
            headers: kept.headers,
            payload: kept.payload,
            message_id: kept.id,
            origin: Origin {
                stream: Arc::clone(&source.stream),
                sequence,
                stored_at: source.shared.epoch.time(kept.at),
                deliveries,
            },
            settle: Settle::new(MemorySettlement {
                source: Arc::clone(source),
                sequence,
            }),
        }
    }
}

impl Subscription for MemorySubscription {
    fn generation(&self) -> &str {
        &self.generation
    }

    fn ack_wait(&self) -> Duration {
        self.source.ack_wait
    }

    fn next(&mut self, demand: usize) -> BoxFuture<'_, Result<Vec<Delivery>, BrokerError>> {
        async move {
            if demand == 0 {
                // Nothing is ever on its way here.
                std::future::pending::<()>().await;
            }
            loop {
                // Listening begins before looking, so that nothing can come in between: also what is not polled yet
                // hears of what comes from here on.
                let changed = self.changed.notified();
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
            .field("durable", &self.source.durable)
            .finish_non_exhaustive()
    }
}
