//! What goes to a broker, and what it says about what it stored.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use futures_util::future::BoxFuture;
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
    let good = |byte: u8| byte.is_ascii_graphic() && byte != b':';
    !name.is_empty() && name.bytes().all(good)
}

/// Whether brokers take this as the value of a header.
pub(super) fn is_value(value: &str) -> bool {
    // Not `contains`: most values are too short for what that does to search.
    !value
        .bytes()
        .any(|byte| matches!(byte, b'\r' | b'\n' | b'\0'))
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

/// The broker's answer to a published message, some time later.
///
/// Dropping it neither cancels the message nor loses it; only the answer is not seen, and a broker that did not
/// answer is not asked again.
#[must_use = "a message is stored only when its receipt resolves to `Ok`"]
pub struct Receipt(Answer);

enum Answer {
    Known(Option<Stored>),
    Later(BoxFuture<'static, Result<Stored, BrokerError>>),
}

impl Receipt {
    /// A receipt that resolves as the future does.
    pub fn new(answer: impl Future<Output = Result<Stored, BrokerError>> + Send + 'static) -> Self {
        Self(Answer::Later(Box::pin(answer)))
    }

    /// The receipt of a message that is stored already.
    pub fn stored(stored: Stored) -> Self {
        Self(Answer::Known(Some(stored)))
    }

    /// Whether it is the receipt of a message that is stored already.
    pub(crate) fn is_stored(&self) -> bool {
        matches!(self.0, Answer::Known(_))
    }
}

impl Future for Receipt {
    type Output = Result<Stored, BrokerError>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        match &mut self.0 {
            Answer::Known(stored) => stored
                .take()
                .map_or(Poll::Pending, |stored| Poll::Ready(Ok(stored))),
            Answer::Later(answer) => answer.as_mut().poll(cx),
        }
    }
}

impl fmt::Debug for Receipt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Receipt").finish_non_exhaustive()
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
