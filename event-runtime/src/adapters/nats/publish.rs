//! Publishes one message, and reads what the server answers.

use std::borrow::Cow;
use std::pin::pin;

use async_nats::header::{HeaderMap, NATS_MESSAGE_ID};
use async_nats::{Message as NatsMessage, Subject};
use bytes::Bytes;
use futures_util::FutureExt;
use serde::Deserialize;

use super::HEADER_ROOM;
use super::headers::{self, Kept};
use super::link::{Link, timed};
use super::window::{Registered, Window};
use crate::broker::{BrokerError, Message, Receipt, Stored, lanes};

/// Publishes where neither the window nor the connection has to be waited for.
pub(super) fn publish_now(
    link: &Link,
    window: &Window,
    kept: &Kept,
    message: &mut Option<Message>,
) -> Option<Result<Receipt, BrokerError>> {
    let room = window.free_room()?;
    let sent = match for_server(link, kept, message.take()?) {
        Ok(sent) => sent,
        Err(error) => return Some(Err(error)),
    };
    let Registered {
        place,
        reply,
        receipt,
    } = match window.register(&sent.to, room) {
        Ok(registered) => registered,
        Err(error) => return Some(Err(error)),
    };
    Some(match sent.send(link, reply).now_or_never()? {
        Ok(()) => {
            place.sent();
            Ok(receipt)
        }
        Err(error) => Err(BrokerError::transient(format!(
            "publishing failed: {error}"
        ))),
    })
}

/// Publishes, and waits for what has to be waited for.
pub(super) async fn publish(
    link: &Link,
    window: &Window,
    kept: &Kept,
    message: Message,
) -> Result<Receipt, BrokerError> {
    let sent = for_server(link, kept, message)?;
    let room = match window.free_room() {
        Some(room) => room,
        None => window.room().await?,
    };
    let Registered {
        place,
        reply,
        receipt,
    } = window.register(&sent.to, room)?;
    timed("publishing", pin!(sent.send(link, reply))).await?;
    place.sent();
    Ok(receipt)
}

/// A message as the client takes it.
struct Sent {
    to: Subject,
    map: HeaderMap,
    payload: Bytes,
}

impl Sent {
    async fn send(self, link: &Link, reply: Subject) -> Result<(), String> {
        let Self { to, map, payload } = self;
        link.client
            .publish_with_reply_and_headers(to, reply, map, payload)
            .await
            .map_err(|error| error.to_string())
    }
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
        map.insert(NATS_MESSAGE_ID, headers::value(id));
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

    /// What nearly every acknowledgement says.
    pub(super) fn plain(&self) -> Option<Stored> {
        match self {
            Self::Json(json) => plain_ack(json),
            Self::NoResponders => None,
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

/// Reads `{"stream":"ORDERS","seq":1}`, as nearly every acknowledgement is, at a tenth of what it costs a
/// deserializer. Any other is left to that.
fn plain_ack(json: &[u8]) -> Option<Stored> {
    let json = json.strip_prefix(br#"{"stream":""#)?;
    // Names are too short for what a search for a character does to begin.
    let end = json.iter().position(|byte| matches!(byte, b'"' | b'\\'))?;
    let (stream, rest) = json.split_at(end);
    let rest = rest.strip_prefix(b"\",")?.trim_ascii_start();
    let digits = rest.strip_prefix(br#""seq":"#)?.strip_suffix(b"}")?;
    let mut sequence = (!digits.is_empty()).then_some(0_u64)?;
    for digit in digits {
        let digit = u64::from(digit.wrapping_sub(b'0'));
        let longer = sequence.checked_mul(10)?.checked_add(digit)?;
        sequence = (digit < 10).then_some(longer)?;
    }
    Some(Stored::new(std::str::from_utf8(stream).ok()?, sequence))
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
