//! One durable: how far it has come, and what is delivered and not settled.

use std::collections::{BTreeMap, BTreeSet, HashMap, VecDeque};

use tokio::time::Instant;

use super::stream::Kept;
use crate::broker::{DurableInfo, DurableSpec, Position, subject};

#[derive(Debug)]
pub(super) struct Durable {
    spec: DurableSpec,
    generation: u64,
    /// The first sequence that was never delivered.
    cursor: u64,
    unsettled: HashMap<u64, Unsettled>,
    /// The unsettled ones by the time at which they are delivered again.
    due: BTreeSet<(Instant, u64)>,
    /// Those whose time has come. Only settling stops them now; may hold settled ones.
    again: VecDeque<u64>,
}

#[derive(Debug, Clone, Copy)]
struct Unsettled {
    deliveries: u64,
    /// `None` once it waits in `again`.
    due: Option<Instant>,
}

impl Durable {
    pub(super) fn new(spec: DurableSpec, generation: u64, first: u64) -> Self {
        Self {
            spec,
            generation,
            cursor: first,
            unsettled: HashMap::new(),
            due: BTreeSet::new(),
            again: VecDeque::new(),
        }
    }

    pub(super) fn spec(&self) -> &DurableSpec {
        &self.spec
    }

    pub(super) fn generation(&self) -> u64 {
        self.generation
    }

    pub(super) fn info(&self, messages: &BTreeMap<u64, Kept>) -> DurableInfo {
        let pending = messages
            .range(self.cursor..)
            .filter(|(_, kept)| self.delivers(kept))
            .count();
        DurableInfo {
            position: Position {
                pending: pending as u64,
                unsettled: self.unsettled.len() as u64,
            },
            ..DurableInfo::new(&self.spec)
        }
    }

    fn delivers(&self, kept: &Kept) -> bool {
        subject::matches(&self.spec.filter, &kept.subject)
    }

    /// Lets happen what is due: deliveries whose time has come go among those that are delivered again.
    pub(super) fn advance(&mut self, now: Instant) {
        while let Some(&(due, sequence)) = self.due.first()
            && due <= now
        {
            self.redeliver(sequence);
        }
    }

    /// What is to be delivered now, with its count: first what comes again, then what is new.
    pub(super) fn take(
        &mut self,
        messages: &BTreeMap<u64, Kept>,
        demand: usize,
        now: Instant,
    ) -> Vec<(u64, Kept, u64)> {
        let mut taken = Vec::new();
        while taken.len() < demand
            && let Some(sequence) = self.again.pop_front()
        {
            // It may have been settled since, or removed from the stream.
            let Some(unsettled) = self.unsettled.get(&sequence) else {
                continue;
            };
            let Some(kept) = messages.get(&sequence) else {
                continue;
            };
            let deliveries = unsettled.deliveries + 1;
            self.deliver(sequence, deliveries, now);
            taken.push((sequence, kept.clone(), deliveries));
        }
        while taken.len() < demand && self.unsettled.len() < self.spec.max_ack_pending {
            let found = messages
                .range(self.cursor..)
                .find(|(_, kept)| self.delivers(kept));
            let Some((&sequence, kept)) = found else {
                self.cursor = messages
                    .last_key_value()
                    .map_or(self.cursor, |(last, _)| self.cursor.max(last + 1));
                break;
            };
            self.cursor = sequence + 1;
            self.deliver(sequence, 1, now);
            taken.push((sequence, kept.clone(), 1));
        }
        taken
    }

    fn deliver(&mut self, sequence: u64, deliveries: u64, now: Instant) {
        let due = now + self.spec.ack_wait;
        let unsettled = Unsettled {
            deliveries,
            due: Some(due),
        };
        self.unsettled.insert(sequence, unsettled);
        self.due.insert((due, sequence));
    }

    /// When something is delivered again if nothing else happens.
    pub(super) fn next_due(&self) -> Option<Instant> {
        self.due.first().map(|(due, _)| *due)
    }

    /// It is settled, also when that comes late.
    pub(super) fn settle(&mut self, sequence: u64) {
        if let Some(Unsettled { due: Some(due), .. }) = self.unsettled.remove(&sequence) {
            self.due.remove(&(due, sequence));
        }
    }

    /// It is delivered again as soon as someone asks.
    pub(super) fn redeliver(&mut self, sequence: u64) {
        if let Some(unsettled) = self.unsettled.get_mut(&sequence)
            && let Some(due) = unsettled.due.take()
        {
            self.due.remove(&(due, sequence));
            self.again.push_back(sequence);
        }
    }

    /// It comes again at this time, unless something else happens before; too late once its time has come.
    pub(super) fn redeliver_at(&mut self, sequence: u64, at: Instant) {
        if let Some(Unsettled { due: Some(due), .. }) = self.unsettled.get_mut(&sequence) {
            self.due.remove(&(*due, sequence));
            *due = at;
            self.due.insert((at, sequence));
        }
    }
}
