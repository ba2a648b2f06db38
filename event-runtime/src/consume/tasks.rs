//! Several tasks that share the runs of one handler, so that a handler which computes can use as many threads.
//!
//! The worker goes on pulling, in a task of its own; whichever of these tasks comes first takes the next delivery.
//! A task that is busy for long takes none, so it holds up no event but its own.

use std::any::Any;
use std::collections::VecDeque;
use std::fmt;
use std::panic::AssertUnwindSafe;
use std::sync::{Arc, Mutex, PoisonError};

use futures_util::future::{BoxFuture, Either};
use futures_util::stream::FuturesUnordered;
use futures_util::{FutureExt, StreamExt};
use tokio::sync::{Notify, OwnedSemaphorePermit, oneshot};

use super::batch::{Alone, Gathered};
use super::failure::chain;
use super::invoke::panicked;
use super::pipeline::{Finished, Pipeline};
use super::stop::Phase;
use crate::broker::Delivery;
use crate::handler::HandlerPlan;

/// Places in the pulse that the two workers have, before those of the tasks.
const WORKERS: usize = 2;

/// What the tasks of one handler share.
#[derive(Default)]
pub(super) struct Tasks {
    queue: Mutex<VecDeque<Begun>>,
    /// All are woken and the first one takes it: a wake meant for one would be lost on a task that is busy.
    more: Notify,
}

/// What has its permit, and can be done in any task.
pub(super) enum Work {
    Delivery {
        delivery: Delivery,
        generation: Arc<str>,
        from_lane: bool,
        permit: OwnedSemaphorePermit,
    },
    Batch(Gathered, OwnedSemaphorePermit),
    Alone(Alone),
}

/// Work that a worker waits for.
struct Begun {
    work: Work,
    /// Used, or dropped, when all of it is settled.
    finished: oneshot::Sender<Finished>,
}

impl Tasks {
    /// `None` where the workers poll the runs themselves.
    pub(super) fn new(plan: &HandlerPlan) -> Option<Self> {
        (plan.tasks > 1).then(Self::default)
    }

    /// Resolves when one of the tasks has done it.
    fn hand_over(&self, work: Work) -> impl Future<Output = Finished> + use<> {
        let (finished, end) = oneshot::channel();
        let mut queue = self.queue.lock().unwrap_or_else(PoisonError::into_inner);
        queue.push_back(Begun { work, finished });
        drop(queue);
        self.more.notify_waiters();
        async move { end.await.unwrap_or_default() }
    }

    async fn next(&self) -> Begun {
        loop {
            let mut more = std::pin::pin!(self.more.notified());
            // Before the look: what comes after it is not missed.
            more.as_mut().enable();
            let next = {
                let mut queue = self.queue.lock().unwrap_or_else(PoisonError::into_inner);
                queue.pop_front()
            };
            match next {
                Some(begun) => return begun,
                None => more.await,
            }
        }
    }
}

impl fmt::Debug for Tasks {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Tasks").finish_non_exhaustive()
    }
}

/// How many tasks poll runs of this handler, at most.
pub(super) fn slots(plan: &HandlerPlan) -> usize {
    if plan.tasks > 1 {
        WORKERS + plan.tasks
    } else {
        WORKERS
    }
}

impl Pipeline {
    /// Takes one delivery from its arrival to its settlement, here or in one of the handler's tasks. `None` if what
    /// was begun before has taken it in.
    pub(super) fn start<'a>(
        &'a self,
        delivery: Delivery,
        generation: &'a Arc<str>,
        from_lane: bool,
        permit: OwnedSemaphorePermit,
    ) -> Option<impl Future<Output = Finished> + 'a> {
        if let Some(batches) = &self.batches
            && !from_lane
        {
            let begun = self.gather(batches, delivery, generation, permit)?;
            return Some(Either::Right(begun));
        }
        let Some(tasks) = &self.tasks else {
            let worker = usize::from(from_lane);
            let begun = self.consume(delivery, generation, from_lane, worker, permit);
            return Some(Either::Left(begun));
        };
        let begun = tasks.hand_over(Work::Delivery {
            delivery,
            generation: Arc::clone(generation),
            from_lane,
            permit,
        });
        Some(Either::Right(begun.boxed()))
    }

    /// Does what a worker has, in one of the handler's tasks if it has any.
    pub(super) fn run_somewhere(&self, work: Work) -> BoxFuture<'_, Finished> {
        match &self.tasks {
            None => self.run_work(work, 0).boxed(),
            Some(tasks) => tasks.hand_over(work).boxed(),
        }
    }

    /// How many tasks [`run_task`](Self::run_task) is to be called in.
    pub(crate) fn task_count(&self) -> usize {
        self.tasks.as_ref().map_or(0, |_| self.plan.tasks)
    }

    /// Polls runs, for ever; `number` counts the tasks of this handler from 0.
    pub(crate) async fn run_task(&self, number: usize) {
        let Some(tasks) = &self.tasks else { return };
        let mut running = FuturesUnordered::new();
        loop {
            tokio::select! {
                biased;
                // First, so that what was taken begins before the next one is taken.
                Some(()) = running.next() => {
                    // What this thread has woken runs before a handler that blocks: no other thread could take it. It
                    // may be the worker, who has to hand over the next delivery.
                    tokio::task::yield_now().await;
                }
                begun = tasks.next() => {
                    // A panic outside of the handler, in an observer say, must not end the task: its events would
                    // wait for ever.
                    let run = AssertUnwindSafe(self.run_begun(begun, WORKERS + number));
                    running.push(run.catch_unwind().map(|ended| self.report_panic(ended.err())));
                }
            }
        }
    }

    fn report_panic(&self, panic: Option<Box<dyn Any + Send>>) {
        if let Some(panic) = panic {
            let (handler, error) = (self.plan.name(), panicked(&*panic).error);
            tracing::error!(
                handler,
                error,
                "not settled; the broker will deliver the event again"
            );
        }
    }

    async fn run_begun(&self, begun: Begun, worker: usize) {
        let Begun { work, finished } = begun;
        let events = if self.stop.is(Phase::Draining) {
            // Taken by the worker, but nobody has begun it.
            self.hand_back(work).await;
            0
        } else {
            self.run_work(work, worker).await.events
        };
        let permit = None;
        let _ = finished.send(Finished { events, permit });
    }

    /// Does it, in the task with this place in the pulse.
    async fn run_work(&self, work: Work, worker: usize) -> Finished {
        match work {
            Work::Delivery {
                delivery,
                generation,
                from_lane,
                permit,
            } => {
                self.consume(delivery, &generation, from_lane, worker, permit)
                    .await
            }
            Work::Batch(batch, permit) => self.run_batch(batch, worker, permit).boxed().await,
            Work::Alone(alone) => self.go_on(alone, worker).boxed().await,
        }
    }

    async fn hand_back(&self, work: Work) {
        match work {
            Work::Delivery { delivery, .. } => {
                if let Err(error) = delivery.settle.hand_back(None).await {
                    let (handler, error) = (self.plan.name(), chain(&error));
                    tracing::warn!(
                        handler,
                        error,
                        "not handed back; the broker will deliver the event again"
                    );
                }
            }
            Work::Batch(batch, _) => self.give_back_all(batch.members).await,
            Work::Alone(alone) => self.give_back_all(vec![alone.member]).await,
        }
    }
}
