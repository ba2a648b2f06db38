//! One run of the handler: in time, and without taking the worker down with it.

use std::any::Any;
use std::panic::AssertUnwindSafe;
use std::sync::{Arc, Mutex};

use futures_util::FutureExt;
use tokio::time::error::Elapsed;

use super::decode::decode;
use super::failure::{Failure, Kind, chain};
use super::heartbeat::Watched;
use super::job::Job;
use super::pipeline::Pipeline;
use crate::broker::Message;
use crate::handler::{Context, Outcome, Reason, Received};
use crate::publish::Cause;

/// How a run ended that did not fail.
#[derive(Debug)]
pub(super) enum Ended {
    /// Well, with these messages to publish.
    Done(Vec<Message>),
    /// Before it began: the event is of another name, and the handler passes those over.
    Skipped,
}

/// What came back, or the panic that came instead.
type Caught<T> = Result<T, Box<dyn Any + Send>>;

impl Pipeline {
    /// Runs the handler once on this job: what there is to publish, or how it failed.
    pub(super) async fn invoke(&self, job: &mut Job) -> Result<Ended, Failure> {
        let worker = job.worker;
        let run = AssertUnwindSafe(self.run(job)).catch_unwind();
        let watched = Watched::new(run, Arc::clone(&self.pulse), worker);
        let ended = tokio::time::timeout(self.plan.timeout, watched).await;
        self.in_time(ended)
    }

    /// What a run came to, a panic and too long a time included.
    pub(super) fn in_time<T>(
        &self,
        ended: Result<Caught<Result<T, Failure>>, Elapsed>,
    ) -> Result<T, Failure> {
        match ended {
            Ok(Ok(result)) => result,
            Ok(Err(panic)) => Err(panicked(&*panic)),
            Err(_) => Err(Failure {
                kind: Kind::Retry { after: None },
                error: format!(
                    "the handler did not finish within its timeout of {:?}",
                    self.plan.timeout
                ),
            }),
        }
    }

    /// Reads the event, and tells observers that it has arrived; `None` for one that is passed over.
    pub(super) fn read(&self, job: &mut Job) -> Result<Option<Received>, Failure> {
        // Decoded for each run: the handler owns its event, and a copy would ask `Clone` of every event.
        let read = decode(&self.plan, job);
        if let Ok(Some(received)) = &read {
            job.identify(&received.attributes);
        } else if let Ok(attributes) = crate::envelope::read_attributes(job.message()) {
            // What is a CloudEvent has its own id even where this program can't read its data.
            job.identify(&attributes);
        }
        self.arrived(job);
        read
    }

    async fn run(&self, job: &mut Job) -> Result<Ended, Failure> {
        let descriptor = self.plan.descriptor;
        let Some(received) = self.read(job)? else {
            return Ok(Ended::Skipped);
        };
        let metadata = job.metadata(&received.attributes);
        let publisher = self.publisher.caused_by(Cause {
            handler: descriptor.name,
            source: metadata.source.clone(),
            id: metadata.id.clone(),
            time: metadata.time,
            correlation_id: metadata.correlation_id.clone(),
            trace_parent: metadata.trace_parent.clone(),
            fresh: job.mark.fresh,
            published: Mutex::default(),
        });
        let context = Context::new(metadata, Arc::clone(&self.states), publisher);
        let run = descriptor.run(received.event, context, &self.middleware);
        match run.await {
            Outcome::Done(messages) => Ok(Ended::Done(messages)),
            Outcome::Failed(error) => Err(error.into()),
            Outcome::Output(error) => Err(Failure::last(Reason::Output, chain(&error))),
        }
    }
}

/// The failure that a panic is.
pub(super) fn panicked(panic: &(dyn Any + Send)) -> Failure {
    Failure {
        kind: Kind::Retry { after: None },
        error: format!("the handler panicked: {}", panic_text(panic)),
    }
}

fn panic_text(panic: &(dyn Any + Send)) -> &str {
    panic
        .downcast_ref::<&str>()
        .copied()
        .or_else(|| panic.downcast_ref::<String>().map(String::as_str))
        .unwrap_or("with a value that is no text")
}
