//! The line from one process to the broker: what goes over it is written down, some of it fails as the test
//! asks, and cutting it is the end of the process, at that very call.

use std::fmt;
use std::future::Future;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use futures_util::FutureExt;
use futures_util::future::BoxFuture;

use super::faults::{Faults, Moment, is_lane};
use super::history::{Happened, History};
use crate::broker::{
    Broker, BrokerError, Capabilities, Delivery, DurableInfo, DurableSpec, Heartbeat, Message,
    Receipt, Settle, Settlement, StoredMessage, StreamInfo, StreamSpec, Subscription, Verdict,
};
use crate::telemetry::{Observation, Observer};

/// The line from one process to the broker. Clones are the same line.
#[derive(Clone)]
pub(super) struct Line(Arc<Shared>);

struct Shared {
    broker: Arc<dyn Broker>,
    faults: Arc<Faults>,
    history: Arc<History>,
    /// The app, as the history knows it.
    app: usize,
    cut: AtomicBool,
}

impl Line {
    pub(super) fn new(
        broker: Arc<dyn Broker>,
        faults: Arc<Faults>,
        history: Arc<History>,
        app: usize,
    ) -> Self {
        Self(Arc::new(Shared {
            broker,
            faults,
            history,
            app,
            cut: AtomicBool::new(false),
        }))
    }

    pub(super) fn is_cut(&self) -> bool {
        self.0.cut.load(Ordering::SeqCst)
    }

    /// Ends the process as a power cut would: no call comes back from now on, and nothing is sent.
    pub(super) fn cut(&self) {
        if !self.0.cut.swap(true, Ordering::SeqCst) {
            self.add(Happened::Crashed);
        }
    }

    fn add(&self, happened: Happened) {
        self.0.history.add(self.0.app, happened);
    }

    /// A call over the line: it stays unanswered once the line is cut.
    async fn call<T>(&self, call: impl Future<Output = T>) -> T {
        if !self.is_cut() {
            let answer = call.await;
            if !self.is_cut() {
                return answer;
            }
        }
        std::future::pending().await
    }

    async fn publish_now(&self, message: Message) -> Result<Receipt, BrokerError> {
        if let Some(error) = self.0.faults.refusal(&message) {
            self.add(Happened::refused(&message, &error));
            return Err(error);
        }
        let sent = self.0.broker.publish(message.clone()).await;
        let mut receipt = sent.inspect_err(|error| self.add(Happened::refused(&message, error)))?;
        let line = self.clone();
        let answered = move |answer: &Result<crate::broker::Stored, BrokerError>| match answer {
            Ok(stored) if !is_lane(&message.subject) => line.add(Happened::Published {
                payload: message.payload,
                topic: message.subject,
                duplicate: stored.duplicate,
            }),
            // A lane is told of by the pipeline; this may be the last that a test waits for.
            Ok(_) => line.0.history.changed(),
            Err(error) => line.add(Happened::refused(&message, error)),
        };
        if let Some(answer) = (&mut receipt).now_or_never() {
            answered(&answer);
            return Ok(Receipt::new(std::future::ready(answer)));
        }
        // In a task of its own, so that an answer that nobody waits for is written down too.
        let (tell, told) = tokio::sync::oneshot::channel();
        tokio::spawn(async move {
            let answer = receipt.await;
            answered(&answer);
            let _ = tell.send(answer);
        });
        let gone = || BrokerError::transient("the test has ended");
        Ok(Receipt::new(async move {
            told.await.unwrap_or_else(|_| Err(gone()))
        }))
    }
}

impl Observer for Line {
    fn observe(&self, observation: &Observation<'_>) {
        // A run that goes on in this process after its end is no longer part of the story.
        if !self.is_cut() {
            self.0.history.observed(self.0.app, observation);
        }
    }
}

impl Broker for Line {
    fn capabilities(&self) -> Capabilities {
        self.0.broker.capabilities()
    }

    fn address(&self) -> String {
        self.0.broker.address()
    }

    fn publish(&self, message: Message) -> BoxFuture<'_, Result<Receipt, BrokerError>> {
        self.call(self.publish_now(message)).boxed()
    }

    fn streams_for<'a>(
        &'a self,
        filter: &'a str,
    ) -> BoxFuture<'a, Result<Vec<StreamInfo>, BrokerError>> {
        self.call(self.0.broker.streams_for(filter)).boxed()
    }

    fn stream<'a>(
        &'a self,
        name: &'a str,
    ) -> BoxFuture<'a, Result<Option<StreamInfo>, BrokerError>> {
        self.call(self.0.broker.stream(name)).boxed()
    }

    fn create_stream<'a>(
        &'a self,
        spec: &'a StreamSpec,
    ) -> BoxFuture<'a, Result<StreamInfo, BrokerError>> {
        self.call(self.0.broker.create_stream(spec)).boxed()
    }

    fn durable<'a>(
        &'a self,
        stream: &'a str,
        name: &'a str,
    ) -> BoxFuture<'a, Result<Option<DurableInfo>, BrokerError>> {
        self.call(self.0.broker.durable(stream, name)).boxed()
    }

    fn durables<'a>(
        &'a self,
        stream: &'a str,
        service: &'a str,
    ) -> BoxFuture<'a, Result<Vec<DurableInfo>, BrokerError>> {
        self.call(self.0.broker.durables(stream, service)).boxed()
    }

    fn create_durable<'a>(
        &'a self,
        stream: &'a str,
        spec: &'a DurableSpec,
    ) -> BoxFuture<'a, Result<DurableInfo, BrokerError>> {
        self.call(self.0.broker.create_durable(stream, spec))
            .boxed()
    }

    fn count<'a>(
        &'a self,
        stream: &'a str,
        filter: &'a str,
    ) -> BoxFuture<'a, Result<u64, BrokerError>> {
        self.call(self.0.broker.count(stream, filter)).boxed()
    }

    fn subscribe<'a>(
        &'a self,
        stream: &'a str,
        durable: &'a str,
    ) -> BoxFuture<'a, Result<Box<dyn Subscription>, BrokerError>> {
        // A durable is `{service}-{handler}`, and a handler's name has no `-`.
        let handler = durable.rsplit('-').next().unwrap_or(durable).into();
        async move {
            let inner = self.call(self.0.broker.subscribe(stream, durable)).await?;
            let line = self.clone();
            Ok(Box::new(LineSubscription {
                inner,
                line,
                handler,
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
        self.call(self.0.broker.read(stream, filter, sequence))
            .boxed()
    }

    fn remove<'a>(
        &'a self,
        stream: &'a str,
        sequence: u64,
    ) -> BoxFuture<'a, Result<(), BrokerError>> {
        self.call(self.0.broker.remove(stream, sequence)).boxed()
    }

    fn close(&self) -> BoxFuture<'_, Result<(), BrokerError>> {
        self.call(self.0.broker.close()).boxed()
    }
}

impl fmt::Debug for Line {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Line").finish_non_exhaustive()
    }
}

#[derive(Debug)]
struct LineSubscription {
    inner: Box<dyn Subscription>,
    line: Line,
    handler: Arc<str>,
}

impl Subscription for LineSubscription {
    fn generation(&self) -> &str {
        self.inner.generation()
    }

    fn ack_wait(&self) -> Duration {
        self.inner.ack_wait()
    }

    fn next(&mut self, demand: usize) -> BoxFuture<'_, Result<Vec<Delivery>, BrokerError>> {
        async move {
            let arrived = async {
                let deliveries = self.inner.next(demand).await?;
                if self.line.0.faults.crashes(Moment::Arrived, &self.handler) {
                    self.line.cut();
                }
                Ok::<_, BrokerError>(deliveries)
            };
            let deliveries = self.line.call(arrived).await?;
            let deliveries = deliveries.into_iter().map(|delivery| Delivery {
                settle: Settle::new(LineSettlement {
                    heartbeat: delivery.settle.heartbeat(),
                    inner: Mutex::new(Some(delivery.settle)),
                    line: self.line.clone(),
                    handler: Arc::clone(&self.handler),
                }),
                ..delivery
            });
            Ok(deliveries.collect())
        }
        .boxed()
    }

    fn close(self: Box<Self>) -> BoxFuture<'static, Result<(), BrokerError>> {
        let Self { inner, line, .. } = *self;
        async move { line.call(inner.close()).await }.boxed()
    }
}

#[derive(Debug)]
struct LineSettlement {
    /// Taken by the one call that settles it.
    inner: Mutex<Option<Settle>>,
    heartbeat: Heartbeat,
    line: Line,
    handler: Arc<str>,
}

impl Settlement for LineSettlement {
    fn settle(&self, verdict: Verdict) -> BoxFuture<'_, Result<(), BrokerError>> {
        if verdict == Verdict::Done && self.line.0.faults.crashes(Moment::Done, &self.handler) {
            self.line.cut();
        }
        let settle = async move {
            let inner = self
                .inner
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .take();
            let settled = match (inner, verdict) {
                (None, _) => Ok(()),
                (Some(settle), Verdict::Done) => settle.done().await,
                (Some(settle), Verdict::HandBack(delay)) => settle.hand_back(delay).await,
            };
            self.line.0.history.changed();
            settled
        };
        self.line.call(settle).boxed()
    }

    fn progress(&self) -> BoxFuture<'_, Result<(), BrokerError>> {
        self.line.call(self.heartbeat.beat()).boxed()
    }
}
