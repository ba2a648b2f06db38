//! The schema of an event, as its contract: JSON Schema draft-07 of what is written, with sorted keys.

use schemars::generate::SchemaSettings;
use serde_json::Value;

use crate::event::EventDescriptor;

/// The contract of one event version.
///
/// It describes what is on the wire, so it is the schema of serializing, and says in `x-event` where such
/// events are found.
pub fn contract(event: &EventDescriptor) -> Value {
    let mut generator = SchemaSettings::draft07().for_serialize().into_generator();
    let mut schema = (event.schema)(&mut generator).to_value();
    if let Value::Object(schema) = &mut schema {
        let mut about = serde_json::json!({
            "name": event.name,
            "version": event.version,
            "type": event.wire_type,
            "topic": event.topic.as_str(),
            "key": event.key,
        });
        if event.bare {
            // The message is this and nothing around it.
            about["bare"] = true.into();
        }
        schema.insert("x-event".into(), about);
    }
    sorted(schema)
}

/// The same value with the keys of all objects in order, whatever `serde_json` was built to keep.
pub(crate) fn sorted(value: Value) -> Value {
    match value {
        Value::Object(map) => {
            let mut entries: Vec<(String, Value)> = map.into_iter().collect();
            entries.sort_by(|a, b| a.0.cmp(&b.0));
            Value::Object(
                entries
                    .into_iter()
                    .map(|(key, value)| (key, sorted(value)))
                    .collect(),
            )
        }
        Value::Array(list) => Value::Array(list.into_iter().map(sorted).collect()),
        value => value,
    }
}
