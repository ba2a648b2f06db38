//! One stream: its messages, what is delayed, which message ids it knows, and its durables.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use bytestring::ByteString;
use jiff::{SignedDuration, Timestamp};
use tokio::time::Instant;

use super::WINDOW;
use super::durable::Durable;
use crate::broker::{
    BrokerError, DurableInfo, DurableSpec, Message, Setting, Start, Stored, StoredMessage,
    StreamInfo, StreamKind, StreamSpec, lanes, subject,
};
use crate::envelope::Headers;

/// A message in a stream.
#[derive(Debug, Clone)]
pub(super) struct Kept {
    pub(super) subject: Arc<str>,
    pub(super) headers: Headers,
    pub(super) payload: Bytes,
    pub(super) id: Option<ByteString>,
    pub(super) stored_at: Timestamp,
    at: Instant,
}

#[derive(Debug)]
pub(super) struct Stream {
    spec: StreamSpec,
    epoch: (Timestamp, Instant),
    messages: BTreeMap<u64, Kept>,
    last: u64,
    /// Message ids seen within the window, and in which order they came.
    seen: HashMap<String, u64>,
    seen_order: VecDeque<(Instant, String)>,
    /// What waits for its time, by time; one message for each delay subject.
    delayed: BTreeMap<(Instant, u64), (String, Message)>,
    delay_subjects: HashMap<String, (Instant, u64)>,
    durables: BTreeMap<String, Durable>,
}

impl Stream {
    pub(super) fn new(spec: StreamSpec, epoch: (Timestamp, Instant)) -> Self {
        Self {
            spec,
            epoch,
            messages: BTreeMap::new(),
            last: 0,
            seen: HashMap::new(),
            seen_order: VecDeque::new(),
            delayed: BTreeMap::new(),
            delay_subjects: HashMap::new(),
            durables: BTreeMap::new(),
        }
    }

    pub(super) fn spec(&self) -> &StreamSpec {
        &self.spec
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

    /// Stores a message, or recognises its id.
    pub(super) fn publish(
        &mut self,
        message: Message,
        now: Instant,
    ) -> Result<Stored, BrokerError> {
        self.advance(now);
        let stream = self.spec.name.clone();
        if let Some(sequence) = message.id.as_ref().and_then(|id| self.seen.get(id)) {
            return Ok(Stored {
                stream,
                sequence: *sequence,
                duplicate: true,
            });
        }
        let delay_subject = message
            .delay
            .map(|_| self.delay_subject(&message))
            .transpose()?;
        self.last += 1;
        let sequence = self.last;
        if let Some(id) = &message.id {
            self.seen.insert(id.clone(), sequence);
            self.seen_order.push_back((now, id.clone()));
        }
        match (delay_subject, message.delay) {
            (Some(subject), Some(delay)) => {
                let place = (now + delay, sequence);
                if let Some(before) = self.delay_subjects.insert(subject.clone(), place) {
                    self.delayed.remove(&before);
                }
                self.delayed.insert(place, (subject, message));
            }
            _ => self.keep(sequence, message, now),
        }
        Ok(Stored {
            stream,
            sequence,
            duplicate: false,
        })
    }

    fn delay_subject(&self, message: &Message) -> Result<String, BrokerError> {
        let subject =
            lanes::delay_subject(&message.subject, message.id.as_deref().unwrap_or_default());
        let lane = matches!(self.spec.kind, StreamKind::Retry { .. });
        subject.filter(|_| lane).ok_or_else(|| {
            BrokerError::permanent(format!(
                "the message for `{}` can't be delayed: only retry lanes delay messages",
                message.subject
            ))
        })
    }

    fn keep(&mut self, sequence: u64, message: Message, at: Instant) {
        let stored_at = self.time(at);
        let Message {
            subject,
            mut headers,
            payload,
            id,
            ..
        } = message;
        headers.retain(|name| {
            let start = name.as_bytes().first_chunk();
            !start.is_some_and(|start: &[u8; 5]| start.eq_ignore_ascii_case(b"nats-"))
        });
        self.messages.insert(
            sequence,
            Kept {
                subject: subject.into(),
                headers,
                payload,
                id: id.map(Into::into),
                stored_at,
                at,
            },
        );
    }

    fn time(&self, at: Instant) -> Timestamp {
        let elapsed = at.saturating_duration_since(self.epoch.1);
        let elapsed = SignedDuration::try_from(elapsed).unwrap_or(SignedDuration::ZERO);
        self.epoch.0.checked_add(elapsed).unwrap_or(Timestamp::MAX)
    }

    /// Lets happen what is due: delayed messages arrive, ack waits end, old ids and old dead letters are
    /// forgotten.
    pub(super) fn advance(&mut self, now: Instant) {
        for durable in self.durables.values_mut() {
            durable.advance(now);
        }
        while let Some(entry) = self.delayed.first_entry() {
            let due = entry.key().0;
            if due > now {
                break;
            }
            let (subject, message) = entry.remove();
            self.delay_subjects.remove(&subject);
            self.last += 1;
            self.keep(self.last, message, due);
        }
        while self
            .seen_order
            .front()
            .is_some_and(|(at, _)| now.saturating_duration_since(*at) >= WINDOW)
        {
            if let Some((_, id)) = self.seen_order.pop_front() {
                self.seen.remove(&id);
            }
        }
        if let StreamKind::Dead { max_age, .. } = self.spec.kind {
            self.expire(now, max_age);
        }
    }

    fn expire(&mut self, now: Instant, max_age: Duration) {
        while let Some((&sequence, kept)) = self.messages.first_key_value() {
            if now.saturating_duration_since(kept.at) < max_age {
                break;
            }
            self.remove(sequence);
        }
    }

    /// When the next delayed message arrives.
    pub(super) fn next_due(&self) -> Option<Instant> {
        self.delayed.first_key_value().map(|((due, _), _)| *due)
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
                .iter()
                .find(|(_, kept)| kept.stored_at >= time)
                .map_or(self.last + 1, |(sequence, _)| *sequence),
        };
        let durable = Durable::new(spec.clone(), generation, first);
        let info = durable.info(&self.messages);
        self.durables.insert(spec.name.clone(), durable);
        Ok(info)
    }

    pub(super) fn delete_durable(&mut self, name: &str) -> bool {
        self.durables.remove(name).is_some()
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

    /// A durable beside the messages that it delivers.
    pub(super) fn durable(&mut self, name: &str) -> Option<(&mut Durable, &BTreeMap<u64, Kept>)> {
        Some((self.durables.get_mut(name)?, &self.messages))
    }

    /// The same, of this life of the durable only.
    pub(super) fn living(
        &mut self,
        name: &str,
        generation: u64,
    ) -> Option<(&mut Durable, &BTreeMap<u64, Kept>)> {
        self.durable(name)
            .filter(|(durable, _)| durable.generation() == generation)
    }

    /// A message was acknowledged: a work queue has done with it.
    pub(super) fn acknowledged(&mut self, sequence: u64) {
        if matches!(self.spec.kind, StreamKind::Retry { .. }) {
            self.remove(sequence);
        }
    }

    pub(super) fn count(&self, filter: &str) -> u64 {
        self.messages
            .values()
            .filter(|kept| subject::matches(filter, &kept.subject))
            .count() as u64
    }

    pub(super) fn read(&self, filter: &str, from: u64) -> Option<StoredMessage> {
        let (sequence, kept) = self
            .messages
            .range(from..)
            .find(|(_, kept)| subject::matches(filter, &kept.subject))?;
        let Kept {
            subject,
            headers,
            payload,
            stored_at,
            ..
        } = kept.clone();
        Some(StoredMessage {
            subject: subject.to_string(),
            sequence: *sequence,
            stored_at,
            headers,
            payload,
        })
    }

    /// Removes a message. What is gone is not unsettled any more, at any durable.
    pub(super) fn remove(&mut self, sequence: u64) {
        self.messages.remove(&sequence);
        for durable in self.durables.values_mut() {
            durable.settle(sequence);
        }
    }
}
