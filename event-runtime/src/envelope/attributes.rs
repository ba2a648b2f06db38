//! The attributes of a CloudEvent, and the rules that each has to keep.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde_json::Value;

use super::EnvelopeError;

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
        let text = |value: Value| match value {
            Value::String(text) => check_text(&name, text),
            _ => Err(EnvelopeError::rule(&name, "is a string")),
        };
        match name.as_str() {
            "specversion" => {
                if text(value)? != "1.0" {
                    return Err(EnvelopeError::rule(&name, "is \"1.0\""));
                }
            }
            "id" => self.id = text(value)?,
            "source" => self.source = text(value)?,
            "type" => self.event_type = text(value)?,
            "time" => {
                let time = text(value)?;
                let rfc_3339 = time
                    .parse()
                    .map_err(|_| EnvelopeError::rule(&name, "is an RFC 3339 timestamp"))?;
                self.time = Some(rfc_3339);
            }
            "datacontenttype" => {
                let media_type = text(value)?;
                if !is_json(&media_type) {
                    return Err(EnvelopeError::rule(
                        &name,
                        "is a JSON media type for an event with JSON data",
                    ));
                }
                self.data_content_type = Some(media_type);
            }
            "dataschema" => self.data_schema = Some(text(value)?),
            "subject" => self.subject = Some(text(value)?),
            "partitionkey" => self.partition_key = Some(text(value)?),
            "correlationid" => self.correlation_id = Some(text(value)?),
            "causationid" => self.causation_id = Some(text(value)?),
            "traceparent" => self.trace_parent = Some(text(value)?),
            _ => self.extend(name, value)?,
        }
        Ok(())
    }

    fn extend(&mut self, name: String, value: Value) -> Result<(), EnvelopeError> {
        if name.is_empty()
            || !name
                .bytes()
                .all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit())
        {
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
    let essence = media_type
        .split(';')
        .next()
        .unwrap_or_default()
        .trim()
        .to_ascii_lowercase();
    match essence.split_once('/') {
        Some((kind, subtype)) => {
            !kind.is_empty() && (subtype == "json" || subtype.ends_with("+json"))
        }
        None => false,
    }
}
