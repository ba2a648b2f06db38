//! The attributes of a message as they are seen in it, and the rules that each has to keep.

use std::borrow::Cow;
use std::collections::BTreeMap;

use bytestring::ByteString;
use jiff::Timestamp;
use serde_json::Value;

use super::given::Given;
use super::place::Place;
use super::{Attributes, EnvelopeError, uri};

/// The attributes of a message, as places in its body.
#[derive(Debug, Clone, Default)]
pub(crate) struct Seen {
    pub(crate) id: Place,
    pub(crate) source: Place,
    pub(crate) event_type: Place,
    pub(super) time: Place,
    pub(super) data_content_type: Place,
    pub(super) data_schema: Place,
    pub(super) subject: Place,
    pub(crate) partition_key: Place,
    pub(crate) correlation_id: Place,
    pub(crate) causation_id: Place,
    pub(crate) trace_parent: Place,
    extensions: BTreeMap<String, Value>,
    pub(super) spec_version: bool,
}

impl Seen {
    /// The attributes of a bare event, whose message says none.
    pub(super) fn bare(source: &str, id: &str, event_type: &str, key: Option<String>) -> Self {
        let kept = |text: &str| Place::Kept(Box::new(text.to_owned()));
        Self {
            id: kept(id),
            source: kept(source),
            event_type: kept(event_type),
            partition_key: key.map_or(Place::Absent, |key| Place::Kept(Box::new(key))),
            ..Self::default()
        }
    }

    /// The same in texts of their own.
    pub(super) fn attributes(self, body: &[u8]) -> Attributes {
        let optional = |place: &Place| place.text(body).map(ByteString::from);
        let required = |place: &Place| optional(place).unwrap_or_default();
        Attributes {
            id: required(&self.id),
            source: required(&self.source),
            event_type: required(&self.event_type),
            time: self.time(body),
            data_content_type: optional(&self.data_content_type),
            data_schema: optional(&self.data_schema),
            subject: optional(&self.subject),
            partition_key: optional(&self.partition_key),
            correlation_id: optional(&self.correlation_id),
            causation_id: optional(&self.causation_id),
            trace_parent: optional(&self.trace_parent),
            extensions: self.extensions,
        }
    }

    /// When it happened. Read only here: few handlers ask.
    pub(crate) fn time(&self, body: &[u8]) -> Option<Timestamp> {
        self.time.text(body)?.parse().ok()
    }

    /// Takes one attribute in; `null` means that it is not set.
    pub(super) fn set(
        &mut self,
        name: &str,
        value: Given<'_>,
        body: &[u8],
    ) -> Result<(), EnvelopeError> {
        let text = match value {
            Given::Null => return Ok(()),
            Given::Text(text) => check_text(name, text)?,
            Given::Other(value) => return self.set_other(name, value),
        };
        let (slot, rule) = match name {
            "id" => (&mut self.id, None),
            "source" => {
                let broken = !uri::is_reference(&text);
                (&mut self.source, broken.then_some(uri::REFERENCE))
            }
            "type" => (&mut self.event_type, None),
            "datacontenttype" => {
                let broken = !is_json(&text);
                (&mut self.data_content_type, broken.then_some(JSON))
            }
            "dataschema" => {
                let broken = !uri::is_absolute(&text);
                (&mut self.data_schema, broken.then_some(uri::ABSOLUTE))
            }
            "subject" => (&mut self.subject, None),
            "partitionkey" => (&mut self.partition_key, None),
            "correlationid" => (&mut self.correlation_id, None),
            "causationid" => (&mut self.causation_id, None),
            "traceparent" => (&mut self.trace_parent, None),
            "specversion" => {
                self.spec_version = true;
                return match &*text {
                    "1.0" => Ok(()),
                    _ => Err(EnvelopeError::rule(name, "is \"1.0\"")),
                };
            }
            "time" => {
                let broken = !is_plain_time(&text) && text.parse::<Timestamp>().is_err();
                (&mut self.time, broken.then_some("is an RFC 3339 timestamp"))
            }
            _ => return self.extend(name, Value::String(text.into_owned())),
        };
        match rule {
            Some(rule) => Err(EnvelopeError::rule(name, rule)),
            None if !slot.is_absent() => Err(EnvelopeError::rule(name, ONCE)),
            None => {
                *slot = Place::of(text, body);
                Ok(())
            }
        }
    }

    /// A value that is no text: only extensions may have one.
    fn set_other(&mut self, name: &str, value: Value) -> Result<(), EnvelopeError> {
        if name == "specversion" {
            self.spec_version = true;
        }
        if NAMES.contains(&name) {
            return Err(EnvelopeError::rule(name, "is a string"));
        }
        let small = |value: &Value| value.as_i64().is_some_and(|n| i32::try_from(n).is_ok());
        if !value.is_boolean() && !small(&value) && is_extension(name) {
            let rule = "is a string, a boolean or a 32-bit integer";
            return Err(EnvelopeError::rule(name, rule));
        }
        self.extend(name, value)
    }

    fn extend(&mut self, name: &str, value: Value) -> Result<(), EnvelopeError> {
        if name == "data" {
            return Err(EnvelopeError::rule(name, "is no attribute"));
        }
        if !is_extension(name) {
            let rule = "has a name of lower-case letters and digits";
            return Err(EnvelopeError::rule(name, rule));
        }
        if self.extensions.contains_key(name) {
            return Err(EnvelopeError::rule(name, ONCE));
        }
        self.extensions.insert(name.to_owned(), value);
        Ok(())
    }

    /// The rules on what has to be there.
    pub(super) fn check(&self) -> Result<(), EnvelopeError> {
        let required = [
            ("specversion", self.spec_version),
            ("id", !self.id.is_absent()),
            ("source", !self.source.is_absent()),
            ("type", !self.event_type.is_absent()),
        ];
        match required.into_iter().find(|(_, present)| !present) {
            Some((attribute, _)) => Err(EnvelopeError::Missing { attribute }),
            None => Ok(()),
        }
    }
}

/// Two readers could take different ones of two.
pub(super) const ONCE: &str = "is given once";

const JSON: &str = "is a JSON media type for an event with JSON data";

/// The attributes that the specification and this library name: each is a text.
const NAMES: [&str; 12] = [
    "specversion",
    "id",
    "source",
    "type",
    "time",
    "datacontenttype",
    "dataschema",
    "subject",
    "partitionkey",
    "correlationid",
    "causationid",
    "traceparent",
];

fn is_extension(name: &str) -> bool {
    let plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
    name != "data" && !name.is_empty() && name.bytes().all(plain)
}

fn check_text<'a>(name: &str, text: Cow<'a, str>) -> Result<Cow<'a, str>, EnvelopeError> {
    if text.is_empty() {
        return Err(EnvelopeError::rule(name, "is not empty"));
    }
    // Without an early end it is looked at many bytes at a time.
    let printable = |all, byte: u8| all & (byte.wrapping_sub(b' ') < 0x7f - b' ');
    if !text.bytes().fold(true, printable) && text.chars().any(char::is_control) {
        return Err(EnvelopeError::rule(name, "has no control characters"));
    }
    Ok(text)
}

/// Whether this is a time in the form in which this library writes it, `2026-11-23T05:00:00.123Z`. What is not may be
/// a time as well.
pub(super) fn is_plain_time(text: &str) -> bool {
    let Some(text) = text.as_bytes().as_array::<24>() else {
        return false;
    };
    let form = b"0000-00-00T00:00:00.000Z";
    let fits = text.iter().zip(form).fold(true, |fits, (byte, form)| {
        let good = if *form == b'0' {
            byte.is_ascii_digit()
        } else {
            byte == form
        };
        fits & good
    });
    if !fits {
        return false;
    }
    let two = |at: usize| (text[at] - b'0') * 10 + (text[at + 1] - b'0');
    // The 29th of February is left to who knows the years, and so is the last month that a timestamp can have.
    if text.starts_with(b"9999-12") {
        return false;
    }
    let days = match two(5) {
        2 => 28,
        4 | 6 | 9 | 11 => 30,
        1..=12 => 31,
        _ => 0,
    };
    (1..=days).contains(&two(8)) && two(11) < 24 && two(14) < 60 && two(17) < 60
}

/// Whether a media type is JSON: `application/json`, or any `…+json`; parameters don't matter.
pub(super) fn is_json(media_type: &str) -> bool {
    // As nearly everybody writes it.
    if media_type == "application/json" {
        return true;
    }
    let essence = media_type.split(';').next().unwrap_or_default();
    let essence = essence.trim().to_ascii_lowercase();
    let token = |text: &str| {
        let legal = |byte: u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte);
        !text.is_empty() && text.bytes().all(legal)
    };
    let json = |subtype: &str| subtype == "json" || subtype.ends_with("+json");
    essence
        .split_once('/')
        .is_some_and(|(kind, subtype)| token(kind) && token(subtype) && json(subtype))
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;

    use super::is_plain_time;

    #[test]
    fn what_is_a_plain_time_is_a_time() {
        for year in ["0000", "0001", "1969", "2026", "9998", "9999"] {
            for month in 0..=13 {
                for day in 0..=32 {
                    for clock in [
                        "00:00:00.000",
                        "23:59:59.999",
                        "24:00:00.000",
                        "00:60:00.000",
                    ] {
                        let time = format!("{year}-{month:02}-{day:02}T{clock}Z");
                        let is_time = time.parse::<Timestamp>().is_ok();
                        assert!(is_time || !is_plain_time(&time), "{time}");
                    }
                }
            }
        }
        assert!(is_plain_time("2026-12-31T23:59:59.999Z"));
    }
}
