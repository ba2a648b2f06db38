//! What a lane message says about the delivery that it stands for, in `Event-…` headers.

use std::sync::Arc;

use jiff::Timestamp;

use super::message::{is_name, is_value};
use super::{delivery, lanes};
use crate::envelope::{Headers, decode_value, encode_value};

const ATTEMPT: &str = "Event-Attempt";
const REDRIVES: &str = "Event-Redrives";
const FRESH: &str = "Event-Fresh";
const NEWER: &str = "Event-Newer";
const SUBJECT: &str = "Event-Origin-Subject";
const STREAM: &str = "Event-Origin-Stream";
const SEQUENCE: &str = "Event-Origin-Sequence";
const GENERATION: &str = "Event-Origin-Generation";
const STORED_AT: &str = "Event-Origin-Time";
const EVENT_ID: &str = "Event-Id";
const FIRST_FAILED: &str = "Event-First-Failed";
const LAST_FAILED: &str = "Event-Last-Failed";
const REASON: &str = "Event-Reason";
const ERROR: &str = "Event-Error";
const BODY: &str = "Event-Body";
const HEADERS: &str = "Event-Headers";

/// All names that are ours.
const OURS: [&str; 16] = [
    ATTEMPT,
    REDRIVES,
    FRESH,
    NEWER,
    SUBJECT,
    STREAM,
    SEQUENCE,
    GENERATION,
    STORED_AT,
    EVENT_ID,
    FIRST_FAILED,
    LAST_FAILED,
    REASON,
    ERROR,
    BODY,
    HEADERS,
];

/// The longest error text in a header, in bytes.
const MAX_ERROR: usize = 1024;

/// Foreign headers up to this many bytes are below every broker's limit.
const MAX_PLAIN: usize = 4 * 1024;

/// The first delivery of an event to a handler, carried along through its lanes. It names a *delivery*, never
/// an event: undecodable messages have no event id, and foreign sources may share ids.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Origin {
    /// The topic that it was published to.
    pub subject: Arc<str>,
    /// The stream that held it.
    pub stream: Arc<str>,
    /// Its place there.
    pub sequence: u64,
    /// The life of the durable that delivered it.
    pub generation: Arc<str>,
    /// When the broker stored it.
    pub stored_at: Timestamp,
}

/// How far a delivery has come.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mark {
    /// Where it came from.
    pub origin: Origin,
    /// The run that is next, from 1.
    pub attempt: u32,
    /// How often it was redriven.
    pub redrives: u32,
    /// How often it was redriven as a new event.
    pub fresh: u32,
    /// How many of its runs ended because it is of a newer version: they have a budget of their own.
    pub newer: u32,
    /// When its first run failed.
    pub first_failed: Option<Timestamp>,
}

impl Mark {
    /// The run of the handler that is next, from 1: without the runs that a newer version never let begin.
    pub fn run(&self) -> u32 {
        self.attempt.saturating_sub(self.newer).max(1)
    }

    /// The mark of a delivery from a stream of events. Headers are not believed there: anyone may write them.
    pub fn first(subject: Arc<str>, origin: delivery::Origin, generation: Arc<str>) -> Self {
        let origin = Origin {
            subject,
            stream: origin.stream,
            sequence: origin.sequence,
            generation,
            stored_at: origin.stored_at,
        };
        Self {
            origin,
            attempt: 1,
            redrives: 0,
            fresh: 0,
            newer: 0,
            first_failed: None,
        }
    }

    /// The mark that a lane message carries; `None` if something else wrote it.
    pub fn read(headers: &Headers) -> Option<Self> {
        let number = |name| headers.get(name).map_or(Some(0), |text| text.parse().ok());
        Some(Self {
            origin: Origin {
                subject: headers.get(SUBJECT)?.into(),
                stream: headers.get(STREAM)?.into(),
                sequence: headers.get(SEQUENCE)?.parse().ok()?,
                generation: headers.get(GENERATION)?.into(),
                stored_at: headers.get(STORED_AT)?.parse().ok()?,
            },
            attempt: headers.get(ATTEMPT)?.parse().ok()?,
            redrives: number(REDRIVES)?,
            fresh: number(FRESH)?,
            newer: number(NEWER)?,
            first_failed: headers.get(FIRST_FAILED).and_then(|time| time.parse().ok()),
        })
    }

    /// Writes the mark over the headers of the original message.
    pub fn write(&self, headers: &mut Headers) {
        let Origin {
            subject,
            stream,
            sequence,
            generation,
            stored_at,
        } = &self.origin;
        headers.set(ATTEMPT, self.attempt.to_string());
        headers.set(REDRIVES, self.redrives.to_string());
        headers.set(SUBJECT, one_line(subject));
        headers.set(STREAM, &**stream);
        headers.set(SEQUENCE, sequence.to_string());
        headers.set(GENERATION, &**generation);
        headers.set(STORED_AT, stored_at.to_string());
        if self.fresh > 0 {
            headers.set(FRESH, self.fresh.to_string());
        }
        if self.newer > 0 {
            headers.set(NEWER, self.newer.to_string());
        }
        if let Some(time) = self.first_failed {
            headers.set(FIRST_FAILED, time.to_string());
        }
    }

    /// The message id of this run on the retry lane.
    pub fn retry_id(&self, handler: &str) -> String {
        format!("{}/a{}", self.delivery_id(handler), self.attempt)
    }

    /// The message id of the dead letter.
    pub fn dead_id(&self, handler: &str) -> String {
        format!("{}/dead", self.delivery_id(handler))
    }

    /// What stands for the event's id where there is none.
    pub fn place(&self) -> String {
        format!("{}:{}", self.origin.stream, self.origin.sequence)
    }

    fn delivery_id(&self, handler: &str) -> String {
        let Origin {
            stream,
            sequence,
            generation,
            ..
        } = &self.origin;
        let id = format!(
            "{handler}/{stream}:{sequence}/g{generation}/r{}",
            self.redrives
        );
        if self.fresh > 0 {
            format!("{id}f{}", self.fresh)
        } else {
            id
        }
    }
}

/// Why a delivery failed last.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failed {
    /// The event's id, where the message has one.
    pub event_id: Option<String>,
    /// The reason, as one word.
    pub reason: String,
    /// The error and its causes.
    pub error: String,
    /// When.
    pub at: Option<Timestamp>,
}

impl Failed {
    /// Reads it from a dead letter.
    pub fn read(headers: &Headers) -> Self {
        Self {
            event_id: event_id(headers),
            reason: headers.get(REASON).unwrap_or("unknown").to_owned(),
            error: headers.get(ERROR).unwrap_or_default().to_owned(),
            at: headers.get(LAST_FAILED).and_then(|time| time.parse().ok()),
        }
    }

    /// Writes it beside the mark.
    pub fn write(&self, headers: &mut Headers) {
        if let Some(id) = &self.event_id {
            headers.set(EVENT_ID, id_text(id));
        }
        headers.set(REASON, header_text(&self.reason));
        headers.set(ERROR, header_text(&self.error));
        if let Some(at) = self.at {
            headers.set(LAST_FAILED, at.to_string());
        }
    }

    /// Takes everything of a failure away: for a redrive.
    pub fn clear(headers: &mut Headers) {
        for name in [REASON, ERROR, LAST_FAILED, FIRST_FAILED, BODY, NEWER] {
            headers.remove(name);
        }
    }
}

/// The headers of a message as a lane can carry them. Other clients write what [`Message::check`] refuses;
/// that is escaped, so that it can't keep a failed delivery from being stored.
///
/// [`Message::check`]: super::Message::check
pub fn carried(headers: &Headers) -> Headers {
    let carry = |(name, value): (&str, &str)| {
        let value = if is_value(value) {
            value.to_owned()
        } else {
            value.escape_debug().to_string()
        };
        (carried_name(name), value)
    };
    headers.iter().map(carry).collect()
}

fn carried_name(name: &str) -> String {
    if name.is_empty() {
        return "_".to_owned();
    }
    let unfit = |letter: char| !is_name(letter.encode_utf8(&mut [0; 4]));
    name.replace(unfit, "_")
}

/// The event's id as it was when the delivery first failed: all that says who a bare event is.
pub fn event_id(headers: &Headers) -> Option<String> {
    decode_value(EVENT_ID, headers.get(EVENT_ID)?).ok()
}

/// Says that the body is not here, but where the origin is, with its length and digest.
pub fn write_reference(headers: &mut Headers, body: &[u8]) {
    let digest = lanes::digest(body);
    headers.set(
        BODY,
        format!("reference; length={}; sha256={digest}", body.len()),
    );
}

/// Whether the body was left at the origin because it is too large for a lane.
pub fn is_reference(headers: &Headers) -> bool {
    headers.get(BODY).is_some()
}

/// Takes away what only a lane may say: in a message from anywhere else it is a foreigner's word, or left over
/// from a dead letter that somebody copied.
pub fn strip(headers: &mut Headers) {
    headers.retain(|name| !is_ours(name));
}

/// Whether these headers are so large that a broker may refuse a message because of them.
pub fn are_large(headers: &Headers) -> bool {
    headers.wire_size() > MAX_PLAIN
}

/// Takes away what is not ours, and says so: for a dead letter whose own headers the broker refuses.
pub fn keep_ours(headers: &mut Headers) {
    let count = headers.iter().filter(|(name, _)| !is_ours(name)).count();
    headers.retain(is_ours);
    headers.set(HEADERS, format!("left at the origin; count={count}"));
}

fn is_ours(name: &str) -> bool {
    let start = name.as_bytes().first_chunk();
    start.is_some_and(|start: &[u8; 6]| start.eq_ignore_ascii_case(b"event-"))
        && OURS.iter().any(|ours| ours.eq_ignore_ascii_case(name))
}

/// Text as one line of at most 4 KiB: control characters are escaped, everything else stays.
fn one_line(text: &str) -> String {
    let mut line = String::with_capacity(text.len());
    for character in text.chars() {
        if character.is_control() {
            line.extend(character.escape_default());
        } else {
            line.push(character);
        }
        if line.len() > MAX_PLAIN - 16 {
            line.push_str("...");
            break;
        }
    }
    line
}

/// An id as a header can hold it: percent-encoded, and cut at 1 KiB between two characters, so that what is left can
/// be read back.
fn id_text(id: &str) -> String {
    let whole = encode_value(id);
    if whole.len() <= MAX_ERROR {
        return whole;
    }
    let mut text = String::with_capacity(MAX_ERROR);
    for character in id.chars() {
        let code = encode_value(character.encode_utf8(&mut [0; 4]));
        if text.len() + code.len() > MAX_ERROR - 3 {
            break;
        }
        text.push_str(&code);
    }
    text.push_str("...");
    text
}

/// Text as a header can hold it: printable ASCII, everything else escaped, cut at 1 KiB.
fn header_text(text: &str) -> String {
    let mut line = String::with_capacity(text.len().min(MAX_ERROR));
    for character in text.chars() {
        let start = line.len();
        if character == ' ' || character.is_ascii_graphic() {
            line.push(character);
        } else {
            line.extend(character.escape_default());
        }
        if line.len() > MAX_ERROR {
            line.truncate(start.min(MAX_ERROR - 3));
            line.push_str("...");
            break;
        }
    }
    line
}

#[cfg(test)]
mod tests {
    use super::{decode_value, header_text, id_text};

    #[test]
    fn an_id_can_be_read_back_and_a_long_one_up_to_its_cut() {
        for id in ["o-1", "a b%ff\"ä", "%"] {
            assert_eq!(decode_value("id", &id_text(id)).unwrap(), id);
        }
        for long in ["%ff".repeat(500), "ä".repeat(600), "\"".repeat(2000)] {
            let text = id_text(&long);
            assert!(text.len() <= 1024);
            let read = decode_value("id", &text).unwrap();
            assert!(
                long.starts_with(read.strip_suffix("...").unwrap()),
                "{read}"
            );
        }
    }

    #[test]
    fn an_error_text_is_one_short_line_of_ascii() {
        assert_eq!(header_text("no\r\nX: y\0 ä"), "no\\r\\nX: y\\u{0} \\u{e4}");
        let long = header_text(&"ä".repeat(2000));
        assert!(long.len() <= 1024 && long.ends_with("..."));
    }
}
