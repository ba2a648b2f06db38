//! Dead letters: listed, shown, and sent back to the one handler that failed.

use std::sync::Arc;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use jiff::Timestamp;
use serde_json::{Value, json};

use crate::broker::lane_headers::{self, Failed, Mark};
use crate::broker::{Broker, BrokerError, Message, StoredMessage, lanes};
use crate::envelope::Headers;

/// A message that a handler gave up, with all that is known about why.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct DeadLetter {
    /// Its place in the service's stream of dead letters: what the commands call it.
    pub sequence: u64,
    /// The handler.
    pub handler: String,
    /// When it was stored.
    pub stored_at: Timestamp,
    /// The event's id, where the message has one.
    pub event_id: Option<String>,
    /// Why: `attempts`, `rejected`, `undecodable`, `unknown_name`, `newer_version` or `output`.
    pub reason: String,
    /// The last error, with its causes.
    pub error: String,
    mark: Mark,
    message: StoredMessage,
}

/// Which dead letters are meant.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Filter {
    /// Of this handler.
    pub handler: Option<String>,
    /// From this topic, or topics (`*` and `>` as in subjects).
    pub topic: Option<String>,
    /// For this reason.
    pub reason: Option<String>,
}

impl Filter {
    fn subject(&self, service: &str) -> String {
        let handler = self.handler.as_deref().unwrap_or("*");
        format!("lane.dead.{service}.{handler}.>")
    }

    fn takes(&self, letter: &DeadLetter) -> bool {
        let topic = |filter: &String| crate::broker::subject::matches(filter, letter.topic());
        self.topic.as_ref().is_none_or(topic)
            && self
                .reason
                .as_ref()
                .is_none_or(|reason| *reason == letter.reason)
    }
}

impl DeadLetter {
    fn read(message: StoredMessage) -> Option<Self> {
        let mark = Mark::read(&message.headers)?;
        let Failed {
            event_id,
            reason,
            error,
            ..
        } = Failed::read(&message.headers);
        let handler = message.subject.split('.').nth(3)?.to_owned();
        Some(Self {
            sequence: message.sequence,
            handler,
            stored_at: message.stored_at,
            event_id,
            reason,
            error,
            mark,
            message,
        })
    }

    /// The topic that it was published to.
    pub fn topic(&self) -> &str {
        &self.mark.origin.subject
    }

    /// The runs that it had since it was last redriven.
    pub fn attempts(&self) -> u32 {
        self.mark.attempt
    }

    /// How often it was redriven.
    pub fn redrives(&self) -> u32 {
        self.mark.redrives
    }

    /// The stream that held the original, and its place there.
    pub fn origin(&self) -> (&str, u64) {
        (&self.mark.origin.stream, self.mark.origin.sequence)
    }

    /// When its first run failed.
    pub fn first_failed(&self) -> Option<Timestamp> {
        self.mark.first_failed
    }

    /// The original headers, with those of the lane.
    pub fn headers(&self) -> &Headers {
        &self.message.headers
    }

    /// The original body; `None` if it was too large for a dead letter and is at its origin only.
    pub fn payload(&self) -> Option<&[u8]> {
        (!lane_headers::is_reference(&self.message.headers)).then_some(&self.message.payload)
    }

    /// Everything, as JSON: the body as the text `payload`, or as `payload_base64` where it is not UTF-8.
    pub fn to_json(&self) -> Value {
        let (stream, sequence) = self.origin();
        let (name, payload) = match self.payload().map(std::str::from_utf8) {
            None => ("payload", Value::Null),
            Some(Ok(text)) => ("payload", text.into()),
            Some(Err(_)) => (
                "payload_base64",
                STANDARD.encode(&self.message.payload).into(),
            ),
        };
        json!({
            "sequence": self.sequence,
            "handler": self.handler,
            "event_id": self.event_id,
            "topic": self.topic(),
            "reason": self.reason,
            "error": self.error,
            "attempts": self.attempts(),
            "redrives": self.redrives(),
            "stored_at": self.stored_at.to_string(),
            "first_failed": self.first_failed().map(|time| time.to_string()),
            "origin": { "stream": stream, "sequence": sequence },
            "headers": self.headers().iter().collect::<std::collections::BTreeMap<_, _>>(),
            name: payload,
        })
    }
}

/// On the way through the dead letters of a service; one of them at a time is in memory.
#[derive(Debug)]
pub struct Walk<'a> {
    letters: &'a DeadLetters,
    filter: Filter,
    subject: String,
    next: u64,
    /// So many messages were there at the start, and are not read yet.
    left: u64,
}

impl Walk<'_> {
    /// The next one that fits; `None` at the end.
    pub async fn next(&mut self) -> Result<Option<DeadLetter>, BrokerError> {
        let DeadLetters { broker, stream, .. } = self.letters;
        while self.left > 0 {
            let Some(message) = broker.read(stream, &self.subject, self.next).await? else {
                self.left = 0;
                break;
            };
            self.next = message.sequence + 1;
            self.left -= 1;
            let letter = DeadLetter::read(message).filter(|letter| self.filter.takes(letter));
            if letter.is_some() {
                return Ok(letter);
            }
        }
        Ok(None)
    }
}

/// The dead letters of one service.
#[derive(Debug, Clone)]
pub struct DeadLetters {
    broker: Arc<dyn Broker>,
    service: String,
    stream: String,
}

impl DeadLetters {
    /// Those of this service at this broker.
    pub fn new(broker: Arc<dyn Broker>, service: impl Into<String>) -> Self {
        let service = service.into();
        Self {
            broker,
            stream: lanes::dead_stream(&service),
            service,
        }
    }

    /// The first ones that fit, oldest first.
    pub async fn list(
        &self,
        filter: &Filter,
        limit: usize,
    ) -> Result<Vec<DeadLetter>, BrokerError> {
        let mut walk = self.walk(filter).await?;
        let mut letters = Vec::new();
        while letters.len() < limit {
            let Some(letter) = walk.next().await? else {
                break;
            };
            letters.push(letter);
        }
        Ok(letters)
    }

    /// Goes through those that are there now and fit, oldest first. What is stored meanwhile is not among
    /// them, so whoever sends them back comes to an end, though some fail again.
    pub async fn walk(&self, filter: &Filter) -> Result<Walk<'_>, BrokerError> {
        let subject = filter.subject(&self.service);
        let left = match self.broker.stream(&self.stream).await? {
            Some(_) => self.broker.count(&self.stream, &subject).await?,
            None => 0,
        };
        Ok(Walk {
            letters: self,
            filter: filter.clone(),
            subject,
            next: 1,
            left,
        })
    }

    /// The one at this place.
    pub async fn get(&self, sequence: u64) -> Result<Option<DeadLetter>, BrokerError> {
        if self.broker.stream(&self.stream).await?.is_none() {
            return Ok(None);
        }
        let subject = Filter::default().subject(&self.service);
        let found = self.broker.read(&self.stream, &subject, sequence).await?;
        Ok(found
            .filter(|message| message.sequence == sequence)
            .and_then(DeadLetter::read))
    }

    /// Sends a dead letter back to the handler that failed, and to no other; its attempts begin anew. It is
    /// removed here once the lane has stored it.
    ///
    /// `fresh` says that what the handler returns is to be new as well: otherwise it has the ids that it had
    /// before, and whoever has seen them drops them.
    pub async fn redrive(&self, letter: &DeadLetter, fresh: bool) -> Result<(), BrokerError> {
        if letter.payload().is_none() {
            let (stream, sequence) = letter.origin();
            return Err(BrokerError::permanent(format!(
                "the body of dead letter {} is too large for a lane: it is message {sequence} of the stream `{stream}`",
                letter.sequence
            )));
        }
        let redrives = letter.mark.redrives.checked_add(1);
        let fresh = letter.mark.fresh.checked_add(u32::from(fresh));
        let (Some(redrives), Some(fresh)) = (redrives, fresh) else {
            // A number that comes twice would be taken for the same message, and the event be lost.
            return Err(BrokerError::permanent(format!(
                "dead letter {} can't be redriven: its headers say that it was so often already that nobody can count further; publish its event again instead",
                letter.sequence
            )));
        };
        let mark = Mark {
            attempt: 1,
            redrives,
            fresh,
            newer: 0,
            first_failed: None,
            origin: letter.mark.origin.clone(),
        };
        let mut headers = letter.message.headers.clone();
        Failed::clear(&mut headers);
        mark.write(&mut headers);
        let message = Message::new(
            lanes::retry_subject(&self.service, &letter.handler),
            letter.message.payload.clone(),
        )
        .id(mark.retry_id(&letter.handler))
        .headers(headers);
        self.broker.publish(message).await?.await?;
        self.broker.remove(&self.stream, letter.sequence).await
    }
}
