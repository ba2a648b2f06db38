//! A small service whose handlers do what the test says, on any broker.

use std::fmt;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use event_runtime::adapters::memory::Memory;
use event_runtime::adapters::nats::{Nats, NatsOptions};
use event_runtime::broker::{BrokerError, Message, lanes};
use event_runtime::dead_letters::{DeadLetter, DeadLetters, Filter};
use event_runtime::telemetry::{Observation, Observer, What};
use event_runtime::{App, Event, HandlerError, Metadata, Running, State, handler};
use futures_util::future::BoxFuture;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::faulty::Faulty;
use crate::nats::TestNats;

/// Something to do.
#[derive(Debug, Clone, PartialEq, Eq, Event, Serialize, Deserialize, JsonSchema)]
#[event(name = "task.given", version = 1, topic = "tasks.{kind}.given", key = id)]
pub struct Task {
    /// Its id.
    pub id: String,
    /// Its kind, part of the topic.
    pub kind: String,
}

/// It is done.
#[derive(Debug, Clone, PartialEq, Eq, Event, Serialize, Deserialize, JsonSchema)]
#[event(name = "task.done", version = 1, topic = "done.{kind}", key = id)]
pub struct Done {
    /// The task.
    pub id: String,
    /// Its kind, part of the topic.
    pub kind: String,
    /// Anything.
    pub note: String,
}

/// A task of the kind `a`.
pub fn task(id: &str) -> Task {
    Task {
        id: id.to_owned(),
        kind: "a".to_owned(),
    }
}

/// What a handler is called with.
#[derive(Debug, Clone)]
pub struct Call {
    /// The handler.
    pub handler: &'static str,
    /// The event.
    pub task: Task,
    /// What is known about it.
    pub metadata: Metadata,
}

/// What a handler answers.
pub type Answer = Result<Option<Done>, HandlerError>;

/// What the handlers do.
#[derive(Clone)]
pub struct Script(Arc<dyn Fn(Call) -> BoxFuture<'static, Answer> + Send + Sync>);

impl Script {
    /// Calls this for every run.
    pub fn new<F>(run: impl Fn(Call) -> F + Send + Sync + 'static) -> Self
    where
        F: Future<Output = Answer> + Send + 'static,
    {
        Self(Arc::new(move |call| Box::pin(run(call))))
    }
}

impl fmt::Debug for Script {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Script").finish_non_exhaustive()
    }
}

/// Three runs in all, quickly, each at most 500 ms long.
#[handler(
    retry(max = 3, base = "20ms", cap = "50ms"),
    timeout = "500ms",
    start = "all"
)]
pub async fn first(task: Task, metadata: Metadata, State(script): State<Script>) -> Answer {
    let handler = "first";
    (script.0)(Call {
        handler,
        task,
        metadata,
    })
    .await
}

/// A second handler of the same event, by the same rules.
#[handler(
    retry(max = 3, base = "20ms", cap = "50ms"),
    timeout = "500ms",
    start = "all"
)]
pub async fn second(task: Task, metadata: Metadata, State(script): State<Script>) -> Answer {
    let handler = "second";
    (script.0)(Call {
        handler,
        task,
        metadata,
    })
    .await
}

/// All that was observed, a line each: `first t1 received`.
#[derive(Debug, Clone, Default)]
pub struct Seen(Arc<Mutex<Vec<String>>>);

impl Seen {
    /// The lines so far.
    ///
    /// # Panics
    ///
    /// When another thread panicked while it wrote a line.
    pub fn lines(&self) -> Vec<String> {
        self.0.lock().unwrap().clone()
    }

    /// The lines that hold this text.
    pub fn of(&self, text: &str) -> Vec<String> {
        let mut lines = self.lines();
        lines.retain(|line| line.contains(text));
        lines
    }

    /// Adds a line of the test's own.
    ///
    /// # Panics
    ///
    /// As [`lines`](Self::lines).
    pub fn note(&self, line: impl Into<String>) {
        self.0.lock().unwrap().push(line.into());
    }
}

impl Observer for Seen {
    fn observe(&self, observation: &Observation<'_>) {
        let Observation {
            handler,
            event_id,
            attempt,
            what,
            ..
        } = observation;
        let what = match what {
            What::Received => "received".to_owned(),
            What::Retrying { .. } => format!("failed at attempt {attempt}"),
            What::Handled => format!("handled at attempt {attempt}"),
            What::Skipped => "skipped".to_owned(),
            What::DeadLettered { reason } => format!("dead: {reason}"),
            _ => return,
        };
        self.note(format!("{handler} {event_id} {what}"));
    }
}

/// A broker of the test's own.
#[derive(Debug)]
pub enum World {
    /// In memory; clones of it are the same broker.
    Memory(Memory),
    /// A real server.
    Nats(TestNats),
}

impl World {
    /// An app named `test` on this broker.
    pub fn app(&self) -> App {
        self.app_with(&[])
    }

    /// An app named `test` on this broker, in this environment.
    pub fn app_with(&self, variables: &[(&str, &str)]) -> App {
        let mut environment: Vec<(String, String)> = variables
            .iter()
            .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
            .collect();
        let app = App::new().service("test");
        match self {
            Self::Memory(memory) => app.broker(memory.clone()).environment(environment),
            Self::Nats(nats) => {
                environment.push(("EVENT_BROKER".to_owned(), nats.url()));
                app.environment(environment)
            }
        }
    }

    /// This broker with faults: `refuse` is asked about every message before the broker gets it.
    ///
    /// # Panics
    ///
    /// When the server does not answer.
    pub async fn faulty(
        &self,
        refuse: impl FnMut(&Message) -> Option<BrokerError> + Send + 'static,
    ) -> Faulty {
        match self {
            Self::Memory(memory) => Faulty::new(memory.clone(), refuse),
            Self::Nats(nats) => {
                let client = Nats::connect(NatsOptions::new(nats.url())).await;
                Faulty::new(client.unwrap(), refuse)
            }
        }
    }

    /// A real server was given.
    ///
    /// # Panics
    ///
    /// When it was not.
    pub fn nats(&mut self) -> &mut TestNats {
        match self {
            Self::Nats(nats) => nats,
            Self::Memory(_) => panic!("this test is for a real server"),
        }
    }
}

/// Publishes tasks under ids of their own, and waits until all is settled.
///
/// # Panics
///
/// When an event can't be published, or when all is not settled within two minutes.
pub async fn give(running: &Running, tasks: &[Task]) {
    for task in tasks {
        running
            .publisher()
            .publish_with_id(&task.id, task)
            .await
            .unwrap();
    }
    settle(running).await;
}

/// Waits until all is settled.
///
/// # Panics
///
/// When that takes more than two minutes.
pub async fn settle(running: &Running) {
    assert!(
        running.settled(Duration::from_mins(2)).await.unwrap(),
        "not settled"
    );
}

/// How many messages the retry lane of the service `test` holds.
///
/// # Panics
///
/// When the broker does not answer.
pub async fn lane_messages(running: &Running) -> u64 {
    let lane = running.broker().stream(&lanes::retry_stream("test")).await;
    lane.unwrap().map_or(0, |lane| lane.messages)
}

/// All dead letters of the service `test`.
///
/// # Panics
///
/// When the broker does not answer.
pub async fn dead_letters(running: &Running) -> Vec<DeadLetter> {
    DeadLetters::new(running.broker(), "test")
        .list(&Filter::default(), usize::MAX)
        .await
        .unwrap()
}

/// Makes two tests of an `async fn(World)`: in memory with tokio's clock paused, and on a real server.
#[macro_export]
macro_rules! on_each_broker {
    ($($name:ident),* $(,)?) => {$(
        mod $name {
            #[tokio::test(start_paused = true)]
            async fn memory() {
                let memory = event_runtime::adapters::memory::Memory::new();
                super::$name($crate::service::World::Memory(memory)).await;
            }

            #[tokio::test(flavor = "multi_thread")]
            async fn nats() {
                super::$name($crate::service::World::Nats($crate::nats::TestNats::start())).await;
            }
        }
    )*};
}
