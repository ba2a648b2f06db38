//! The in-memory broker keeps what every adapter promises.

use std::sync::Arc;
use std::time::Duration;

use event_runtime::adapters::memory::Memory;
use event_runtime::broker::Broker;
use event_runtime::broker::conformance::{BEHAVIOURS, Outcome, Timing, World};
use futures_util::future::BoxFuture;

struct InMemory(Memory);

impl World for InMemory {
    fn broker(&self) -> BoxFuture<'_, Arc<dyn Broker>> {
        Box::pin(async { Arc::new(self.0.clone()) as Arc<dyn Broker> })
    }

    fn timing(&self) -> Timing {
        Timing::new().quiet(Duration::from_millis(100))
    }

    fn delete_durable<'a>(&'a mut self, stream: &'a str, durable: &'a str) -> BoxFuture<'a, bool> {
        Box::pin(async { self.0.delete_durable(stream, durable) })
    }
}

fn fresh() -> InMemory {
    InMemory(Memory::new())
}

/// On threads that run at the same time.
mod real {
    event_runtime::broker_conformance!(async || super::fresh());
}

/// On tokio's own clock, as tests of services are.
mod paused {
    event_runtime::broker_conformance!(
        #[tokio::test(start_paused = true)]
        async || super::fresh()
    );
}

#[tokio::test(start_paused = true)]
async fn nothing_but_the_restart_is_skipped() {
    let mut skipped = Vec::new();
    for behaviour in BEHAVIOURS {
        let outcome = behaviour.check(&mut fresh()).await;
        if outcome != Outcome::Kept {
            skipped.push(behaviour.name);
        }
    }
    assert_eq!(skipped, ["a_restart_of_the_broker_loses_nothing"]);
}
