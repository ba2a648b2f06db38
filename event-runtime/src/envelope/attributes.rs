//! The attributes of a CloudEvent.

use std::collections::BTreeMap;

use bytestring::ByteString;
use jiff::Timestamp;
use serde_json::Value;

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
}
