//! A broker that refuses some of what is published, as the test says.

use std::fmt;
use std::sync::{Arc, Mutex};

use event_runtime::broker::{
    Broker, BrokerError, Capabilities, DurableInfo, DurableSpec, Message, Receipt, StoredMessage,
    StreamInfo, StreamSpec, Subscription,
};
use futures_util::FutureExt;
use futures_util::future::BoxFuture;

type Refuse = Box<dyn FnMut(&Message) -> Option<BrokerError> + Send>;

/// Another broker, whose `publish` fails where the test says so.
#[derive(Clone)]
pub struct Faulty {
    inner: Arc<dyn Broker>,
    refuse: Arc<Mutex<Refuse>>,
}

impl Faulty {
    /// Asks `refuse` about every message before `inner` gets it.
    pub fn new(
        inner: impl Broker,
        refuse: impl FnMut(&Message) -> Option<BrokerError> + Send + 'static,
    ) -> Self {
        Self {
            inner: Arc::new(inner),
            refuse: Arc::new(Mutex::new(Box::new(refuse))),
        }
    }
}

impl Broker for Faulty {
    fn capabilities(&self) -> Capabilities {
        self.inner.capabilities()
    }

    fn address(&self) -> String {
        self.inner.address()
    }

    fn publish(&self, message: Message) -> BoxFuture<'_, Result<Receipt, BrokerError>> {
        let refused = (self.refuse.lock().unwrap())(&message);
        match refused {
            Some(error) => std::future::ready(Err(error)).boxed(),
            None => self.inner.publish(message),
        }
    }

    fn streams_for<'a>(
        &'a self,
        filter: &'a str,
    ) -> BoxFuture<'a, Result<Vec<StreamInfo>, BrokerError>> {
        self.inner.streams_for(filter)
    }

    fn stream<'a>(
        &'a self,
        name: &'a str,
    ) -> BoxFuture<'a, Result<Option<StreamInfo>, BrokerError>> {
        self.inner.stream(name)
    }

    fn create_stream<'a>(
        &'a self,
        spec: &'a StreamSpec,
    ) -> BoxFuture<'a, Result<StreamInfo, BrokerError>> {
        self.inner.create_stream(spec)
    }

    fn durable<'a>(
        &'a self,
        stream: &'a str,
        name: &'a str,
    ) -> BoxFuture<'a, Result<Option<DurableInfo>, BrokerError>> {
        self.inner.durable(stream, name)
    }

    fn durables<'a>(
        &'a self,
        stream: &'a str,
        service: &'a str,
    ) -> BoxFuture<'a, Result<Vec<DurableInfo>, BrokerError>> {
        self.inner.durables(stream, service)
    }

    fn create_durable<'a>(
        &'a self,
        stream: &'a str,
        spec: &'a DurableSpec,
    ) -> BoxFuture<'a, Result<DurableInfo, BrokerError>> {
        self.inner.create_durable(stream, spec)
    }

    fn count<'a>(
        &'a self,
        stream: &'a str,
        filter: &'a str,
    ) -> BoxFuture<'a, Result<u64, BrokerError>> {
        self.inner.count(stream, filter)
    }

    fn subscribe<'a>(
        &'a self,
        stream: &'a str,
        durable: &'a str,
    ) -> BoxFuture<'a, Result<Box<dyn Subscription>, BrokerError>> {
        self.inner.subscribe(stream, durable)
    }

    fn read<'a>(
        &'a self,
        stream: &'a str,
        filter: &'a str,
        sequence: u64,
    ) -> BoxFuture<'a, Result<Option<StoredMessage>, BrokerError>> {
        self.inner.read(stream, filter, sequence)
    }

    fn remove<'a>(
        &'a self,
        stream: &'a str,
        sequence: u64,
    ) -> BoxFuture<'a, Result<(), BrokerError>> {
        self.inner.remove(stream, sequence)
    }

    fn close(&self) -> BoxFuture<'_, Result<(), BrokerError>> {
        self.inner.close()
    }
}

impl fmt::Debug for Faulty {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Faulty").finish_non_exhaustive()
    }
}
