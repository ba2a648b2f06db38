//! What the suite needs to know of an adapter, and what it says about it.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use futures_util::future::{BoxFuture, FutureExt, LocalBoxFuture};

use crate::broker::Broker;

/// A broker of one test's own: it holds nothing at first, and nobody else uses it. Dropping it ends it.
pub trait World {
    /// A new connection to the broker.
    fn broker(&self) -> BoxFuture<'_, Arc<dyn Broker>>;

    /// How long things take here.
    fn timing(&self) -> Timing {
        Timing::new()
    }

    /// Ends the broker as a crash would, and starts it again with its data, at the same address; connections
    /// find it again by themselves. Says whether that is possible here.
    fn restart(&mut self) -> BoxFuture<'_, bool> {
        std::future::ready(false).boxed()
    }

    /// Deletes a durable behind the adapter's back, as a person would. Says whether that is possible here.
    fn delete_durable<'a>(&'a mut self, stream: &'a str, durable: &'a str) -> BoxFuture<'a, bool> {
        let _ = (stream, durable);
        std::future::ready(false).boxed()
    }
}

/// How long things take in tests of an adapter.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Timing {
    /// The ack wait of durables that are to deliver again. Default: 1 s.
    pub ack_wait: Duration,
    /// What has to happen happens within this time, or the behaviour fails. A limit, not a pause. Default: 10 s.
    pub soon: Duration,
    /// How long the suite listens for what must not come. Default: 300 ms.
    pub quiet: Duration,
}

impl Timing {
    /// The defaults: for a broker on the same machine.
    pub const fn new() -> Self {
        Self {
            ack_wait: Duration::from_secs(1),
            soon: Duration::from_secs(10),
            quiet: Duration::from_millis(300),
        }
    }

    /// Sets the ack wait of durables that are to deliver again: several times what a settlement takes.
    pub const fn ack_wait(mut self, wait: Duration) -> Self {
        self.ack_wait = wait;
        self
    }

    /// Sets the limit for what has to happen.
    pub const fn soon(mut self, limit: Duration) -> Self {
        self.soon = limit;
        self
    }

    /// Sets how long the suite listens for what must not come: several times what a delivery takes.
    pub const fn quiet(mut self, time: Duration) -> Self {
        self.quiet = time;
        self
    }

    /// The ack wait of durables where nothing may come again because of it.
    pub(super) fn patient(&self) -> Duration {
        self.soon * 6
    }
}

impl Default for Timing {
    fn default() -> Self {
        Self::new()
    }
}

/// How a behaviour ended. A broken promise is a panic that says which.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// The promise is kept.
    Kept,
    /// It could not be shown, for this reason.
    Skipped(&'static str),
}

/// A promise that every adapter keeps.
#[derive(Clone, Copy)]
pub struct Behaviour {
    /// The name of its function and test.
    pub name: &'static str,
    /// What it is about, in one word: the suite's own file.
    pub area: &'static str,
    /// The promise, in one sentence.
    pub promise: &'static str,
    pub(super) run: for<'w> fn(&'w mut dyn World) -> LocalBoxFuture<'w, Outcome>,
}

impl Behaviour {
    /// Checks it in a world that nothing else has used.
    ///
    /// # Panics
    ///
    /// When the adapter does not keep the promise.
    pub async fn check(&self, world: &mut dyn World) -> Outcome {
        (self.run)(world).await
    }
}

impl fmt::Debug for Behaviour {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Behaviour")
            .field("name", &self.name)
            .finish_non_exhaustive()
    }
}
