//! One durable: how far it has come, and what is delivered and not settled.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, HashMap, VecDeque};
use std::mem;
use std::sync::Arc;

use tokio::sync::Notify;
use tokio::time::Instant;

use super::messages::{Kept, Messages};
use super::settled::Settled;
use crate::broker::{DurableInfo, DurableSpec, Position, subject};

#[derive(Debug)]
pub(super) struct Durable {
    spec: DurableSpec,
    generation: u64,
    /// The first sequence that was never delivered.
    cursor: u64,
    unsettled: HashMap<u64, Unsettled>,
    /// What is among `unsettled` and should not be.
    settled: Arc<Settled>,
    /// When what is unsettled is delivered again, the earliest first. Entries stay here when they count no more, as
    /// `unsettled` tells: nearly all do, and to take each one out would cost more than to pass it over.
    due: BinaryHeap<Reverse<(Instant, u64)>>,
    /// Those whose time has come. Only settling stops them now; may hold settled ones.
    again: VecDeque<u64>,
    changed: Arc<Notify>,
    /// Whether a subscription found nothing to deliver since all were woken.
    waits: bool,
}

#[derive(Debug, Clone, Copy)]
struct Unsettled {
    deliveries: u64,
    /// `None` once it waits in `again`.
    due: Option<Instant>,
}

/// A message that is delivered, and how often it was.
#[derive(Debug)]
pub(super) struct Taken {
    pub(super) sequence: u64,
    pub(super) kept: Kept,
    pub(super) deliveries: u64,
}

impl Durable {
    pub(super) fn new(spec: DurableSpec, generation: u64, first: u64) -> Self {
        Self {
            spec,
            generation,
            cursor: first,
            unsettled: HashMap::new(),
            settled: Arc::default(),
            due: BinaryHeap::new(),
            again: VecDeque::new(),
            changed: Arc::default(),
            waits: false,
        }
    }

    pub(super) fn spec(&self) -> &DurableSpec {
        &self.spec
    }

    pub(super) fn generation(&self) -> u64 {
        self.generation
    }

    /// What a subscription that found nothing to deliver waits for.
    pub(super) fn changed(&self) -> &Arc<Notify> {
        &self.changed
    }

    /// Where its deliveries are settled without the broker's lock.
    pub(super) fn settled(&self) -> &Arc<Settled> {
        &self.settled
    }

    pub(super) fn info(&self, messages: &Messages) -> DurableInfo {
        let pending = messages
            .from(self.cursor)
            .filter(|(_, kept)| self.delivers(&kept.subject))
            .count();
        DurableInfo {
            position: Position {
                pending: pending as u64,
                unsettled: self.unsettled.len() as u64,
            },
            ..DurableInfo::new(&self.spec)
        }
    }

    pub(super) fn delivers(&self, subject: &str) -> bool {
        subject::matches(&self.spec.filter, subject)
    }

    /// Lets happen what is due: deliveries whose time has come go among those that are delivered again, unless they are
    /// settled.
    pub(super) fn advance(&mut self, now: Instant) -> Option<Arc<Notify>> {
        let mut changed = self.take_in();
        if self.waits {
            // Whoever told of the last one may have told of nothing new, as a delivery can be settled twice: ask again.
            changed = changed.or_else(|| self.make_room());
        }
        while let Some(&Reverse((due, sequence))) = self.due.peek()
            && due <= now
        {
            self.due.pop();
            if counts(&self.unsettled, sequence, due) {
                // Who waits knows when something is due, and is not woken.
                self.comes_again(sequence);
            }
        }
        changed
    }

    fn take_in(&mut self) -> Option<Arc<Notify>> {
        let was_full = self.room() == 0;
        self.settled.take(|sequence| {
            self.unsettled.remove(&sequence);
        });
        if was_full && self.room() > 0 {
            self.wake()
        } else {
            None
        }
    }

    /// Where it is full, takes in what was settled just now, or is told of the next one at once.
    pub(super) fn make_room(&mut self) -> Option<Arc<Notify>> {
        let mut changed = None;
        while self.room() == 0 && !self.settled.ask() {
            changed = changed.or(self.take_in());
        }
        changed
    }

    /// What is to be delivered now, with its count: first what comes again, then what is new. Where that is nothing, the
    /// caller is woken as soon as it may be something.
    pub(super) fn take(&mut self, messages: &Messages, demand: usize, now: Instant) -> Vec<Taken> {
        let mut taken = Vec::new();
        while taken.len() < demand
            && let Some(sequence) = self.again.pop_front()
        {
            // It may have been settled since, or removed from the stream.
            let Some(unsettled) = self.unsettled.get(&sequence) else {
                continue;
            };
            let Some(kept) = messages.get(sequence) else {
                continue;
            };
            let deliveries = unsettled.deliveries + 1;
            self.deliver(sequence, deliveries, now);
            taken.push(Taken {
                sequence,
                kept: kept.clone(),
                deliveries,
            });
        }
        let room = demand - taken.len();
        let mut room = room.min(self.room());
        let mut new = messages.from(self.cursor);
        while room > 0
            && let Some((sequence, kept)) = new.next()
        {
            self.cursor = sequence + 1;
            if self.delivers(&kept.subject) {
                self.deliver(sequence, 1, now);
                taken.push(Taken {
                    sequence,
                    kept: kept.clone(),
                    deliveries: 1,
                });
                room -= 1;
            }
        }
        self.waits |= taken.is_empty();
        taken
    }

    /// How many may be delivered for the first time.
    fn room(&self) -> usize {
        self.spec
            .max_ack_pending
            .saturating_sub(self.unsettled.len())
    }

    fn deliver(&mut self, sequence: u64, deliveries: u64, now: Instant) {
        let due = now + self.spec.ack_wait;
        let unsettled = Unsettled {
            deliveries,
            due: Some(due),
        };
        self.unsettled.insert(sequence, unsettled);
        self.await_until(due, sequence);
    }

    fn await_until(&mut self, due: Instant, sequence: u64) {
        // By then more than half count no more, so each is looked at a bounded number of times.
        if self.due.len() > 2 * self.unsettled.len() + 64 {
            let unsettled = &self.unsettled;
            self.due
                .retain(|Reverse((due, sequence))| counts(unsettled, *sequence, *due));
        }
        self.due.push(Reverse((due, sequence)));
    }

    /// When something is delivered again if nothing else happens.
    pub(super) fn next_due(&mut self) -> Option<Instant> {
        while let Some(&Reverse((due, sequence))) = self.due.peek() {
            if counts(&self.unsettled, sequence, due) {
                return Some(due);
            }
            self.due.pop();
        }
        None
    }

    /// Whether a subscription waits for something to deliver.
    pub(super) fn waits(&self) -> bool {
        self.waits
    }

    /// What to notify, once nobody holds the lock, so that its subscriptions look again. Nothing where none waits.
    pub(super) fn wake(&mut self) -> Option<Arc<Notify>> {
        mem::take(&mut self.waits).then(|| Arc::clone(&self.changed))
    }

    /// It is settled, also when that comes late. As all that changes something, it says what to notify.
    pub(super) fn settle(&mut self, sequence: u64) -> Option<Arc<Notify>> {
        let was_full = self.room() == 0;
        self.unsettled.remove(&sequence)?;
        if was_full { self.wake() } else { None }
    }

    /// It is delivered again as soon as someone asks.
    pub(super) fn redeliver(&mut self, sequence: u64) -> Option<Arc<Notify>> {
        if self.comes_again(sequence) {
            self.wake()
        } else {
            None
        }
    }

    fn comes_again(&mut self, sequence: u64) -> bool {
        let unsettled = self.unsettled.get_mut(&sequence);
        let comes = unsettled.is_some_and(|unsettled| unsettled.due.take().is_some());
        if comes {
            self.again.push_back(sequence);
        }
        comes
    }

    /// It comes again at this time, unless something else happens before; too late once its time has come.
    pub(super) fn redeliver_at(&mut self, sequence: u64, at: Instant) -> Option<Arc<Notify>> {
        let due = self.unsettled.get_mut(&sequence)?.due.as_mut()?;
        let before = mem::replace(due, at);
        if before != at {
            self.await_until(at, sequence);
        }
        // Who waits looks when it was due before, and then sees how much later it is now.
        if at < before { self.wake() } else { None }
    }
}

/// Whether a delivery that was to come again at this time still is.
fn counts(unsettled: &HashMap<u64, Unsettled>, sequence: u64, due: Instant) -> bool {
    let unsettled = unsettled.get(&sequence);
    unsettled.is_some_and(|unsettled| unsettled.due == Some(due))
}
