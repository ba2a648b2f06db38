//! One stream: its messages, what is delayed, which message ids it knows, and its durables.

use std::collections::{BTreeMap, HashMap};
use std::mem;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Notify;
use tokio::time::Instant;

use super::block::Block;
use super::durable::{Durable, Taken};
use super::ids::Ids;
use super::messages::{Kept, Messages};
use super::{Epoch, WINDOW};
use crate::broker::{
    BrokerError, DurableInfo, DurableSpec, Setting, Start, Stored, StoredMessage, StreamInfo,
    StreamKind, StreamSpec, lanes, subject,
};

#[derive(Debug)]
pub(super) struct Stream {
    spec: StreamSpec,
    epoch: Epoch,
    messages: Messages,
    last: u64,
    seen: Ids,
    /// The bodies of events, which stay.
    bodies: Block,
    /// What waits for its time, by time; one message for each delay subject.
    delayed: BTreeMap<(Instant, u64), (String, Kept)>,
    delay_subjects: HashMap<String, (Instant, u64)>,
    durables: BTreeMap<String, Durable>,
    /// What to notify once nobody holds the lock.
    changed: Vec<Arc<Notify>>,
}

impl Stream {
    pub(super) fn new(spec: StreamSpec, epoch: Epoch) -> Self {
        Self {
            spec,
            epoch,
            messages: Messages::default(),
            last: 0,
            seen: Ids::default(),
            bodies: Block::default(),
            delayed: BTreeMap::new(),
            delay_subjects: HashMap::new(),
            durables: BTreeMap::new(),
            changed: Vec::new(),
        }
    }

    /// What is to be notified of what has changed.
    pub(super) fn take_changed(&mut self) -> Vec<Arc<Notify>> {
        mem::take(&mut self.changed)
    }

    pub(super) fn spec(&self) -> &StreamSpec {
        &self.spec
    }

    /// Whether what is settled goes.
    pub(super) fn is_queue(&self) -> bool {
        matches!(self.spec.kind, StreamKind::Retry { .. })
    }

    pub(super) fn holds(&self, subject: &str) -> bool {
        self.spec
            .subjects
            .iter()
            .any(|held| subject::matches(held, subject))
    }

    pub(super) fn info(&self) -> StreamInfo {
        StreamInfo {
            name: self.spec.name.clone(),
            subjects: self.spec.subjects.clone(),
            owner: self.spec.kind.owner().map(str::to_owned),
            messages: (self.messages.len() + self.delayed.len()) as u64,
            deduplicates_for: Some(WINDOW),
            settings: vec![Setting {
                name: "storage",
                value: "memory".into(),
            }],
        }
    }

    /// Stores a message that comes now, or recognises its id.
    pub(super) fn publish(
        &mut self,
        mut kept: Kept,
        id: Option<&str>,
        delay: Option<Duration>,
    ) -> Result<Stored, BrokerError> {
        let now = kept.at;
        // What is due at a durable is no matter here.
        self.advance_messages(now);
        let stream = self.spec.name.clone();
        let unseen = match id.map(|id| self.seen.find(id).map_err(|unseen| (id, unseen))) {
            Some(Ok(sequence)) => {
                return Ok(Stored {
                    stream,
                    sequence,
                    duplicate: true,
                });
            }
            Some(Err(unseen)) => Some(unseen),
            None => None,
        };
        let delay = match delay {
            Some(delay) => Some((self.delay_subject(&kept, id)?, now + delay)),
            None => None,
        };
        self.last += 1;
        let sequence = self.last;
        kept.id = unseen.map(|(id, unseen)| self.seen.insert(unseen, id, sequence, now));
        if let Some((subject, due)) = delay {
            self.delay(sequence, kept, subject, due);
        } else {
            self.keep(sequence, kept);
        }
        Ok(Stored {
            stream,
            sequence,
            duplicate: false,
        })
    }

    fn delay_subject(&self, kept: &Kept, id: Option<&str>) -> Result<String, BrokerError> {
        let subject = lanes::delay_subject(&kept.subject, id.unwrap_or_default());
        subject.filter(|_| self.is_queue()).ok_or_else(|| {
            BrokerError::permanent(format!(
                "the message for `{}` can't be delayed: only retry lanes delay messages",
                kept.subject
            ))
        })
    }

    fn delay(&mut self, sequence: u64, kept: Kept, subject: String, due: Instant) {
        let place = (due, sequence);
        if let Some(before) = self.delay_subjects.insert(subject.clone(), place) {
            self.delayed.remove(&before);
        }
        self.delayed.insert(place, (subject, kept));
        // Who waits has to know until when.
        let durables = self.durables.values_mut();
        self.changed.extend(durables.filter_map(Durable::wake));
    }

    fn keep(&mut self, sequence: u64, mut kept: Kept) {
        if matches!(self.spec.kind, StreamKind::Events { .. }) {
            kept.payload = self.bodies.keep(kept.payload);
        }
        for durable in self.durables.values_mut() {
            if durable.waits() && durable.delivers(&kept.subject) {
                self.changed.extend(durable.wake());
            }
        }
        self.messages.push(sequence, kept);
    }

    /// Lets happen what is due: delayed messages arrive, ack waits end, old ids and old dead letters are
    /// forgotten.
    pub(super) fn advance(&mut self, now: Instant) {
        for durable in self.durables.values_mut() {
            self.changed.extend(durable.advance(now));
        }
        self.advance_messages(now);
    }

    fn advance_messages(&mut self, now: Instant) {
        self.arrive(now);
        self.seen.advance(now);
        if let StreamKind::Dead { max_age, .. } = self.spec.kind {
            self.expire(now, max_age);
        }
    }

    /// Delayed messages whose time has come take their place.
    fn arrive(&mut self, now: Instant) {
        while let Some(entry) = self.delayed.first_entry() {
            let due = entry.key().0;
            if due > now {
                break;
            }
            let (subject, kept) = entry.remove();
            self.delay_subjects.remove(&subject);
            self.last += 1;
            self.keep(self.last, Kept { at: due, ..kept });
        }
    }

    fn expire(&mut self, now: Instant, max_age: Duration) {
        while let Some((sequence, kept)) = self.messages.first() {
            if now.saturating_duration_since(kept.at) < max_age {
                break;
            }
            self.remove(sequence);
        }
    }

    pub(super) fn create_durable(
        &mut self,
        spec: &DurableSpec,
        generation: u64,
    ) -> Result<DurableInfo, BrokerError> {
        if let Some(existing) = self.durables.get(&spec.name) {
            if existing.spec() == spec {
                return Ok(existing.info(&self.messages));
            }
            return Err(BrokerError::misconfigured(format!(
                "the durable `{}` exists on the stream `{}` with other settings: give the new one another name",
                spec.name, self.spec.name
            )));
        }
        let first = match spec.start {
            None | Some(Start::All) => 0,
            Some(Start::New) => self.last + 1,
            Some(Start::At(time)) => self
                .messages
                .from(0)
                .find(|(_, kept)| self.epoch.time(kept.at) >= time)
                .map_or(self.last + 1, |(sequence, _)| sequence),
        };
        let durable = Durable::new(spec.clone(), generation, first);
        let info = durable.info(&self.messages);
        self.durables.insert(spec.name.clone(), durable);
        Ok(info)
    }

    pub(super) fn delete_durable(&mut self, name: &str) -> bool {
        let deleted = self.durables.remove(name);
        let changed = deleted.as_ref().map(Durable::changed).cloned();
        self.changed.extend(changed);
        deleted.is_some()
    }

    pub(super) fn durable_info(&self, name: &str) -> Option<DurableInfo> {
        self.durables
            .get(name)
            .map(|durable| durable.info(&self.messages))
    }

    pub(super) fn durables_of(&self, service: &str) -> Vec<DurableInfo> {
        let own = self
            .durables
            .values()
            .filter(|durable| durable.spec().service == service);
        own.map(|durable| durable.info(&self.messages)).collect()
    }

    pub(super) fn durable(&self, name: &str) -> Option<&Durable> {
        self.durables.get(name)
    }

    /// This life of a durable, beside the messages that it delivers.
    fn living(&mut self, name: &str, generation: u64) -> Option<(&mut Durable, &Messages)> {
        let durable = self.durables.get_mut(name)?;
        (durable.generation() == generation).then_some((durable, &self.messages))
    }

    /// What a durable delivers now, or when to look again; nothing where that life of it is over.
    pub(super) fn take(
        &mut self,
        name: &str,
        generation: u64,
        demand: usize,
        now: Instant,
    ) -> Option<Result<Vec<Taken>, Option<Instant>>> {
        let arrives = self.delayed.first_key_value().map(|((due, _), _)| *due);
        let (durable, messages) = self.living(name, generation)?;
        let changed = durable.make_room();
        let taken = durable.take(messages, demand, now);
        let again = durable.next_due();
        self.changed.extend(changed);
        Some(if taken.is_empty() {
            Err(arrives.into_iter().chain(again).min())
        } else {
            Ok(taken)
        })
    }

    /// A delivery of a work queue is done, and so is the queue with its message.
    pub(super) fn settle(&mut self, name: &str, generation: u64, sequence: u64) {
        if self.living(name, generation).is_some() {
            self.remove(sequence);
        }
    }

    /// A delivery comes again, at once or at this time.
    pub(super) fn redeliver(
        &mut self,
        name: &str,
        generation: u64,
        sequence: u64,
        at: Option<Instant>,
    ) {
        let changed = self
            .living(name, generation)
            .and_then(|(durable, _)| match at {
                Some(at) => durable.redeliver_at(sequence, at),
                None => durable.redeliver(sequence),
            });
        self.changed.extend(changed);
    }

    pub(super) fn count(&self, filter: &str) -> u64 {
        self.matching(filter, 0).count() as u64
    }

    pub(super) fn read(&self, filter: &str, from: u64) -> Option<StoredMessage> {
        let (sequence, kept) = self.matching(filter, from).next()?;
        Some(StoredMessage {
            subject: kept.subject.to_string(),
            sequence,
            stored_at: self.epoch.time(kept.at),
            headers: kept.headers.clone(),
            payload: kept.payload.clone(),
        })
    }

    fn matching(&self, filter: &str, from: u64) -> impl Iterator<Item = (u64, &Kept)> {
        let all = self.messages.from(from);
        all.filter(move |(_, kept)| subject::matches(filter, &kept.subject))
    }

    /// Removes a message. What is gone is not unsettled any more, at any durable.
    pub(super) fn remove(&mut self, sequence: u64) {
        self.messages.remove(sequence);
        let durables = self.durables.values_mut();
        self.changed
            .extend(durables.filter_map(|durable| durable.settle(sequence)));
    }
}
