//! What is the same for all events of a type, made once.

use std::any::TypeId;
use std::collections::HashMap;
use std::sync::atomic::AtomicBool;
use std::sync::{Arc, PoisonError, RwLock};

use bytestring::ByteString;

use crate::envelope::{Attributes, Common};
use crate::event::{Event, EventDescriptor};

/// What is the same for all events of a type.
#[derive(Debug)]
pub(super) struct Kind {
    pub(super) event: &'static EventDescriptor,
    /// The attributes that they share.
    pub(super) attributes: Attributes,
    /// The same, as they are written.
    pub(super) common: Common,
    /// Whether a stream is known to hold them.
    pub(super) has_stream: AtomicBool,
}

/// The kinds that were published.
#[derive(Debug, Default)]
pub(super) struct Kinds(RwLock<HashMap<TypeId, Arc<Kind>>>);

impl Kinds {
    pub(super) fn of<E: Event>(&self, service: &str) -> Arc<Kind> {
        let known = self.0.read().unwrap_or_else(PoisonError::into_inner);
        if let Some(kind) = known.get(&TypeId::of::<E>()) {
            return Arc::clone(kind);
        }
        drop(known);
        let mut known = self.0.write().unwrap_or_else(PoisonError::into_inner);
        let kind = known.entry(TypeId::of::<E>());
        Arc::clone(kind.or_insert_with(|| Arc::new(Kind::new::<E>(service))))
    }
}

impl Kind {
    fn new<E: Event>(service: &str) -> Self {
        let schema = format!("urn:{service}:{}:{}", E::NAME, E::VERSION);
        let attributes = Attributes {
            source: format!("/{service}").into(),
            event_type: ByteString::from_static(E::WIRE_TYPE),
            data_content_type: Some(ByteString::from_static("application/json")),
            data_schema: Some(schema.into()),
            ..Attributes::default()
        };
        Self {
            event: E::descriptor(),
            common: Common::of(&attributes),
            attributes,
            has_stream: AtomicBool::new(false),
        }
    }
}
