//! Several instances of a service that start at the same time, and meet at the broker.

use std::fmt;
use std::sync::{Arc, Mutex};

use event_runtime::broker::{
    Broker, BrokerError, Capabilities, DurableInfo, DurableSpec, Message, Receipt, StoredMessage,
    StreamInfo, StreamSpec, Subscription,
};
use event_runtime::{Running, State, handler};
use event_tests::on_each_broker;
use event_tests::service::{Seen, Task, World, give, settle, task};
use futures_util::FutureExt;
use futures_util::future::BoxFuture;

on_each_broker!(a_durable_that_another_instance_made_meanwhile_is_used);

type Answer<'a, T> = BoxFuture<'a, Result<T, BrokerError>>;
type Meanwhile = Box<dyn FnOnce() -> BoxFuture<'static, ()> + Send>;

/// Another broker, where something happens before stored events are counted for the first time.
struct Racing {
    inner: Arc<dyn Broker>,
    meanwhile: Mutex<Option<Meanwhile>>,
}

impl Broker for Racing {
    fn count<'a>(&'a self, stream: &'a str, filter: &'a str) -> Answer<'a, u64> {
        let meanwhile = self.meanwhile.lock().unwrap().take();
        async move {
            if let Some(meanwhile) = meanwhile {
                meanwhile().await;
            }
            self.inner.count(stream, filter).await
        }
        .boxed()
    }

    fn capabilities(&self) -> Capabilities {
        self.inner.capabilities()
    }

    fn address(&self) -> String {
        self.inner.address()
    }

    fn publish(&self, message: Message) -> Answer<'_, Receipt> {
        self.inner.publish(message)
    }

    fn streams_for<'a>(&'a self, filter: &'a str) -> Answer<'a, Vec<StreamInfo>> {
        self.inner.streams_for(filter)
    }

    fn stream<'a>(&'a self, name: &'a str) -> Answer<'a, Option<StreamInfo>> {
        self.inner.stream(name)
    }

    fn create_stream<'a>(&'a self, spec: &'a StreamSpec) -> Answer<'a, StreamInfo> {
        self.inner.create_stream(spec)
    }

    fn durable<'a>(&'a self, stream: &'a str, name: &'a str) -> Answer<'a, Option<DurableInfo>> {
        self.inner.durable(stream, name)
    }

    fn durables<'a>(&'a self, stream: &'a str, service: &'a str) -> Answer<'a, Vec<DurableInfo>> {
        self.inner.durables(stream, service)
    }

    fn create_durable<'a>(
        &'a self,
        stream: &'a str,
        spec: &'a DurableSpec,
    ) -> Answer<'a, DurableInfo> {
        self.inner.create_durable(stream, spec)
    }

    fn subscribe<'a>(
        &'a self,
        stream: &'a str,
        durable: &'a str,
    ) -> Answer<'a, Box<dyn Subscription>> {
        self.inner.subscribe(stream, durable)
    }

    fn read<'a>(
        &'a self,
        stream: &'a str,
        filter: &'a str,
        sequence: u64,
    ) -> Answer<'a, Option<StoredMessage>> {
        self.inner.read(stream, filter, sequence)
    }

    fn remove<'a>(&'a self, stream: &'a str, sequence: u64) -> Answer<'a, ()> {
        self.inner.remove(stream, sequence)
    }

    fn close(&self) -> Answer<'_, ()> {
        self.inner.close()
    }
}

impl fmt::Debug for Racing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Racing").finish_non_exhaustive()
    }
}

/// It does not say where it starts: that is only asked for where events came before the first instance.
#[handler]
async fn replicated(task: Task, State(seen): State<Seen>) {
    seen.note(task.id);
}

async fn a_durable_that_another_instance_made_meanwhile_is_used(world: World) {
    let seen = Seen::default();
    let app = || {
        let app = world.app().only((replicated,));
        app.with_state(seen.clone())
    };
    // The stream is there, as for any new handler of an event that others publish.
    let publisher = world.app().only(()).publish_only().start().await.unwrap();
    let publish = async |running: &Running, id: &str| {
        let publisher = running.publisher();
        publisher.publish_with_id(id, &task(id)).await.unwrap();
    };
    let quicker: Arc<Mutex<Option<Running>>> = Arc::default();
    let kept = Arc::clone(&quicker);
    let first = app();
    let meanwhile: Meanwhile = Box::new(move || {
        async move {
            let running = first.start().await.unwrap();
            publish(&running, "t1").await;
            kept.lock().unwrap().replace(running);
        }
        .boxed()
    });
    let racing = Racing {
        inner: publisher.broker(),
        meanwhile: Mutex::new(Some(meanwhile)),
    };
    let later = app().broker(racing).start().await.unwrap();
    let quicker = quicker.lock().unwrap().take();
    let quicker = quicker.expect("it started while the other one did");
    give(&later, &[task("t2")]).await;
    settle(&quicker).await;
    let mut lines = seen.lines();
    lines.sort();
    assert_eq!(lines, ["t1", "t2"], "each ran once");
    quicker.stop().await.unwrap();
    later.stop().await.unwrap();
    publisher.stop().await.unwrap();
}
