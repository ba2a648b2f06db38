//! The in-memory broker with one fault in it, which the comparison has to find.

use std::fmt;
use std::time::Duration;

use event_runtime::adapters::memory::Memory;
use event_runtime::broker::{
    Broker, BrokerError, Capabilities, Delivery, DurableInfo, DurableSpec, Heartbeat, Message,
    Receipt, Settle, Settlement, StoredMessage, StreamInfo, StreamSpec, Subscription, Verdict,
};
use futures_util::FutureExt;
use futures_util::future::BoxFuture;

/// What is wrong with an [`Altered`] broker.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// What is handed back is not delivered again before its ack wait is over.
    ForgetsHandBacks,
    /// What is settled is not.
    ForgetsSettling,
    /// Progress is not heard.
    ForgetsProgress,
    /// From the second delivery on it counts one too many.
    Miscounts,
    /// A message that repeats an id is stored again.
    StoresTwice,
    /// A durable shows no unsettled deliveries.
    HidesUnsettled,
}

/// The in-memory broker with a fault.
#[derive(Clone)]
pub struct Altered {
    inner: Memory,
    fault: Fault,
}

impl Altered {
    /// A broker that holds nothing.
    pub fn new(fault: Fault) -> Self {
        let inner = Memory::new();
        Self { inner, fault }
    }

    fn info(&self, mut info: DurableInfo) -> DurableInfo {
        if self.fault == Fault::HidesUnsettled {
            info.position.unsettled = 0;
        }
        info
    }
}

impl Broker for Altered {
    fn capabilities(&self) -> Capabilities {
        self.inner.capabilities()
    }

    fn address(&self) -> String {
        self.inner.address()
    }

    fn publish(&self, mut message: Message) -> BoxFuture<'_, Result<Receipt, BrokerError>> {
        if self.fault == Fault::StoresTwice {
            message.id = None;
        }
        self.inner.publish(message)
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
        async move {
            let found = self.inner.durable(stream, name).await?;
            Ok(found.map(|info| self.info(info)))
        }
        .boxed()
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
        async move {
            let inner = self.inner.subscribe(stream, durable).await?;
            let fault = self.fault;
            Ok(Box::new(AlteredSubscription { inner, fault }) as _)
        }
        .boxed()
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

impl fmt::Debug for Altered {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Altered").finish_non_exhaustive()
    }
}

#[derive(Debug)]
struct AlteredSubscription {
    inner: Box<dyn Subscription>,
    fault: Fault,
}

impl Subscription for AlteredSubscription {
    fn generation(&self) -> &str {
        self.inner.generation()
    }

    fn ack_wait(&self) -> Duration {
        self.inner.ack_wait()
    }

    fn next(&mut self, demand: usize) -> BoxFuture<'_, Result<Vec<Delivery>, BrokerError>> {
        async move {
            let mut taken = self.inner.next(demand).await?;
            for delivery in &mut taken {
                if self.fault == Fault::Miscounts && delivery.origin.deliveries > 1 {
                    delivery.origin.deliveries += 1;
                }
            }
            let fault = self.fault;
            let altered = taken.into_iter().map(|delivery| Delivery {
                settle: AlteredSettlement::over(delivery.settle, fault),
                ..delivery
            });
            Ok(altered.collect())
        }
        .boxed()
    }

    fn close(self: Box<Self>) -> BoxFuture<'static, Result<(), BrokerError>> {
        self.inner.close()
    }
}

#[derive(Debug)]
struct AlteredSettlement {
    inner: std::sync::Mutex<Option<Settle>>,
    heartbeat: Heartbeat,
    fault: Fault,
}

impl AlteredSettlement {
    fn over(inner: Settle, fault: Fault) -> Settle {
        let heartbeat = inner.heartbeat();
        Settle::new(Self {
            inner: std::sync::Mutex::new(Some(inner)),
            heartbeat,
            fault,
        })
    }
}

impl Settlement for AlteredSettlement {
    fn settle(&self, verdict: Verdict) -> BoxFuture<'_, Result<(), BrokerError>> {
        let inner = self.inner.lock().unwrap().take();
        async move {
            match (inner, verdict) {
                (Some(settle), Verdict::Done) if self.fault != Fault::ForgetsSettling => {
                    settle.done().await
                }
                (Some(settle), Verdict::HandBack(delay))
                    if self.fault != Fault::ForgetsHandBacks =>
                {
                    settle.hand_back(delay).await
                }
                _ => Ok(()),
            }
        }
        .boxed()
    }

    fn progress(&self) -> BoxFuture<'_, Result<(), BrokerError>> {
        if self.fault == Fault::ForgetsProgress {
            return std::future::ready(Ok(())).boxed();
        }
        self.heartbeat.beat().boxed()
    }
}
