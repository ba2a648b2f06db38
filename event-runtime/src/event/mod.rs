//! What an event is: a name, a version, a topic, a key, and the versions before it.
//!
//! Nothing here does I/O, so a crate that only declares events needs nothing else.

mod descriptor;
mod parts;
mod topic;
mod version;

pub use self::descriptor::{EventDescriptor, EventRegistration};
pub use self::parts::{EventDeserialize, EventSchema, EventSerialize};
pub(crate) use self::parts::{Read, Written};
#[doc(hidden)]
pub use self::parts::{data_schema, read_data, write_data};
pub use self::topic::{TopicError, TopicTemplate};
pub(crate) use self::version::read;
pub use self::version::{NoPrevious, PreviousVersion, UpcastError, VersionError, parse_wire_type};

use schemars::{Schema, SchemaGenerator};
use serde::{Deserializer, Serializer};

/// A typed, versioned event.
///
/// Derive it:
///
/// ```
/// use event_runtime::Event;
/// use schemars::JsonSchema;
/// use serde::{Deserialize, Serialize};
///
/// /// An order was accepted.
/// #[derive(Event, Serialize, Deserialize, JsonSchema)]
/// #[event(name = "order.placed", version = 1, topic = "orders.{region}.placed", key = order_id)]
/// pub struct OrderPlaced {
///     pub order_id: String,
///     pub region: String,
/// }
///
/// let event = OrderPlaced { order_id: "o-1".into(), region: "eu".into() };
/// assert_eq!(event.topic().unwrap(), "orders.eu.placed");
/// assert_eq!(event.key().as_deref(), Some("o-1"));
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not an event",
    label = "not an event",
    note = "write `#[derive(Event, Serialize, Deserialize, JsonSchema)]` and `#[event(name = \"…\", version = 1, topic = \"…\")]` above `{Self}`"
)]
pub trait Event: Send + Sync + Sized + 'static {
    /// The name, the same for all versions: `order.placed`.
    const NAME: &'static str;
    /// The version, from 1. A new one means that old readers can't read the new form.
    const VERSION: u32;
    /// Name and version as they stand on the wire: `order.placed.v2`.
    const WIRE_TYPE: &'static str;
    /// Where events of this type are published.
    const TOPIC: TopicTemplate;
    /// Whether the message is the event's JSON alone, without an envelope: `#[event(bare)]`. What an envelope
    /// would say comes from the broker then: the id is the message id or `{stream}:{sequence}`, the time is
    /// when it was stored.
    const BARE: bool = false;
    /// The version before this one, or [`NoPrevious`].
    type Previous: PreviousVersion;

    /// The topic of this event: the template with its placeholders filled in.
    fn topic(&self) -> Result<String, TopicError>;

    /// The key by which events belong together, if the type has one.
    fn key(&self) -> Option<String>;

    /// Makes this version out of the one before.
    fn upcast(previous: Self::Previous) -> Result<Self, UpcastError>;

    /// Writes the data, by the type's `Serialize`.
    #[doc(hidden)]
    fn write_data<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error>;

    /// Reads the data, by the type's `Deserialize`.
    #[doc(hidden)]
    fn read_data<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error>;

    /// The schema of the data, by the type's `JsonSchema`.
    #[doc(hidden)]
    fn data_schema(generator: &mut SchemaGenerator) -> Schema;

    /// The type as data.
    fn descriptor() -> &'static EventDescriptor;
}
