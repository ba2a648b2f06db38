//! What is the same for all events of a type, made once.

use std::any::TypeId;
use std::collections::HashMap;
use std::hash::{BuildHasherDefault, Hasher};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
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
    /// How much memory the last one took: the next one is hardly any longer.
    room: AtomicUsize,
}

/// The memory for the first event of a type, and the most that is set aside before it is needed.
const ROOM: usize = 1024;
const MOST: usize = 64 * 1024;
/// What events of a type differ by, mostly.
const SPARE: usize = 64;

/// The kinds that were published.
#[derive(Debug, Default)]
pub(super) struct Kinds(RwLock<HashMap<TypeId, Arc<Kind>, BuildHasherDefault<Itself>>>);

/// The hash of a `TypeId`, which is one.
#[derive(Debug, Default)]
struct Itself(u64);

impl Hasher for Itself {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.0 = self.0.rotate_left(8) ^ u64::from(*byte);
        }
    }

    fn write_u64(&mut self, hash: u64) {
        self.0 = hash;
    }
}

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
            room: AtomicUsize::new(ROOM),
        }
    }

    /// Memory to write an event into.
    pub(super) fn room(&self) -> Vec<u8> {
        Vec::with_capacity(self.room.load(Ordering::Relaxed))
    }

    /// Gives back what an event did not need, as it is kept for a while; and learns from it.
    pub(super) fn fit(&self, written: &mut Vec<u8>) {
        let length = written.len();
        if written.capacity() > length + 2 * SPARE {
            written.shrink_to(length);
        }
        let room = (length + SPARE).min(MOST);
        let before = self.room.load(Ordering::Relaxed);
        if before < length + SPARE / 2 || before > length + SPARE * 3 / 2 {
            self.room.store(room, Ordering::Relaxed);
        }
    }
}
