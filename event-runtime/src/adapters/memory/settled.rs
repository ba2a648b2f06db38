//! Deliveries that are done, before their durable knows.

use std::mem;
use std::sync::{Mutex, MutexGuard, PoisonError};

/// What a handler has done with is left here, and taken in before anybody looks at the durable. A handler settles one
/// event after another while others publish to the stream; if it looked for the broker's lock each time, the two would
/// mostly wait for each other.
#[derive(Debug, Default)]
pub(super) struct Settled(Mutex<Left>);

#[derive(Debug, Default)]
struct Left {
    sequences: Vec<u64>,
    /// The durable is full, and somebody waits for the next one. Where both are so, either this is set or whoever took
    /// it is on the way to the broker's lock, and sets it again if nothing has changed.
    asked: bool,
}

impl Settled {
    fn lock(&self) -> MutexGuard<'_, Left> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Leaves one here. Says whether somebody waits for it, and it has to be taken in now.
    pub(super) fn leave(&self, sequence: u64) -> bool {
        let mut left = self.lock();
        left.sequences.push(sequence);
        mem::take(&mut left.asked)
    }

    /// Takes out all that were left.
    pub(super) fn take(&self, each: impl FnMut(u64)) {
        self.lock().sequences.drain(..).for_each(each);
    }

    /// Asks to be told of the next one. Says no where there is one already.
    pub(super) fn ask(&self) -> bool {
        let mut left = self.lock();
        left.asked = left.sequences.is_empty();
        left.asked
    }
}
