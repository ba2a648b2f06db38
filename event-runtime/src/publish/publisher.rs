//! The publisher: typed events in, stored messages out.

use std::fmt;
use std::sync::Arc;

use futures_util::FutureExt;
use jiff::Timestamp;
use uuid::Uuid;

use super::kept::{Identity, Prepared};
use super::kind::Kinds;
use super::store::Store;
use super::{Cause, Provision, PublishError, identity};
use crate::broker::{Broker, BrokerError, Message, Receipt, Stored, lanes};
use crate::envelope::{self, Headers, Mode, Own};
use crate::event::Event;

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
    store: Store,
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

impl Published {
    pub(super) fn new(id: String, stored: Stored) -> Self {
        Self {
            id,
            stream: stored.stream,
            sequence: stored.sequence,
            duplicate: stored.duplicate,
        }
    }
}

impl Publisher {
    pub(crate) fn new(settings: PublisherSettings) -> Self {
        let PublisherSettings {
            broker,
            service,
            provision,
            mode,
        } = settings;
        let source = format!("/{service}");
        Self {
            shared: Arc::new(Shared {
                store: Store::new(broker, provision),
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
    /// A broker that does not answer is asked again for 30 s, with the same id, so the event is stored once. For many
    /// events there is [`publish_all`](Self::publish_all).
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
    ///
    /// An error here means that the event could not be put on its way; asking again is up to you. Once it is, it is
    /// the receipt that asks again, for 30 s as [`publish`](Self::publish) does, while it is awaited. An
    /// event whose receipt is dropped is on its way, and lost if the broker does not store it at once. For many
    /// events there is [`publish_all`](Self::publish_all).
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
        self.store(self.prepare(event, id)?).await
    }

    /// Stores an event.
    pub(crate) async fn store(&self, prepared: Prepared) -> Result<Published, PublishError> {
        let Prepared { kept, message } = prepared;
        let store = self.stores();
        let mut answer = match store.first(&kept, message).await {
            Ok(receipt) => receipt.await,
            Err(error) => Err(error),
        };
        if answer.as_ref().is_err_and(BrokerError::is_transient) {
            answer = store.again(&kept).await;
        }
        match answer {
            Ok(stored) => Ok(Published::new(kept.id(), stored)),
            Err(error) => Err(kept.failed(error)),
        }
    }

    async fn send_one<E: Event>(
        &self,
        event: &E,
        id: Option<&str>,
    ) -> Result<Receipt, PublishError> {
        let Prepared { kept, message } = self.prepare(event, id)?;
        let receipt = match self.stores().first(&kept, message).await {
            Ok(receipt) => receipt,
            Err(error) => return Err(kept.failed(error)),
        };
        let shared = Arc::clone(&self.shared);
        let again = move || async move { shared.store.again(&kept).await }.boxed();
        Ok(receipt.or_again(again))
    }

    pub(super) fn stores(&self) -> &Store {
        &self.shared.store
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
        let mut identity = self.identity::<E>(id, key.as_deref())?;
        if E::BARE {
            // Of a bare event, readers see nothing but its message id.
            identity.own = None;
        }
        let cause = self.cause.as_deref();
        let kind = self.shared.kinds.of::<E>(&self.shared.service);
        let mut text = Uuid::encode_buffer();
        let message_id = identity.id.hyphenated().encode_lower(&mut text);
        let envelope = Own {
            id: identity.own.as_deref().unwrap_or(message_id),
            time: Some(Timestamp::now()),
            partition_key: key.as_deref(),
            correlation_id: cause.map(|cause| cause.correlation_id.as_deref().unwrap_or(&cause.id)),
            causation_id: cause.map(|cause| &*cause.id),
            trace_parent: cause.and_then(|cause| cause.trace_parent.as_deref()),
        };
        let written = match self.shared.mode {
            _ if E::BARE => envelope::encode_bare(event).map(|body| (Headers::new(), body)),
            Mode::Structured => envelope::encode_own(kind.room(), &kind.common, &envelope, event)
                .map(|body| (Headers::structured(), body)),
            Mode::Binary => envelope::encode_binary(&kind.attributes.with(&envelope), event),
        };
        let (headers, body) = written.map_err(|source| PublishError::Encode {
            event: wire_type,
            source,
        })?;
        Ok(Prepared::new(
            kind, identity, message_id, topic, headers, body,
        ))
    }

    /// The id by which the broker knows the event, and the event's where that is the caller's own.
    fn identity<E: Event>(
        &self,
        id: Option<&str>,
        key: Option<&str>,
    ) -> Result<Identity, PublishError> {
        let event = E::WIRE_TYPE;
        if let Some(id) = id {
            let rule = match id {
                "" => "is empty",
                _ if id.len() > 256 => "is longer than 256 bytes",
                _ if id.chars().any(char::is_control) => "has control characters",
                _ => {
                    return Ok(Identity {
                        id: identity::message_id(&self.shared.source, event, id),
                        own: Some(id.into()),
                    });
                }
            };
            return Err(PublishError::Id { event, rule });
        }
        let id = match &self.cause {
            Some(cause) => cause.next_id(&self.shared.service, event, key),
            None => Uuid::now_v7(),
        };
        Ok(Identity { id, own: None })
    }
}

impl fmt::Debug for Publisher {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Publisher")
            .field("source", &self.shared.source)
            .finish_non_exhaustive()
    }
}
