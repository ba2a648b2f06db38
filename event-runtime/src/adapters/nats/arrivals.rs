//! Deliveries, made from the messages that the client library hands over.

use std::sync::Arc;

use async_nats::Message;

use super::link::Links;
use super::settle::NatsSettlement;
use super::{headers, reply};
use crate::broker::{BrokerError, Delivery, Origin, Settle};
use crate::envelope::Headers;

/// What the deliveries of one durable have in common.
pub(super) struct Arrivals {
    links: Arc<Links>,
    stream: Arc<str>,
    durable: String,
    /// Whether anybody looks at the ids that messages were published with.
    message_ids: bool,
    /// Topic and headers of the last delivery: those of the next are often the same.
    last: (Arc<str>, Headers),
}

/// Whether this is a delivery, and no status. Whatever was published as a message has a place to be acknowledged at,
/// also if it looks like a status.
pub(super) fn is_delivery(message: &Message) -> bool {
    let reply = message.reply.as_ref();
    reply.is_some_and(|reply| reply.starts_with("$JS.ACK."))
}

impl Arrivals {
    pub(super) fn new(links: Arc<Links>, stream: Arc<str>, durable: &str) -> Self {
        Self {
            links,
            stream,
            durable: durable.to_owned(),
            message_ids: true,
            last: ("".into(), Headers::new()),
        }
    }

    pub(super) fn leave_out_message_ids(&mut self) {
        self.message_ids = false;
    }

    pub(super) fn delivery(&mut self, message: Message) -> Result<Delivery, BrokerError> {
        let Message {
            subject,
            reply,
            payload,
            headers: map,
            ..
        } = message;
        let address = reply.unwrap_or_else(|| "".into());
        let Some((sequence, deliveries, stored_at)) =
            reply::parse(&address, &self.stream, &self.durable)
        else {
            return Err(BrokerError::transient(format!(
                "the server sent an acknowledgement address that can't be read: `{address}`"
            )));
        };
        let (topic, headers) = &mut self.last;
        let headers = headers::read(map.as_ref(), headers);
        let message_id = map.as_ref().filter(|_| self.message_ids);
        if **topic != *subject {
            *topic = (&*subject).into();
        }
        Ok(Delivery {
            subject: Arc::clone(topic),
            headers,
            payload,
            message_id: headers::message_id(message_id),
            origin: Origin {
                stream: Arc::clone(&self.stream),
                sequence,
                stored_at,
                deliveries,
            },
            settle: Settle::new(NatsSettlement {
                links: Arc::clone(&self.links),
                reply: address,
            }),
        })
    }
}
