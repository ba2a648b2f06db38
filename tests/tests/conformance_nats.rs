//! JetStream keeps what every adapter promises, on a real server for each behaviour.

use std::sync::Arc;
use std::time::Duration;

use event_runtime::adapters::nats::{Nats, NatsOptions};
use event_runtime::broker::conformance::World;
use event_runtime::broker::{
    Broker, BrokerErrorKind, DurableSpec, Message, Start, StreamKind, StreamSpec,
};
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

/// Retries are told apart by the life of the durable, so a subscription must not go on with another one.
#[tokio::test(flavor = "multi_thread")]
async fn a_durable_created_again_during_an_outage_ends_its_old_subscription() {
    let mut world = JetStream(TestNats::start());
    let broker = world.broker().await;
    let stream = StreamSpec {
        name: "CONF".into(),
        subjects: vec!["conf.>".into()],
        kind: StreamKind::Events {
            topic: "conf.>".into(),
            named: false,
        },
    };
    let durable = DurableSpec {
        name: "conf-a".into(),
        service: "conf".into(),
        handler: "a".into(),
        filter: "conf.a".into(),
        start: Some(Start::All),
        ack_wait: Duration::from_secs(10),
        max_ack_pending: 100,
    };
    broker.create_stream(&stream).await.unwrap();
    broker.create_durable("CONF", &durable).await.unwrap();
    let mut subscription = broker.subscribe("CONF", "conf-a").await.unwrap();
    let first = subscription.generation().to_owned();
    // It has asked for something, and the server forgets that.
    let waiting = tokio::time::timeout(Duration::from_millis(200), subscription.next(10)).await;
    assert!(waiting.is_err(), "nothing was published");
    world.restart().await;
    assert!(world.delete_durable("CONF", "conf-a").await);
    // By a connection of its own: another instance of the service.
    let other = world.broker().await;
    other.create_durable("CONF", &durable).await.unwrap();
    let message = Message::new("conf.a", "x");
    other.publish(message).await.unwrap().await.unwrap();
    let ending = async {
        loop {
            match subscription.next(10).await {
                Ok(batch) => panic!("it went on with another life: {batch:?}"),
                Err(error) if error.is_transient() => tokio::task::yield_now().await,
                Err(error) => return error,
            }
        }
    };
    let error = tokio::time::timeout(Duration::from_secs(30), ending).await;
    assert_eq!(error.unwrap().kind(), BrokerErrorKind::Misconfigured);
    let again = other.subscribe("CONF", "conf-a").await.unwrap();
    assert_ne!(again.generation(), first);
}
