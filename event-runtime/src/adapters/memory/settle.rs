//! Settles one delivery.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use futures_util::FutureExt;
use futures_util::future::BoxFuture;

use super::Shared;
use crate::broker::{BrokerError, Settlement, Verdict};

pub(super) struct MemorySettlement {
    pub(super) shared: Arc<Shared>,
    pub(super) stream: Arc<str>,
    pub(super) durable: Arc<str>,
    pub(super) life: u64,
    pub(super) sequence: u64,
    pub(super) ack_wait: Duration,
}

impl MemorySettlement {
    fn redeliver_in(&self, delay: Duration) -> Result<(), BrokerError> {
        let at = self.shared.now() + delay;
        self.shared.with(&self.stream, |stream| {
            if let Some((durable, _)) = stream.living(&self.durable, self.life) {
                durable.redeliver_at(self.sequence, at);
            }
        })
    }

    fn redeliver(&self) -> Result<(), BrokerError> {
        self.shared.with(&self.stream, |stream| {
            if let Some((durable, _)) = stream.living(&self.durable, self.life) {
                durable.redeliver(self.sequence);
            }
        })
    }

    fn done(&self) -> Result<(), BrokerError> {
        self.shared.with(&self.stream, |stream| {
            if let Some((durable, _)) = stream.living(&self.durable, self.life) {
                durable.settle(self.sequence);
                stream.acknowledged(self.sequence);
            }
        })
    }
}

impl Settlement for MemorySettlement {
    fn done_now(&self) -> Option<Result<(), BrokerError>> {
        let settled = self.done();
        // There may be room for another delivery.
        self.shared.changed.notify_waiters();
        Some(settled)
    }

    fn settle(&self, verdict: Verdict) -> BoxFuture<'_, Result<(), BrokerError>> {
        let settled = match verdict {
            Verdict::Done => self.done(),
            Verdict::HandBack(None) => self.redeliver(),
            Verdict::HandBack(Some(delay)) => self.redeliver_in(delay),
        };
        // There may be room for another delivery, or one that is due.
        self.shared.changed.notify_waiters();
        std::future::ready(settled).boxed()
    }

    fn progress(&self) -> BoxFuture<'_, Result<(), BrokerError>> {
        std::future::ready(self.redeliver_in(self.ack_wait)).boxed()
    }
}

impl fmt::Debug for MemorySettlement {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MemorySettlement")
            .field("sequence", &self.sequence)
            .finish_non_exhaustive()
    }
}
