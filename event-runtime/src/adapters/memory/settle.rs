//! Settles one delivery.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use futures_util::FutureExt;
use futures_util::future::BoxFuture;

use super::subscription::Source;
use crate::broker::{BrokerError, Settlement, Verdict};

pub(super) struct MemorySettlement {
    pub(super) source: Arc<Source>,
    pub(super) sequence: u64,
}

impl MemorySettlement {
    fn done(&self) -> Result<(), BrokerError> {
        let source = &*self.source;
        match &source.settled {
            Some(settled) if settled.leave(self.sequence) => {
                source.shared.with_due(&source.stream, |_, _| ())
            }
            Some(_) => Ok(()),
            None => source.shared.with(&source.stream, |stream| {
                stream.settle(&source.durable, source.life, self.sequence);
            }),
        }
    }

    fn redeliver(&self, delay: Option<Duration>) -> Result<(), BrokerError> {
        let source = &*self.source;
        source.shared.with_due(&source.stream, |stream, now| {
            let at = delay.map(|delay| now + delay);
            stream.redeliver(&source.durable, source.life, self.sequence, at);
        })
    }
}

impl Settlement for MemorySettlement {
    fn done_now(&self) -> Option<Result<(), BrokerError>> {
        Some(self.done())
    }

    fn settle(&self, verdict: Verdict) -> BoxFuture<'_, Result<(), BrokerError>> {
        let settled = match verdict {
            Verdict::Done => self.done(),
            Verdict::HandBack(delay) => self.redeliver(delay),
        };
        std::future::ready(settled).boxed()
    }

    fn progress(&self) -> BoxFuture<'_, Result<(), BrokerError>> {
        let progress = self.redeliver(Some(self.source.ack_wait));
        std::future::ready(progress).boxed()
    }
}

impl fmt::Debug for MemorySettlement {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MemorySettlement")
            .field("sequence", &self.sequence)
            .finish_non_exhaustive()
    }
}
