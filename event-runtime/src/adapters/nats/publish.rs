//! Publishes one message, and reads what the server answers.

use std::borrow::Cow;

use async_nats::header::NATS_MESSAGE_ID;
use async_nats::{Message as NatsMessage, Subject};
use serde::Deserialize;

use super::link::{Link, timed};
use super::window::{Registered, Window};
use super::{HEADER_ROOM, headers};
use crate::broker::{BrokerError, Message, Receipt, Stored, lanes};

pub(super) async fn publish(
    link: &Link,
    window: &Window,
    message: Message,
) -> Result<Receipt, BrokerError> {
    check(link, &message)?;
    let Message {
        subject,
        headers,
        payload,
        id,
        delay,
    } = message;
    let mut map = headers::write(&subject, &headers)?;
    let mut to = subject;
    if let Some(delay) = delay {
        let hidden =
            lanes::delay_subject(&to, id.as_deref().unwrap_or_default()).ok_or_else(|| {
                BrokerError::permanent(format!(
                    "the message for `{to}` can't be delayed: only retry lanes delay messages"
                ))
            })?;
        let due = jiff::Timestamp::now()
            .checked_add(delay)
            .unwrap_or(jiff::Timestamp::MAX);
        map.insert("Nats-Schedule", format!("@at {due}"));
        map.insert("Nats-Schedule-Target", to);
        to = hidden;
    }
    if let Some(id) = id {
        map.insert(NATS_MESSAGE_ID, id);
    }
    let to = Subject::from(to);
    let room = window.room().await?;
    let Registered {
        number,
        reply,
        answer,
    } = window.register(&to, room)?;
    let sent = timed("publishing", async {
        link.client
            .publish_with_reply_and_headers(to, reply, map, payload)
            .await
            .map_err(|error| error.to_string())
    })
    .await;
    if let Err(error) = sent {
        window.forget(number);
        return Err(error);
    }
    Ok(Receipt::new(async move {
        answer.await.unwrap_or_else(|_| {
            Err(BrokerError::transient(
                "the connection was closed before the server answered",
            ))
        })
    }))
}

/// What the server would answer by cutting the connection, or not at all.
fn check(link: &Link, message: &Message) -> Result<(), BrokerError> {
    message.check()?;
    let subject = &message.subject;
    let (size, limit) = (message.payload.len(), link.max_payload());
    if size > limit {
        return Err(BrokerError::permanent(format!(
            "the message for `{subject}` is {size} bytes, and this server takes {limit} (its max_payload less {HEADER_ROOM} for headers): publish a reference to the data instead, or raise max_payload"
        )));
    }
    let headers = message.headers.wire_size();
    if headers > HEADER_ROOM - 1024 {
        return Err(BrokerError::permanent(format!(
            "the headers of a message for `{subject}` are {headers} bytes, and there is room for {}",
            HEADER_ROOM - 1024
        )));
    }
    Ok(())
}

/// The server's answer to a published message.
pub(super) enum Ack<'a> {
    Json(&'a [u8]),
    /// No stream listens there.
    NoResponders,
}

impl<'a> Ack<'a> {
    pub(super) fn of(message: &'a NatsMessage) -> Self {
        if message.status.is_some_and(|status| status.as_u16() == 503) {
            Self::NoResponders
        } else {
            Self::Json(&message.payload)
        }
    }
}

#[derive(Deserialize)]
struct PubAck<'a> {
    #[serde(borrow, default)]
    stream: Cow<'a, str>,
    #[serde(default)]
    seq: u64,
    #[serde(default)]
    duplicate: bool,
    error: Option<ApiError>,
}

/// An error of the server's API.
#[derive(Debug, Deserialize)]
pub(super) struct ApiError {
    pub(super) code: u16,
    #[serde(default)]
    pub(super) err_code: u32,
    #[serde(default)]
    pub(super) description: String,
}

pub(super) fn read_ack(ack: Ack<'_>, subject: &str) -> Result<Stored, BrokerError> {
    let json = match ack {
        Ack::Json(json) => json,
        Ack::NoResponders => {
            // It may also be an election or a restart: whoever called asks again for a while.
            return Err(BrokerError::transient(format!(
                "no stream holds `{subject}` right now: is there one, and has it a leader?"
            )));
        }
    };
    let ack: PubAck<'_> = serde_json::from_slice(json).map_err(|error| {
        BrokerError::transient(format!(
            "the answer to a message for `{subject}` is no acknowledgement"
        ))
        .because(error)
    })?;
    match ack.error {
        None => Ok(Stored {
            stream: ack.stream.into_owned(),
            sequence: ack.seq,
            duplicate: ack.duplicate,
        }),
        Some(error) => Err(refused(&error, subject)),
    }
}

fn refused(error: &ApiError, subject: &str) -> BrokerError {
    let ApiError {
        code,
        err_code,
        description,
    } = error;
    let text =
        format!("the server did not store a message for `{subject}`: {description} ({err_code})");
    match err_code {
        // A full stream or account has room again once someone makes it.
        10077 | 10002 => BrokerError::transient(text),
        _ if *code == 400 => BrokerError::permanent(text),
        _ => BrokerError::transient(text),
    }
}
