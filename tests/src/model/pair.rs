//! Takes the steps of one sequence on both brokers, and compares.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::Arc;
use std::time::{Duration, Instant};

use event_runtime::broker::{
    Broker, BrokerError, Delivery, DurableSpec, Message, Start, StoredMessage, StreamKind,
    StreamSpec, Subscription,
};
use event_runtime::envelope::Headers;
use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use serde_json::Value;
use tokio::runtime::{Builder, Handle, Runtime};

use super::{Failure, LONG, Op, SUBJECTS, Sequence, Server};
use crate::nats::api;

/// The server has this long to come to where the in-memory broker is.
pub(super) const PATIENCE: Duration = Duration::from_secs(3);

/// A delivery as both brokers gave it.
pub(super) struct Held {
    pub(super) memory: Delivery,
    pub(super) nats: Delivery,
}

/// One sequence on both brokers.
pub struct Pair<'a> {
    pub(super) sequence: &'a Sequence,
    pub(super) server: &'a Handle,
    pub(super) client: &'a async_nats::Client,
    pub(super) nats: &'a Arc<dyn Broker>,
    pub(super) memory: Arc<dyn Broker>,
    /// The in-memory broker's clock, paused.
    pub(super) clock: Runtime,
    pub(super) name: String,
    pub(super) ack_wait: Duration,
    pub(super) subscriptions: Option<[Box<dyn Subscription>; 2]>,
    pub(super) held: Vec<Held>,
    pub(super) published: u64,
    /// The last sequence that was delivered for the first time, by memory and by the server.
    pub(super) first: [u64; 2],
    /// What the server has forgotten of a message's deliveries since it was killed.
    pub(super) forgotten: BTreeMap<u64, u64>,
    pub(super) killed: bool,
    /// Message ids, and where their message is stored.
    pub(super) ids: BTreeMap<u8, u64>,
    /// The ids that the killed server can't know any more.
    pub(super) lost: BTreeSet<u8>,
    pub(super) began: Instant,
    pub(super) passed: Duration,
}

impl<'a> Pair<'a> {
    /// Creates the stream and the durable on both, with this ack wait where the sequence waits for it.
    pub fn new(
        server: &'a Server,
        memory: fn() -> Arc<dyn Broker>,
        sequence: &'a Sequence,
        short: Duration,
    ) -> Self {
        let clock = Builder::new_current_thread()
            .enable_time()
            .start_paused(true)
            .build()
            .unwrap();
        let name = format!("M{}", uuid::Uuid::now_v7().simple());
        let expires = sequence.ops.contains(&Op::Wait);
        let ack_wait = if expires { short } else { LONG };
        let this = Self {
            sequence,
            server: server.runtime.handle(),
            client: &server.client,
            nats: &server.broker,
            memory: clock.block_on(async { memory() }),
            clock,
            name,
            ack_wait,
            subscriptions: None,
            held: Vec::new(),
            published: 0,
            first: [0; 2],
            forgotten: BTreeMap::new(),
            killed: false,
            ids: BTreeMap::new(),
            lost: BTreeSet::new(),
            began: Instant::now(),
            passed: Duration::ZERO,
        };
        let stream = this.stream();
        let durable = this.durable();
        let created = this.both(async |broker| {
            broker.create_stream(&stream).await?;
            broker.create_durable(&stream.name, &durable).await
        });
        for created in created {
            created.unwrap();
        }
        this
    }

    /// Does something with both, memory first. The call itself has to be made in there: the in-memory broker
    /// looks at its clock when it is called.
    pub(super) fn both<T>(&self, call: impl AsyncFn(&dyn Broker) -> T) -> [T; 2] {
        let memory = self.clock.block_on(call(&*self.memory));
        [memory, self.server.block_on(call(&**self.nats))]
    }

    fn stream(&self) -> StreamSpec {
        let subjects = vec![format!("{}.>", self.name)];
        let kind = if self.sequence.queue {
            StreamKind::Retry {
                service: "test".into(),
            }
        } else {
            StreamKind::Events {
                topic: subjects[0].clone(),
                named: false,
            }
        };
        StreamSpec {
            name: self.name.clone(),
            subjects,
            kind,
        }
    }

    fn durable(&self) -> DurableSpec {
        DurableSpec {
            name: "test-model".into(),
            service: "test".into(),
            handler: "model".into(),
            filter: self.filter(),
            start: Some(Start::All),
            ack_wait: self.ack_wait,
            max_ack_pending: self.sequence.limit,
        }
    }

    fn filter(&self) -> String {
        format!("{}.{}", self.name, self.sequence.filter())
    }

    /// Takes the steps up to the kill of the server.
    pub fn before(&mut self) -> Result<(), Failure> {
        self.began = Instant::now();
        self.run(&self.sequence.ops)
    }

    /// Takes the steps after the server was killed and started again. What was unsettled expires first.
    pub fn after(&mut self) -> Result<(), Failure> {
        self.killed = true;
        self.subscriptions = None;
        self.held.clear();
        self.pass(self.ack_wait + self.late());
        for (id, sequence) in &self.ids {
            let read = async { self.memory.read(&self.name, ">", *sequence).await };
            let found = self.clock.block_on(read).map_err(text)?;
            if found.is_none_or(|found| found.sequence != *sequence) {
                self.lost.insert(*id);
            }
        }
        self.recover()?;
        // The kill took its time, which is no slowness of the steps.
        self.began += self.late();
        self.run(&self.sequence.after)
    }

    /// Compares all messages, and deletes the server's stream.
    pub fn end(mut self) -> Result<(), Failure> {
        self.subscriptions = None;
        let compared = self.read_all();
        self.delete();
        compared.map_err(|text| Failure::Differ(format!("in the end, {text}")))
    }

    fn delete(&self) {
        let delete = format!("STREAM.DELETE.{}", self.name);
        self.server.block_on(api(self.client, &delete, Value::Null));
    }

    fn run(&mut self, ops: &[Op]) -> Result<(), Failure> {
        for (number, op) in ops.iter().enumerate() {
            if self.first == [0; 2] {
                // Nothing is due before something was delivered.
                self.began += self.late();
            }
            if self.late() * 4 > self.ack_wait {
                return Err(Failure::TooSlow);
            }
            let taken = self.step(*op).and_then(|()| Ok(self.agree()?));
            taken.map_err(|failure| match failure {
                Failure::Differ(text) => Failure::Differ(format!(
                    "at step {number}, {op:?}{}: {text}",
                    if self.killed { " after the kill" } else { "" }
                )),
                Failure::TooSlow => Failure::TooSlow,
            })?;
        }
        Ok(())
    }

    /// How far the real clock is ahead of the paused one.
    pub(super) fn late(&self) -> Duration {
        self.began.elapsed().saturating_sub(self.passed)
    }

    /// When the next deliveries may be due at the server: all is due at a multiple of half the ack wait, and
    /// there no sooner than on the paused clock.
    pub(super) fn next_due(&self) -> Instant {
        self.began + self.passed + self.ack_wait * 12 / 25
    }

    /// A difference, unless the clocks are so far apart that it may come from that.
    pub(super) fn differ(&self, text: String) -> Failure {
        if Instant::now() < self.next_due() {
            Failure::Differ(text)
        } else {
            Failure::TooSlow
        }
    }

    fn step(&mut self, op: Op) -> Result<(), Failure> {
        match op {
            Op::Publish { subject, id } => self.publish(subject, id)?,
            Op::Pull(demand) => self.pull(demand)?,
            Op::Done(which) => self.settle(which, |delivery| delivery.settle.done().boxed())?,
            Op::HandBack(which) => {
                self.settle(which, |delivery| delivery.settle.hand_back(None).boxed())?;
            }
            Op::HandBackLater(which) => {
                let delay = Some(self.ack_wait / 2);
                self.settle(which, move |delivery| {
                    delivery.settle.hand_back(delay).boxed()
                })?;
            }
            Op::Progress(which) => self.progress(which)?,
            Op::Crash => {
                self.subscriptions = None;
                self.held.clear();
            }
            Op::Close => self.close()?,
            Op::Read(sequence) => drop(self.read(sequence)?),
            Op::Remove(sequence) => {
                let stream = &self.name;
                let [memory, nats] =
                    self.both(async |broker| broker.remove(stream, sequence).await.map_err(text));
                memory.and(nats)?;
            }
            Op::Wait => self.pass(self.ack_wait / 2),
        }
        Ok(())
    }

    fn publish(&mut self, subject: usize, id: Option<u8>) -> Result<(), String> {
        let id = id.filter(|id| !self.lost.contains(id));
        self.published += 1;
        let mut headers = Headers::new();
        headers.set("Event-Number", self.published.to_string());
        let subject = format!("{}.{}", self.name, SUBJECTS[subject % SUBJECTS.len()]);
        let body = format!("body {}", self.published);
        let mut message = Message::new(subject, body).headers(headers);
        if let Some(id) = id {
            message = message.id(format!("id-{id}"));
        }
        let [memory, nats] = self.both(async |broker| {
            let receipt = broker.publish(message.clone()).await.map_err(text)?;
            receipt.await.map_err(text)
        });
        if let (Some(id), Ok(stored)) = (id, &memory) {
            self.ids.insert(id, stored.sequence);
        }
        same("the receipt", &memory, &nats)
    }

    fn settle(
        &mut self,
        which: usize,
        settle: impl Fn(Delivery) -> BoxFuture<'static, Result<(), BrokerError>>,
    ) -> Result<(), String> {
        if self.held.is_empty() {
            return Ok(());
        }
        let Held { memory, nats } = self.held.remove(which % self.held.len());
        self.clock.block_on(settle(memory)).map_err(text)?;
        self.server.block_on(settle(nats)).map_err(text)
    }

    pub(super) fn progress(&self, which: usize) -> Result<(), String> {
        if self.held.is_empty() {
            return Ok(());
        }
        let Held { memory, nats } = &self.held[which % self.held.len()];
        let beat = async |delivery: &Delivery| delivery.settle.heartbeat().beat().await;
        self.clock.block_on(beat(memory)).map_err(text)?;
        self.server.block_on(beat(nats)).map_err(text)
    }

    /// Lets time pass on both clocks; the real one catches up with the other.
    fn pass(&mut self, time: Duration) {
        self.passed += time;
        self.clock.block_on(tokio::time::advance(time));
        let until = self.began + self.passed;
        std::thread::sleep(until.saturating_duration_since(Instant::now()));
    }

    /// What can be seen of stream and durable is the same.
    pub(super) fn agree(&self) -> Result<(), String> {
        let filter = self.filter();
        let state = async |broker: &dyn Broker| {
            let durable = broker.durable(&self.name, "test-model").await?;
            let position = durable.map(|durable| durable.position);
            let all = broker.count(&self.name, ">").await?;
            let matching = broker.count(&self.name, &filter).await?;
            let stream = broker.stream(&self.name).await?;
            let messages = stream.map(|stream| stream.messages);
            Ok::<_, BrokerError>((position, all, matching, messages))
        };
        let wanted = self.clock.block_on(state(&*self.memory)).map_err(text)?;
        let found = async || state(&**self.nats).await.map_err(text);
        self.eventually("position, messages, matching", &Ok(wanted), found)
    }

    /// Waits until the server is where the in-memory broker is.
    pub(super) fn eventually<T: PartialEq + fmt::Debug>(
        &self,
        what: &str,
        wanted: &T,
        find: impl AsyncFn() -> T,
    ) -> Result<(), String> {
        let deadline = Instant::now() + PATIENCE;
        self.server.block_on(async {
            loop {
                let found = find().await;
                if found == *wanted {
                    return Ok(());
                }
                if Instant::now() > deadline {
                    return same(what, wanted, &found);
                }
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
        })
    }

    /// The sequence of the message that both read there.
    fn read(&self, sequence: u64) -> Result<Option<u64>, String> {
        let [memory, nats] = self.both(async |broker| {
            let found = broker.read(&self.name, &self.filter(), sequence).await;
            let found = found.map_err(text)?;
            Ok::<_, String>(found.map(|message| StoredMessage {
                stored_at: jiff::Timestamp::UNIX_EPOCH,
                ..message
            }))
        });
        same("what is read", &memory, &nats)?;
        Ok(memory?.map(|message| message.sequence))
    }

    fn read_all(&self) -> Result<(), String> {
        let mut from = 0;
        while let Some(found) = self.read(from)? {
            from = found + 1;
        }
        Ok(())
    }
}

pub(super) fn text(error: BrokerError) -> String {
    error.to_string()
}

pub(super) fn same<T: PartialEq + fmt::Debug>(
    what: &str,
    memory: &T,
    nats: &T,
) -> Result<(), String> {
    if memory == nats {
        return Ok(());
    }
    Err(format!(
        "{what} differs: memory says {memory:?}, and the server {nats:?}"
    ))
}
