//! What goes to a broker, and what it says about what it stored.

use std::time::Duration;

use bytes::Bytes;
use jiff::Timestamp;

use super::{BrokerError, lanes, subject};
use crate::envelope::Headers;

/// A message on its way to a broker.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Message {
    /// Where it goes: a topic, or the subject of a lane.
    pub subject: String,
    /// Headers; the names that belong to the broker (`Nats-…`) are the adapter's alone.
    pub headers: Headers,
    /// The body.
    pub payload: Bytes,
    /// The broker's message id, by which it recognises a repetition.
    pub id: Option<String>,
    /// Not delivered before so much time has passed at the broker. Only for retry lanes
    /// (`lanes::retry_subject`).
    pub delay: Option<Duration>,
}

impl Message {
    /// A message without headers, id or delay.
    pub fn new(subject: impl Into<String>, payload: impl Into<Bytes>) -> Self {
        Self {
            subject: subject.into(),
            headers: Headers::new(),
            payload: payload.into(),
            id: None,
            delay: None,
        }
    }

    /// Sets the id by which the broker recognises a repetition.
    pub fn id(mut self, id: impl Into<String>) -> Self {
        self.id = Some(id.into());
        self
    }

    /// Sets the headers.
    pub fn headers(mut self, headers: Headers) -> Self {
        self.headers = headers;
        self
    }

    /// Delivers it no sooner than after this time.
    pub fn delay(mut self, delay: Duration) -> Self {
        self.delay = Some(delay);
        self
    }

    /// For adapters: refuses what no broker may get, because it would be read there as something else. The
    /// rules are the same everywhere, so that what a test accepts is accepted by a server.
    pub fn check(&self) -> Result<(), BrokerError> {
        let subject = &self.subject;
        if !subject::is_valid(subject) {
            return Err(BrokerError::permanent(format!(
                "the subject `{}` is not valid: words between dots, without wildcards, spaces or control characters, {} bytes at most",
                subject.escape_debug(),
                lanes::MAX_SUBJECT
            )));
        }
        if let Some(id) = self.id.as_deref().filter(|id| !is_value(id)) {
            return Err(BrokerError::permanent(format!(
                "the id `{}` of a message for `{subject}` can't be sent: it is one line",
                id.escape_debug()
            )));
        }
        if self.headers.are_structured() {
            return Ok(());
        }
        let good = |(name, value): &(&str, &str)| is_name(name) && is_value(value);
        match self.headers.iter().find(|header| !good(header)) {
            Some((name, _)) => Err(BrokerError::permanent(format!(
                "the header `{}` of a message for `{subject}` can't be sent: names are printable ASCII without `:`, and values are one line",
                name.escape_debug()
            ))),
            None => Ok(()),
        }
    }
}

/// Whether brokers take this as the name of a header.
pub(super) fn is_name(name: &str) -> bool {
    let bad = |byte: u8| !byte.is_ascii_graphic() || byte == b':';
    !name.is_empty() && !any(name, bad)
}

/// Whether brokers take this as the value of a header.
pub(super) fn is_value(value: &str) -> bool {
    !any(value, |byte| matches!(byte, b'\r' | b'\n' | b'\0'))
}

/// Whether any byte is so. All are looked at, since without a way out there is one instruction for many of them.
fn any(text: &str, is: impl Fn(u8) -> bool) -> bool {
    text.bytes().fold(false, |any, byte| any | is(byte))
}

/// What the broker says about a message that it stored.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Stored {
    /// The stream (or what stands for one).
    pub stream: String,
    /// Its place there.
    pub sequence: u64,
    /// Whether the broker had this message id already. That is success: it is stored once.
    pub duplicate: bool,
}

impl Stored {
    /// For adapters: stored at this place, as the first with its id.
    pub fn new(stream: impl Into<String>, sequence: u64) -> Self {
        Self {
            stream: stream.into(),
            sequence,
            duplicate: false,
        }
    }
}

/// A message as a stream holds it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredMessage {
    /// The subject it was stored under.
    pub subject: String,
    /// Its place in the stream.
    pub sequence: u64,
    /// When the broker stored it.
    pub stored_at: Timestamp,
    /// Headers, without those that belong to the broker.
    pub headers: Headers,
    /// The body.
    pub payload: Bytes,
}
