//! JetStream keeps what every adapter promises, on a real server for each behaviour.

use std::sync::Arc;

use event_runtime::adapters::nats::{Nats, NatsOptions};
use event_runtime::broker::Broker;
use event_runtime::broker::conformance::World;
use event_tests::nats::{TestNats, api};
use futures_util::future::BoxFuture;

struct JetStream(TestNats);

impl World for JetStream {
    fn broker(&self) -> BoxFuture<'_, Arc<dyn Broker>> {
        Box::pin(async {
            let nats = Nats::connect(NatsOptions::new(self.0.url())).await;
            Arc::new(nats.unwrap()) as Arc<dyn Broker>
        })
    }

    fn restart(&mut self) -> BoxFuture<'_, bool> {
        Box::pin(async {
            tokio::task::block_in_place(|| self.0.restart());
            true
        })
    }

    fn delete_durable<'a>(&'a mut self, stream: &'a str, durable: &'a str) -> BoxFuture<'a, bool> {
        Box::pin(async move {
            let client = async_nats::connect(self.0.url()).await.unwrap();
            let call = format!("CONSUMER.DELETE.{stream}.{durable}");
            let answer = api(&client, &call, serde_json::Value::Null).await;
            answer["success"] == true
        })
    }
}

event_runtime::broker_conformance!(async || JetStream(TestNats::start()));
