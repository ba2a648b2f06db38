//! Several tasks that share the runs of one handler, so that a handler which computes can use as many threads.
//!
//! The worker goes on pulling, in a task of its own; whichever of these tasks comes first takes the next delivery.
//! A task that is busy for long takes none, so it holds up no event but its own.

use std::any::Any;
use std::collections::VecDeque;
use std::fmt;
use std::panic::AssertUnwindSafe;
use std::sync::{Arc, Mutex, PoisonError};

use futures_util::future::Either;
use futures_util::stream::FuturesUnordered;
use futures_util::{FutureExt, StreamExt};
use tokio::sync::{Notify, OwnedSemaphorePermit, oneshot};

use super::failure::chain;
use super::invoke::panicked;
use super::pipeline::Pipeline;
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

/// A delivery that has its permit.
struct Begun {
    delivery: Delivery,
    generation: Arc<str>,
    from_lane: bool,
    permit: OwnedSemaphorePermit,
    /// Dropped when it is settled.
    finished: oneshot::Sender<()>,
}

impl Tasks {
    /// `None` where the workers poll the runs themselves.
    pub(super) fn new(plan: &HandlerPlan) -> Option<Self> {
        (plan.tasks > 1).then(Self::default)
    }

    fn push(&self, begun: Begun) {
        let mut queue = self.queue.lock().unwrap_or_else(PoisonError::into_inner);
        queue.push_back(begun);
        drop(queue);
        self.more.notify_waiters();
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
    /// Takes one delivery from its arrival to its settlement, here or in one of the handler's tasks.
    pub(super) fn start<'a>(
        &'a self,
        delivery: Delivery,
        generation: &'a Arc<str>,
        from_lane: bool,
        permit: OwnedSemaphorePermit,
    ) -> impl Future<Output = Option<OwnedSemaphorePermit>> + 'a {
        let Some(tasks) = &self.tasks else {
            let worker = usize::from(from_lane);
            return Either::Left(self.consume(delivery, generation, from_lane, worker, permit));
        };
        let (finished, end) = oneshot::channel();
        tasks.push(Begun {
            delivery,
            generation: Arc::clone(generation),
            from_lane,
            permit,
            finished,
        });
        Either::Right(async move {
            let _ = end.await;
            None
        })
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
                Some(()) = running.next() => {}
                begun = tasks.next() => {
                    // A panic outside of the handler, in an observer say, must not end the task: its events would
                    // wait for ever.
                    let run = AssertUnwindSafe(self.consume_begun(begun, WORKERS + number));
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

    async fn consume_begun(&self, begun: Begun, worker: usize) {
        let Begun {
            delivery,
            generation,
            from_lane,
            permit,
            finished,
        } = begun;
        if self.stop.is(Phase::Draining) {
            // Taken by the worker, but nobody has begun it.
            if let Err(error) = delivery.settle.hand_back(None).await {
                let (handler, error) = (self.plan.name(), chain(&error));
                tracing::warn!(
                    handler,
                    error,
                    "not handed back; the broker will deliver the event again"
                );
            }
        } else {
            self.consume(delivery, &generation, from_lane, worker, permit)
                .await;
        }
        drop(finished);
    }
}
