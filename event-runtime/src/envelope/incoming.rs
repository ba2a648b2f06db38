//! A message as it arrived, and how it holds its event.

use std::str::FromStr;

use super::seen::Seen;
use super::{CONTENT_TYPE, Headers};
use crate::event::{Event, Read, VersionError};

/// A message as it arrived: what an event is read from.
///
/// Bytes alone are a message without headers: `decode::<OrderPlaced>(&bytes)`.
#[derive(Debug, Clone, Copy)]
pub struct Incoming<'a> {
    /// Its headers.
    pub headers: &'a Headers,
    /// Its body.
    pub payload: &'a [u8],
    source: &'a str,
    id: &'a str,
}

impl<'a> Incoming<'a> {
    /// A message of these parts.
    pub fn new(headers: &'a Headers, payload: &'a [u8]) -> Self {
        Self {
            headers,
            payload,
            source: "",
            id: "",
        }
    }

    /// Says who a bare event is, since its message does not: without this its source and id are empty.
    pub fn known_as(self, source: &'a str, id: &'a str) -> Self {
        Self { source, id, ..self }
    }

    /// Reads the body as the data of a bare event.
    pub(super) fn bare<E: Event>(&self) -> Result<(Seen, E), VersionError> {
        let Read(event) =
            serde_json::from_slice::<Read<E>>(self.payload).map_err(VersionError::Data)?;
        let seen = Seen::bare(self.source, self.id, E::WIRE_TYPE, event.key());
        Ok((seen, event))
    }

    /// How it holds its event. What says nothing is read as structured, which says what is wrong with it.
    pub(super) fn mode(&self) -> Mode {
        // As this library writes it, and nothing else is there to look at.
        if self.headers.iter().next() == Some(("Content-Type", CONTENT_TYPE)) {
            return Mode::Structured;
        }
        let structured = self.headers.get("content-type").is_some_and(|media_type| {
            let kind = b"application/cloudevents";
            let start = media_type.trim_start().as_bytes().get(..kind.len());
            start.is_some_and(|start| start.eq_ignore_ascii_case(kind))
        });
        if !structured && self.headers.get("ce-specversion").is_some() {
            Mode::Binary
        } else {
            Mode::Structured
        }
    }
}

impl<'a, T: AsRef<[u8]> + ?Sized> From<&'a T> for Incoming<'a> {
    fn from(payload: &'a T) -> Self {
        static NONE: Headers = Headers::new();
        Self::new(&NONE, payload.as_ref())
    }
}

/// How a message holds its event. Both are read always; this is what is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Mode {
    /// All in the body: one JSON object with the attributes and the data. The faster one.
    #[default]
    Structured,
    /// The data alone in the body, and a header `ce-…` for each attribute: for readers and tools that want
    /// the plain data, or route by headers.
    Binary,
}

impl FromStr for Mode {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text {
            "structured" => Ok(Self::Structured),
            "binary" => Ok(Self::Binary),
            _ => Err("is `structured` or `binary`"),
        }
    }
}
