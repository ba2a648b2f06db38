//! Writes an event in structured mode.

use serde::ser::{Serialize, SerializeMap, Serializer};

use super::Attributes;
use crate::event::{self, Event};

/// Writes an event as structured JSON. Fails only where the event's own `Serialize` does.
pub fn encode<E: Event>(attributes: &Attributes, event: &E) -> Result<Vec<u8>, serde_json::Error> {
    let mut bytes = Vec::with_capacity(512);
    let data = event::Written(event);
    serde_json::to_writer(&mut bytes, &Structured { attributes, data })?;
    Ok(bytes)
}

/// Writes a bare event: its data alone. Fails only where the event's own `Serialize` does.
pub(crate) fn encode_bare<E: Event>(event: &E) -> Result<Vec<u8>, serde_json::Error> {
    serde_json::to_vec(&event::Written(event))
}

struct Structured<'a, T> {
    attributes: &'a Attributes,
    data: T,
}

impl<T: Serialize> Serialize for Structured<'_, T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let Self { attributes, data } = self;
        let mut map = serializer.serialize_map(None)?;
        map.serialize_entry("specversion", "1.0")?;
        map.serialize_entry("id", &attributes.id)?;
        map.serialize_entry("source", &attributes.source)?;
        map.serialize_entry("type", &attributes.event_type)?;
        if let Some(time) = &attributes.time {
            map.serialize_entry("time", &format_args!("{time:.3}"))?;
        }
        for (name, value) in attributes.optional() {
            if let Some(value) = value {
                map.serialize_entry(name, value)?;
            }
        }
        for (name, value) in &attributes.extensions {
            map.serialize_entry(name, value)?;
        }
        map.serialize_entry("data", data)?;
        map.end()
    }
}
