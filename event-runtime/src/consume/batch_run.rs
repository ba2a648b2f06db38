//! Runs batches, splits what fails, and takes each event to its settlement.

use std::future::ready;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::pin;
use std::sync::Arc;

use futures_util::future::BoxFuture;
use futures_util::stream::FuturesUnordered;
use futures_util::{FutureExt, StreamExt};
use tokio::sync::OwnedSemaphorePermit;
use tokio::task::coop::has_budget_remaining;

use super::batch::{Alone, Batches, Gathered, Member};
use super::failure::{Failure, chain};
use super::invoke::{Ended, panicked};
use super::job::Job;
use super::lane::{Cancelled, Wait};
use super::pipeline::{Finished, Pipeline};
use super::stop::Phase;
use crate::broker::Message;
use crate::handler::{
    Arrivals, BoxedEvent, Collected, Context, Failures, HandlerError, Outcome, Reason,
};
use crate::telemetry::What;

/// What there is to publish after a run, and which events failed by themselves.
type Answer = (Vec<Message>, Vec<(usize, HandlerError)>);

/// What a batch holds while it runs.
struct Held<'a> {
    /// The task that polls it, by its place in the pulse.
    worker: usize,
    /// One for each event that is not settled and has not gone its own way.
    permits: Option<OwnedSemaphorePermit>,
    /// Events that go on beside the runs of the others.
    beside: FuturesUnordered<BoxFuture<'a, ()>>,
}

impl Held<'_> {
    fn permits(&mut self, events: usize) -> Option<OwnedSemaphorePermit> {
        self.permits.as_mut()?.split(events)
    }
}

impl Pipeline {
    /// Runs a batch, and the halves of what fails, until the events that fail stand alone; and settles all of it.
    pub(super) async fn run_batch(
        &self,
        batch: Gathered,
        worker: usize,
        turn: OwnedSemaphorePermit,
    ) -> Finished {
        let finished = batch.finished();
        let Gathered {
            members,
            events,
            arrivals,
            permits,
        } = batch;
        let whole = Arc::new(Arrivals::new(arrivals));
        let mut events = Some(events);
        let mut held = Held {
            worker,
            permits,
            beside: FuturesUnordered::new(),
        };
        // The part that is next comes last, so that events run in the order in which they came.
        let mut parts = vec![(0, members)];
        let mut memory = Vec::new();
        while let Some((start, mut part)) = parts.pop() {
            // What was woken so far runs first, such as the connection on which acknowledgements wait: were it woken by
            // this thread last, no other one could take it while the handler blocks this one.
            // A task that has taken a batch begins it first: it would take another one meanwhile.
            if self.tasks.is_none() || events.is_none() {
                tokio::task::yield_now().await;
            }
            if self.stop.is(Phase::Cancelled) {
                parts.push((start, part));
                break;
            }
            let arrivals = if part.len() == whole.len() {
                Arc::clone(&whole)
            } else {
                Arc::new(whole.part(start..start + part.len()))
            };
            let answer = {
                let mut run = pin!(self.run_part(&part, events.take(), arrivals, worker));
                loop {
                    tokio::select! {
                        biased;
                        answer = &mut run => break answer,
                        Some(()) = held.beside.next() => {}
                    }
                }
            };
            match answer {
                Ok(Ok(answer)) => {
                    self.settle_part(part.drain(..), answer, &mut held).await;
                    if start == 0 {
                        memory = part;
                    }
                }
                Ok(Err(failure)) if part.len() > 1 => {
                    self.report_split(whole.len(), part.len(), &failure);
                    let second = part.split_off(part.len() / 2);
                    parts.push((start + part.len(), second));
                    parts.push((start, part));
                }
                Ok(Err(failure)) => {
                    if let Some(member) = part.pop() {
                        self.leave(member, failure, &mut held);
                    }
                }
                Err(Cancelled) => {
                    parts.push((start, part));
                    break;
                }
            }
        }
        drop(turn);
        if let Some((batches, arrivals)) = self.batches.as_ref().zip(whole.into_memory()) {
            batches.reuse(memory, arrivals);
        }
        let cut = parts.into_iter().rev().flat_map(|(_, part)| part);
        held.beside.push(self.give_back_all(cut.collect()).boxed());
        while held.beside.next().await.is_some() {}
        finished
    }

    /// Runs a handler of batches on one event: what was tried before runs alone.
    pub(super) async fn invoke_alone(
        &self,
        batches: &Batches,
        job: &mut Job,
    ) -> Result<Result<Ended, Failure>, Cancelled> {
        let received = match self.read_safely(job) {
            Ok(Some(received)) => received,
            Ok(None) => return Ok(Ok(Ended::Skipped)),
            Err(failure) => return Ok(Err(failure)),
        };
        let arrivals = Arc::new(Arrivals::new(vec![job.arrival(received.seen)]));
        let _turn = self.permit_to_run(batches).await?;
        let run = self.run_part(&[], Some(vec![received.event]), arrivals, job.worker);
        Ok(match run.await? {
            Ok((messages, failures)) => match failures.into_iter().next() {
                Some((_, error)) => Err(error.into()),
                None => Ok(Ended::Done(messages)),
            },
            Err(failure) => Err(failure),
        })
    }

    /// Runs the handler once on these events, which are read again for all runs but the first.
    async fn run_part(
        &self,
        part: &[Member],
        events: Option<Vec<BoxedEvent>>,
        arrivals: Arc<Arrivals>,
        worker: usize,
    ) -> Result<Result<Answer, Failure>, Cancelled> {
        let failures = Arc::<Failures>::default();
        let begin = || {
            let events = events.map_or_else(|| self.read_again(part), Ok)?;
            Ok(self.begin_part(events, arrivals, Arc::clone(&failures)))
        };
        let run = match catch_unwind(AssertUnwindSafe(begin)) {
            Ok(Ok(run)) => run,
            Ok(Err(failure)) => return Ok(Err(failure)),
            Err(panic) => return Ok(Err(panicked(&*panic))),
        };
        let messages = self.finish(run, worker).await?;
        Ok(messages.map(|messages| (messages, failures.take())))
    }

    /// The handler owns its events, and a copy would ask `Clone` of every event.
    fn read_again(&self, part: &[Member]) -> Result<Vec<BoxedEvent>, Failure> {
        let decode = self.plan.descriptor.decode;
        let read = part
            .iter()
            .map(|member| match decode(member.job.message()) {
                Ok(received) => Ok(received.event),
                Err(error) => Err(Failure::last(Reason::Undecodable, chain(&error))),
            });
        read.collect()
    }

    fn begin_part(
        &self,
        events: Vec<BoxedEvent>,
        arrivals: Arc<Arrivals>,
        failures: Arc<Failures>,
    ) -> BoxFuture<'_, Outcome> {
        let descriptor = self.plan.descriptor;
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
        descriptor.run(Box::new(batch), context, &self.middleware)
    }

    /// After a run that did not fail: settles its events, but for those that failed by themselves.
    async fn settle_part<'a>(
        &'a self,
        part: impl Iterator<Item = Member>,
        answer: Answer,
        held: &mut Held<'a>,
    ) {
        let (mut messages, mut failures) = answer;
        // Of several errors for one event the first counts: they stay in their order.
        failures.sort_by_key(|(index, _)| *index);
        failures.dedup_by_key(|(index, _)| *index);
        let mut failures = failures.into_iter().peekable();
        let (mut settled, mut late) = (0, Vec::new());
        for (index, member) in part.enumerate() {
            if let Some((_, error)) = failures.next_if(|(failed, _)| *failed == index) {
                self.leave(member, error.into(), held);
                continue;
            }
            if !messages.is_empty() {
                // Only middleware can have given any; they go out once, with the first event that did not fail.
                let messages = std::mem::take(&mut messages);
                let (worker, permit) = (held.worker, held.permits(1));
                let stored = self.store_and_end(member, messages, worker, permit);
                held.beside.push(stored.boxed());
                continue;
            }
            let Member { job, settle } = member;
            self.observe(&job, What::Handled, None);
            // Without it even what takes no waiting waits, and each would pay for that.
            if !has_budget_remaining() {
                tokio::task::yield_now().await;
            }
            match settle.done_now() {
                Ok(told) => {
                    settled += 1;
                    if let Err(error) = told {
                        self.report_unsettled(&job, &error);
                    }
                }
                Err(settle) => late.push(Member { job, settle }),
            }
        }
        drop(held.permits(settled));
        if !late.is_empty() {
            let permits = held.permits(late.len());
            held.beside.push(self.settle_late(late, permits).boxed());
        }
    }

    /// An event that failed by itself goes on beside the others.
    fn leave<'a>(&'a self, member: Member, failure: Failure, held: &mut Held<'a>) {
        let alone = Alone {
            member,
            failure,
            permit: held.permits(1),
        };
        let ended = self.go_on(alone, held.worker).map(drop);
        held.beside.push(ended.boxed());
    }

    /// What follows a failure, as for an event that was in no batch.
    pub(super) async fn go_on(&self, alone: Alone, worker: usize) -> Finished {
        let Alone {
            member,
            failure,
            mut permit,
        } = alone;
        let Member { mut job, settle } = member;
        job.worker = worker;
        let result = match self.failed(&mut job, failure, &mut permit).await {
            Ok(Wait::Over) => self.work(&mut job, &mut permit).await,
            Ok(Wait::Moved) => Ok(()),
            Err(Cancelled) => Err(Cancelled),
        };
        self.end(&job, settle, result).await;
        Finished { events: 1, permit }
    }

    async fn store_and_end(
        &self,
        member: Member,
        messages: Vec<Message>,
        worker: usize,
        permit: Option<OwnedSemaphorePermit>,
    ) {
        let result = match self.store_output(&member.job, messages).await {
            Ok(Ok(())) => {
                self.observe(&member.job, What::Handled, None);
                Ok(())
            }
            Ok(Err(failure)) => {
                let alone = Alone {
                    member,
                    failure,
                    permit,
                };
                self.go_on(alone, worker).await;
                return;
            }
            Err(Cancelled) => Err(Cancelled),
        };
        self.end(&member.job, member.settle, result).await;
    }

    /// Settles what has to wait for that: for room on the connection, mostly, which the first one waits for on behalf
    /// of all. Where it gets none, each one waits for itself, so that all together take no longer than one.
    async fn settle_late(&self, late: Vec<Member>, _permits: Option<OwnedSemaphorePermit>) {
        let mut late = late.into_iter();
        for Member { job, settle } in late.by_ref() {
            if let Err(error) = settle.done().await {
                self.report_unsettled(&job, &error);
                break;
            }
        }
        self.end_all(late, || Ok(())).await;
    }

    /// At the end of the program: what was not run, or not to its end.
    pub(super) async fn give_back_all(&self, members: Vec<Member>) {
        self.end_all(members, || Err(Cancelled)).await;
    }

    async fn end_all(
        &self,
        members: impl IntoIterator<Item = Member>,
        result: impl Fn() -> Result<(), Cancelled>,
    ) {
        let end = |Member { job, settle }| {
            let result = result();
            async move { self.end(&job, settle, result).await }
        };
        let all: FuturesUnordered<_> = members.into_iter().map(end).collect();
        all.for_each(ready).await;
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
