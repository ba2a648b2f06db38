//! A real server for many tests at once: each sees its own subjects and streams, under their usual names.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use futures_util::FutureExt;
use futures_util::future::BoxFuture;

use crate::broker::{
    Broker, BrokerError, Capabilities, Delivery, DurableInfo, DurableSpec, Message, Receipt,
    Stored, StoredMessage, StreamInfo, StreamSpec, Subscription,
};

/// The names of one test at the server, and back.
///
/// A topic gets the tag before it. A lane has to begin with its own words, so there the service is tagged.
#[derive(Debug, Clone)]
pub(super) struct Names(Arc<str>);

impl Names {
    pub(super) fn new() -> Self {
        Self(format!("test_{}", uuid::Uuid::now_v7().simple()).into())
    }

    fn subject(&self, ours: &str) -> String {
        let tag = &self.0;
        match lane(ours) {
            Some((kind, service, rest)) => format!("lane.{kind}.{service}-{tag}.{rest}"),
            None => format!("{tag}.{ours}"),
        }
    }

    fn subject_back(&self, theirs: &str) -> String {
        let untagged = match lane(theirs) {
            Some((kind, service, rest)) => service
                .strip_suffix(&*self.0)
                .and_then(|service| service.strip_suffix('-'))
                .map(|service| format!("lane.{kind}.{service}.{rest}")),
            None => theirs
                .strip_prefix(&*self.0)
                .and_then(|topic| topic.strip_prefix('.'))
                .map(str::to_owned),
        };
        untagged.unwrap_or_else(|| theirs.to_owned())
    }

    fn stream(&self, ours: &str) -> String {
        format!("{}_{ours}", self.0)
    }

    fn stream_back(&self, theirs: &str) -> String {
        let untagged = theirs
            .strip_prefix(&*self.0)
            .and_then(|name| name.strip_prefix('_'));
        untagged.unwrap_or(theirs).to_owned()
    }

    fn info_back(&self, mut info: StreamInfo) -> StreamInfo {
        info.name = self.stream_back(&info.name);
        for subject in &mut info.subjects {
            *subject = self.subject_back(subject);
        }
        info
    }

    fn durable_back(&self, mut info: DurableInfo) -> DurableInfo {
        for filter in &mut info.filters {
            *filter = self.subject_back(filter);
        }
        info
    }
}

/// The parts of a lane's subject: its kind, its service, and the rest.
fn lane(subject: &str) -> Option<(&str, &str, &str)> {
    let mut tokens = subject.strip_prefix("lane.")?.splitn(3, '.');
    Some((tokens.next()?, tokens.next()?, tokens.next()?))
}

/// A server as one test sees it.
pub(super) struct Isolated {
    broker: Arc<dyn Broker>,
    names: Names,
}

impl Isolated {
    pub(super) fn new(broker: Arc<dyn Broker>, names: Names) -> Self {
        Self { broker, names }
    }
}

impl Broker for Isolated {
    fn capabilities(&self) -> Capabilities {
        self.broker.capabilities()
    }

    fn address(&self) -> String {
        format!("{} ({}…)", self.broker.address(), self.names.0)
    }

    fn publish(&self, mut message: Message) -> BoxFuture<'_, Result<Receipt, BrokerError>> {
        message.subject = self.names.subject(&message.subject);
        async move {
            let receipt = self.broker.publish(message).await?;
            let names = self.names.clone();
            Ok(Receipt::new(async move {
                let stored = receipt.await?;
                Ok(Stored {
                    stream: names.stream_back(&stored.stream),
                    ..stored
                })
            }))
        }
        .boxed()
    }

    fn streams_for<'a>(
        &'a self,
        filter: &'a str,
    ) -> BoxFuture<'a, Result<Vec<StreamInfo>, BrokerError>> {
        async {
            let found = self.broker.streams_for(&self.names.subject(filter)).await?;
            let found = found.into_iter().map(|info| self.names.info_back(info));
            Ok(found.collect())
        }
        .boxed()
    }

    fn stream<'a>(
        &'a self,
        name: &'a str,
    ) -> BoxFuture<'a, Result<Option<StreamInfo>, BrokerError>> {
        async {
            let found = self.broker.stream(&self.names.stream(name)).await?;
            Ok(found.map(|info| self.names.info_back(info)))
        }
        .boxed()
    }

    fn create_stream<'a>(
        &'a self,
        spec: &'a StreamSpec,
    ) -> BoxFuture<'a, Result<StreamInfo, BrokerError>> {
        let mut theirs = spec.clone();
        theirs.name = self.names.stream(&spec.name);
        for subject in &mut theirs.subjects {
            *subject = self.names.subject(subject);
        }
        async move {
            let created = self.broker.create_stream(&theirs).await?;
            Ok(self.names.info_back(created))
        }
        .boxed()
    }

    fn durable<'a>(
        &'a self,
        stream: &'a str,
        name: &'a str,
    ) -> BoxFuture<'a, Result<Option<DurableInfo>, BrokerError>> {
        async move {
            let stream = self.names.stream(stream);
            let found = self.broker.durable(&stream, name).await?;
            Ok(found.map(|info| self.names.durable_back(info)))
        }
        .boxed()
    }

    fn durables<'a>(
        &'a self,
        stream: &'a str,
        service: &'a str,
    ) -> BoxFuture<'a, Result<Vec<DurableInfo>, BrokerError>> {
        async move {
            let stream = self.names.stream(stream);
            let found = self.broker.durables(&stream, service).await?;
            let found = found.into_iter().map(|info| self.names.durable_back(info));
            Ok(found.collect())
        }
        .boxed()
    }

    fn create_durable<'a>(
        &'a self,
        stream: &'a str,
        spec: &'a DurableSpec,
    ) -> BoxFuture<'a, Result<DurableInfo, BrokerError>> {
        let mut theirs = spec.clone();
        theirs.filter = self.names.subject(&spec.filter);
        async move {
            let stream = self.names.stream(stream);
            let created = self.broker.create_durable(&stream, &theirs).await?;
            Ok(self.names.durable_back(created))
        }
        .boxed()
    }

    fn count<'a>(
        &'a self,
        stream: &'a str,
        filter: &'a str,
    ) -> BoxFuture<'a, Result<u64, BrokerError>> {
        async move {
            let (stream, filter) = (self.names.stream(stream), self.names.subject(filter));
            self.broker.count(&stream, &filter).await
        }
        .boxed()
    }

    fn subscribe<'a>(
        &'a self,
        stream: &'a str,
        durable: &'a str,
    ) -> BoxFuture<'a, Result<Box<dyn Subscription>, BrokerError>> {
        async move {
            let theirs = self.names.stream(stream);
            let inner = self.broker.subscribe(&theirs, durable).await?;
            let names = self.names.clone();
            let stream = stream.into();
            Ok(Box::new(IsolatedSubscription {
                inner,
                names,
                stream,
            }) as Box<dyn Subscription>)
        }
        .boxed()
    }

    fn read<'a>(
        &'a self,
        stream: &'a str,
        filter: &'a str,
        sequence: u64,
    ) -> BoxFuture<'a, Result<Option<StoredMessage>, BrokerError>> {
        async move {
            let (stream, filter) = (self.names.stream(stream), self.names.subject(filter));
            let found = self.broker.read(&stream, &filter, sequence).await?;
            Ok(found.map(|mut message| {
                message.subject = self.names.subject_back(&message.subject);
                message
            }))
        }
        .boxed()
    }

    fn remove<'a>(
        &'a self,
        stream: &'a str,
        sequence: u64,
    ) -> BoxFuture<'a, Result<(), BrokerError>> {
        async move {
            let stream = self.names.stream(stream);
            self.broker.remove(&stream, sequence).await
        }
        .boxed()
    }

    fn close(&self) -> BoxFuture<'_, Result<(), BrokerError>> {
        self.broker.close()
    }
}

impl fmt::Debug for Isolated {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Isolated")
            .field("names", &self.names)
            .finish_non_exhaustive()
    }
}

#[derive(Debug)]
struct IsolatedSubscription {
    inner: Box<dyn Subscription>,
    names: Names,
    stream: Arc<str>,
}

impl Subscription for IsolatedSubscription {
    fn generation(&self) -> &str {
        self.inner.generation()
    }

    fn ack_wait(&self) -> Duration {
        self.inner.ack_wait()
    }

    fn next(&mut self, demand: usize) -> BoxFuture<'_, Result<Vec<Delivery>, BrokerError>> {
        async move {
            let mut deliveries = self.inner.next(demand).await?;
            for delivery in &mut deliveries {
                delivery.subject = self.names.subject_back(&delivery.subject).into();
                delivery.origin.stream = Arc::clone(&self.stream);
            }
            Ok(deliveries)
        }
        .boxed()
    }

    fn close(self: Box<Self>) -> BoxFuture<'static, Result<(), BrokerError>> {
        self.inner.close()
    }
}

#[cfg(test)]
mod tests {
    use super::Names;

    #[test]
    fn every_name_has_its_own_at_the_server_and_comes_back() {
        let (names, others) = (Names::new(), Names::new());
        for subject in [
            "orders.eu.placed",
            "orders.>",
            "lane.retry.shop.ship",
            "lane.delay.my-shop.ship.0af3",
            "lane.dead.shop.*.>",
            "lane.dead.shop.ship.orders.eu.placed",
        ] {
            let theirs = names.subject(subject);
            assert_ne!(theirs, subject);
            assert_eq!(names.subject_back(&theirs), subject);
            assert_eq!(others.subject_back(&theirs), theirs);
        }
        let theirs = names.stream("shop_RETRY");
        assert_eq!(names.stream_back(&theirs), "shop_RETRY");
        assert_eq!(others.stream_back(&theirs), theirs);
    }
}
