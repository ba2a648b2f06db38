//! An event type as data, found at link time.

use std::fmt;

use schemars::{Schema, SchemaGenerator};

use super::{Event, PreviousVersion, TopicTemplate};

/// An event type as data.
#[derive(Clone, Copy)]
#[non_exhaustive]
pub struct EventDescriptor {
    /// The name, the same for all versions.
    pub name: &'static str,
    /// The version.
    pub version: u32,
    /// Name and version as on the wire.
    pub wire_type: &'static str,
    /// Where it is published.
    pub topic: TopicTemplate,
    /// The field that is its key.
    pub key: Option<&'static str>,
    /// Whether its messages are the JSON alone, without an envelope.
    pub bare: bool,
    /// The stream that the type asks for; otherwise it is named after the topic's first word.
    pub stream: Option<&'static str>,
    /// The Rust type, for messages.
    pub type_name: &'static str,
    /// The source file.
    pub file: &'static str,
    /// The line there.
    pub line: u32,
    /// The version before.
    pub previous: fn() -> Option<&'static EventDescriptor>,
    /// Its schema, written with the generator's settings.
    pub schema: fn(&mut SchemaGenerator) -> Schema,
}

impl EventDescriptor {
    /// For generated code: describes `E`.
    #[doc(hidden)]
    pub const fn of<E: Event>(
        type_name: &'static str,
        key: Option<&'static str>,
        stream: Option<&'static str>,
        file: &'static str,
        line: u32,
    ) -> Self {
        Self {
            name: E::NAME,
            version: E::VERSION,
            wire_type: E::WIRE_TYPE,
            topic: E::TOPIC,
            key,
            bare: <E as Event>::BARE,
            stream,
            type_name,
            file,
            line,
            previous: <E::Previous as PreviousVersion>::descriptor,
            schema: E::data_schema,
        }
    }

    /// All event types linked into this program, sorted by name and version.
    pub fn linked() -> Vec<&'static Self> {
        let mut all: Vec<_> = inventory::iter::<EventRegistration>
            .into_iter()
            .map(|entry| entry.0)
            .collect();
        all.sort_by_key(|event| (event.name, event.version, event.file, event.line));
        all
    }

    /// The name of the stream for this event: the one it asks for, else the topic's first word in upper case.
    pub fn stream_name(&self) -> String {
        self.stream.map_or_else(
            || self.topic.first_token().to_ascii_uppercase(),
            str::to_owned,
        )
    }
}

impl fmt::Debug for EventDescriptor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("EventDescriptor")
            .field("wire_type", &self.wire_type)
            .finish_non_exhaustive()
    }
}

/// What `#[derive(Event)]` leaves for the program to find.
#[doc(hidden)]
#[derive(Debug)]
pub struct EventRegistration(pub &'static EventDescriptor);

inventory::collect!(EventRegistration);
