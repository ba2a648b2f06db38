//! Gathers events of one handler into batches: each is read as it arrives and put into the batch that is forming.
//!
//! A batch is one future of its worker's, begun by its first event: the leader, which waits for the others and for its
//! turn. What becomes of the batch then is told in `batch_run.rs`.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use tokio::sync::{Notify, OwnedSemaphorePermit, Semaphore};

use super::failure::Failure;
use super::invoke::panicked;
use super::job::Job;
use super::lane::Cancelled;
use super::pipeline::{Finished, Pipeline};
use super::stop::Phase;
use super::tasks::Work;
use crate::broker::{Delivery, Settle};
use crate::handler::{Arrival, BatchPolicy, BoxedEvent, HandlerPlan, Received};

/// The batches of one handler.
#[derive(Debug)]
pub(super) struct Batches {
    policy: BatchPolicy,
    /// A permit for each run; the pipeline's own permits are for events.
    runs: Arc<Semaphore>,
    /// The batch that takes more events.
    open: Mutex<Option<Arc<Forming>>>,
    /// The memory of batches that are over, for the next ones.
    spare: Mutex<Vec<Gathered>>,
}

/// So many batches are there where runs don't wait: one that runs, and one that forms meanwhile.
const SPARE: usize = 2;

/// A batch that has not begun.
#[derive(Debug)]
struct Forming {
    gathered: Mutex<Gathered>,
    full: Notify,
}

/// The events of a batch, in the order in which they came.
#[derive(Debug, Default)]
pub(super) struct Gathered {
    pub(super) members: Vec<Member>,
    /// The events themselves, for the first run.
    pub(super) events: Vec<BoxedEvent>,
    pub(super) arrivals: Vec<Arrival>,
    /// One for each event.
    pub(super) permits: Option<OwnedSemaphorePermit>,
}

/// One event of a batch: its message, and the right to settle it.
#[derive(Debug)]
pub(super) struct Member {
    pub(super) job: Job,
    pub(super) settle: Settle,
}

/// An event that can't be in a batch, or no longer: it failed by itself, and goes on alone.
#[derive(Debug)]
pub(super) struct Alone {
    pub(super) member: Member,
    pub(super) failure: Failure,
    pub(super) permit: Option<OwnedSemaphorePermit>,
}

/// A batch's leader, as long as it has not begun: should it end before, so does the batch.
struct Leader<'a> {
    batches: &'a Batches,
    forming: Arc<Forming>,
}

impl Batches {
    pub(super) fn new(plan: &HandlerPlan) -> Option<Self> {
        let runs = plan.concurrency.min(Semaphore::MAX_PERMITS);
        Some(Self {
            policy: plan.batch?,
            runs: Arc::new(Semaphore::new(runs)),
            open: Mutex::default(),
            spare: Mutex::default(),
        })
    }

    /// Adds an event to the batch that is forming; the first of one makes its leader.
    fn join(
        &self,
        member: Member,
        received: Received,
        permit: OwnedSemaphorePermit,
    ) -> Option<Leader<'_>> {
        let mut open = self.open();
        let leads = open.is_none();
        let forming = open.get_or_insert_with(|| Arc::new(self.begin()));
        let is_full = {
            let mut gathered = forming.gathered();
            gathered.add(member, received, permit);
            gathered.members.len() >= self.policy.max
        };
        // Made only where there is one: a leader that is dropped ends its batch.
        let leader = leads.then(|| Leader {
            batches: self,
            forming: Arc::clone(forming),
        });
        if is_full {
            forming.full.notify_one();
            *open = None;
        }
        leader
    }

    fn begin(&self) -> Forming {
        let spare = self.spare().pop();
        Forming {
            gathered: Mutex::new(spare.unwrap_or_default()),
            full: Notify::new(),
        }
    }

    /// Takes back the memory of a batch that is over.
    pub(super) fn reuse(&self, members: Vec<Member>, arrivals: Vec<Arrival>) {
        debug_assert!(members.is_empty() && arrivals.is_empty(), "it is over");
        let mut spare = self.spare();
        if spare.len() < SPARE {
            spare.push(Gathered {
                members,
                arrivals,
                ..Gathered::default()
            });
        }
    }

    fn spare(&self) -> MutexGuard<'_, Vec<Gathered>> {
        self.spare.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn open(&self) -> MutexGuard<'_, Option<Arc<Forming>>> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Forming {
    fn gathered(&self) -> MutexGuard<'_, Gathered> {
        self.gathered.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Gathered {
    fn add(&mut self, member: Member, received: Received, permit: OwnedSemaphorePermit) {
        self.arrivals.push(member.job.arrival(received.seen));
        self.events.push(received.event);
        self.members.push(member);
        match &mut self.permits {
            Some(permits) => permits.merge(permit),
            none => *none = Some(permit),
        }
    }

    pub(super) fn finished(&self) -> Finished {
        Finished {
            events: u32::try_from(self.members.len()).unwrap_or(u32::MAX),
            permit: None,
        }
    }
}

impl Leader<'_> {
    /// Ends the forming: nothing joins any more.
    fn take(self) -> Gathered {
        self.close()
    }

    fn close(&self) -> Gathered {
        let mut open = self.batches.open();
        if open
            .as_ref()
            .is_some_and(|open| Arc::ptr_eq(open, &self.forming))
        {
            *open = None;
        }
        std::mem::take(&mut *self.forming.gathered())
    }
}

impl Drop for Leader<'_> {
    /// Nobody else would ever run or settle what has joined; the broker delivers it again.
    fn drop(&mut self) {
        drop(self.close());
    }
}

impl Pipeline {
    /// Puts a delivery into the batch that is forming. `None` if that is all: the batch's leader has it now.
    pub(super) fn gather<'a>(
        &'a self,
        batches: &'a Batches,
        delivery: Delivery,
        generation: &Arc<str>,
        permit: OwnedSemaphorePermit,
    ) -> Option<BoxFuture<'a, Finished>> {
        let (mut job, settle) = Job::new(delivery, generation, false, self.plan.event);
        let read = self.read_safely(&mut job);
        let member = Member { job, settle };
        match read {
            Ok(Some(received)) => {
                let leader = batches.join(member, received, permit)?;
                Some(self.lead(leader).boxed())
            }
            Ok(None) => Some(self.pass_over(member, permit).boxed()),
            Err(failure) => {
                let permit = Some(permit);
                let alone = Alone {
                    member,
                    failure,
                    permit,
                };
                Some(self.run_somewhere(Work::Alone(alone)))
            }
        }
    }

    /// Reading runs code of the program's, too.
    pub(super) fn read_safely(&self, job: &mut Job) -> Result<Option<Received>, Failure> {
        let read = catch_unwind(AssertUnwindSafe(|| self.read(job)));
        read.unwrap_or_else(|panic| Err(panicked(&*panic)))
    }

    async fn pass_over(&self, member: Member, permit: OwnedSemaphorePermit) -> Finished {
        let Member { job, settle } = member;
        self.report_skipped(&job);
        self.end(&job, settle, Ok(())).await;
        Finished {
            events: 1,
            permit: Some(permit),
        }
    }

    /// Waits until the batch is full or its time is over, and for its turn, and runs it.
    async fn lead(&self, leader: Leader<'_>) -> Finished {
        let turn = self.turn_of(&leader).await;
        let batch = leader.take();
        match turn {
            Ok(permit) => self.run_somewhere(Work::Batch(batch, permit)).await,
            Err(Cancelled) => {
                let finished = batch.finished();
                self.give_back_all(batch.members).await;
                finished
            }
        }
    }

    async fn turn_of(&self, leader: &Leader<'_>) -> Result<OwnedSemaphorePermit, Cancelled> {
        let batches = leader.batches;
        tokio::select! {
            biased;
            () = self.stop.reached(Phase::Draining) => return Err(Cancelled),
            () = leader.forming.full.notified() => {}
            () = tokio::time::sleep(batches.policy.wait) => {}
        }
        // It goes on filling while others run.
        self.permit_to_run(batches).await
    }

    /// What has not begun when the program stops never does.
    pub(super) async fn permit_to_run(
        &self,
        batches: &Batches,
    ) -> Result<OwnedSemaphorePermit, Cancelled> {
        tokio::select! {
            biased;
            () = self.stop.reached(Phase::Draining) => Err(Cancelled),
            permit = Arc::clone(&batches.runs).acquire_owned() => permit.map_err(|_| Cancelled),
        }
    }
}
