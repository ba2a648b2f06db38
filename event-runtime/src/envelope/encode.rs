//! Writes an event in structured mode.
//!
//! By hand around the data, since all of it is text between constant text: a serializer asks more of each
//! attribute than writing it takes.

use jiff::Timestamp;
use jiff::fmt::temporal::DateTimePrinter;
use serde_json::Value;

use super::Attributes;
use crate::event::{self, Event};

/// Milliseconds, always.
const TIME: DateTimePrinter = DateTimePrinter::new().precision(Some(3));

/// Most events fit.
const ROOM: usize = 1024;

/// What all events of a type have in common in their envelopes, as it is written.
#[derive(Debug)]
pub(crate) struct Common {
    /// After the id.
    begin: Vec<u8>,
    /// After the time.
    end: Vec<u8>,
}

/// What is an event's own in its envelope.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Own<'a> {
    pub(crate) id: &'a str,
    pub(crate) time: Option<Timestamp>,
    pub(crate) partition_key: Option<&'a str>,
    pub(crate) correlation_id: Option<&'a str>,
    pub(crate) causation_id: Option<&'a str>,
    pub(crate) trace_parent: Option<&'a str>,
}

impl Common {
    pub(crate) fn of(attributes: &Attributes) -> Self {
        let (mut begin, mut end) = (Vec::new(), Vec::new());
        member(&mut begin, r#","source":"#, Some(&attributes.source));
        member(&mut begin, r#","type":"#, Some(&attributes.event_type));
        for (start, value) in [
            (r#","datacontenttype":"#, &attributes.data_content_type),
            (r#","dataschema":"#, &attributes.data_schema),
            (r#","subject":"#, &attributes.subject),
        ] {
            member(&mut end, start, value.as_deref());
        }
        Self { begin, end }
    }
}

#[cfg(feature = "runtime")]
impl Attributes {
    /// These, which are common to a type, with what is an event's own.
    pub(crate) fn with(&self, own: &Own<'_>) -> Self {
        Self {
            id: own.id.into(),
            time: own.time,
            partition_key: own.partition_key.map(Into::into),
            correlation_id: own.correlation_id.map(Into::into),
            causation_id: own.causation_id.map(Into::into),
            trace_parent: own.trace_parent.map(Into::into),
            ..self.clone()
        }
    }
}

/// Writes an event as structured JSON. Fails only where the event's own `Serialize` does.
pub fn encode<E: Event>(attributes: &Attributes, event: &E) -> Result<Vec<u8>, serde_json::Error> {
    let own = Own {
        id: &attributes.id,
        time: attributes.time,
        partition_key: attributes.partition_key.as_deref(),
        correlation_id: attributes.correlation_id.as_deref(),
        causation_id: attributes.causation_id.as_deref(),
        trace_parent: attributes.trace_parent.as_deref(),
    };
    let mut json = head(&Common::of(attributes), &own);
    for (name, value) in &attributes.extensions {
        json.push(b',');
        text(&mut json, name);
        json.push(b':');
        serde_json::to_writer(&mut json, value)?;
    }
    finish(json, event)
}

/// As [`encode`], where what is common was prepared.
#[cfg(feature = "runtime")]
pub(crate) fn encode_own<E: Event>(
    common: &Common,
    own: &Own<'_>,
    event: &E,
) -> Result<Vec<u8>, serde_json::Error> {
    finish(head(common, own), event)
}

fn head(common: &Common, own: &Own<'_>) -> Vec<u8> {
    let mut json = Vec::with_capacity(ROOM);
    member(&mut json, r#"{"specversion":"1.0","id":"#, Some(own.id));
    json.extend_from_slice(&common.begin);
    if let Some(time) = &own.time {
        json.extend_from_slice(br#","time":""#);
        // Writing to memory never fails.
        let _ = TIME.print_timestamp(time, &mut json);
        json.push(b'"');
    }
    json.extend_from_slice(&common.end);
    member(&mut json, r#","partitionkey":"#, own.partition_key);
    member(&mut json, r#","correlationid":"#, own.correlation_id);
    member(&mut json, r#","causationid":"#, own.causation_id);
    member(&mut json, r#","traceparent":"#, own.trace_parent);
    json
}

fn finish<E: Event>(mut json: Vec<u8>, event: &E) -> Result<Vec<u8>, serde_json::Error> {
    json.extend_from_slice(br#","data":"#);
    serde_json::to_writer(&mut json, &event::Written(event))?;
    json.push(b'}');
    Ok(json)
}

/// Writes a bare event: its data alone. Fails only where the event's own `Serialize` does.
pub(crate) fn encode_bare<E: Event>(event: &E) -> Result<Vec<u8>, serde_json::Error> {
    serde_json::to_vec(&event::Written(event))
}

fn member(json: &mut Vec<u8>, start: &str, value: Option<&str>) {
    if let Some(value) = value {
        json.extend_from_slice(start.as_bytes());
        text(json, value);
    }
}

fn text(json: &mut Vec<u8>, text: &str) {
    // Hardly any text needs escapes.
    let escaped = |byte| matches!(byte, ..b' ' | b'"' | b'\\');
    if text.bytes().any(escaped) {
        json.extend_from_slice(Value::from(text).to_string().as_bytes());
    } else {
        json.push(b'"');
        json.extend_from_slice(text.as_bytes());
        json.push(b'"');
    }
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
            text(&mut json, &part);
            assert_eq!(json, serde_json::to_vec(&part).unwrap(), "{part:?}");
        }
    }
}
