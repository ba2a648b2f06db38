//! The pull loop: asks for what the handler can take, and notices when nothing comes that should.

use std::fmt;
use std::future::poll_fn;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use async_nats::connection::State;
use async_nats::{Message, Subscriber};
use futures_util::future::BoxFuture;
use futures_util::{FutureExt, StreamExt};
use tokio::sync::watch;
use tokio::task::coop::unconstrained;
use tokio::time::Instant;

use super::arrivals::{self, Arrivals};
use super::consumer::{Consumer, consumer};
use super::link::{Link, Links, timed};
use super::poison::Quarantine;
use crate::broker::{BrokerError, Delivery, Subscription};

/// A pull ends by itself after this time.
const EXPIRES: Duration = Duration::from_secs(30);
/// The server says this often that it is still there.
const HEARTBEAT: Duration = Duration::from_secs(5);

/// No more deliveries than this are given out at once: what is taken in one piece of memory is soon used again.
const CHUNK: usize = 256;

pub(super) struct NatsSubscription {
    links: Arc<Links>,
    stream: Arc<str>,
    durable: String,
    generation: String,
    ack_wait: Duration,
    inbox: String,
    messages: Subscriber,
    arrivals: Arrivals,
    /// How many deliveries were given out together last: the next ones are often as many.
    last_size: usize,
    connects: watch::Receiver<u64>,
    /// Asked for and not come yet.
    outstanding: usize,
    /// The connection was away: the durable may have been deleted and created again meanwhile, unheard.
    doubted: bool,
    /// When something was heard last, or asked for.
    heard: Instant,
    quarantine: Quarantine,
}

impl NatsSubscription {
    pub(super) async fn begin(
        links: Arc<Links>,
        stream: &str,
        durable: &str,
    ) -> Result<Self, BrokerError> {
        let link = &links.consume;
        let Consumer {
            generation,
            ack_wait,
            unsettled,
        } = consumer(link, stream, durable).await?;
        let connects = link.events.connects();
        let (inbox, messages) = listen(link).await?;
        let stream: Arc<str> = stream.into();
        Ok(Self {
            quarantine: Quarantine::new(links.again.then_some(unsettled)),
            arrivals: Arrivals::new(Arc::clone(&links), Arc::clone(&stream), durable),
            links,
            stream,
            durable: durable.to_owned(),
            generation,
            ack_wait,
            inbox,
            messages,
            last_size: 0,
            connects,
            outstanding: 0,
            doubted: false,
            heard: Instant::now(),
        })
    }

    /// Asks for more once half of it has come.
    async fn pull(&mut self, demand: usize) -> Result<(), BrokerError> {
        if demand == 0 || self.outstanding > demand / 2 {
            return Ok(());
        }
        let batch = demand - self.outstanding;
        let subject = format!("$JS.API.CONSUMER.MSG.NEXT.{}.{}", self.stream, self.durable);
        let request = format!(
            "{{\"batch\":{batch},\"expires\":{},\"idle_heartbeat\":{}}}",
            EXPIRES.as_nanos(),
            HEARTBEAT.as_nanos()
        );
        let reply = self.inbox.clone();
        timed("asking for messages", async {
            self.links
                .consume
                .client
                .publish_with_reply(subject, reply, request.into())
                .await
                .map_err(|error| error.to_string())
        })
        .await?;
        // Counted once it is sent: a call dropped before has asked for nothing.
        self.outstanding += batch;
        self.heard = Instant::now();
        Ok(())
    }

    /// Takes a message in: a delivery, or what the server says about the pull.
    fn take(&mut self, message: Message) -> Result<Option<Delivery>, BrokerError> {
        if arrivals::is_delivery(&message) {
            self.outstanding = self.outstanding.saturating_sub(1);
            return self.arrivals.delivery(message).map(Some);
        }
        self.heard = Instant::now();
        let status = message.status.map_or(0, |status| status.as_u16());
        if status == 100 {
            return Ok(None);
        }
        let ended = message
            .headers
            .as_ref()
            .and_then(|headers| headers.get("Nats-Pending-Messages"))
            .and_then(|count| count.as_str().parse::<usize>().ok());
        self.outstanding = ended.map_or(0, |ended| self.outstanding.saturating_sub(ended));
        let description = message.description.unwrap_or_default();
        let lower = description.to_ascii_lowercase();
        let NatsSubscription {
            durable, stream, ..
        } = self;
        match status {
            404 | 408 => Ok(None),
            // Nobody listens where the durable's pulls are asked for: an election, or it is gone.
            503 => {
                self.doubted = true;
                Err(BrokerError::transient(format!(
                    "the server does not know the durable `{}` on the stream `{}` right now",
                    self.durable, self.stream
                )))
            }
            409 if lower.contains("consumer deleted") => Err(BrokerError::misconfigured(format!(
                "the durable `{durable}` on the stream `{stream}` was deleted while it was consumed"
            ))),
            409 if lower.contains("leadership change") || lower.contains("shutdown") => {
                self.outstanding = 0;
                Err(BrokerError::transient(format!(
                    "the server of the durable `{}` changes: {description}",
                    self.durable
                )))
            }
            409 if lower.contains("completed")
                || lower.contains("batch") && lower.contains("end") =>
            {
                Ok(None)
            }
            _ => Err(BrokerError::transient(format!(
                "the server ended a pull of the durable `{durable}` on the stream `{stream}`: {status} {description}"
            ))),
        }
    }

    /// Two heartbeats were missed: finds out why, and begins again.
    async fn recover(&mut self) -> Result<(), BrokerError> {
        self.outstanding = 0;
        self.heard = Instant::now();
        if self.links.consume.client.connection_state() != State::Connected {
            return Err(BrokerError::transient(
                "the server does not answer, and the connection is being made again",
            ));
        }
        self.check_life().await?;
        // The old inbox still holds what came; only the pull is begun again.
        Err(BrokerError::transient(format!(
            "the server was silent about the durable `{}` on the stream `{}`; asking again",
            self.durable, self.stream
        )))
    }

    /// The durable is the one that was subscribed to: retries are told apart by its life.
    async fn check_life(&mut self) -> Result<(), BrokerError> {
        let Consumer {
            generation,
            ack_wait,
            unsettled,
        } = consumer(&self.links.publish, &self.stream, &self.durable).await?;
        if generation != self.generation {
            return Err(BrokerError::misconfigured(format!(
                "the durable `{}` on the stream `{}` was deleted and created again while it was consumed",
                self.durable, self.stream
            )));
        }
        self.quarantine.search(unsettled);
        self.ack_wait = ack_wait;
        Ok(())
    }

    /// What was asked for before is lost.
    fn reconnected(&mut self) {
        self.outstanding = 0;
        self.doubted = true;
    }

    /// Takes in what is here already, up to this number of deliveries; `false` once the connection is closed.
    fn gather(
        &mut self,
        cx: &mut Context<'_>,
        most: usize,
        batch: &mut Vec<Delivery>,
    ) -> Result<bool, BrokerError> {
        while batch.len() < most
            && let Poll::Ready(message) = self.messages.poll_next_unpin(cx)
        {
            let Some(message) = message else {
                return Ok(false);
            };
            match self.take(message) {
                Ok(delivery) => {
                    if batch.is_empty() {
                        batch.reserve(self.last_size.clamp(1, most));
                    }
                    batch.extend(delivery);
                }
                Err(error) if batch.is_empty() => return Err(error),
                // What came before is given out first, and then it is seen whether the durable is still there.
                Err(error) => {
                    self.doubted = true;
                    tracing::debug!(durable = self.durable, %error, "a pull ended");
                    break;
                }
            }
        }
        Ok(true)
    }

    async fn next_batch(&mut self, demand: usize) -> Result<Vec<Delivery>, BrokerError> {
        // Without a demand, what is on its way all the same is taken: unread it could not be kept alive.
        let most = if demand == 0 {
            CHUNK
        } else {
            demand.min(CHUNK)
        };
        let mut batch = Vec::new();
        loop {
            if self.connects.has_changed().unwrap_or(false) {
                self.connects.mark_unchanged();
                self.reconnected();
            }
            // What is rare is boxed, here and below: each call makes room for all that it may have to wait for.
            if self.doubted {
                self.check_life().boxed().await?;
                self.doubted = false;
            }
            // What is here already comes first, without asking anybody. All of it: it is not more than a chunk, and
            // most would be left behind where this task has used up its turn on the handler's work.
            let gather = poll_fn(|cx| Poll::Ready(self.gather(cx, most, &mut batch)));
            if !unconstrained(gather).await? {
                return self.ended(batch);
            }
            if !batch.is_empty() {
                self.heard = Instant::now();
                self.last_size = batch.len();
                // Asked for while these are worked on, more is here when they are done. Should that have to wait, it
                // is asked for by the next call; as it is where something has to be looked at before.
                if !self.doubted && !self.quarantine.is_searching() {
                    let left = demand.saturating_sub(batch.len());
                    let _ = unconstrained(self.pull(left)).now_or_never();
                }
                return Ok(batch);
            }
            if demand > 0 && self.quarantine.is_searching() {
                let found = self
                    .quarantine
                    .next(&self.links, &self.stream, &self.durable);
                if let Some(delivery) = found.boxed().await {
                    return Ok(vec![delivery]);
                }
            }
            self.pull(demand).boxed().await?;
            let silence = self.heard + HEARTBEAT * 2 + Duration::from_secs(1);
            let expected = self.outstanding > 0;
            tokio::select! {
                // Before what may have come by the new connection.
                biased;
                _ = self.connects.changed() => self.reconnected(),
                message = self.messages.next() => {
                    let Some(message) = message else { return self.ended(batch) };
                    self.heard = Instant::now();
                    batch.extend(self.take(message)?);
                }
                () = tokio::time::sleep_until(silence), if expected => self.recover().boxed().await?,
            }
        }
    }

    fn ended(&self, batch: Vec<Delivery>) -> Result<Vec<Delivery>, BrokerError> {
        self.links.end();
        if batch.is_empty() {
            return Err(BrokerError::misconfigured(format!(
                "the connection that consumed the durable `{}` is closed",
                self.durable
            )));
        }
        Ok(batch)
    }
}

impl Subscription for NatsSubscription {
    fn generation(&self) -> &str {
        &self.generation
    }

    fn ack_wait(&self) -> Duration {
        self.ack_wait
    }

    fn leave_out_message_ids(&mut self) {
        self.arrivals.leave_out_message_ids();
    }

    fn next(&mut self, demand: usize) -> BoxFuture<'_, Result<Vec<Delivery>, BrokerError>> {
        self.next_batch(demand).boxed()
    }

    fn close(mut self: Box<Self>) -> BoxFuture<'static, Result<(), BrokerError>> {
        async move {
            // Draining still takes in what is on the wire, which unsubscribing would drop until its ack wait is over.
            timed("ending a subscription", async {
                let drained = self.messages.drain().await;
                drained.map_err(|error| error.to_string())?;
                while let Some(message) = self.messages.next().await {
                    if let Ok(Some(delivery)) = self.take(message) {
                        let handed = delivery.settle.hand_back(None).await;
                        handed.map_err(|error| error.to_string())?;
                    }
                }
                Ok(())
            })
            .await
        }
        .boxed()
    }
}

impl fmt::Debug for NatsSubscription {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("NatsSubscription")
            .field("durable", &self.durable)
            .finish_non_exhaustive()
    }
}

async fn listen(link: &Link) -> Result<(String, Subscriber), BrokerError> {
    let inbox = link.client.new_inbox();
    let subject = inbox.clone();
    let messages = timed("subscribing", async {
        link.client
            .subscribe(subject)
            .await
            .map_err(|error| error.to_string())
    })
    .await?;
    Ok((inbox, messages))
}
