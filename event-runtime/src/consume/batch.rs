//! Gathers events of one handler into batches, runs those, and tells each event how it came out of it.
//!
//! Each event keeps its own way through the pipeline, with its attempts, retries and settlement. Only its run is
//! shared: the first event of a batch leads it, which means that it waits for the others, runs all, and answers
//! them.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;
use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use tokio::sync::{Notify, Semaphore, SemaphorePermit, oneshot};

use super::failure::{Failure, chain};
use super::heartbeat::Watched;
use super::invoke::{Ended, ended, panicked};
use super::job::Job;
use super::lane::Cancelled;
use super::pipeline::{Pipeline, Run};
use super::stop::Phase;
use crate::broker::Message;
use crate::envelope::{Headers, Incoming};
use crate::handler::{
    Arrival, Arrivals, BatchPolicy, BoxedEvent, Collected, Context, Failures, HandlerError,
    HandlerPlan, Outcome, Reason,
};

/// The batches of one handler.
#[derive(Debug)]
pub(super) struct Batches {
    policy: BatchPolicy,
    /// A permit for each run; the pipeline's own permits are for events.
    runs: Semaphore,
    /// The batch that takes more events.
    open: Mutex<Option<Arc<Forming>>>,
}

/// A batch that has not begun.
#[derive(Debug, Default)]
struct Forming {
    items: Mutex<Vec<Item>>,
    full: Notify,
}

/// One event in a batch.
#[derive(Debug)]
struct Item {
    copy: Copy,
    /// Until a run takes it: the handler owns its events, so further runs read them again.
    event: Option<BoxedEvent>,
    arrival: Option<Arrival>,
    answer: oneshot::Sender<Result<Ended, Failure>>,
}

/// The message of an event, to read it again for another run.
#[derive(Debug)]
pub(super) struct Copy {
    pub(super) headers: Headers,
    pub(super) payload: Bytes,
    /// Source and id of a bare event.
    pub(super) known_as: Option<(String, String)>,
}

impl Copy {
    fn message(&self) -> Incoming<'_> {
        let message = Incoming::new(&self.headers, &self.payload);
        match &self.known_as {
            Some((source, id)) => message.known_as(source, id),
            None => message,
        }
    }
}

/// A batch's leader, as long as it has not begun: should it end before, so does the batch.
struct Leader<'a> {
    batches: &'a Batches,
    forming: Arc<Forming>,
}

impl Batches {
    pub(super) fn new(plan: &HandlerPlan) -> Option<Self> {
        Some(Self {
            policy: plan.batch?,
            runs: Semaphore::new(plan.concurrency.min(Semaphore::MAX_PERMITS)),
            open: Mutex::default(),
        })
    }

    /// Adds an event to the batch that is forming; the first of one becomes its leader.
    fn join(&self, item: Item) -> Option<Leader<'_>> {
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        let leads = open.is_none();
        let forming = Arc::clone(open.get_or_insert_default());
        let count = {
            let mut items = forming.items();
            items.push(item);
            items.len()
        };
        if count >= self.policy.max {
            *open = None;
            forming.full.notify_one();
        }
        // Made only where there is one: a leader that is dropped ends its batch.
        leads.then(|| Leader {
            batches: self,
            forming,
        })
    }
}

impl Forming {
    fn items(&self) -> std::sync::MutexGuard<'_, Vec<Item>> {
        self.items.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Leader<'_> {
    /// Ends the forming: nothing joins any more.
    fn take(&self) -> Vec<Item> {
        let mut open = self
            .batches
            .open
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        if open
            .as_ref()
            .is_some_and(|open| Arc::ptr_eq(open, &self.forming))
        {
            *open = None;
        }
        std::mem::take(&mut *self.forming.items())
    }
}

impl Drop for Leader<'_> {
    /// Whoever still waits for an answer hears that there will be none.
    fn drop(&mut self) {
        drop(self.take());
    }
}

impl Pipeline {
    /// One attempt of an event at a handler of batches. What was tried before runs alone.
    pub(super) async fn attempt_in_batch(
        &self,
        batches: &Batches,
        job: &mut Job,
    ) -> Result<Run, Cancelled> {
        let read = catch_unwind(AssertUnwindSafe(|| self.read(job)));
        let received = match read.unwrap_or_else(|panic| Err(panicked(&*panic))) {
            Ok(Some(received)) => received,
            Ok(None) => return Ok(Run::Skipped),
            Err(failure) => return Ok(Run::Failed(failure)),
        };
        let (answer, answered) = oneshot::channel();
        let item = Item {
            event: Some(received.event),
            arrival: Some(job.arrival(received.seen)),
            copy: job.copy(),
            answer,
        };
        let alone = job.from_lane || job.mark.attempt > 1;
        let worker = job.worker;
        let ended = async {
            if alone {
                let permit = self.permit_to_run(batches).await?;
                self.run_batch(vec![item], worker, permit).await;
            } else if let Some(leader) = batches.join(item) {
                self.lead(&leader, worker).await?;
            }
            answered.await.map_err(|_| Cancelled)
        };
        let ended = tokio::select! {
            biased;
            ended = ended => ended?,
            () = self.stop.reached(Phase::Cancelled) => return Err(Cancelled),
        };
        let stored = match ended {
            Ok(Ended::Done(messages)) => self.store_output(job, messages).await?,
            Ok(Ended::Skipped) => return Ok(Run::Skipped),
            Err(failure) => Err(failure),
        };
        Ok(match stored {
            Ok(()) => Run::Done,
            Err(failure) => Run::Failed(failure),
        })
    }

    /// Waits until the batch is full or its time is over, and for its turn, and runs it.
    async fn lead(&self, leader: &Leader<'_>, worker: usize) -> Result<(), Cancelled> {
        let batches = leader.batches;
        tokio::select! {
            biased;
            () = self.stop.reached(Phase::Draining) => return Err(Cancelled),
            () = leader.forming.full.notified() => {}
            () = tokio::time::sleep(batches.policy.wait) => {}
        }
        // It goes on filling while others run.
        let permit = self.permit_to_run(batches).await?;
        self.run_batch(leader.take(), worker, permit).await;
        Ok(())
    }

    /// What has not begun when the program stops never does.
    async fn permit_to_run<'a>(
        &self,
        batches: &'a Batches,
    ) -> Result<SemaphorePermit<'a>, Cancelled> {
        tokio::select! {
            biased;
            () = self.stop.reached(Phase::Draining) => Err(Cancelled),
            permit = batches.runs.acquire() => permit.map_err(|_| Cancelled),
        }
    }

    /// Runs a batch, and the halves of what fails, until the events that fail stand alone.
    async fn run_batch(&self, mut items: Vec<Item>, worker: usize, _permit: SemaphorePermit<'_>) {
        let arrivals = items.iter_mut().filter_map(|item| item.arrival.take());
        let whole = Arc::new(Arrivals::new(arrivals.collect()));
        // The part that is next comes last, so that events run in the order in which they came.
        let mut parts = vec![(0, items)];
        while let Some((start, mut part)) = parts.pop() {
            if self.stop.is(Phase::Cancelled) {
                return;
            }
            let arrivals = if part.len() == whole.len() {
                Arc::clone(&whole)
            } else {
                Arc::new(whole.part(start..start + part.len()))
            };
            match self.run_part(&mut part, arrivals, worker).await {
                Ok((messages, mut failures)) => {
                    let mut messages = Some(messages);
                    for (index, item) in part.into_iter().enumerate() {
                        let failed = failures.iter().position(|(failed, _)| *failed == index);
                        // Only middleware can have given any; they go out once, with the first event that did not fail.
                        let answer = match failed {
                            Some(at) => Err(failures.remove(at).1.into()),
                            None => Ok(Ended::Done(messages.take().unwrap_or_default())),
                        };
                        let _ = item.answer.send(answer);
                    }
                }
                Err(failure) if part.len() > 1 => {
                    self.report_split(whole.len(), part.len(), &failure);
                    let second = part.split_off(part.len() / 2);
                    parts.push((start + part.len(), second));
                    parts.push((start, part));
                }
                Err(failure) => {
                    if let Some(item) = part.pop() {
                        let _ = item.answer.send(Err(failure));
                    }
                }
            }
        }
    }

    /// Runs the handler once on these events: what there is to publish and which of them failed, or how the run
    /// did.
    async fn run_part(
        &self,
        part: &mut [Item],
        arrivals: Arc<Arrivals>,
        worker: usize,
    ) -> Result<(Vec<Message>, Vec<(usize, HandlerError)>), Failure> {
        let failures = Arc::<Failures>::default();
        let begin = || self.begin_part(part, arrivals, Arc::clone(&failures));
        let run = match catch_unwind(AssertUnwindSafe(begin)) {
            Ok(run) => run?,
            Err(panic) => return Err(panicked(&*panic)),
        };
        let run = AssertUnwindSafe(Watched::new(run, &self.pulse, worker)).catch_unwind();
        let in_time = tokio::time::timeout(self.plan.timeout, run).await;
        let messages = ended(in_time.map_err(|_| self.too_late())?)?;
        Ok((messages, failures.take()))
    }

    /// Takes or reads the events, and calls the handler.
    fn begin_part<'a>(
        &'a self,
        part: &mut [Item],
        arrivals: Arc<Arrivals>,
        failures: Arc<Failures>,
    ) -> Result<BoxFuture<'a, Outcome>, Failure> {
        let descriptor = self.plan.descriptor;
        let mut events = Vec::with_capacity(part.len());
        for item in part {
            let event = match item.event.take() {
                Some(event) => event,
                None => match (descriptor.decode)(item.copy.message()) {
                    Ok(received) => received.event,
                    Err(error) => return Err(Failure::last(Reason::Undecodable, chain(&error))),
                },
            };
            events.push(event);
        }
        let context = Context::of_batch(
            descriptor.name,
            Arc::clone(&arrivals),
            Arc::clone(&self.states),
            self.publisher.clone(),
        );
        let batch = Collected {
            events,
            arrivals,
            failures,
        };
        Ok(descriptor.run(Box::new(batch), context, &self.middleware))
    }

    /// One line for a batch that is split; those for its parts are for whoever looks closely.
    fn report_split(&self, whole: usize, events: usize, failure: &Failure) {
        let (handler, error) = (self.plan.name(), &failure.error);
        if events == whole {
            tracing::warn!(
                handler,
                events,
                error,
                "a batch failed; its halves run on their own until what fails stands alone"
            );
        } else {
            tracing::debug!(handler, events, error, "a part of a batch failed as well");
        }
    }
}
