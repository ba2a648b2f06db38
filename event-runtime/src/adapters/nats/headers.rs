//! Headers on the wire. Those that begin with `Nats-` are the server's and this adapter's alone.

use async_nats::header::{HeaderMap, HeaderName, HeaderValue};

use bytestring::ByteString;
use serde::Deserialize;
use serde::de::IntoDeserializer;
use serde::de::value::{Error, StringDeserializer};

use crate::broker::BrokerError;
use crate::envelope::{CONTENT_TYPE, Headers};

/// The server recognises a repeated message by this header.
pub(super) const MESSAGE_ID: &str = "Nats-Msg-Id";

pub(super) fn is_ours(name: &str) -> bool {
    let start = name.as_bytes().first_chunk();
    start.is_some_and(|start: &[u8; 5]| start.eq_ignore_ascii_case(b"nats-"))
}

/// Headers that nearly every message begins with, as the client wants them: a copy costs less than to check and to
/// place them again.
pub(super) struct Kept(HeaderMap);

impl Kept {
    pub(super) fn new() -> Self {
        let name = HeaderName::from_static("Content-Type");
        Self(HeaderMap::from_iter([(name, CONTENT_TYPE.into())]))
    }

    /// Headers for the server, of a message that was checked.
    pub(super) fn write(&self, subject: &str, headers: &Headers) -> Result<HeaderMap, BrokerError> {
        if headers.are_structured() {
            return Ok(self.0.clone());
        }
        let mut rest = headers.iter().peekable();
        let begins = rest.next_if_eq(&("Content-Type", CONTENT_TYPE));
        let mut map = match begins {
            Some(_) => self.0.clone(),
            None => HeaderMap::new(),
        };
        for (name, value) in rest.filter(|(name, _)| !is_ours(name)) {
            let parsed = HeaderName::try_from(name)
                .ok()
                .zip(value.parse::<HeaderValue>().ok());
            let Some((name, value)) = parsed else {
                return Err(BrokerError::permanent(format!(
                    "the client does not send the header `{name}` of a message for `{subject}`"
                )));
            };
            map.append(name, value);
        }
        Ok(map)
    }
}

/// A header's value, of a text that was checked: the client's own ways to make one search it once more.
pub(super) fn value(checked: String) -> HeaderValue {
    let text: StringDeserializer<Error> = checked.into_deserializer();
    HeaderValue::deserialize(text).unwrap_or_default()
}

/// Headers of a delivery. `last` are those of the delivery before, which are mostly the same.
pub(super) fn read(map: Option<&HeaderMap>, last: &mut Headers) -> Headers {
    if !are(map, last) {
        let all = map.into_iter().flat_map(HeaderMap::iter);
        *last = all
            .filter(|(name, _)| !is_ours(name.as_ref()))
            .flat_map(|(name, values)| values.iter().map(move |value| (name, value)))
            .map(|(name, value)| (known(name.as_ref()), known(value.as_str())))
            .collect();
    }
    last.clone()
}

/// Whether the headers that count are these.
fn are(map: Option<&HeaderMap>, headers: &Headers) -> bool {
    let mut headers = headers.iter();
    for (name, values) in map.into_iter().flat_map(HeaderMap::iter) {
        let name: &str = name.as_ref();
        if is_ours(name) {
            continue;
        }
        for value in values {
            if headers.next() != Some((name, value.as_str())) {
                return false;
            }
        }
    }
    headers.next().is_none()
}

/// The message id that a delivery was published with.
pub(super) fn message_id(map: Option<&HeaderMap>) -> Option<ByteString> {
    let (_, values) = map?
        .iter()
        .find(|(name, _)| AsRef::<str>::as_ref(name) == MESSAGE_ID)?;
    values.first().map(|id| id.as_str().into())
}

/// A text, without a copy where it is one that nearly every message has.
fn known(text: &str) -> ByteString {
    match ["Content-Type", CONTENT_TYPE]
        .into_iter()
        .find(|known| *known == text)
    {
        Some(known) => ByteString::from_static(known),
        None => text.into(),
    }
}

/// Headers as the server stores them: `NATS/1.0`, then a line each. Read as the client reads those of a delivery:
/// a line ends with or without a carriage return, one that begins with a space goes on with the value before, and
/// space around a value does not count.
pub(super) fn parse(bytes: &[u8]) -> Headers {
    let text = String::from_utf8_lossy(bytes);
    let mut lines = text.lines().skip(1).peekable();
    let mut headers = Headers::new();
    while let Some(line) = lines.next() {
        let Some((name, value)) = line.split_once(':') else {
            continue;
        };
        let mut value = value.to_owned();
        while let Some(more) = lines.next_if(|line| line.starts_with(char::is_whitespace)) {
            value.push_str(more);
        }
        if !is_ours(name) {
            headers.append(name, value.trim());
        }
    }
    headers
}

#[cfg(test)]
mod tests {
    use super::{parse, value};

    #[test]
    fn a_value_is_its_text() {
        for text in ["", "o-1", "two words", "é:"] {
            assert_eq!(value(text.to_owned()).as_str(), text);
        }
    }

    #[test]
    fn stored_headers_are_read_as_the_client_reads_delivered_ones() {
        let stored = b"NATS/1.0\r\nA:  b \r\nNats-Msg-Id: 1\r\n 2\r\nno colon\r\nC: d\r\n e\r\nF: g\nH:\r\n\r\n";
        let headers = parse(stored);
        let all: Vec<_> = headers.iter().collect();
        assert_eq!(all, [("A", "b"), ("C", "d e"), ("F", "g"), ("H", "")]);
    }
}
