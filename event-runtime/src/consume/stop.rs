//! How the end of the program reaches everything that runs.

use tokio::sync::watch;

/// How far the end has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Phase {
    /// No end in sight.
    Running,
    /// Nothing new is begun; what has begun may finish.
    Draining,
    /// The grace is over: what still runs is cancelled.
    Cancelled,
}

/// Ends the program, step by step.
#[derive(Debug)]
pub(crate) struct Stopper(watch::Sender<Phase>);

impl Stopper {
    pub(crate) fn new() -> Self {
        Self(watch::Sender::new(Phase::Running))
    }

    /// Moves on to a later phase; never back.
    pub(crate) fn advance(&self, phase: Phase) {
        self.0.send_if_modified(|current| {
            let later = *current < phase;
            if later {
                *current = phase;
            }
            later
        });
    }

    pub(crate) fn listen(&self) -> Stop {
        Stop(self.0.subscribe())
    }
}

/// Hears of the end of the program.
#[derive(Debug, Clone)]
pub(crate) struct Stop(watch::Receiver<Phase>);

impl Stop {
    /// Resolves once the phase is reached. A dropped [`Stopper`] means the last phase.
    pub(crate) async fn reached(&self, phase: Phase) {
        let mut receiver = self.0.clone();
        let _ = receiver.wait_for(|current| *current >= phase).await;
    }

    pub(crate) fn is(&self, phase: Phase) -> bool {
        *self.0.borrow() >= phase
    }
}
