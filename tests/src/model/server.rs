//! The real server of many sequences.

use std::sync::Arc;
use std::time::{Duration, Instant};

use event_runtime::adapters::nats::{Nats, NatsOptions};
use event_runtime::broker::Broker;
use tokio::runtime::{Builder, Runtime};

use crate::nats::TestNats;

/// A connection to a real server, for many sequences at once.
pub struct Server {
    pub(super) runtime: Runtime,
    pub(super) broker: Arc<dyn Broker>,
    pub(super) client: async_nats::Client,
}

impl Server {
    /// Connects.
    pub fn connect(nats: &TestNats) -> Self {
        let runtime = Builder::new_multi_thread().enable_all().build().unwrap();
        let broker = runtime.block_on(Nats::connect(NatsOptions::new(nats.url())));
        let client = runtime.block_on(async_nats::connect(nats.url())).unwrap();
        Self {
            runtime,
            broker: Arc::new(broker.unwrap()),
            client,
        }
    }

    /// Waits until the server answers again.
    pub fn reconnected(&self) {
        let deadline = Instant::now() + Duration::from_secs(20);
        self.runtime.block_on(async {
            while let Err(error) = self.broker.stream("none").await {
                assert!(Instant::now() < deadline, "the server stays away: {error}");
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        });
    }
}
