//! What a test has asked to go wrong.

use std::fmt;
use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::broker::{BrokerError, Message};

type Refuse = Box<dyn FnMut(&Message) -> Option<BrokerError> + Send>;

/// Where a process is to end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Moment {
    /// An event has arrived, and its handler has not begun.
    Arrived,
    /// The handler is done with an event and what it returned is stored; the broker has not heard of it.
    Done,
}

/// What a test has asked to go wrong in one app; it outlives the app's processes.
#[derive(Default)]
pub(super) struct Faults(Mutex<Asked>);

#[derive(Default)]
struct Asked {
    /// Events to let through before one fails, and its error.
    publishes: Vec<(usize, BrokerError)>,
    refuse: Option<Refuse>,
    crashes: Vec<(Moment, &'static str)>,
}

impl Faults {
    pub(super) fn fail_publish(&self, number: usize, error: BrokerError) {
        self.lock().publishes.push((number, error));
    }

    pub(super) fn refuse(&self, refuse: Refuse) {
        self.lock().refuse = Some(refuse);
    }

    pub(super) fn crash(&self, moment: Moment, handler: &'static str) {
        self.lock().crashes.push((moment, handler));
    }

    /// The error that a message is to fail with.
    pub(super) fn refusal(&self, message: &Message) -> Option<BrokerError> {
        let mut asked = self.lock();
        let mut due = None;
        if !is_lane(&message.subject) {
            for (left, _) in &mut asked.publishes {
                *left = left.saturating_sub(1);
            }
            due = asked.publishes.iter().position(|(left, _)| *left == 0);
        }
        match due {
            Some(index) => Some(asked.publishes.remove(index).1),
            None => asked.refuse.as_mut().and_then(|refuse| refuse(message)),
        }
    }

    /// Whether the process is to end here; a request is used up by it.
    pub(super) fn crashes(&self, moment: Moment, handler: &str) -> bool {
        let mut asked = self.lock();
        let here = (moment, handler);
        let found = asked.crashes.iter().position(|asked| *asked == here);
        found.map(|index| asked.crashes.remove(index)).is_some()
    }

    fn lock(&self) -> MutexGuard<'_, Asked> {
        // A test's closure may panic in here; what was asked stands all the same.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Whether a subject is one of the runtime's own.
pub(super) fn is_lane(subject: &str) -> bool {
    subject.starts_with("lane.")
}

impl fmt::Debug for Faults {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Faults").finish_non_exhaustive()
    }
}
