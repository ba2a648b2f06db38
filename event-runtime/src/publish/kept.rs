//! What is kept of an event on its way, so that a broker that does not answer can be asked again.

use std::sync::Arc;

use bytes::Bytes;
use uuid::Uuid;

use super::PublishError;
use super::kind::Kind;
use crate::broker::{BrokerError, Message};
use crate::envelope::Headers;

/// A message as it is kept until it is stored. There may be a thousand of them, which leave the processor's cache room
/// for something else if each is small: the topic stands behind the body, in one piece of memory that is shared with
/// the message.
pub(crate) struct Kept {
    pub(super) kind: Arc<Kind>,
    id: Uuid,
    /// The event's id, where it is not the message's.
    own: Option<Box<str>>,
    headers: Headers,
    text: Bytes,
    /// Where in it the body ends.
    body: usize,
}

/// An event that is ready to be stored.
pub(crate) struct Prepared {
    pub(super) kept: Kept,
    pub(crate) message: Message,
}

/// Who an event is.
pub(super) struct Identity {
    /// The message's id.
    pub(super) id: Uuid,
    /// The event's, where it is another one.
    pub(super) own: Option<Box<str>>,
}

impl Prepared {
    pub(super) fn new(
        kind: Arc<Kind>,
        identity: Identity,
        message_id: &str,
        topic: String,
        headers: Headers,
        mut body: Vec<u8>,
    ) -> Self {
        let end = body.len();
        body.extend_from_slice(topic.as_bytes());
        kind.fit(&mut body);
        let Identity { id, own } = identity;
        let kept = Kept {
            kind,
            id,
            own,
            headers,
            text: body.into(),
            body: end,
        };
        let message = kept.message_to(topic, message_id);
        Self { kept, message }
    }
}

impl Kept {
    /// The message, once more.
    pub(super) fn message(&self) -> Message {
        self.message_to(self.topic(), &text(self.id))
    }

    fn message_to(&self, topic: String, id: &str) -> Message {
        Message {
            subject: topic,
            headers: self.headers.clone(),
            payload: self.text.slice(..self.body),
            id: Some(id.to_owned()),
            delay: None,
        }
    }

    fn topic(&self) -> String {
        let topic = self.text.get(self.body..).unwrap_or_default();
        String::from_utf8_lossy(topic).into_owned()
    }

    /// The event's id.
    pub(super) fn id(&self) -> String {
        match &self.own {
            Some(own) => own.to_string(),
            None => text(self.id),
        }
    }

    /// The error of an event that was not stored.
    pub(super) fn failed(&self, source: BrokerError) -> PublishError {
        PublishError::Broker {
            event: self.kind.event.wire_type,
            topic: self.topic(),
            source,
        }
    }
}

fn text(id: Uuid) -> String {
    let mut text = Uuid::encode_buffer();
    id.hyphenated().encode_lower(&mut text).to_owned()
}
