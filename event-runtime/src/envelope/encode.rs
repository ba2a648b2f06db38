//! Writes an event in structured mode.
//!
//! By hand around the data, since all of it is text between constant text: a serializer asks more of each
//! attribute than writing it takes.

use jiff::Timestamp;
use jiff::fmt::temporal::DateTimePrinter;
use jiff::tz::Offset;
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
    let mut json = Vec::with_capacity(ROOM);
    head(&mut json, &Common::of(attributes), &own);
    for (name, value) in &attributes.extensions {
        json.push(b',');
        text(&mut json, name);
        json.push(b':');
        serde_json::to_writer(&mut json, value)?;
    }
    finish(json, event)
}

/// As [`encode`], where what is common was prepared, and memory too.
#[cfg(feature = "runtime")]
pub(crate) fn encode_own<E: Event>(
    mut json: Vec<u8>,
    common: &Common,
    own: &Own<'_>,
    event: &E,
) -> Result<Vec<u8>, serde_json::Error> {
    head(&mut json, common, own);
    finish(json, event)
}

fn head(json: &mut Vec<u8>, common: &Common, own: &Own<'_>) {
    member(json, r#"{"specversion":"1.0","id":"#, Some(own.id));
    json.extend_from_slice(&common.begin);
    if let Some(time) = &own.time {
        json.extend_from_slice(br#","time":""#);
        write_time(json, *time);
        json.push(b'"');
    }
    json.extend_from_slice(&common.end);
    member(json, r#","partitionkey":"#, own.partition_key);
    member(json, r#","correlationid":"#, own.correlation_id);
    member(json, r#","causationid":"#, own.causation_id);
    member(json, r#","traceparent":"#, own.trace_parent);
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

/// As `TIME` does, at a third of the price, for the years that nearly all times are in.
fn write_time(json: &mut Vec<u8>, time: Timestamp) {
    let parts = Offset::UTC.to_datetime(time);
    let digit = |number: i32| b'0' + u8::try_from(number.rem_euclid(10)).unwrap_or_default();
    let mut text = *b"0000-00-00T00:00:00.000Z";
    let mut put = |at: usize, length: usize, mut number: i32| {
        for digits in text[at..at + length].iter_mut().rev() {
            *digits = digit(number);
            number /= 10;
        }
    };
    put(0, 4, parts.year().into());
    put(5, 2, parts.month().into());
    put(8, 2, parts.day().into());
    put(11, 2, parts.hour().into());
    put(14, 2, parts.minute().into());
    put(17, 2, parts.second().into());
    put(20, 3, parts.subsec_nanosecond() / 1_000_000);
    if parts.year() >= 0 {
        json.extend_from_slice(&text);
    } else {
        // Writing to memory never fails.
        let _ = TIME.print_timestamp(&time, json);
    }
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
    // All bytes are looked at, since without a way out there is one instruction for many of them.
    if text.bytes().fold(false, |any, byte| any | escaped(byte)) {
        json.extend_from_slice(Value::from(text).to_string().as_bytes());
    } else {
        json.push(b'"');
        json.extend_from_slice(text.as_bytes());
        json.push(b'"');
    }
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;

    use super::{TIME, text, write_time};

    #[test]
    fn times_are_written_as_jiff_writes_them() {
        for time in [
            "0000-01-01T00:00:00Z",
            "-000001-12-31T23:59:59.9999Z",
            "1969-12-31T23:59:59.9995Z",
            "2026-02-28T09:08:07.0456Z",
            "2028-02-29T23:59:59.999999999Z",
            "9999-12-30T21:59:59.999Z",
        ] {
            let time: Timestamp = time.parse().unwrap();
            let (mut ours, mut theirs) = (Vec::new(), Vec::new());
            write_time(&mut ours, time);
            TIME.print_timestamp(&time, &mut theirs).unwrap();
            assert_eq!(String::from_utf8(ours), String::from_utf8(theirs));
        }
    }

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
