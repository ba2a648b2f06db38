//! Where a failed event waits, and where it ends: in place, in the retry lane, among the dead letters.

use std::time::Duration;

use tokio::sync::OwnedSemaphorePermit;
use tokio::time::Instant;

use super::job::Job;
use super::pipeline::Pipeline;
use super::retry::IN_PLACE;
use super::stop::Phase;
use crate::broker::{BrokerError, BrokerErrorKind, Message, Stored, lane_headers, lanes};
use crate::handler::Reason;
use crate::telemetry::What;

/// The grace is over: the delivery goes back to the broker.
#[derive(Debug)]
pub(super) struct Cancelled;

/// How much of a body one place to wait in has room for.
const PLACE: usize = 64 * 1024;

/// How a wait for the next run ended.
pub(super) enum Wait {
    /// It is time, and there is a permit to run.
    Over,
    /// The event is in the retry lane or among the dead letters, so this delivery is done.
    Moved,
}

impl Pipeline {
    /// Waits for the next run: in place if it is soon, else in the retry lane.
    pub(super) async fn wait(
        &self,
        job: &Job,
        error: &str,
        delay: Duration,
        permit: &mut Option<OwnedSemaphorePermit>,
    ) -> Result<Wait, Cancelled> {
        let due = Instant::now() + delay; // bounded by `retry::decide`
        let can_move = self.broker.capabilities().delays;
        let here = delay <= IN_PLACE && !self.stop.is(Phase::Draining);
        let slot = here.then(|| self.waiting.try_acquire_many(places(&job.payload)).ok());
        let slot = slot.flatten();
        if can_move && slot.is_none() {
            // Others may run while the broker stores it, up to a limit: where the broker is in trouble, consumption
            // pauses.
            let moving = self.moving.try_acquire();
            if moving.is_ok() {
                permit.take();
            }
            match self
                .store(job, self.retry_message(job, error, delay), "the retry")
                .await?
            {
                Ok(_) => return Ok(Wait::Moved),
                // Too large for a lane, though it came: then it waits here, however long.
                Err(_) => permit.take(),
            };
        }
        // Others may run meanwhile.
        permit.take();
        let due_and_free = async {
            tokio::time::sleep_until(due).await;
            std::sync::Arc::clone(&self.permits).acquire_owned().await
        };
        tokio::select! {
            biased;
            () = self.stop.reached(Phase::Draining) => {
                let left = due.saturating_duration_since(Instant::now());
                let moved = can_move && self.move_once(job, error, left).await.is_ok();
                if moved { Ok(Wait::Moved) } else { Err(Cancelled) }
            }
            free = due_and_free => {
                *permit = free.ok();
                Ok(Wait::Over)
            }
        }
    }

    /// Stores the event as a dead letter: only then is its delivery done.
    pub(super) async fn bury(
        &self,
        job: &Job,
        reason: Reason,
        error: &str,
    ) -> Result<(), Cancelled> {
        let forms = self.dead_forms(job, reason, error);
        let mut pause = Duration::from_secs(1);
        'stored: loop {
            for form in &forms {
                let answer = self.store(job, form.clone(), "the dead letter").await?;
                if answer.is_ok() {
                    break 'stored;
                }
            }
            // Not for what it is, then: a permission, say, which somebody may give back.
            tokio::select! {
                () = tokio::time::sleep(pause) => pause = (pause * 2).min(Duration::from_secs(30)),
                () = self.stop.reached(Phase::Cancelled) => return Err(Cancelled),
            }
        }
        let what = What::DeadLettered {
            reason: reason.as_str(),
        };
        self.observe(job, what, Some(error));
        self.report_dead(job, reason, error);
        Ok(())
    }

    /// The dead letter in the forms in which a broker may take it, the fullest first: a body too large for a
    /// message of ours stays at its origin, and so do headers that can't be sent.
    fn dead_forms(&self, job: &Job, reason: Reason, error: &str) -> Vec<Message> {
        let mut whole = self.dead_message(job, reason, error);
        if whole.payload.len() > self.broker.capabilities().max_payload {
            whole.payload = bytes::Bytes::new();
            lane_headers::write_reference(&mut whole.headers, &job.payload);
        }
        let mut forms = vec![whole];
        if lane_headers::are_large(&forms[0].headers) {
            let mut without_foreign_headers = forms[0].clone();
            lane_headers::keep_ours(&mut without_foreign_headers.headers);
            forms.push(without_foreign_headers);
        }
        forms
    }

    /// Moves the event to the retry lane, if the broker takes it at once.
    pub(super) async fn move_once(
        &self,
        job: &Job,
        error: &str,
        delay: Duration,
    ) -> Result<Stored, BrokerError> {
        self.broker
            .publish(self.retry_message(job, error, delay))
            .await?
            .await
    }

    /// Stores a message however long the broker takes: its trouble burns no attempts, and as permits are kept
    /// (those of a retry once many are on their way), consumption pauses. The inner error is one that asking again
    /// can't cure.
    pub(super) async fn store(
        &self,
        job: &Job,
        message: Message,
        what: &str,
    ) -> Result<Result<Stored, BrokerError>, Cancelled> {
        let mut pause = Duration::from_millis(100);
        loop {
            let store = async { self.broker.publish(message.clone()).await?.await };
            let answer = tokio::select! {
                biased;
                answer = store => answer,
                () = self.stop.reached(Phase::Cancelled) => return Err(Cancelled),
            };
            let error = match answer {
                Ok(stored) => return Ok(Ok(stored)),
                Err(error) if error.kind() == BrokerErrorKind::Permanent => {
                    self.report_refused(job, what, &error);
                    return Ok(Err(error));
                }
                Err(error) => error,
            };
            self.report_not_stored(job, what, &error, pause);
            tokio::select! {
                () = tokio::time::sleep(pause) => pause = (pause * 2).min(Duration::from_secs(10)),
                () = self.stop.reached(Phase::Cancelled) => return Err(Cancelled),
            }
        }
    }

    fn retry_message(&self, job: &Job, error: &str, delay: Duration) -> Message {
        let handler = self.plan.name();
        let message = Message::new(
            lanes::retry_subject(&self.service, handler),
            job.payload.clone(),
        )
        .id(job.mark.retry_id(handler))
        .headers(job.lane_headers("retry", error));
        if delay.is_zero() {
            message
        } else {
            message.delay(delay)
        }
    }

    fn dead_message(&self, job: &Job, reason: Reason, error: &str) -> Message {
        let handler = self.plan.name();
        Message::new(
            lanes::dead_subject(&self.service, handler, job.topic()),
            job.payload.clone(),
        )
        .id(job.mark.dead_id(handler))
        .headers(job.lane_headers(reason.as_str(), error))
    }
}

/// How many places an event takes that waits: large bodies are better kept by the broker.
fn places(body: &[u8]) -> u32 {
    u32::try_from(body.len() / PLACE + 1).unwrap_or(u32::MAX)
}
