//! NATS JetStream: the only folder that names the client library.
//!
//! Two connections: what one of them suffers (a poisoned header, a full buffer) must not stop the other.
//! Publishing awaits every acknowledgement, through one inbox and a bounded window. Consuming is a pull loop
//! of our own, whose demand is the handler's. Every call to the server ends in bounded time.

mod api;
mod arrivals;
mod connect;
mod consumer;
mod headers;
mod link;
mod options;
mod places;
mod poison;
mod publish;
mod refusal;
mod reply;
mod settle;
mod stored;
mod subscription;
mod topology;
mod window;

use std::fmt;
use std::sync::Arc;

use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use tokio::sync::Mutex;

use self::connect::Connected;
use self::headers::Kept;
use self::link::{Link, Links};
pub use self::options::NatsOptions;
use self::subscription::NatsSubscription;
use self::window::Window;
use crate::broker::{
    Broker, BrokerError, Capabilities, DurableInfo, DurableSpec, Message, Receipt, StoredMessage,
    StreamInfo, StreamSpec, Subscription,
};

/// A repeated message id is recognised for this long, on every stream that is created here.
const WINDOW: std::time::Duration = std::time::Duration::from_mins(10);
/// Room for headers: a body is refused above the server's limit less this.
const HEADER_ROOM: usize = 8 * 1024;

/// A connection to NATS servers with JetStream, 2.12 or newer.
pub struct Nats {
    address: String,
    options: NatsOptions,
    /// For publishing and for the server's API.
    publish: Link,
    links: Mutex<Arc<Links>>,
    window: Window,
    kept: Kept,
}

impl Nats {
    /// Connects, and checks that the server is one that handlers can rely on.
    pub async fn connect(options: NatsOptions) -> Result<Self, BrokerError> {
        let Connected {
            address,
            publish,
            consume,
        } = connect::connect(&options).await?;
        let window = Window::open(publish.clone()).await?;
        Ok(Self {
            address,
            options,
            links: Mutex::new(Arc::new(Links::new(consume, publish.clone(), false))),
            publish,
            window,
            kept: Kept::new(),
        })
    }

    /// The connections, the one that consumes made again if it has ended: it does where the client library's
    /// task panics, as it does on some headers.
    async fn links(&self) -> Result<Arc<Links>, BrokerError> {
        let mut links = self.links.lock().await;
        if links.has_ended() {
            let consume = connect::consumer(&self.options).await?;
            *links = Arc::new(Links::new(consume, self.publish.clone(), true));
        }
        Ok(Arc::clone(&links))
    }
}

impl Broker for Nats {
    fn capabilities(&self) -> Capabilities {
        Capabilities::minimal()
            .delays()
            .counts_deliveries()
            .deduplicates_for(WINDOW)
            .max_payload(self.publish.max_payload())
    }

    fn address(&self) -> String {
        self.address.clone()
    }

    fn publish(&self, message: Message) -> BoxFuture<'_, Result<Receipt, BrokerError>> {
        publish::publish(&self.publish, &self.window, &self.kept, message).boxed()
    }

    fn publish_now(&self, message: &mut Option<Message>) -> Option<Result<Receipt, BrokerError>> {
        publish::publish_now(&self.publish, &self.window, &self.kept, message)
    }

    fn streams_for<'a>(
        &'a self,
        filter: &'a str,
    ) -> BoxFuture<'a, Result<Vec<StreamInfo>, BrokerError>> {
        topology::streams_for(&self.publish, filter).boxed()
    }

    fn stream<'a>(
        &'a self,
        name: &'a str,
    ) -> BoxFuture<'a, Result<Option<StreamInfo>, BrokerError>> {
        topology::stream(&self.publish, name).boxed()
    }

    fn create_stream<'a>(
        &'a self,
        spec: &'a StreamSpec,
    ) -> BoxFuture<'a, Result<StreamInfo, BrokerError>> {
        topology::create_stream(&self.publish, spec).boxed()
    }

    fn durable<'a>(
        &'a self,
        stream: &'a str,
        name: &'a str,
    ) -> BoxFuture<'a, Result<Option<DurableInfo>, BrokerError>> {
        topology::durable(&self.publish, stream, name).boxed()
    }

    fn durables<'a>(
        &'a self,
        stream: &'a str,
        service: &'a str,
    ) -> BoxFuture<'a, Result<Vec<DurableInfo>, BrokerError>> {
        topology::durables(&self.publish, stream, service).boxed()
    }

    fn create_durable<'a>(
        &'a self,
        stream: &'a str,
        spec: &'a DurableSpec,
    ) -> BoxFuture<'a, Result<DurableInfo, BrokerError>> {
        topology::create_durable(&self.publish, stream, spec).boxed()
    }

    fn count<'a>(
        &'a self,
        stream: &'a str,
        filter: &'a str,
    ) -> BoxFuture<'a, Result<u64, BrokerError>> {
        stored::count(&self.publish, stream, filter).boxed()
    }

    fn subscribe<'a>(
        &'a self,
        stream: &'a str,
        durable: &'a str,
    ) -> BoxFuture<'a, Result<Box<dyn Subscription>, BrokerError>> {
        async move {
            let subscription =
                NatsSubscription::begin(self.links().await?, stream, durable).await?;
            Ok(Box::new(subscription) as Box<dyn Subscription>)
        }
        .boxed()
    }

    fn read<'a>(
        &'a self,
        stream: &'a str,
        filter: &'a str,
        sequence: u64,
    ) -> BoxFuture<'a, Result<Option<StoredMessage>, BrokerError>> {
        stored::read(&self.publish, stream, filter, sequence).boxed()
    }

    fn remove<'a>(
        &'a self,
        stream: &'a str,
        sequence: u64,
    ) -> BoxFuture<'a, Result<(), BrokerError>> {
        stored::remove(&self.publish, stream, sequence).boxed()
    }

    fn close(&self) -> BoxFuture<'_, Result<(), BrokerError>> {
        async move {
            // Acknowledgements are on the wire once both are flushed; only then may the connections go.
            let links = Arc::clone(&*self.links.lock().await);
            let (published, settled) = tokio::join!(self.publish.flush(), links.consume.flush());
            self.window.close().await;
            published.and(settled)
        }
        .boxed()
    }
}

impl fmt::Debug for Nats {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Nats")
            .field("address", &self.address)
            .finish_non_exhaustive()
    }
}
