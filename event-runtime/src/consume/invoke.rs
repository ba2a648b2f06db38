//! One run of the handler: in time, and without taking the worker down with it.

use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::pin;
use std::sync::Arc;
use std::task::Poll;

use futures_util::FutureExt;
use futures_util::future::BoxFuture;

use super::decode::decode;
use super::failure::{Failure, Kind, chain};
use super::heartbeat::Watched;
use super::job::Job;
use super::lane::Cancelled;
use super::pipeline::Pipeline;
use super::running::once;
use super::stop::Phase;
use crate::broker::Message;
use crate::handler::{Context, Outcome, Reason, Received};

/// How a run ended that did not fail.
#[derive(Debug)]
pub(super) enum Ended {
    /// Well, with these messages to publish.
    Done(Vec<Message>),
    /// Before it began: the event is of another name, and the handler passes those over.
    Skipped,
}

impl Pipeline {
    /// Runs the handler once on this job: what there is to publish, or how it failed.
    pub(super) async fn invoke(&self, job: &mut Job) -> Result<Result<Ended, Failure>, Cancelled> {
        // Reading the event and the call itself run code of the program's, too.
        let run = match catch_unwind(AssertUnwindSafe(|| self.begin(job))) {
            Ok(Ok(Some(run))) => run,
            Ok(Ok(None)) => return Ok(Ok(Ended::Skipped)),
            Ok(Err(failure)) => return Ok(Err(failure)),
            Err(panic) => return Ok(Err(panicked(&*panic))),
        };
        let ended = self.finish(run, job.worker).await?;
        Ok(ended.map(Ended::Done))
    }

    /// A run to its end, in time: what there is to publish, or how it failed.
    pub(super) async fn finish(
        &self,
        run: BoxFuture<'_, Outcome>,
        worker: usize,
    ) -> Result<Result<Vec<Message>, Failure>, Cancelled> {
        let watched = Watched::new(run, &self.pulse, worker);
        let mut run = pin!(AssertUnwindSafe(watched).catch_unwind());
        // A run that has to wait for nothing needs no timer, and nobody who could cancel it.
        let outcome = match once(run.as_mut()).await {
            Poll::Ready(outcome) => outcome,
            // Boxed, so that the others don't carry the room for it along.
            Poll::Pending => match self.in_time(run).boxed().await? {
                Some(outcome) => outcome,
                None => return Ok(Err(self.too_late())),
            },
        };
        Ok(ended(outcome))
    }

    /// The end of a run; `None` if it takes longer than it may.
    async fn in_time<T>(&self, run: impl Future<Output = T>) -> Result<Option<T>, Cancelled> {
        tokio::select! {
            biased;
            in_time = tokio::time::timeout(self.plan.timeout, run) => Ok(in_time.ok()),
            () = self.stop.reached(Phase::Cancelled) => Err(Cancelled),
        }
    }

    fn too_late(&self) -> Failure {
        Failure {
            kind: Kind::Retry { after: None },
            error: format!(
                "the handler did not finish within its timeout of {:?}",
                self.plan.timeout
            ),
        }
    }

    /// Reads the event, and tells observers that it has arrived; `None` if the handler passes it over.
    pub(super) fn read(&self, job: &mut Job) -> Result<Option<Received>, Failure> {
        // Decoded for each run: the handler owns its event, and a copy would ask `Clone` of every event.
        let read = decode(&self.plan, job);
        if let Ok(Some(received)) = &read {
            job.identify(&received.seen);
        } else if let Ok(seen) = crate::envelope::see_attributes(job.message()) {
            // What is a CloudEvent has its own id even where this program can't read its data.
            job.identify(&seen);
        }
        self.arrived(job);
        read
    }

    /// Reads the event and calls the handler; `None` if it passes the event over.
    fn begin<'a>(&'a self, job: &mut Job) -> Result<Option<BoxFuture<'a, Outcome>>, Failure> {
        let descriptor = self.plan.descriptor;
        let Some(received) = self.read(job)? else {
            return Ok(None);
        };
        let context = Context::new(
            descriptor.name,
            job.arrival(received.seen),
            Arc::clone(&self.states),
            self.publisher.clone(),
        );
        Ok(Some(descriptor.run(
            received.event,
            context,
            &self.middleware,
        )))
    }
}

/// What there is to publish after a run, or how it failed.
fn ended(outcome: Result<Outcome, Box<dyn Any + Send>>) -> Result<Vec<Message>, Failure> {
    match outcome {
        Ok(Outcome::Done(messages)) => Ok(messages),
        Ok(Outcome::Failed(error)) => Err(error.into()),
        Ok(Outcome::Output(error)) => Err(Failure::last(Reason::Output, chain(&error))),
        Err(panic) => Err(panicked(&*panic)),
    }
}

pub(super) fn panicked(panic: &(dyn Any + Send)) -> Failure {
    Failure {
        kind: Kind::Retry { after: None },
        error: format!("the handler panicked: {}", panic_text(panic)),
    }
}

pub(super) fn panic_text(panic: &(dyn Any + Send)) -> &str {
    panic
        .downcast_ref::<&str>()
        .copied()
        .or_else(|| panic.downcast_ref::<String>().map(String::as_str))
        .unwrap_or("with a value that is no text")
}
