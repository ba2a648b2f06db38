//! All that happened, in order.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use tokio::sync::Notify;
use tokio::sync::futures::Notified;

use crate::broker::{BrokerError, Message};
use crate::telemetry::{Observation, What};

/// Something that happened.
#[derive(Debug, Clone)]
pub(super) enum Happened {
    /// A process began after an earlier one had ended.
    StartedAgain,
    Stopped,
    Crashed,
    /// The test itself published this.
    Given {
        payload: Bytes,
    },
    /// The app published this, by itself or by a handler.
    Published {
        payload: Bytes,
        topic: String,
        duplicate: bool,
    },
    /// A message was not stored.
    Refused {
        subject: String,
        payload: Bytes,
        error: String,
    },
    /// Something happened to an event at a handler.
    Handler {
        handler: String,
        event_id: String,
        attempt: u32,
        step: Step,
    },
}

/// What happened to an event at a handler.
#[derive(Debug, Clone)]
pub(super) enum Step {
    Received { payload: Bytes, topic: String },
    Retrying { delay: Duration, error: String },
    Handled,
    Skipped,
    DeadLettered { reason: String, error: String },
}

/// One thing that happened, and to which app.
#[derive(Debug, Clone)]
pub(super) struct Entry {
    pub(super) app: usize,
    pub(super) happened: Happened,
}

/// All that happened to the apps of one test, in order.
#[derive(Debug, Default)]
pub(super) struct History {
    told: Mutex<Told>,
    changes: AtomicU64,
    changed: Notify,
}

#[derive(Debug, Default)]
pub(super) struct Told {
    /// The service of each app.
    pub(super) apps: Vec<String>,
    pub(super) entries: Vec<Entry>,
}

impl Happened {
    pub(super) fn refused(message: &Message, error: &BrokerError) -> Self {
        Self::Refused {
            subject: message.subject.clone(),
            payload: message.payload.clone(),
            error: crate::consume::chain(error),
        }
    }
}

impl History {
    pub(super) fn read(&self) -> MutexGuard<'_, Told> {
        self.told.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes in another app; its service is known once it runs.
    pub(super) fn new_app(&self) -> usize {
        let mut told = self.read();
        told.apps.push(String::new());
        told.apps.len() - 1
    }

    pub(super) fn name_app(&self, app: usize, service: &str) {
        service.clone_into(&mut self.read().apps[app]);
    }

    pub(super) fn add(&self, app: usize, happened: Happened) {
        self.read().entries.push(Entry { app, happened });
        self.changed();
    }

    pub(super) fn observed(&self, app: usize, observation: &Observation<'_>) {
        let error = || observation.error.unwrap_or_default().to_owned();
        let step = match observation.what {
            What::Received => Step::Received {
                payload: Bytes::copy_from_slice(observation.payload),
                topic: observation.topic.to_owned(),
            },
            What::Retrying { delay } => Step::Retrying {
                delay,
                error: error(),
            },
            What::Handled => Step::Handled,
            What::Skipped => Step::Skipped,
            What::DeadLettered { reason } => Step::DeadLettered {
                reason: reason.to_owned(),
                error: error(),
            },
        };
        let happened = Happened::Handler {
            handler: observation.handler.to_owned(),
            event_id: observation.event_id.to_owned(),
            attempt: observation.attempt,
            step,
        };
        self.add(app, happened);
    }

    /// Something happened that may be what somebody waits for.
    pub(super) fn changed(&self) {
        self.changes.fetch_add(1, Ordering::SeqCst);
        self.changed.notify_waiters();
    }

    /// How often anything happened: the same number before and after a look at the broker means that nothing
    /// moved meanwhile.
    pub(super) fn changes(&self) -> u64 {
        self.changes.load(Ordering::SeqCst)
    }

    pub(super) fn next_change(&self) -> Notified<'_> {
        self.changed.notified()
    }
}
