//! What a type needs besides its `#[event(…)]` attribute, each with one sentence for its absence.
//!
//! Supertraits of our own, because a missing `Serialize` would otherwise be reported in serde's words, twice.

use schemars::JsonSchema;
use serde::Serialize;
use serde::de::DeserializeOwned;

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
