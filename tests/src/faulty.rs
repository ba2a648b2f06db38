//! A broker that does something else than the one behind it, as the test says.

use std::fmt;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use event_runtime::broker::{
    Broker, BrokerError, Capabilities, Delivery, DurableInfo, DurableSpec, Message, Receipt,
    StoredMessage, StreamInfo, StreamSpec, Subscription,
};
use futures_util::FutureExt;
use futures_util::future::BoxFuture;

/// What a call to a broker answers.
pub type Answer<'a, T> = BoxFuture<'a, Result<T, BrokerError>>;

/// What a faulty broker does otherwise. What is not written is done as the broker behind it does it.
pub trait Fault: Send + Sync + 'static {
    /// Instead of the other's capabilities.
    fn capabilities(&self, honest: Capabilities) -> Capabilities {
        honest
    }

    /// Instead of publishing.
    fn publish<'a>(&'a self, inner: &'a Arc<dyn Broker>, message: Message) -> Answer<'a, Receipt> {
        inner.publish(message)
    }

    /// Instead of looking for streams.
    fn streams_for<'a>(
        &'a self,
        inner: &'a dyn Broker,
        filter: &'a str,
    ) -> Answer<'a, Vec<StreamInfo>> {
        inner.streams_for(filter)
    }

    /// Instead of creating a stream.
    fn create_stream<'a>(
        &'a self,
        inner: &'a dyn Broker,
        spec: &'a StreamSpec,
    ) -> Answer<'a, StreamInfo> {
        inner.create_stream(spec)
    }

    /// Instead of listing durables.
    fn durables<'a>(
        &'a self,
        inner: &'a dyn Broker,
        stream: &'a str,
        service: &'a str,
    ) -> Answer<'a, Vec<DurableInfo>> {
        inner.durables(stream, service)
    }

    /// Instead of creating a durable.
    fn create_durable<'a>(
        &'a self,
        inner: &'a dyn Broker,
        stream: &'a str,
        spec: &'a DurableSpec,
    ) -> Answer<'a, DurableInfo> {
        inner.create_durable(stream, spec)
    }

    /// What is said about a durable.
    fn told(&self, durable: DurableInfo) -> DurableInfo {
        durable
    }

    /// Instead of counting.
    fn count<'a>(
        &'a self,
        inner: &'a dyn Broker,
        stream: &'a str,
        filter: &'a str,
    ) -> Answer<'a, u64> {
        inner.count(stream, filter)
    }

    /// Instead of reading.
    fn read<'a>(
        &'a self,
        inner: &'a dyn Broker,
        stream: &'a str,
        filter: &'a str,
        sequence: u64,
    ) -> Answer<'a, Option<StoredMessage>> {
        inner.read(stream, filter, sequence)
    }

    /// Instead of removing.
    fn remove<'a>(
        &'a self,
        inner: &'a dyn Broker,
        stream: &'a str,
        sequence: u64,
    ) -> Answer<'a, ()> {
        inner.remove(stream, sequence)
    }

    /// Instead of subscribing.
    fn subscribe<'a>(
        &'a self,
        inner: &'a dyn Broker,
        stream: &'a str,
        durable: &'a str,
    ) -> Answer<'a, Box<dyn Subscription>> {
        async move { Ok(self.consumes(inner.subscribe(stream, durable).await?)) }.boxed()
    }

    /// In place of a subscription.
    fn consumes(&self, inner: Box<dyn Subscription>) -> Box<dyn Subscription> {
        inner
    }

    /// The broker was restarted.
    fn restarted<'a>(&'a self, _inner: &'a dyn Broker) -> BoxFuture<'a, ()> {
        std::future::ready(()).boxed()
    }
}

/// Another broker, with a fault.
#[derive(Clone)]
pub struct Faulty {
    inner: Arc<dyn Broker>,
    fault: Arc<dyn Fault>,
}

impl Faulty {
    /// Asks `refuse` about every message before `inner` gets it.
    pub fn new(
        inner: impl Broker,
        refuse: impl FnMut(&Message) -> Option<BrokerError> + Send + 'static,
    ) -> Self {
        let refuse: Refuse = Box::new(refuse);
        Self::with(inner, Arc::new(Mutex::new(refuse)))
    }

    /// Does what `fault` says instead of what `inner` does.
    pub fn with(inner: impl Broker, fault: Arc<dyn Fault>) -> Self {
        let inner = Arc::new(inner);
        Self { inner, fault }
    }
}

type Refuse = Box<dyn FnMut(&Message) -> Option<BrokerError> + Send>;

impl Fault for Mutex<Refuse> {
    fn publish<'a>(&'a self, inner: &'a Arc<dyn Broker>, message: Message) -> Answer<'a, Receipt> {
        let refused = (self.lock().unwrap())(&message);
        match refused {
            Some(error) => std::future::ready(Err(error)).boxed(),
            None => inner.publish(message),
        }
    }
}

impl Broker for Faulty {
    fn capabilities(&self) -> Capabilities {
        self.fault.capabilities(self.inner.capabilities())
    }

    fn address(&self) -> String {
        self.inner.address()
    }

    fn publish(&self, message: Message) -> Answer<'_, Receipt> {
        self.fault.publish(&self.inner, message)
    }

    fn streams_for<'a>(&'a self, filter: &'a str) -> Answer<'a, Vec<StreamInfo>> {
        self.fault.streams_for(&*self.inner, filter)
    }

    fn stream<'a>(&'a self, name: &'a str) -> Answer<'a, Option<StreamInfo>> {
        self.inner.stream(name)
    }

    fn create_stream<'a>(&'a self, spec: &'a StreamSpec) -> Answer<'a, StreamInfo> {
        self.fault.create_stream(&*self.inner, spec)
    }

    fn durable<'a>(&'a self, stream: &'a str, name: &'a str) -> Answer<'a, Option<DurableInfo>> {
        async move {
            let found = self.inner.durable(stream, name).await?;
            Ok(found.map(|found| self.fault.told(found)))
        }
        .boxed()
    }

    fn durables<'a>(&'a self, stream: &'a str, service: &'a str) -> Answer<'a, Vec<DurableInfo>> {
        self.fault.durables(&*self.inner, stream, service)
    }

    fn create_durable<'a>(
        &'a self,
        stream: &'a str,
        spec: &'a DurableSpec,
    ) -> Answer<'a, DurableInfo> {
        self.fault.create_durable(&*self.inner, stream, spec)
    }

    fn count<'a>(&'a self, stream: &'a str, filter: &'a str) -> Answer<'a, u64> {
        self.fault.count(&*self.inner, stream, filter)
    }

    fn subscribe<'a>(
        &'a self,
        stream: &'a str,
        durable: &'a str,
    ) -> Answer<'a, Box<dyn Subscription>> {
        self.fault.subscribe(&*self.inner, stream, durable)
    }

    fn read<'a>(
        &'a self,
        stream: &'a str,
        filter: &'a str,
        sequence: u64,
    ) -> Answer<'a, Option<StoredMessage>> {
        self.fault.read(&*self.inner, stream, filter, sequence)
    }

    fn remove<'a>(&'a self, stream: &'a str, sequence: u64) -> Answer<'a, ()> {
        self.fault.remove(&*self.inner, stream, sequence)
    }

    fn close(&self) -> Answer<'_, ()> {
        self.inner.close()
    }
}

impl fmt::Debug for Faulty {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Faulty").finish_non_exhaustive()
    }
}

/// Changes what a subscription returns.
type Change = Box<dyn FnMut(Vec<Delivery>) -> BoxFuture<'static, Vec<Delivery>> + Send>;

/// A subscription whose deliveries are changed before they are returned.
pub struct Changed {
    inner: Box<dyn Subscription>,
    change: Change,
}

impl Changed {
    /// Changes whole batches; an empty one is never returned.
    pub fn batches<F>(
        inner: Box<dyn Subscription>,
        mut change: impl FnMut(Vec<Delivery>) -> F + Send + 'static,
    ) -> Box<dyn Subscription>
    where
        F: Future<Output = Vec<Delivery>> + Send + 'static,
    {
        let change: Change = Box::new(move |batch| change(batch).boxed());
        Box::new(Self { inner, change })
    }

    /// Changes each delivery.
    pub fn each(
        inner: Box<dyn Subscription>,
        change: impl FnMut(Delivery) -> Delivery + Send + 'static,
    ) -> Box<dyn Subscription> {
        let mut change = change;
        Self::batches(inner, move |batch| {
            let changed: Vec<_> = batch.into_iter().map(&mut change).collect();
            std::future::ready(changed)
        })
    }
}

impl Subscription for Changed {
    fn generation(&self) -> &str {
        self.inner.generation()
    }

    fn ack_wait(&self) -> Duration {
        self.inner.ack_wait()
    }

    fn next(&mut self, demand: usize) -> Answer<'_, Vec<Delivery>> {
        async move {
            loop {
                let batch = self.inner.next(demand).await?;
                let batch = (self.change)(batch).await;
                if !batch.is_empty() {
                    return Ok(batch);
                }
            }
        }
        .boxed()
    }

    fn close(self: Box<Self>) -> Answer<'static, ()> {
        self.inner.close()
    }
}

impl fmt::Debug for Changed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Changed").finish_non_exhaustive()
    }
}
