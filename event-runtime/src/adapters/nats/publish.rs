//! Publishes one message, and reads what the server answers.

use std::borrow::Cow;
use std::pin::pin;

use async_nats::header::{HeaderMap, NATS_MESSAGE_ID};
use async_nats::{Message as NatsMessage, Subject};
use bytes::Bytes;
use futures_util::{FutureExt, TryFutureExt};
use serde::Deserialize;

use super::HEADER_ROOM;
use super::headers::Kept;
use super::link::{Link, timed};
use super::window::{Registered, Window};
use crate::broker::{BrokerError, Message, Receipt, Stored, lanes};

pub(super) async fn publish(
    link: &Link,
    window: &Window,
    kept: &Kept,
    message: Message,
) -> Result<Receipt, BrokerError> {
    let Sent { to, map, payload } = for_server(link, kept, message)?;
    // What seldom happens is in a box of its own: the future of each message is small then, and memory for a small
    // one costs a tenth.
    let room = match window.free_room() {
        Some(room) => room,
        None => Box::pin(window.room()).await?,
    };
    let Registered {
        number,
        reply,
        answer,
    } = window.register(&to, room)?;
    let sending = link
        .client
        .publish_with_reply_and_headers(to, reply, map, payload);
    let sending = pin!(sending.map_err(|error| error.to_string()));
    if let Err(error) = timed("publishing", sending).await {
        window.forget(number);
        return Err(error);
    }
    Ok(Receipt::new(answer.map(|answer| {
        answer.unwrap_or_else(|_| {
            Err(BrokerError::transient(
                "the connection was closed before the server answered",
            ))
        })
    })))
}

/// A message as the client takes it.
struct Sent {
    to: Subject,
    map: HeaderMap,
    payload: Bytes,
}

fn for_server(link: &Link, kept: &Kept, message: Message) -> Result<Sent, BrokerError> {
    check(link, &message)?;
    let Message {
        subject,
        headers,
        payload,
        id,
        delay,
    } = message;
    let mut map = kept.write(&subject, &headers)?;
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
    Ok(Sent { to, map, payload })
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
    if let Some(stored) = plain_ack(json) {
        return Ok(stored);
    }
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

/// Reads `{"stream":"ORDERS","seq":1}`, as nearly every acknowledgement is, at a tenth of what it costs a
/// deserializer. Any other is left to that.
fn plain_ack(json: &[u8]) -> Option<Stored> {
    let json = std::str::from_utf8(json).ok()?;
    let (stream, rest) = json.strip_prefix(r#"{"stream":""#)?.split_once('"')?;
    let rest = rest.strip_prefix(',')?.trim_start();
    let number = rest.strip_prefix(r#""seq":"#)?.strip_suffix('}')?;
    if stream.contains('\\') || !number.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    Some(Stored::new(stream, number.parse().ok()?))
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

#[cfg(test)]
mod tests {
    use super::{Ack, plain_ack, read_ack};

    #[test]
    fn a_plain_acknowledgement_is_read_as_any_other() {
        for (json, plain) in [
            (r#"{"stream":"ORDERS", "seq":12}"#, true),
            (r#"{"stream":"ORDERS", "seq":18446744073709551615}"#, true),
            (r#"{"stream":"ORDERS","seq":12}"#, true),
            (r#"{"stream":"a\"b", "seq":1}"#, false),
            (r#"{"stream":"ORDERS", "seq":1,"duplicate": true}"#, false),
            (r#"{"stream":"ORDERS", "domain":"hub", "seq":1}"#, false),
        ] {
            let read = read_ack(Ack::Json(json.as_bytes()), "a").unwrap();
            let value: serde_json::Value = serde_json::from_str(json).unwrap();
            assert_eq!(plain_ack(json.as_bytes()).is_some(), plain, "{json}");
            assert_eq!(
                (read.stream.as_str(), read.sequence),
                (
                    value["stream"].as_str().unwrap(),
                    value["seq"].as_u64().unwrap()
                )
            );
            assert_eq!(read.duplicate, value["duplicate"] == true);
        }
        for json in [
            "",
            "{",
            r#"{"stream":"A", "seq":+1}"#,
            r#"{"stream":"A", "seq":18446744073709551616}"#,
        ] {
            assert!(plain_ack(json.as_bytes()).is_none());
            assert!(read_ack(Ack::Json(json.as_bytes()), "a").is_err(), "{json}");
        }
    }
}
