//! Stores prepared events, and asks a broker that does not answer again.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use tokio::time::Instant;

use super::kind::Kind;
use super::streams::Streams;
use super::{Provision, PublishError};
use crate::broker::{Broker, BrokerError, Message, Receipt, Stored};

/// How long a broker that does not answer is asked again.
const PATIENCE: Duration = Duration::from_secs(30);

/// An event that is ready to be stored.
pub(crate) struct Prepared {
    pub(super) kind: Arc<Kind>,
    /// The event's id, where it is not the message's.
    pub(super) own: Option<String>,
    pub(crate) message: Message,
}

/// Where events are stored.
pub(super) struct Store {
    broker: Arc<dyn Broker>,
    streams: Streams,
}

impl Prepared {
    /// The event's id.
    pub(super) fn id(&self) -> String {
        let id = self.own.as_ref().or(self.message.id.as_ref());
        id.cloned().unwrap_or_default()
    }

    /// The error of an event that was not stored.
    pub(super) fn failed(self, source: BrokerError) -> PublishError {
        PublishError::Broker {
            event: self.kind.event.wire_type,
            topic: self.message.subject,
            source,
        }
    }
}

impl Store {
    pub(super) fn new(broker: Arc<dyn Broker>, provision: Provision) -> Self {
        let streams = Streams::new(Arc::clone(&broker), provision);
        Self { broker, streams }
    }

    /// Puts an event on its way, to a stream that is created where that is allowed.
    pub(super) async fn first(&self, prepared: &Prepared) -> Result<Receipt, BrokerError> {
        let Prepared { kind, message, .. } = prepared;
        // Once for each type; and boxed, since what is done for each event is small without it.
        if !kind.has_stream.load(Ordering::Relaxed) {
            Box::pin(self.streams.ensure(kind.event)).await?;
            kind.has_stream.store(true, Ordering::Relaxed);
        }
        self.broker.publish(message.clone()).await
    }

    /// After an error that may pass: tries again for a bounded time. As the id is the same each time, the event is
    /// stored once.
    pub(super) fn again<'a>(
        &'a self,
        prepared: &'a Prepared,
    ) -> BoxFuture<'a, Result<Stored, BrokerError>> {
        async move {
            let start = Instant::now();
            let mut pause = Duration::from_millis(100);
            loop {
                let answer = async { self.first(prepared).await?.await };
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

    /// The last word on an event, after the first answer.
    pub(super) async fn last(
        &self,
        prepared: &Prepared,
        first: Result<Receipt, BrokerError>,
    ) -> Result<Stored, BrokerError> {
        let answer = match first {
            Ok(receipt) => receipt.await,
            Err(error) => Err(error),
        };
        match answer {
            Err(error) if error.is_transient() => self.again(prepared).await,
            answer => answer,
        }
    }
}
