//! Stores prepared events, and asks a broker that does not answer again.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use tokio::time::Instant;

use super::Provision;
use super::kept::Kept;
use super::streams::Streams;
use crate::broker::{Broker, BrokerError, Message, Receipt, Stored};

/// How long a broker that does not answer is asked again.
const PATIENCE: Duration = Duration::from_secs(30);

/// Where events are stored.
pub(super) struct Store {
    broker: Arc<dyn Broker>,
    streams: Streams,
}

impl Store {
    pub(super) fn new(broker: Arc<dyn Broker>, provision: Provision) -> Self {
        let streams = Streams::new(Arc::clone(&broker), provision);
        Self { broker, streams }
    }

    /// Puts an event on its way, to a stream that is created where that is allowed.
    pub(super) async fn first(
        &self,
        kept: &Kept,
        message: Message,
    ) -> Result<Receipt, BrokerError> {
        // Once for each type; and boxed, since what is done for each event is small without it.
        if !kept.kind.has_stream.load(Ordering::Relaxed) {
            Box::pin(self.streams.ensure(kept.kind.event)).await?;
            kept.kind.has_stream.store(true, Ordering::Relaxed);
        }
        let mut message = Some(message);
        if let Some(sent) = self.broker.publish_now(&mut message) {
            return sent;
        }
        let message = message.unwrap_or_else(|| kept.message());
        self.broker.publish(message).await
    }

    /// After an error that may pass: tries again for a bounded time. As the id is the same each time, the event is
    /// stored once.
    pub(super) fn again<'a>(
        &'a self,
        kept: &'a Kept,
    ) -> BoxFuture<'a, Result<Stored, BrokerError>> {
        async move {
            let start = Instant::now();
            let mut pause = Duration::from_millis(100);
            loop {
                let answer = async { self.first(kept, kept.message()).await?.await };
                match answer.await {
                    Err(error) if error.is_transient() && start.elapsed() < PATIENCE => {
                        tokio::time::sleep(pause).await;
                        pause = (pause * 2).min(Duration::from_secs(2));
                    }
                    answer => return answer,
                }
            }
        }
        .boxed()
    }
}
