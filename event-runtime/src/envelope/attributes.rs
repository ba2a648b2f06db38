//! The attributes of a CloudEvent, and the rules that each has to keep.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde_json::Value;

use super::{EnvelopeError, uri};

/// The attributes of a CloudEvent. `specversion` is always `1.0`.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Attributes {
    /// Unique together with `source`.
    pub id: String,
    /// Who published it, as a URI-reference.
    pub source: String,
    /// Name and version: `order.placed.v2`.
    pub event_type: String,
    /// When it happened.
    pub time: Option<Timestamp>,
    /// The media type of the data; absent means `application/json`.
    pub data_content_type: Option<String>,
    /// The contract of the data, as a URI.
    pub data_schema: Option<String>,
    /// What in the source it is about.
    pub subject: Option<String>,
    /// The key by which events belong together.
    pub partition_key: Option<String>,
    /// The id of the first event in the chain.
    pub correlation_id: Option<String>,
    /// The id of the event that caused this one.
    pub causation_id: Option<String>,
    /// The W3C trace context.
    pub trace_parent: Option<String>,
    /// All other attributes, as they were: strings, booleans and integers.
    pub extensions: BTreeMap<String, Value>,
}

impl Attributes {
    /// Takes one attribute in; `null` means that it is not set.
    pub(super) fn set(&mut self, name: String, value: Value) -> Result<(), EnvelopeError> {
        if value.is_null() {
            return Ok(());
        }
        match name.as_str() {
            "specversion" => {
                if text(&name, value)? != "1.0" {
                    return Err(EnvelopeError::rule(&name, "is \"1.0\""));
                }
                Ok(())
            }
            "id" => required(&name, &mut self.id, text(&name, value)?),
            "source" => required(&name, &mut self.source, uri::reference(&name, value)?),
            "type" => required(&name, &mut self.event_type, text(&name, value)?),
            "time" => {
                let time = text(&name, value)?.parse();
                let rule = |_| EnvelopeError::rule(&name, "is an RFC 3339 timestamp");
                optional(&name, &mut self.time, time.map_err(rule)?)
            }
            "datacontenttype" => {
                let media_type = text(&name, value)?;
                if !is_json(&media_type) {
                    let rule = "is a JSON media type for an event with JSON data";
                    return Err(EnvelopeError::rule(&name, rule));
                }
                optional(&name, &mut self.data_content_type, media_type)
            }
            "dataschema" => optional(&name, &mut self.data_schema, uri::absolute(&name, value)?),
            "subject" => optional(&name, &mut self.subject, text(&name, value)?),
            "partitionkey" => optional(&name, &mut self.partition_key, text(&name, value)?),
            "correlationid" => optional(&name, &mut self.correlation_id, text(&name, value)?),
            "causationid" => optional(&name, &mut self.causation_id, text(&name, value)?),
            "traceparent" => optional(&name, &mut self.trace_parent, text(&name, value)?),
            _ => self.extend(name, value),
        }
    }

    fn extend(&mut self, name: String, value: Value) -> Result<(), EnvelopeError> {
        let plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
        if name == "data" {
            return Err(EnvelopeError::rule(&name, "is no attribute"));
        }
        if name.is_empty() || !name.bytes().all(plain) {
            return Err(EnvelopeError::rule(
                &name,
                "has a name of lower-case letters and digits",
            ));
        }
        let value = match value {
            Value::String(text) => Value::String(check_text(&name, text)?),
            Value::Bool(_) => value,
            Value::Number(ref number)
                if number.as_i64().is_some_and(|n| i32::try_from(n).is_ok()) =>
            {
                value
            }
            _ => {
                return Err(EnvelopeError::rule(
                    &name,
                    "is a string, a boolean or a 32-bit integer",
                ));
            }
        };
        if self.extensions.contains_key(&name) {
            return Err(EnvelopeError::rule(&name, ONCE));
        }
        self.extensions.insert(name, value);
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
    pub(super) fn optional(&self) -> [(&'static str, &Option<String>); 7] {
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

fn required(name: &str, slot: &mut String, text: String) -> Result<(), EnvelopeError> {
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

pub(super) fn text(name: &str, value: Value) -> Result<String, EnvelopeError> {
    match value {
        Value::String(text) => check_text(name, text),
        _ => Err(EnvelopeError::rule(name, "is a string")),
    }
}

fn check_text(name: &str, text: String) -> Result<String, EnvelopeError> {
    if text.is_empty() {
        return Err(EnvelopeError::rule(name, "is not empty"));
    }
    if text.chars().any(char::is_control) {
        return Err(EnvelopeError::rule(name, "has no control characters"));
    }
    Ok(text)
}

/// Whether a media type is JSON: `application/json`, or any `…+json`; parameters don't matter.
fn is_json(media_type: &str) -> bool {
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
