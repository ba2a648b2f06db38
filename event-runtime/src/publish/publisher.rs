//! The publisher: typed events in, stored messages out.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use jiff::Timestamp;
use tokio::time::Instant;
use uuid::Uuid;

use super::kind::{Kind, Kinds};
use super::streams::Streams;
use super::{Cause, Provision, PublishError, identity};
use crate::broker::{Broker, BrokerError, Message, Receipt, Stored, lanes};
use crate::envelope::{self, Headers, Mode, Own};
use crate::event::Event;

/// How long a broker that does not answer is asked again, with the same message id.
const PATIENCE: Duration = Duration::from_secs(30);

/// Publishes events. Clones share one connection.
///
/// A handler that asks for one gets a publisher whose events carry the handled event as their cause, with
/// ids that are the same on every run. Otherwise it comes from `Running::publisher`.
#[derive(Clone)]
pub struct Publisher {
    shared: Arc<Shared>,
    cause: Option<Arc<Cause>>,
}

struct Shared {
    broker: Arc<dyn Broker>,
    streams: Streams,
    kinds: Kinds,
    service: String,
    source: String,
    mode: Mode,
}

/// What a publisher is made from.
pub(crate) struct PublisherSettings {
    pub(crate) broker: Arc<dyn Broker>,
    pub(crate) service: String,
    pub(crate) provision: Provision,
    pub(crate) mode: Mode,
}

/// An event on its way to the broker.
pub(crate) struct Prepared {
    kind: Arc<Kind>,
    /// The event's id, where it is not the message's.
    own: Option<String>,
    pub(crate) message: Message,
}

/// An event that the broker has stored.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Published {
    /// The event's id.
    pub id: String,
    /// The stream that holds it.
    pub stream: String,
    /// Its place there.
    pub sequence: u64,
    /// Whether the broker had it already: then it is stored once, under that place.
    pub duplicate: bool,
}

impl Publisher {
    pub(crate) fn new(settings: PublisherSettings) -> Self {
        let PublisherSettings {
            broker,
            service,
            provision,
            mode,
        } = settings;
        let streams = Streams::new(Arc::clone(&broker), provision);
        let source = format!("/{service}");
        Self {
            shared: Arc::new(Shared {
                broker,
                streams,
                kinds: Kinds::default(),
                service,
                source,
                mode,
            }),
            cause: None,
        }
    }

    /// The publisher of one run of a handler.
    pub(crate) fn caused_by(&self, cause: Cause) -> Self {
        Self {
            shared: Arc::clone(&self.shared),
            cause: Some(Arc::new(cause)),
        }
    }

    /// Publishes an event, and waits until the broker has stored it.
    ///
    /// A broker that does not answer is asked again for 30 s, with the same id, so the event is stored once.
    pub async fn publish<E: Event>(&self, event: &E) -> Result<Published, PublishError> {
        self.publish_one(event, None).await
    }

    /// Publishes an event under an id of yours, such as an HTTP idempotency key: publishing it again within
    /// the broker's window (10 min on JetStream) stores it once. Readers of a bare event see an id that is
    /// made from yours.
    pub async fn publish_with_id<E: Event>(
        &self,
        id: &str,
        event: &E,
    ) -> Result<Published, PublishError> {
        self.publish_one(event, Some(id)).await
    }

    /// Puts an event on its way and returns; the receipt resolves when the broker has stored it.
    ///
    /// Waits only while the window of unacknowledged events is full (1,024 on JetStream). Events are stored
    /// in the order of these calls, unless the broker had to be asked again.
    pub async fn send<E: Event>(&self, event: &E) -> Result<Receipt, PublishError> {
        self.send_one(event, None).await
    }

    /// As [`send`](Self::send), under an id of yours.
    pub async fn send_with_id<E: Event>(
        &self,
        id: &str,
        event: &E,
    ) -> Result<Receipt, PublishError> {
        self.send_one(event, Some(id)).await
    }

    async fn publish_one<E: Event>(
        &self,
        event: &E,
        id: Option<&str>,
    ) -> Result<Published, PublishError> {
        self.store::<E>(self.prepare(event, id)?).await
    }

    /// Stores the message of an event `E`, in a stream that is created where that is allowed.
    pub(crate) async fn store<E: Event>(
        &self,
        prepared: Prepared,
    ) -> Result<Published, PublishError> {
        let Prepared { kind, own, message } = prepared;
        let topic = message.subject.clone();
        let failed = |source| PublishError::Broker {
            event: E::WIRE_TYPE,
            topic: topic.clone(),
            source,
        };
        let id = own.or_else(|| message.id.clone()).unwrap_or_default();
        self.find_stream::<E>(&kind).await.map_err(failed)?;
        let stored = store_patiently(&*self.shared.broker, message)
            .await
            .map_err(failed)?;
        Ok(Published {
            id,
            stream: stored.stream,
            sequence: stored.sequence,
            duplicate: stored.duplicate,
        })
    }

    /// Makes sure, once for each type, that a stream holds its events.
    async fn find_stream<E: Event>(&self, kind: &Kind) -> Result<(), BrokerError> {
        if kind.has_stream.load(Ordering::Relaxed) {
            return Ok(());
        }
        self.shared.streams.ensure(E::descriptor()).await?;
        kind.has_stream.store(true, Ordering::Relaxed);
        Ok(())
    }

    async fn send_one<E: Event>(
        &self,
        event: &E,
        id: Option<&str>,
    ) -> Result<Receipt, PublishError> {
        let Prepared { kind, message, .. } = self.prepare(event, id)?;
        let failed = |source| PublishError::Broker {
            event: E::WIRE_TYPE,
            topic: message.subject.clone(),
            source,
        };
        self.find_stream::<E>(&kind).await.map_err(failed)?;
        let receipt = self
            .shared
            .broker
            .publish(message.clone())
            .await
            .map_err(failed)?;
        let broker = Arc::clone(&self.shared.broker);
        Ok(Receipt::new(async move {
            match receipt.await {
                Err(error) if error.is_transient() => store_patiently(&*broker, message).await,
                answer => answer,
            }
        }))
    }

    /// The message for an event, without sending it.
    pub(crate) fn message<E: Event>(
        &self,
        event: &E,
        id: Option<&str>,
    ) -> Result<Message, PublishError> {
        self.prepare(event, id).map(|prepared| prepared.message)
    }

    /// Prepares an event, without sending it.
    pub(crate) fn prepare<E: Event>(
        &self,
        event: &E,
        id: Option<&str>,
    ) -> Result<Prepared, PublishError> {
        let wire_type = E::WIRE_TYPE;
        let topic = event.topic().map_err(|source| PublishError::Topic {
            event: wire_type,
            source,
        })?;
        if topic.len() > lanes::MAX_SUBJECT {
            let (length, limit) = (topic.len(), lanes::MAX_SUBJECT);
            return Err(PublishError::TopicTooLong {
                event: wire_type,
                length,
                limit,
            });
        }
        let key = event
            .key()
            .filter(|key| !key.is_empty() && !key.chars().any(char::is_control));
        let (own, message_id) = self.identity::<E>(id, key.as_deref())?;
        // Of a bare event, readers see nothing but its message id.
        let own = own.filter(|_| !E::BARE);
        let cause = self.cause.as_deref();
        let kind = self.shared.kinds.of::<E>(&self.shared.service);
        let envelope = Own {
            id: own.as_deref().unwrap_or(&message_id),
            time: Some(Timestamp::now()),
            partition_key: key.as_deref(),
            correlation_id: cause.map(|cause| cause.correlation_id.as_deref().unwrap_or(&cause.id)),
            causation_id: cause.map(|cause| &*cause.id),
            trace_parent: cause.and_then(|cause| cause.trace_parent.as_deref()),
        };
        let written = match self.shared.mode {
            _ if E::BARE => envelope::encode_bare(event).map(|payload| (Headers::new(), payload)),
            Mode::Structured => envelope::encode_own(&kind.common, &envelope, event)
                .map(|payload| (Headers::structured(), payload)),
            Mode::Binary => envelope::encode_binary(&kind.attributes.with(&envelope), event),
        };
        let (headers, payload) = written.map_err(|source| PublishError::Encode {
            event: wire_type,
            source,
        })?;
        let message = Message::new(topic, payload).id(message_id).headers(headers);
        Ok(Prepared { kind, own, message })
    }

    /// The event's id where it is the caller's own, and the id by which the broker knows it.
    fn identity<E: Event>(
        &self,
        id: Option<&str>,
        key: Option<&str>,
    ) -> Result<(Option<String>, String), PublishError> {
        let event = E::WIRE_TYPE;
        if let Some(id) = id {
            let rule = match id {
                "" => "is empty",
                _ if id.len() > 256 => "is longer than 256 bytes",
                _ if id.chars().any(char::is_control) => "has control characters",
                _ => {
                    return Ok((
                        Some(id.to_owned()),
                        identity::message_id(&self.shared.source, event, id),
                    ));
                }
            };
            return Err(PublishError::Id { event, rule });
        }
        let id = match &self.cause {
            Some(cause) => cause.next_id(&self.shared.service, event, key),
            None => Uuid::now_v7(),
        };
        let mut text = Uuid::encode_buffer();
        let id = id.hyphenated().encode_lower(&mut text);
        Ok((None, id.to_owned()))
    }
}

/// Stores a message, asking a broker that does not answer again for a bounded time.
pub(crate) async fn store_patiently(
    broker: &dyn Broker,
    message: Message,
) -> Result<Stored, BrokerError> {
    let start = Instant::now();
    let mut pause = Duration::from_millis(100);
    loop {
        let answer = async { broker.publish(message.clone()).await?.await }.await;
        match answer {
            Err(error) if error.is_transient() && start.elapsed() < PATIENCE => {
                tokio::time::sleep(pause).await;
                pause = (pause * 2).min(Duration::from_secs(2));
            }
            answer => return answer,
        }
    }
}

impl fmt::Debug for Publisher {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Publisher")
            .field("source", &self.shared.source)
            .finish_non_exhaustive()
    }
}
