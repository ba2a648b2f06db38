//! Messages with headers that the client library can't read. It drops the connection on which one is delivered,
//! or its task ends; and so at every delivery, with all that was on its way beside it.
//!
//! So whenever the connection is made again, what is unsettled is looked at by the server's API, which gives
//! headers as bytes in JSON. A message that would break the connection again is taken from there, and handed
//! to the handler with headers that are mended.

use std::sync::Arc;

use async_nats::{HeaderName, HeaderValue, StatusCode};
use percent_encoding::{CONTROLS, percent_encode};

use super::consumer::Unsettled;
use super::link::{Link, Links};
use super::settle::NatsSettlement;
use super::stored::{Raw, read_raw};
use super::{headers, reply};
use crate::broker::{BrokerError, Delivery, Heartbeat, Origin, Settle};
use crate::envelope::Headers;

/// Messages, and bytes of them, that are looked at after one loss of the connection.
const MOST: usize = 5_000;
const MOST_BYTES: usize = 64 * 1024 * 1024;

/// The poisoned messages of one durable.
pub(super) struct Quarantine {
    search: Option<Search>,
    /// Those that were handed out, while they are unsettled.
    taken: Vec<(u64, Heartbeat)>,
}

/// A walk over what is unsettled.
struct Search {
    area: Unsettled,
    looked: usize,
    bytes: usize,
}

impl Quarantine {
    pub(super) fn new(area: Option<Unsettled>) -> Self {
        Self {
            search: area.map(Search::new),
            taken: Vec::new(),
        }
    }

    /// Looks at what is unsettled from now on.
    pub(super) fn search(&mut self, area: Unsettled) {
        self.search = Some(Search::new(area));
    }

    /// Whether there may be poisoned messages that [`next`](Self::next) has not found yet.
    pub(super) fn is_searching(&self) -> bool {
        self.search.is_some()
    }

    /// The next poisoned message, taken without the connection that it breaks. A call that is dropped loses
    /// nothing: the next one goes on where it was.
    pub(super) async fn next(
        &mut self,
        links: &Arc<Links>,
        stream: &Arc<str>,
        durable: &str,
    ) -> Option<Delivery> {
        while let Some(search) = &mut self.search {
            let raw = match search.next(&links.publish, stream).await {
                Ok(Some(raw)) => raw,
                Ok(None) => {
                    self.search = None;
                    return None;
                }
                Err(error) => {
                    tracing::warn!(durable, %stream, %error, "can't look for messages that break the connection");
                    self.search = None;
                    return None;
                }
            };
            self.taken.retain(|(_, heartbeat)| heartbeat.is_alive());
            let taken = self.taken.iter().any(|(known, _)| *known == raw.sequence);
            if is_poisoned(&raw.headers) && !taken {
                let reply = reply::build(stream, durable, raw.sequence, search.area.delivery);
                let settle = Settle::new(NatsSettlement {
                    links: Arc::clone(links),
                    reply: reply.into(),
                });
                self.taken.push((raw.sequence, settle.heartbeat()));
                return Some(delivery(raw, Arc::clone(stream), durable, settle));
            }
        }
        None
    }
}

fn delivery(raw: Raw, stream: Arc<str>, durable: &str, settle: Settle) -> Delivery {
    let Raw {
        subject,
        sequence,
        stored_at,
        headers,
        payload,
    } = raw;
    tracing::warn!(
        durable,
        %stream,
        sequence,
        topic = subject,
        "the client can't read the headers of this message, and lost its connection: going on with mended ones"
    );
    let (headers, message_id) = mend(&headers);
    Delivery {
        subject: subject.into(),
        headers,
        payload: payload.into(),
        message_id: message_id.map(Into::into),
        origin: Origin {
            stream,
            sequence,
            stored_at,
            deliveries: 1,
        },
        settle,
    }
}

impl Search {
    fn new(area: Unsettled) -> Self {
        Self {
            area,
            looked: 0,
            bytes: 0,
        }
    }

    /// The next message; `None` at the end.
    async fn next(&mut self, link: &Link, stream: &str) -> Result<Option<Raw>, BrokerError> {
        let Unsettled {
            filter,
            first,
            last,
            ..
        } = &mut self.area;
        if *first > *last || self.looked >= MOST || self.bytes >= MOST_BYTES {
            return Ok(None);
        }
        let found = read_raw(link, stream, filter, *first).await?;
        let Some(raw) = found.filter(|raw| raw.sequence <= *last) else {
            return Ok(None);
        };
        *first = raw.sequence + 1;
        self.looked += 1;
        self.bytes += raw.headers.len() + raw.payload.len();
        Ok(Some(raw))
    }
}

/// Whether the client library would break on these headers: the same steps as in its own reader.
fn is_poisoned(bytes: &[u8]) -> bool {
    if bytes.is_empty() {
        return false;
    }
    let Ok(text) = std::str::from_utf8(bytes) else {
        return true;
    };
    let mut lines = text.lines().peekable();
    let Some(status) = lines.next().and_then(|line| line.strip_prefix("NATS/1.0")) else {
        return true;
    };
    let status = status.trim().split(' ').next().unwrap_or_default();
    if !status.is_empty() && status.parse::<StatusCode>().is_err() {
        return true;
    }
    while let Some(line) = lines.next() {
        if line.is_empty() {
            continue;
        }
        let Some((name, value)) = line.split_once(':') else {
            return true;
        };
        let mut value = value.trim_start().to_owned();
        while let Some(more) = lines.next_if(|line| line.starts_with(char::is_whitespace)) {
            value.push_str(more);
        }
        if name.parse::<HeaderName>().is_err() || value.trim_end().parse::<HeaderValue>().is_err() {
            return true;
        }
    }
    false
}

/// What can be kept of such headers, and the message id. Bytes that no header may have are percent-encoded, as
/// attributes of events are anyway, and have to be legal once they are decoded; a line that is no header is
/// left out.
fn mend(bytes: &[u8]) -> (Headers, Option<String>) {
    let mut mended = Headers::new();
    for line in bytes.split(|byte| *byte == b'\n').skip(1) {
        let Some(colon) = line.iter().position(|byte| *byte == b':') else {
            continue;
        };
        let (name, value) = (&line[..colon], line[colon + 1..].trim_ascii());
        let name = std::str::from_utf8(name).ok();
        if let Some(name) = name.filter(|name| name.parse::<HeaderName>().is_ok()) {
            mended.append(name, percent_encode(value, CONTROLS).to_string());
        }
    }
    let id = mended.get(headers::MESSAGE_ID).map(str::to_owned);
    mended.retain(|name| !headers::is_ours(name));
    (mended, id)
}

#[cfg(test)]
mod tests {
    use super::{is_poisoned, mend};

    #[test]
    fn what_breaks_the_client_is_told_from_what_does_not() {
        let good: [&[u8]; 7] = [
            b"",
            b"NATS/1.0\r\n\r\n",
            b"NATS/1.0\r\nX: a\r\n\r\n",
            b"NATS/1.0 503 busy\r\nX:\r\n\r\n",
            b"NATS/1.0\r\nX: a\r\n  folded\r\n\r\n",
            b"NATS/1.0\r\nX: a\0b\r\n\r\n",
            b"NATS/1.0\r\n: a\r\n\r\n",
        ];
        let bad: [&[u8]; 7] = [
            b"HTTP/1.0\r\n\r\n",
            b"NATS/1.0 fine\r\n\r\n",
            b"NATS/1.0\r\nX\r\n\r\n",
            b"NATS/1.0\r\nX Y: a\r\n\r\n",
            b"NATS/1.0\r\nX: a\nb\r\n\r\n",
            b"NATS/1.0\r\nX: a\rb\r\n\r\n",
            b"NATS/1.0\r\nX: \xff\r\n\r\n",
        ];
        for bytes in good {
            assert!(!is_poisoned(bytes), "{}", bytes.escape_ascii());
        }
        for bytes in bad {
            assert!(is_poisoned(bytes), "{}", bytes.escape_ascii());
        }
    }

    #[test]
    fn headers_are_mended_so_that_nothing_illegal_becomes_legal() {
        let (headers, id) = mend(
            b"NATS/1.0\r\nce-id: a\rb\r\nX Y: c\r\nce-subject: \xff\r\nNats-Msg-Id: m\r\nnone\r\n\r\n",
        );
        let found: Vec<_> = headers.iter().collect();
        assert_eq!(found, [("ce-id", "a%0Db"), ("ce-subject", "%FF")]);
        assert_eq!(id.as_deref(), Some("m"));
    }
}
