//! Pulls deliveries as fast as the handler works, and polls its futures.

use std::collections::VecDeque;
use std::future::poll_fn;
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use futures_util::StreamExt;
use tokio::task::coop::has_budget_remaining;
use tokio::time::Instant;

use super::failure::chain;
use super::pace::Pace;
use super::pipeline::Pipeline;
use super::running::Running;
use super::stop::Phase;
use crate::broker::{BrokerError, Delivery, Subscription};
use crate::handler::MOST_AHEAD;

/// How long a durable that is gone is looked for again before the program gives up.
const PATIENCE: Duration = Duration::from_mins(1);

/// So many deliveries are begun before anything else is looked at.
const ROUND: u32 = 64;
/// And for so long: handlers that compute or block would keep the end of the program waiting, and others.
const LONG: Duration = Duration::from_millis(2);
/// After a round whose runs took that long on average, so many rounds have one delivery each.
const CAREFUL: u32 = 256;

/// One durable that a handler consumes: its events, or its retries.
#[derive(Debug, Clone)]
pub(crate) struct Source {
    pub(crate) stream: String,
    pub(crate) durable: String,
    /// Whether it is the retry lane, whose headers are ours.
    pub(crate) from_lane: bool,
}

/// How a worker ended.
#[derive(Debug)]
pub(crate) enum WorkerEnd {
    /// As it was told.
    Stopped,
    /// Its durable is gone.
    Failed(BrokerError),
}

/// Drives one durable of one handler.
#[derive(Debug)]
pub(crate) struct Worker {
    pipeline: Arc<Pipeline>,
    source: Source,
}

impl Worker {
    pub(crate) fn new(pipeline: Arc<Pipeline>, source: Source) -> Self {
        Self { pipeline, source }
    }

    /// Consumes until the program stops. A subscription that breaks is begun again, for a bounded time.
    pub(crate) async fn run(self, mut subscription: Box<dyn Subscription>) -> WorkerEnd {
        loop {
            // Only a bare event is known by it.
            if !self.pipeline.plan.event.bare {
                subscription.leave_out_message_ids();
            }
            let Err(error) = self.consume(subscription).await else {
                return WorkerEnd::Stopped;
            };
            subscription = match self.subscribe_again(error).await {
                Ok(Some(subscription)) => subscription,
                Ok(None) => return WorkerEnd::Stopped,
                Err(error) => return WorkerEnd::Failed(error),
            };
            let Source {
                stream, durable, ..
            } = &self.source;
            let handler = self.pipeline.plan.name();
            tracing::info!(handler, durable, stream, "the handler gets events again");
        }
    }

    async fn subscribe_again(
        &self,
        mut error: BrokerError,
    ) -> Result<Option<Box<dyn Subscription>>, BrokerError> {
        let Source {
            stream, durable, ..
        } = &self.source;
        let start = Instant::now();
        let mut pause = Duration::from_millis(200);
        while start.elapsed() < PATIENCE {
            tokio::select! {
                () = tokio::time::sleep(pause) => pause = (pause * 2).min(Duration::from_secs(10)),
                () = self.pipeline.stop.reached(Phase::Draining) => return Ok(None),
            }
            match self.pipeline.broker.subscribe(stream, durable).await {
                Ok(subscription) => return Ok(Some(subscription)),
                Err(again) => error = again,
            }
        }
        Err(error)
    }

    /// Consumes one subscription to its end: `Ok` when the program stops, the error when it broke.
    async fn consume(&self, mut subscription: Box<dyn Subscription>) -> Result<(), BrokerError> {
        let pipeline = &*self.pipeline;
        let generation: Arc<str> = subscription.generation().into();
        let mut pace = Pace::new(subscription.ack_wait(), pipeline.plan.events_at_once());
        let mut queue: VecDeque<Delivery> = VecDeque::new();
        let mut running = Running::new();
        let consume =
            |delivery, permit| pipeline.start(delivery, &generation, self.source.from_lane, permit);
        let mut draining = std::pin::pin!(pipeline.stop.reached(Phase::Draining));
        let mut permit = None;
        let mut pause = Duration::ZERO;
        let mut careful = 0;
        let ended = 'pull: loop {
            let demand = self.demand(&mut pace, queue.len());
            // Also without a demand: what was asked for earlier may come, and has to be kept alive.
            let mut next = std::pin::pin!(after(pause, subscription.next(demand)));
            loop {
                let round = Instant::now();
                let mut begun = 0;
                poll_fn(|cx| {
                    let _polled = pipeline
                        .pulse
                        .poll(usize::from(self.source.from_lane), round);
                    while begun < if careful > 0 { 1 } else { ROUND } {
                        let over = || !has_budget_remaining() || round.elapsed() > LONG;
                        if queue.is_empty() || begun > 0 && over() {
                            break;
                        }
                        let Some(free) = permit.take().or_else(|| pipeline.try_permit()) else {
                            break;
                        };
                        let Some(delivery) = queue.pop_front() else {
                            break;
                        };
                        begun += 1;
                        // A permit that is given back at once serves the next delivery.
                        if let Some(begun) = consume(delivery, free)
                            && let Poll::Ready(finished) = running.begin(begun, cx)
                        {
                            pace.finished(finished.events);
                            permit = finished.permit;
                        }
                    }
                    // The handler's other worker may have it.
                    permit = None;
                    Poll::Ready(())
                })
                .await;
                let took = round.elapsed();
                let blocks = took > LONG * begun.max(1);
                careful = if blocks {
                    CAREFUL
                } else {
                    careful.saturating_sub(1)
                };
                if careful > 0 || took > LONG {
                    // The handler computes or blocks, and may do so again: what it has woken runs first, such as the
                    // connection on which its acknowledgements wait.
                    tokio::task::yield_now().await;
                }
                // More is wanted by far than was asked for: ask anew. Dropping the old call loses nothing.
                let wanted = self.demand(&mut pace, queue.len());
                if wanted / 2 > demand || (demand == 0 && wanted > 0) {
                    continue 'pull;
                }
                // Then what has come is taken in first, too: where it is not looked at, it is not kept alive.
                let look = careful > 0 && pipeline.permits.available_permits() > 0;
                let permit_wanted = !queue.is_empty() && !look;
                tokio::select! {
                    biased;
                    () = &mut draining => break 'pull Ok(()),
                    Some(finished) = running.waiting.next() => pace.finished(finished.events),
                    // The permit is used, not looked at: the handler's other worker waits for one as well, and
                    // giving it back would only hand it to and fro.
                    Ok(free) = Arc::clone(&pipeline.permits).acquire_owned(), if permit_wanted => {
                        permit = Some(free);
                    }
                    batch = &mut next => match batch {
                        Ok(batch) => {
                            pause = Duration::ZERO;
                            pipeline.heartbeats.watch(batch.iter().map(|one| &one.settle));
                            enqueue(&mut queue, batch);
                            // What this thread has woken so far runs before any handler does: were it the
                            // broker's connection, a handler that blocks would stop its own heartbeats, as
                            // tokio lets no other thread take the task that was woken last.
                            tokio::task::yield_now().await;
                            continue 'pull;
                        }
                        Err(error) if error.is_transient() => {
                            self.report(&error);
                            pause = (pause * 2).clamp(Duration::from_millis(100), Duration::from_secs(2));
                            continue 'pull;
                        }
                        Err(error) => break 'pull Err(error),
                    },
                    () = std::future::ready(()), if look && !queue.is_empty() => {}
                }
            }
        };
        if let Err(error) = &ended {
            self.report_broken(error);
        }
        // What has not begun goes back; what has begun may finish within the grace.
        let finish = async { while running.waiting.next().await.is_some() {} };
        tokio::join!(self.hand_back(queue, subscription), finish);
        ended
    }

    async fn hand_back(&self, queue: VecDeque<Delivery>, subscription: Box<dyn Subscription>) {
        for delivery in queue {
            if let Err(error) = delivery.settle.hand_back(None).await {
                self.report(&error);
            }
        }
        if let Err(error) = subscription.close().await {
            self.report(&error);
        }
    }

    /// How many deliveries could be taken now: as many as may run, and some ahead.
    fn demand(&self, pace: &mut Pace, queued: usize) -> usize {
        let wanted = self.pipeline.permits.available_permits() + pace.ahead();
        wanted.min(MOST_AHEAD).saturating_sub(queued)
    }

    fn report_broken(&self, error: &BrokerError) {
        let Source {
            stream, durable, ..
        } = &self.source;
        let handler = self.pipeline.plan.name();
        tracing::error!(
            handler,
            durable,
            stream,
            error = chain(error),
            "the handler gets no events; trying again once what runs is finished"
        );
    }

    fn report(&self, error: &BrokerError) {
        let Source {
            stream, durable, ..
        } = &self.source;
        let handler = self.pipeline.plan.name();
        tracing::warn!(
            handler,
            durable,
            stream,
            error = chain(error),
            "the broker has a problem; going on"
        );
    }
}

async fn after<T>(pause: Duration, next: impl Future<Output = T>) -> T {
    if !pause.is_zero() {
        tokio::time::sleep(pause).await;
    }
    next.await
}

fn enqueue(queue: &mut VecDeque<Delivery>, batch: Vec<Delivery>) {
    if queue.is_empty() {
        // As it is, without moving any.
        *queue = batch.into();
    } else {
        queue.extend(batch);
    }
}
