//! How fast a handler works, and so how many events it is worth to fetch ahead.

use std::time::Duration;

use tokio::time::Instant;

use crate::handler::FETCHED_AHEAD;

/// The rate is taken anew this often.
const WINDOW: Duration = Duration::from_millis(250);
/// And for the first time after this: at the start there may be much to catch up on.
const FIRST: Duration = Duration::from_millis(20);

/// The pace of one worker.
#[derive(Debug)]
pub(super) struct Pace {
    ack_wait: Duration,
    window: Instant,
    length: Duration,
    finished: u32,
    ahead: usize,
}

impl Pace {
    /// Until anything is measured, one event is fetched ahead for each that may run.
    pub(super) fn new(ack_wait: Duration, concurrency: usize) -> Self {
        Self {
            ack_wait,
            window: Instant::now(),
            length: FIRST,
            finished: 0,
            ahead: concurrency.min(FETCHED_AHEAD),
        }
    }

    pub(super) fn finished(&mut self) {
        self.finished += 1;
    }

    /// What the handler gets done in a third of the ack wait: more would have to be kept alive in the queue.
    pub(super) fn ahead(&mut self) -> usize {
        let elapsed = self.window.elapsed();
        if elapsed >= self.length && self.finished > 0 {
            let in_a_third = f64::from(self.finished) * self.ack_wait.as_secs_f64()
                / 3.0
                / elapsed.as_secs_f64();
            #[allow(
                clippy::cast_possible_truncation,
                clippy::cast_sign_loss,
                reason = "positive, and bounded next"
            )]
            let ahead = in_a_third as usize;
            // At least one: a worker whose handler's other one holds all permits has to stand in the queue.
            self.ahead = ahead.clamp(1, FETCHED_AHEAD);
            self.window = Instant::now();
            self.length = WINDOW;
            self.finished = 0;
        }
        self.ahead
    }
}
