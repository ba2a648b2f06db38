//! The message ids that a stream has seen within the window.

use std::collections::hash_map::RandomState;
use std::collections::{HashMap, VecDeque};
use std::hash::BuildHasher;

use bytestring::ByteString;
use tokio::time::Instant;

use super::WINDOW;
use super::block::Block;

/// Ids in the order in which they came, and each one's number by its hash. A map of the ids themselves would be far
/// larger, and read all of them anew each time that it grows.
#[derive(Debug, Default)]
pub(super) struct Ids {
    order: VecDeque<Seen>,
    /// How many came before those in `order`: the number of the first one there.
    forgotten: u64,
    /// Of two ids with one hash, the later one.
    numbers: HashMap<u64, u64>,
    hasher: RandomState,
    block: Block,
}

#[derive(Debug)]
struct Seen {
    id: ByteString,
    at: Instant,
    sequence: u64,
}

/// An id that was not found.
#[derive(Debug)]
pub(super) struct Unseen {
    hash: u64,
}

impl Ids {
    /// What is stored under this id, if it was seen within the window.
    pub(super) fn find(&self, id: &str) -> Result<u64, Unseen> {
        let hash = self.hasher.hash_one(id);
        let number = self.numbers.get(&hash).ok_or(Unseen { hash })?;
        let place = usize::try_from(number - self.forgotten).ok();
        let same = place.and_then(|place| self.order.get(place));
        // Two ids with one hash: that is as good as never, and the search may take its time.
        let same = same.filter(|seen| seen.id == id);
        let same = same.or_else(|| self.order.iter().find(|seen| seen.id == id));
        same.map(|seen| seen.sequence).ok_or(Unseen { hash })
    }

    /// Sees an id that was not found. Gives it back as it is kept.
    pub(super) fn insert(
        &mut self,
        Unseen { hash }: Unseen,
        id: &str,
        sequence: u64,
        at: Instant,
    ) -> ByteString {
        let number = self.forgotten + self.order.len() as u64;
        self.numbers.insert(hash, number);
        let id = self.block.keep_text(id);
        self.order.push_back(Seen {
            id: id.clone(),
            at,
            sequence,
        });
        id
    }

    /// Forgets those whose window is over.
    pub(super) fn advance(&mut self, now: Instant) {
        while let Some(seen) = self.order.front()
            && now.saturating_duration_since(seen.at) >= WINDOW
        {
            let hash = self.hasher.hash_one(&*seen.id);
            if self.numbers.get(&hash) == Some(&self.forgotten) {
                self.numbers.remove(&hash);
            }
            self.order.pop_front();
            self.forgotten += 1;
        }
    }
}
