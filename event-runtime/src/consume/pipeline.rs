//! What becomes of one delivery, on one screen.

use std::sync::Arc;
use std::time::Duration;

use futures_util::FutureExt;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::batch::Batches;
use super::failure::Failure;
use super::heartbeat::{Heartbeats, Pulse};
use super::invoke::Ended;
use super::job::Job;
use super::lane::{Cancelled, Wait};
use super::retry::{self, Next};
use super::stop::Stop;
use super::tasks::{self, Tasks};
use crate::broker::{Broker, Delivery, Settle};
use crate::handler::{HandlerPlan, Middleware, States};
use crate::publish::Publisher;
use crate::telemetry::{Observer, What};

/// Events of one handler that let others run while the broker stores them in its retry lane.
const MOVING: usize = 256;

/// One handler, with all that its deliveries need.
#[derive(Debug)]
pub(crate) struct Pipeline {
    pub(super) plan: HandlerPlan,
    pub(super) service: Arc<str>,
    pub(super) states: Arc<States>,
    pub(super) publisher: Publisher,
    pub(super) broker: Arc<dyn Broker>,
    pub(super) observers: Arc<[Arc<dyn Observer>]>,
    pub(super) middleware: Arc<[Arc<dyn Middleware>]>,
    pub(super) stop: Stop,
    /// One for each event in hand.
    pub(super) permits: Arc<Semaphore>,
    /// For a handler that takes several events at once.
    pub(super) batches: Option<Batches>,
    /// Where runs are shared by several tasks.
    pub(super) tasks: Option<Tasks>,
    /// Places in which failed events wait for their next run.
    pub(super) waiting: Semaphore,
    /// For events that let others run while the broker stores them in the retry lane.
    pub(super) moving: Semaphore,
    pub(super) heartbeats: Heartbeats,
    pub(super) pulse: Arc<Pulse>,
}

/// What the pipelines of one service share.
#[derive(Debug, Clone)]
pub(crate) struct PipelineSettings {
    pub(crate) service: Arc<str>,
    pub(crate) states: Arc<States>,
    pub(crate) publisher: Publisher,
    pub(crate) broker: Arc<dyn Broker>,
    pub(crate) observers: Arc<[Arc<dyn Observer>]>,
    pub(crate) middleware: Arc<[Arc<dyn Middleware>]>,
    pub(crate) stop: Stop,
}

/// What a worker hears when what it began is over.
#[derive(Debug, Default)]
pub(super) struct Finished {
    /// How many events that were.
    pub(super) events: u32,
    /// A permit that is given back, for the next one.
    pub(super) permit: Option<OwnedSemaphorePermit>,
}

/// How one run ended.
pub(super) enum Run {
    /// Well, and what it returned is stored.
    Done,
    /// It is not for this handler, which passes it over.
    Skipped,
    Failed(Failure),
}

impl Pipeline {
    pub(crate) fn new(plan: HandlerPlan, settings: PipelineSettings) -> Self {
        let PipelineSettings {
            service,
            states,
            publisher,
            broker,
            observers,
            middleware,
            stop,
        } = settings;
        Self {
            permits: Arc::new(Semaphore::new(
                plan.events_at_once().min(Semaphore::MAX_PERMITS),
            )),
            batches: Batches::new(&plan),
            tasks: Tasks::new(&plan),
            waiting: Semaphore::new(plan.waiting_in_place().min(Semaphore::MAX_PERMITS)),
            moving: Semaphore::new(MOVING),
            heartbeats: Heartbeats::default(),
            pulse: Arc::new(Pulse::new(tasks::slots(&plan))),
            plan,
            service,
            states,
            publisher,
            broker,
            observers,
            middleware,
            stop,
        }
    }

    /// A permit to run, if one is free.
    pub(super) fn try_permit(&self) -> Option<OwnedSemaphorePermit> {
        Arc::clone(&self.permits).try_acquire_owned().ok()
    }

    /// Keeps what is unsettled alive, for ever; in a task of its own.
    pub(crate) async fn keep_alive(&self, ack_wait: Duration) {
        self.heartbeats
            .run(self.plan.name(), ack_wait, self.plan.timeout, &self.pulse)
            .await;
    }

    /// Takes one delivery from its arrival to its settlement.
    pub(super) fn consume(
        &self,
        delivery: Delivery,
        generation: &Arc<str>,
        from_lane: bool,
        worker: usize,
        permit: OwnedSemaphorePermit,
    ) -> impl Future<Output = Finished> + use<'_> {
        // Before the future, which would have room for the delivery and the job.
        let (mut job, settle) = Job::new(delivery, generation, from_lane, self.plan.event);
        job.worker = worker;
        let mut permit = Some(permit);
        async move {
            let result = self.work(&mut job, &mut permit).await;
            self.end(&job, settle, result).await;
            Finished { events: 1, permit }
        }
    }

    /// Tells the broker what became of a delivery.
    pub(super) async fn end(&self, job: &Job, settle: Settle, result: Result<(), Cancelled>) {
        let settlement = match result {
            Ok(()) => settle.done().await,
            Err(Cancelled) => self.give_back(job, settle).boxed().await,
        };
        if let Err(error) = settlement {
            self.report_unsettled(job, &error);
        }
    }

    /// Runs the handler until the event is handled, kept in a lane, or kept as a dead letter.
    pub(super) async fn work(
        &self,
        job: &mut Job,
        permit: &mut Option<OwnedSemaphorePermit>,
    ) -> Result<(), Cancelled> {
        loop {
            let failure = match self.attempt(job).await? {
                Run::Done => {
                    self.observe(job, What::Handled, None);
                    return Ok(());
                }
                Run::Skipped => {
                    self.report_skipped(job);
                    return Ok(());
                }
                Run::Failed(failure) => failure,
            };
            // What is rare is boxed: it would make each delivery larger.
            match self.failed(job, failure, permit).boxed().await? {
                Wait::Over => {}
                Wait::Moved => return Ok(()),
            }
        }
    }

    /// What follows a failed run: a wait, or the end.
    pub(super) async fn failed(
        &self,
        job: &mut Job,
        failure: Failure,
        permit: &mut Option<OwnedSemaphorePermit>,
    ) -> Result<Wait, Cancelled> {
        let seed = job.mark.retry_id(self.plan.name());
        match retry::decide(self.plan.retry, failure.kind, &job.mark, &seed) {
            Next::Dead(reason) => {
                self.bury(job, reason, &failure.error).await?;
                Ok(Wait::Moved)
            }
            Next::Again { delay, number, max } => {
                self.report_retry(job, &failure, delay, (number, max));
                job.failed_once_more(failure.kind);
                self.wait(job, &failure.error, delay, permit).await
            }
        }
    }

    /// One run, and the storing of what it returned.
    async fn attempt(&self, job: &mut Job) -> Result<Run, Cancelled> {
        let ended = match &self.batches {
            None => self.invoke(job).await?,
            // Boxed, so that single events don't carry what batches need.
            Some(batches) => self.invoke_alone(batches, job).boxed().await?,
        };
        let stored = match ended {
            Ok(Ended::Done(messages)) if messages.is_empty() => Ok(()),
            Ok(Ended::Done(messages)) => self.store_output(job, messages).boxed().await?,
            Ok(Ended::Skipped) => return Ok(Run::Skipped),
            Err(failure) => Err(failure),
        };
        Ok(match stored {
            Ok(()) => Run::Done,
            Err(failure) => Run::Failed(failure),
        })
    }

    /// At the end of the grace: the broker gets the delivery back, with the attempts that it doesn't know of.
    async fn give_back(&self, job: &Job, settle: Settle) -> Result<(), crate::broker::BrokerError> {
        if job.mark.attempt > job.marked_attempt
            && self
                .move_once(
                    job,
                    "stopped while waiting for its next run",
                    Duration::ZERO,
                )
                .await
                .is_ok()
        {
            return settle.done().await;
        }
        settle.hand_back(None).await
    }
}
