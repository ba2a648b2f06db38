//! What a type needs besides its `#[event(…)]` attribute, each with one sentence for its absence.
//!
//! Not supertraits of [`Event`]: a missing `Serialize` would then be reported at the impl's header as well, in
//! serde's words. The derive calls each of these functions once instead.

use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::Event;

/// An event can be written: `#[derive(Serialize)]`.
#[diagnostic::on_unimplemented(
    message = "the event `{Self}` can't be written to the wire",
    label = "add `Serialize` to the derives of this event",
    note = "an event needs `#[derive(Event, Serialize, Deserialize, JsonSchema)]`"
)]
pub trait EventSerialize: Serialize {}

#[diagnostic::do_not_recommend]
impl<T: Serialize> EventSerialize for T {}

/// An event can be read: `#[derive(Deserialize)]`.
#[diagnostic::on_unimplemented(
    message = "the event `{Self}` can't be read from the wire",
    label = "add `Deserialize` to the derives of this event",
    note = "an event needs `#[derive(Event, Serialize, Deserialize, JsonSchema)]` and owns its data"
)]
pub trait EventDeserialize: DeserializeOwned {}

#[diagnostic::do_not_recommend]
impl<T: DeserializeOwned> EventDeserialize for T {}

/// An event has a schema: `#[derive(JsonSchema)]`.
#[diagnostic::on_unimplemented(
    message = "the event `{Self}` has no JSON Schema to export as its contract",
    label = "add `JsonSchema` (of `schemars`) to the derives of this event",
    note = "an event needs `#[derive(Event, Serialize, Deserialize, JsonSchema)]`"
)]
pub trait EventSchema: JsonSchema {}

#[diagnostic::do_not_recommend]
impl<T: JsonSchema> EventSchema for T {}

/// For generated code: writes an event's data.
pub fn write_data<E: EventSerialize, S: Serializer>(
    event: &E,
    serializer: S,
) -> Result<S::Ok, S::Error> {
    event.serialize(serializer)
}

/// For generated code: reads an event's data.
pub fn read_data<'de, E: EventDeserialize, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<E, D::Error> {
    E::deserialize(deserializer)
}

/// For generated code: the schema of an event's data.
pub fn data_schema<E: EventSchema>(generator: &mut SchemaGenerator) -> Schema {
    generator.root_schema_for::<E>()
}

/// An event's data, as serde writes it.
pub(crate) struct Written<'a, E>(pub(crate) &'a E);

impl<E: Event> Serialize for Written<'_, E> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.0.write_data(serializer)
    }
}

/// An event's data, as serde reads it.
pub(crate) struct Read<E>(pub(crate) E);

impl<'de, E: Event> Deserialize<'de> for Read<E> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        E::read_data(deserializer).map(Self)
    }
}
