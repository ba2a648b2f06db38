//! Writes an event in structured mode.
//!
//! By hand around the data, since all of it is text between constant text: a serializer asks more of each
//! attribute than writing it takes.

use std::collections::BTreeMap;

use jiff::Timestamp;
use jiff::fmt::temporal::DateTimePrinter;
use serde_json::Value;

use super::Attributes;
use crate::event::{self, Event};

/// Milliseconds, always.
const TIME: DateTimePrinter = DateTimePrinter::new().precision(Some(3));

/// Most events fit.
const ROOM: usize = 1024;

/// [`Attributes`] that are written once and need not be kept.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Head<'a> {
    pub(crate) id: &'a str,
    pub(crate) source: &'a str,
    pub(crate) event_type: &'a str,
    pub(crate) time: Option<Timestamp>,
    pub(crate) data_content_type: Option<&'a str>,
    pub(crate) data_schema: Option<&'a str>,
    pub(crate) subject: Option<&'a str>,
    pub(crate) partition_key: Option<&'a str>,
    pub(crate) correlation_id: Option<&'a str>,
    pub(crate) causation_id: Option<&'a str>,
    pub(crate) trace_parent: Option<&'a str>,
}

impl<'a> From<&'a Attributes> for Head<'a> {
    fn from(attributes: &'a Attributes) -> Self {
        Self {
            id: &attributes.id,
            source: &attributes.source,
            event_type: &attributes.event_type,
            time: attributes.time,
            data_content_type: attributes.data_content_type.as_deref(),
            data_schema: attributes.data_schema.as_deref(),
            subject: attributes.subject.as_deref(),
            partition_key: attributes.partition_key.as_deref(),
            correlation_id: attributes.correlation_id.as_deref(),
            causation_id: attributes.causation_id.as_deref(),
            trace_parent: attributes.trace_parent.as_deref(),
        }
    }
}

impl From<&Head<'_>> for Attributes {
    fn from(head: &Head<'_>) -> Self {
        Self {
            id: head.id.into(),
            source: head.source.into(),
            event_type: head.event_type.into(),
            time: head.time,
            data_content_type: head.data_content_type.map(Into::into),
            data_schema: head.data_schema.map(Into::into),
            subject: head.subject.map(Into::into),
            partition_key: head.partition_key.map(Into::into),
            correlation_id: head.correlation_id.map(Into::into),
            causation_id: head.causation_id.map(Into::into),
            trace_parent: head.trace_parent.map(Into::into),
            extensions: BTreeMap::new(),
        }
    }
}

/// Writes an event as structured JSON. Fails only where the event's own `Serialize` does.
pub fn encode<E: Event>(attributes: &Attributes, event: &E) -> Result<Vec<u8>, serde_json::Error> {
    write(&attributes.into(), &attributes.extensions, event)
}

/// As [`encode`], of attributes that are not kept.
#[cfg(feature = "runtime")]
pub(crate) fn encode_head<E: Event>(
    head: &Head<'_>,
    event: &E,
) -> Result<Vec<u8>, serde_json::Error> {
    write(head, &BTreeMap::new(), event)
}

fn write<E: Event>(
    head: &Head<'_>,
    extensions: &BTreeMap<String, Value>,
    event: &E,
) -> Result<Vec<u8>, serde_json::Error> {
    let mut json = Vec::with_capacity(ROOM);
    member(&mut json, r#"{"specversion":"1.0","id":"#, head.id)?;
    member(&mut json, r#","source":"#, head.source)?;
    member(&mut json, r#","type":"#, head.event_type)?;
    if let Some(time) = &head.time {
        json.extend_from_slice(br#","time":""#);
        TIME.print_timestamp(time, &mut json)
            .map_err(serde::ser::Error::custom)?;
        json.push(b'"');
    }
    for (begin, value) in [
        (r#","datacontenttype":"#, head.data_content_type),
        (r#","dataschema":"#, head.data_schema),
        (r#","subject":"#, head.subject),
        (r#","partitionkey":"#, head.partition_key),
        (r#","correlationid":"#, head.correlation_id),
        (r#","causationid":"#, head.causation_id),
        (r#","traceparent":"#, head.trace_parent),
    ] {
        if let Some(value) = value {
            member(&mut json, begin, value)?;
        }
    }
    for (name, value) in extensions {
        json.push(b',');
        text(&mut json, name)?;
        json.push(b':');
        serde_json::to_writer(&mut json, value)?;
    }
    json.extend_from_slice(br#","data":"#);
    serde_json::to_writer(&mut json, &event::Written(event))?;
    json.push(b'}');
    Ok(json)
}

/// Writes a bare event: its data alone. Fails only where the event's own `Serialize` does.
pub(crate) fn encode_bare<E: Event>(event: &E) -> Result<Vec<u8>, serde_json::Error> {
    serde_json::to_vec(&event::Written(event))
}

fn member(json: &mut Vec<u8>, begin: &str, value: &str) -> Result<(), serde_json::Error> {
    json.extend_from_slice(begin.as_bytes());
    text(json, value)
}

fn text(json: &mut Vec<u8>, text: &str) -> Result<(), serde_json::Error> {
    // Without an early end it is looked at many bytes at a time; and hardly any text needs escapes.
    let escaped = |found, byte| found | matches!(byte, ..b' ' | b'"' | b'\\');
    if text.bytes().fold(false, escaped) {
        return serde_json::to_writer(json, text);
    }
    json.push(b'"');
    json.extend_from_slice(text.as_bytes());
    json.push(b'"');
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::text;

    #[test]
    fn texts_are_written_as_serde_writes_them() {
        let all: String = (0..=0x2ff).filter_map(char::from_u32).collect();
        let each = all.chars().map(String::from);
        for part in each.chain([String::new(), all.clone(), "😀 \u{2028}".into()]) {
            let mut json = Vec::new();
            text(&mut json, &part).unwrap();
            assert_eq!(json, serde_json::to_vec(&part).unwrap(), "{part:?}");
        }
    }
}
