//! Deliberately broken adapters: the in-memory broker with one fault each. The conformance suite has to refuse
//! every one of them.

mod consuming;
mod objects;
mod publishing;
mod settling;

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use event_runtime::adapters::memory::Memory;
use event_runtime::broker::Broker;
use event_runtime::broker::conformance::{Timing, World};
use futures_util::future::BoxFuture;

use crate::faulty::{Fault, Faulty};

/// A broken adapter.
#[derive(Clone, Copy)]
pub struct Broken {
    /// What it does, in a few words.
    pub does: &'static str,
    /// The behaviours that are made to refuse it; others may as well.
    pub refused_by: &'static [&'static str],
    fault: fn() -> Arc<dyn Fault>,
}

impl Broken {
    const fn new(
        does: &'static str,
        refused_by: &'static [&'static str],
        fault: fn() -> Arc<dyn Fault>,
    ) -> Self {
        Self {
            does,
            refused_by,
            fault,
        }
    }

    /// A fresh broker with this fault.
    pub fn world(&self) -> FaultyWorld {
        FaultyWorld::new((self.fault)())
    }
}

impl fmt::Debug for Broken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.does)
    }
}

/// All of them.
pub fn all() -> Vec<Broken> {
    [publishing::ALL, consuming::ALL, settling::ALL, objects::ALL].concat()
}

/// A wrapper without a fault.
struct Honest;

impl Fault for Honest {}

/// An in-memory broker with a fault. Its restart does nothing but tell the fault.
pub struct FaultyWorld {
    memory: Memory,
    fault: Arc<dyn Fault>,
}

impl FaultyWorld {
    fn new(fault: Arc<dyn Fault>) -> Self {
        let memory = Memory::new();
        Self { memory, fault }
    }

    /// The wrapper alone, which has to pass.
    pub fn honest() -> Self {
        Self::new(Arc::new(Honest))
    }
}

impl World for FaultyWorld {
    fn broker(&self) -> BoxFuture<'_, Arc<dyn Broker>> {
        let broker = Faulty::with(self.memory.clone(), Arc::clone(&self.fault));
        Box::pin(async { Arc::new(broker) as Arc<dyn Broker> })
    }

    fn timing(&self) -> Timing {
        Timing::new().soon(Duration::from_secs(5))
    }

    fn restart(&mut self) -> BoxFuture<'_, bool> {
        Box::pin(async {
            self.fault.restarted(&self.memory).await;
            true
        })
    }

    fn delete_durable<'a>(&'a mut self, stream: &'a str, durable: &'a str) -> BoxFuture<'a, bool> {
        Box::pin(async { self.memory.delete_durable(stream, durable) })
    }
}

impl fmt::Debug for FaultyWorld {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FaultyWorld").finish_non_exhaustive()
    }
}
