//! Pulls on both brokers, which have to deliver the same.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use event_runtime::broker::{BrokerError, Delivery};
use futures_util::FutureExt;
use serde_json::Value;

use super::pair::{Held, PATIENCE, Pair, text};
use super::{Failure, LONG};
use crate::nats::api;

/// What should not come has this long to come all the same.
const SILENCE: Duration = Duration::from_millis(15);
/// A server that answers within this time has worked off what was due before.
const PROMPT: Duration = Duration::from_millis(20);

impl Pair<'_> {
    pub(super) fn subscribe(&mut self) -> Result<(), String> {
        if self.subscriptions.is_some() {
            return Ok(());
        }
        let [memory, nats] = self.both(async |broker| {
            let begun = broker.subscribe(&self.name, "test-model").await;
            begun.map_err(text)
        });
        self.subscriptions = Some([memory?, nats?]);
        Ok(())
    }

    /// Ends both subscriptions, and waits until the server knows.
    pub(super) fn close(&mut self) -> Result<(), String> {
        let Some([memory, nats]) = self.subscriptions.take() else {
            return Ok(());
        };
        self.clock
            .block_on(async { memory.close().await })
            .map_err(text)?;
        self.server
            .block_on(async { nats.close().await })
            .map_err(text)?;
        let info = format!("CONSUMER.INFO.{}.test-model", self.name);
        let waiting = async || {
            let info = api(self.client, &info, Value::Null).await;
            info["num_waiting"].as_u64()
        };
        self.eventually("pulls that wait", &Some(0), waiting)
    }

    pub(super) fn pull(&mut self, demand: usize) -> Result<(), Failure> {
        self.subscribe()?;
        let mut memory = self.take_memory(demand)?;
        let mut nats = self.take_nats(memory.len())?;
        if seen(&memory) != seen(&nats) {
            // Who comes first is not promised: then all must come.
            let rest = self.take_memory(1000)?;
            nats.extend(self.take_nats(rest.len())?);
            memory.extend(rest);
        }
        let short = memory.len() < demand;
        self.hold(memory, nats).map_err(|text| self.differ(text))?;
        if short { self.nothing_more() } else { Ok(()) }
    }

    /// What the in-memory broker delivers now.
    fn take_memory(&mut self, demand: usize) -> Result<Vec<Delivery>, String> {
        let Some([memory, _]) = &mut self.subscriptions else {
            return Ok(Vec::new());
        };
        let taken = self
            .clock
            .block_on(async { memory.next(demand).now_or_never() });
        let taken = taken.unwrap_or_else(|| Ok(Vec::new())).map_err(text)?;
        self.in_order(0, &taken)?;
        Ok(taken)
    }

    /// So many deliveries of the server.
    fn take_nats(&mut self, count: usize) -> Result<Vec<Delivery>, Failure> {
        let until = if self.ack_wait == LONG {
            Instant::now() + PATIENCE
        } else {
            self.next_due()
        };
        let Some([_, nats]) = &mut self.subscriptions else {
            return Ok(Vec::new());
        };
        let mut taken = Vec::new();
        let take = async {
            while taken.len() < count {
                taken.extend(nats.next(count - taken.len()).await?);
            }
            Ok::<_, BrokerError>(())
        };
        let ended = self
            .server
            .block_on(async { tokio::time::timeout_at(until.into(), take).await });
        match ended {
            Ok(ended) => ended.map_err(text)?,
            Err(_) if self.is_prompt() => {
                let text = format!(
                    "memory delivers {count}, and the server only {}:\n{}",
                    taken.len(),
                    list(&seen(&taken))
                );
                return Err(text.into());
            }
            Err(_) => return Err(Failure::TooSlow),
        }
        self.in_order(1, &taken)?;
        Ok(taken)
    }

    /// Whether the server does at once what it is asked for.
    fn is_prompt(&self) -> bool {
        let asked = Instant::now();
        self.server.block_on(api(self.client, "INFO", Value::Null));
        asked.elapsed() < PROMPT
    }

    /// First deliveries come in the order of the stream.
    fn in_order(&mut self, which: usize, taken: &[Delivery]) -> Result<(), String> {
        for delivery in taken {
            let origin = &delivery.origin;
            // A count may begin again after the server was killed.
            if origin.deliveries != 1 || self.killed && which == 1 {
                continue;
            }
            if origin.sequence <= self.first[which] {
                return Err(format!(
                    "{} delivers {} for the first time after {}",
                    ["memory", "the server"][which],
                    origin.sequence,
                    self.first[which]
                ));
            }
            self.first[which] = origin.sequence;
        }
        Ok(())
    }

    /// Keeps what both delivered, if it is the same.
    fn hold(&mut self, memory: Vec<Delivery>, nats: Vec<Delivery>) -> Result<(), String> {
        let wanted = seen(&memory);
        let mut found = seen(&nats);
        for seen in &mut found {
            if let Some(forgotten) = self.forgotten.get(&seen.sequence) {
                seen.deliveries += forgotten;
            }
        }
        if wanted != found {
            return Err(format!(
                "memory delivers\n{}and the server\n{}",
                list(&wanted),
                list(&found)
            ));
        }
        let mut nats: Vec<Delivery> = nats;
        for memory in memory {
            let sequence = memory.origin.sequence;
            // The same message twice in one pull does not happen: each is unsettled until it expires.
            let at = nats
                .iter()
                .position(|nats| nats.origin.sequence == sequence)
                .ok_or("a delivery without its counterpart")?;
            let nats = nats.remove(at);
            self.held.push(Held { memory, nats });
        }
        Ok(())
    }

    /// The server delivers nothing more. What it was asked for is taken back by a new subscription.
    fn nothing_more(&mut self) -> Result<(), Failure> {
        let more = self.some_nats()?;
        if more.is_empty() {
            return Ok(self.close()?);
        }
        let more = list(&seen(&more));
        Err(self.differ(format!(
            "memory has nothing more, and the server delivers\n{more}"
        )))
    }

    /// After the server was killed, all that is unsettled comes again on both; the server may bring more.
    pub(super) fn recover(&mut self) -> Result<(), Failure> {
        self.subscribe()?;
        let memory = self.take_memory(1000)?;
        let wanted = counts(&memory);
        // By sequence: where a message came twice, the later delivery counts.
        let mut nats: BTreeMap<u64, Delivery> = BTreeMap::new();
        let began = Instant::now();
        let mut first = None;
        while nats.len() < wanted.len() || self.unsettled()? > nats.len() as u64 {
            if began.elapsed() > PATIENCE + self.ack_wait * 2 {
                let found: Vec<Delivery> = nats.into_values().collect();
                let found = counts(&found);
                let text = format!("memory delivers {wanted:?}, and the server {found:?}");
                return Err(text.into());
            }
            for delivery in self.some_nats()? {
                first.get_or_insert_with(Instant::now);
                let sequence = delivery.origin.sequence;
                if wanted.contains_key(&sequence) {
                    nats.insert(sequence, delivery);
                } else {
                    // Its acknowledgement was lost.
                    self.server.block_on(delivery.settle.done()).map_err(text)?;
                }
            }
        }
        if first.is_some_and(|first| first.elapsed() * 2 > self.ack_wait) {
            return Err(Failure::TooSlow);
        }
        self.close()?;
        for (sequence, delivery) in &nats {
            let (known, found) = (wanted[sequence], delivery.origin.deliveries);
            let forgotten = known.checked_sub(found).ok_or_else(|| {
                format!(
                    "memory has delivered {sequence} {known} times, and the server {found} times"
                )
            })?;
            self.forgotten.insert(*sequence, forgotten);
        }
        self.hold(memory, nats.into_values().collect())?;
        // Both clocks begin together.
        for which in 0..self.held.len() {
            self.progress(which)?;
        }
        Ok(self.agree()?)
    }

    /// What the server delivers within a short time.
    fn some_nats(&mut self) -> Result<Vec<Delivery>, String> {
        let Some([_, nats]) = &mut self.subscriptions else {
            return Ok(Vec::new());
        };
        let next = async { tokio::time::timeout(SILENCE, nats.next(100)).await };
        self.server
            .block_on(next)
            .unwrap_or_else(|_| Ok(Vec::new()))
            .map_err(text)
    }

    fn unsettled(&self) -> Result<u64, String> {
        let info = self
            .server
            .block_on(self.nats.durable(&self.name, "test-model"));
        let info = info.map_err(text)?.ok_or("the durable is gone")?;
        Ok(info.position.unsettled)
    }
}

/// What a delivery shows.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
struct Seen {
    sequence: u64,
    deliveries: u64,
    subject: String,
    headers: Vec<(String, String)>,
    body: String,
}

fn seen(deliveries: &[Delivery]) -> Vec<Seen> {
    let mut seen: Vec<Seen> = deliveries
        .iter()
        .map(|delivery| Seen {
            sequence: delivery.origin.sequence,
            deliveries: delivery.origin.deliveries,
            subject: delivery.subject.to_string(),
            headers: delivery
                .headers
                .iter()
                .map(|(name, value)| (name.to_owned(), value.to_owned()))
                .collect(),
            body: String::from_utf8_lossy(&delivery.payload).into_owned(),
        })
        .collect();
    seen.sort();
    seen
}

fn counts(deliveries: &[Delivery]) -> BTreeMap<u64, u64> {
    deliveries
        .iter()
        .map(|delivery| (delivery.origin.sequence, delivery.origin.deliveries))
        .collect()
}

fn list(seen: &[Seen]) -> String {
    seen.iter()
        .fold(String::new(), |list, seen| format!("{list}    {seen:?}\n"))
}
