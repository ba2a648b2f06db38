//! The attributes of a CloudEvent, and the rules that each has to keep.

use std::borrow::Cow;
use std::collections::BTreeMap;

use bytes::Bytes;
use bytestring::ByteString;
use jiff::Timestamp;
use serde_json::Value;

use super::given::{Given, keep};
use super::{EnvelopeError, uri};

/// The attributes of a CloudEvent. `specversion` is always `1.0`.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Attributes {
    /// Unique together with `source`.
    pub id: ByteString,
    /// Who published it, as a URI-reference.
    pub source: ByteString,
    /// Name and version: `order.placed.v2`.
    pub event_type: ByteString,
    /// When it happened.
    pub time: Option<Timestamp>,
    /// The media type of the data; absent means `application/json`.
    pub data_content_type: Option<ByteString>,
    /// The contract of the data, as a URI.
    pub data_schema: Option<ByteString>,
    /// What in the source it is about.
    pub subject: Option<ByteString>,
    /// The key by which events belong together.
    pub partition_key: Option<ByteString>,
    /// The id of the first event in the chain.
    pub correlation_id: Option<ByteString>,
    /// The id of the event that caused this one.
    pub causation_id: Option<ByteString>,
    /// The W3C trace context.
    pub trace_parent: Option<ByteString>,
    /// All other attributes, as they were: strings, booleans and integers.
    pub extensions: BTreeMap<String, Value>,
}

impl Attributes {
    /// Takes one attribute in; `null` means that it is not set.
    ///
    /// Its text is kept as a part of `bytes`, if it lies there.
    pub(super) fn set(
        &mut self,
        name: &str,
        value: Given<'_>,
        bytes: Option<&Bytes>,
    ) -> Result<(), EnvelopeError> {
        let text = match value {
            Given::Null => return Ok(()),
            Given::Text(text) => check_text(name, text)?,
            Given::Other(value) => return self.set_other(name, value),
        };
        match name {
            "specversion" if text == "1.0" => Ok(()),
            "specversion" => Err(EnvelopeError::rule(name, "is \"1.0\"")),
            "id" => required(name, &mut self.id, keep(bytes, text)),
            "source" if uri::is_reference(&text) => {
                required(name, &mut self.source, keep(bytes, text))
            }
            "source" => Err(EnvelopeError::rule(name, uri::REFERENCE)),
            "type" => required(name, &mut self.event_type, keep(bytes, text)),
            "time" => {
                let rule = |_| EnvelopeError::rule(name, "is an RFC 3339 timestamp");
                optional(name, &mut self.time, text.parse().map_err(rule)?)
            }
            "datacontenttype" if is_json(&text) => {
                optional(name, &mut self.data_content_type, keep(bytes, text))
            }
            "datacontenttype" => {
                let rule = "is a JSON media type for an event with JSON data";
                Err(EnvelopeError::rule(name, rule))
            }
            "dataschema" if uri::is_absolute(&text) => {
                optional(name, &mut self.data_schema, keep(bytes, text))
            }
            "dataschema" => Err(EnvelopeError::rule(name, uri::ABSOLUTE)),
            "subject" => optional(name, &mut self.subject, keep(bytes, text)),
            "partitionkey" => optional(name, &mut self.partition_key, keep(bytes, text)),
            "correlationid" => optional(name, &mut self.correlation_id, keep(bytes, text)),
            "causationid" => optional(name, &mut self.causation_id, keep(bytes, text)),
            "traceparent" => optional(name, &mut self.trace_parent, keep(bytes, text)),
            _ => self.extend(name, Value::String(text.into_owned())),
        }
    }

    /// A value that is no text: only extensions may have one.
    fn set_other(&mut self, name: &str, value: Value) -> Result<(), EnvelopeError> {
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

    /// Names and texts of all attributes that are set.
    pub(super) fn each(&self, mut take: impl FnMut(&str, &str)) {
        take("specversion", "1.0");
        take("id", &self.id);
        take("source", &self.source);
        take("type", &self.event_type);
        if let Some(time) = &self.time {
            take("time", &format!("{time:.3}"));
        }
        for (name, value) in self.optional() {
            if let Some(value) = value {
                take(name, value);
            }
        }
        for (name, value) in &self.extensions {
            match value {
                Value::String(text) => take(name, text),
                other => take(name, &other.to_string()),
            }
        }
    }

    /// The attributes that are texts and may be absent, in the order in which they are written.
    pub(super) fn optional(&self) -> [(&'static str, &Option<ByteString>); 7] {
        [
            ("datacontenttype", &self.data_content_type),
            ("dataschema", &self.data_schema),
            ("subject", &self.subject),
            ("partitionkey", &self.partition_key),
            ("correlationid", &self.correlation_id),
            ("causationid", &self.causation_id),
            ("traceparent", &self.trace_parent),
        ]
    }

    /// The rules on what has to be there.
    pub(super) fn check(self, saw_spec_version: bool) -> Result<Self, EnvelopeError> {
        let required = [
            ("specversion", saw_spec_version),
            ("id", !self.id.is_empty()),
            ("source", !self.source.is_empty()),
            ("type", !self.event_type.is_empty()),
        ];
        match required.into_iter().find(|(_, present)| !present) {
            Some((attribute, _)) => Err(EnvelopeError::Missing { attribute }),
            None => Ok(self),
        }
    }
}

/// Two readers could take different ones of two.
pub(super) const ONCE: &str = "is given once";

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

fn required(name: &str, slot: &mut ByteString, text: ByteString) -> Result<(), EnvelopeError> {
    if !slot.is_empty() {
        return Err(EnvelopeError::rule(name, ONCE));
    }
    *slot = text;
    Ok(())
}

fn optional<T>(name: &str, slot: &mut Option<T>, value: T) -> Result<(), EnvelopeError> {
    if slot.is_some() {
        return Err(EnvelopeError::rule(name, ONCE));
    }
    *slot = Some(value);
    Ok(())
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

/// Whether a media type is JSON: `application/json`, or any `…+json`; parameters don't matter.
fn is_json(media_type: &str) -> bool {
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
