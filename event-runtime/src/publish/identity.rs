//! Who an event is: ids that are the same on every run, and never shared by two events.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use bytestring::ByteString;
use jiff::Timestamp;
use sha2::{Digest, Sha256};
use uuid::{Builder, Uuid};

/// The event that is being handled, as the cause of what its handler publishes.
#[derive(Debug)]
pub(crate) struct Cause {
    pub(crate) handler: &'static str,
    pub(crate) source: ByteString,
    pub(crate) id: ByteString,
    pub(crate) time: Timestamp,
    pub(crate) correlation_id: Option<ByteString>,
    pub(crate) trace_parent: Option<ByteString>,
    /// How often the input was redriven as a new event: then what is published is new as well.
    pub(crate) fresh: u32,
    /// How many events of a type and key this run has published.
    pub(crate) published: Mutex<HashMap<(&'static str, Option<String>), u32>>,
}

impl Cause {
    /// The id of the next event of this type and key that this run publishes.
    ///
    /// The layout of `UUIDv7` keeps ids ordered in time; the input's time and a hash in place of the random
    /// bits make them the same whenever the handler runs again.
    pub(crate) fn next_id(
        &self,
        service: &str,
        event_type: &'static str,
        key: Option<&str>,
    ) -> Uuid {
        let ordinal = {
            let mut published = self
                .published
                .lock()
                .unwrap_or_else(PoisonError::into_inner);
            let next = published
                .entry((event_type, key.map(str::to_owned)))
                .or_default();
            let ordinal = *next;
            *next += 1;
            ordinal
        };
        let hash = hash(&[
            service.as_bytes(),
            self.handler.as_bytes(),
            self.source.as_bytes(),
            self.id.as_bytes(),
            event_type.as_bytes(),
            &[u8::from(key.is_some())],
            key.unwrap_or_default().as_bytes(),
            &ordinal.to_be_bytes(),
            &self.fresh.to_be_bytes(),
        ]);
        let mut random = [0; 10];
        random.copy_from_slice(&hash[..10]);
        Builder::from_unix_timestamp_millis(self.millis(), &random).into_uuid()
    }

    /// The time that is part of the ids. An input with an id of our kind has it there; its `time` may differ
    /// between two copies of one event, stored before and after the broker's window.
    fn millis(&self) -> u64 {
        let in_id = Uuid::try_parse(&self.id)
            .ok()
            .filter(|id| id.get_version_num() == 7)
            .and_then(|id| id.get_timestamp());
        in_id.map_or_else(
            || clamped_millis(self.time),
            |time| {
                let (seconds, nanos) = time.to_unix();
                seconds * 1000 + u64::from(nanos / 1_000_000)
            },
        )
    }
}

/// The broker's message id for an event with an id of the caller's choice: such ids may be shared by events
/// of other types and sources, and the broker looks at nothing else.
pub(super) fn message_id(source: &str, event_type: &str, id: &str) -> Uuid {
    let hash = hash(&[source.as_bytes(), event_type.as_bytes(), id.as_bytes()]);
    let mut bytes = [0; 16];
    bytes.copy_from_slice(&hash[..16]);
    Builder::from_custom_bytes(bytes).into_uuid()
}

/// A hash over parts, each with its length before it, so that no two lists of parts meet.
fn hash(parts: &[&[u8]]) -> [u8; 32] {
    let mut hasher = Sha256::new();
    for part in parts {
        hasher.update((part.len() as u64).to_be_bytes());
        hasher.update(part);
    }
    hasher.finalize().into()
}

/// `UUIDv7` has 48 bits of milliseconds since 1970.
fn clamped_millis(time: Timestamp) -> u64 {
    u64::try_from(time.as_millisecond())
        .unwrap_or(0)
        .min((1 << 48) - 1)
}

#[cfg(test)]
mod tests {
    use super::{Cause, message_id};

    fn cause(id: &str) -> Cause {
        Cause {
            handler: "charge",
            source: "/shop".into(),
            id: id.into(),
            time: "2026-11-23T05:00:00.123Z".parse().unwrap(),
            correlation_id: None,
            trace_parent: None,
            fresh: 0,
            published: std::sync::Mutex::default(),
        }
    }

    #[test]
    fn ids_are_the_same_on_every_run_and_differ_within_one() {
        let (first, again) = (cause("1"), cause("1"));
        let ids = |cause: &Cause| {
            [None, None, Some("k"), Some("")]
                .map(|key| cause.next_id("billing", "payment.taken.v1", key))
        };
        let one = ids(&first);
        assert_eq!(one, ids(&again));
        let distinct: std::collections::HashSet<_> = one.iter().collect();
        assert_eq!(distinct.len(), 4);
        assert_ne!(
            one[0],
            cause("2").next_id("billing", "payment.taken.v1", None)
        );
        assert_eq!(one[0].get_version_num(), 7);
    }

    #[test]
    fn a_derived_id_carries_the_time_of_its_cause() {
        let id = cause("1").next_id("billing", "payment.taken.v1", None);
        let (seconds, nanos) = id.get_timestamp().unwrap().to_unix();
        assert_eq!((seconds, nanos), (1_795_410_000, 123_000_000));
    }

    #[test]
    fn copies_of_one_event_have_the_same_consequences() {
        let first = cause("1").next_id("billing", "payment.taken.v1", None);
        let copies = ["2026-11-23T05:00:00.123Z", "2026-11-24T00:00:00Z"].map(|time| {
            let mut copy = cause(&first.to_string());
            copy.time = time.parse().unwrap();
            copy.next_id("shipping", "order.shipped.v1", None)
        });
        assert_eq!(copies[0], copies[1]);
        assert_eq!(copies[0].get_timestamp(), first.get_timestamp());
    }

    #[test]
    fn message_ids_keep_sources_and_types_apart() {
        assert_eq!(message_id("/a", "t.v1", "1"), message_id("/a", "t.v1", "1"));
        assert_ne!(message_id("/a", "t.v1", "1"), message_id("/b", "t.v1", "1"));
        assert_ne!(message_id("/a", "t.v1", "1"), message_id("/a", "t.v2", "1"));
    }
}
