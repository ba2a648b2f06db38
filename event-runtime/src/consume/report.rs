//! What people and observers hear: one line for each failure, with the whole chain and what happens next.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::Duration;

use super::failure::{Failure, Kind, chain};
use super::invoke::panic_text;
use super::job::Job;
use super::pipeline::Pipeline;
use crate::broker::BrokerError;
use crate::handler::Reason;
use crate::telemetry::{Observation, What};

impl Pipeline {
    /// Tells observers what happened, and how the run failed if it did. One that panics changes nothing for the event.
    pub(super) fn observe(&self, job: &Job, what: What<'_>, error: Option<&str>) {
        for observer in self.observers.iter() {
            let observe = || {
                observer.observe(&Observation {
                    handler: self.plan.name(),
                    event_id: &job.event_id(),
                    event_type: job.event_type(),
                    topic: job.topic(),
                    payload: &job.payload,
                    attempt: job.mark.attempt,
                    error,
                    what,
                });
            };
            if let Err(panic) = catch_unwind(AssertUnwindSafe(observe)) {
                tracing::error!(
                    handler = self.plan.name(),
                    event_id = &*job.event_id(),
                    error = panic_text(&*panic),
                    "an observer panicked"
                );
            }
        }
    }

    /// Tells observers once for each delivery that it has arrived, as soon as its id is known.
    pub(super) fn arrived(&self, job: &mut Job) {
        if !std::mem::replace(&mut job.arrived, true) {
            self.observe(job, What::Received, None);
        }
    }

    pub(super) fn report_skipped(&self, job: &Job) {
        self.observe(job, What::Skipped, None);
        tracing::debug!(
            event_id = &*job.event_id(),
            event_type = job.event_type(),
            topic = job.topic(),
            handler = self.plan.name(),
            "skipped: an event of another name",
        );
    }

    pub(super) fn report_retry(
        &self,
        job: &Job,
        failure: &Failure,
        delay: Duration,
        (number, max): (u32, u32),
    ) {
        self.observe(job, What::Retrying { delay }, Some(&failure.error));
        let reason = match failure.kind {
            Kind::Newer => Reason::NewerVersion.as_str(),
            Kind::Retry { .. } | Kind::Final(_) => "retry",
        };
        tracing::warn!(
            event_id = &*job.event_id(),
            event_type = job.event_type(),
            topic = job.topic(),
            handler = self.plan.name(),
            attempt = job.mark.attempt,
            reason,
            error = failure.error,
            "attempt {number} of {max} failed, the next one is in {delay:.1?}",
        );
    }

    pub(super) fn report_dead(&self, job: &Job, reason: Reason, error: &str) {
        tracing::error!(
            event_id = &*job.event_id(),
            event_type = job.event_type(),
            topic = job.topic(),
            handler = self.plan.name(),
            attempt = job.mark.attempt,
            reason = reason.as_str(),
            error,
            "kept as a dead letter; see `dead-letters list`, and `dead-letters redrive` once the cause is gone",
        );
    }

    pub(super) fn report_refused(&self, job: &Job, what: &str, error: &BrokerError) {
        tracing::error!(
            event_id = &*job.event_id(),
            event_type = job.event_type(),
            topic = job.topic(),
            handler = self.plan.name(),
            attempt = job.mark.attempt,
            error = chain(error),
            "the broker refuses {what}",
        );
    }

    pub(super) fn report_not_stored(
        &self,
        job: &Job,
        what: &str,
        error: &BrokerError,
        pause: Duration,
    ) {
        tracing::warn!(
            event_id = &*job.event_id(),
            event_type = job.event_type(),
            topic = job.topic(),
            handler = self.plan.name(),
            attempt = job.mark.attempt,
            error = chain(error),
            "{what} is not stored yet, and the event stays unsettled; asking again in {pause:?}",
        );
    }

    pub(super) fn report_unsettled(&self, job: &Job, error: &BrokerError) {
        tracing::warn!(
            event_id = &*job.event_id(),
            event_type = job.event_type(),
            topic = job.topic(),
            handler = self.plan.name(),
            attempt = job.mark.attempt,
            error = chain(error),
            "not settled; the broker will deliver the event again",
        );
    }
}
