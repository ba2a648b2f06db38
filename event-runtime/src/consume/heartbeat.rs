//! Keeps deliveries alive while they wait or are worked on, in a task of its own, so that a busy handler
//! can't starve it; and notices a handler that blocks its thread.

use std::future::Future;
use std::pin::Pin;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;

use futures_util::future::BoxFuture;
use tokio::time::Instant;

use crate::broker::{Heartbeat, Settle};

/// The unsettled deliveries of one handler.
#[derive(Debug, Default)]
pub(crate) struct Heartbeats(Mutex<Alive>);

#[derive(Debug, Default)]
struct Alive {
    alive: Vec<Heartbeat>,
    /// Clear the settled ones out when the list has grown to this.
    clear_at: usize,
}

impl Heartbeats {
    /// Keeps these deliveries alive until they are settled or dropped.
    pub(super) fn watch<'a>(&self, settles: impl ExactSizeIterator<Item = &'a Settle>) {
        let mut watched = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if watched.alive.len() >= watched.clear_at {
            watched.alive.retain(Heartbeat::is_alive);
            // Twice what is left: each entry is looked at a bounded number of times.
            watched.clear_at = (watched.alive.len() * 2 + settles.len()).max(256);
        }
        watched.alive.extend(settles.map(Settle::heartbeat));
    }

    fn snapshot(&self) -> Vec<Heartbeat> {
        let mut watched = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        watched.alive.retain(Heartbeat::is_alive);
        watched.alive.clone()
    }

    /// Beats three times in each ack wait, for ever; the caller drops it when the handler has ended.
    pub(crate) async fn run(
        &self,
        handler: &str,
        ack_wait: Duration,
        timeout: Duration,
        pulse: &Pulse,
    ) {
        let mut ticks = tokio::time::interval((ack_wait / 3).max(Duration::from_millis(10)));
        ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        // What arrived just now needs no beat yet: it gets one from its second tick on.
        let mut due: Vec<Heartbeat> = Vec::new();
        let mut stalled = false;
        loop {
            ticks.tick().await;
            let blocked = pulse.blocked_for();
            if blocked > timeout {
                if !stalled {
                    tracing::error!(
                        handler,
                        "the handler blocks its thread for {blocked:?}, longer than its timeout: its events are no longer kept alive and will be delivered again; use async calls or `tokio::task::spawn_blocking`"
                    );
                }
                stalled = true;
                continue;
            }
            stalled = false;
            for heartbeat in due.drain(..) {
                if let Err(error) = heartbeat.beat().await {
                    tracing::debug!(handler, error = %error, "no progress reported; the broker may deliver the event again");
                }
            }
            due = self.snapshot();
        }
    }
}

/// Since when a handler's futures are being polled without coming back, for each task that polls them.
#[derive(Debug)]
pub(crate) struct Pulse {
    base: Instant,
    /// Milliseconds after `base`, plus one; 0 while nothing is polled.
    since: Box<[AtomicU64]>,
}

impl Pulse {
    pub(super) fn new(tasks: usize) -> Self {
        Self {
            base: Instant::now(),
            since: (0..tasks).map(|_| AtomicU64::new(0)).collect(),
        }
    }

    /// Notes that this task polls from `now` on, until the guard is dropped.
    pub(super) fn poll(&self, task: usize, now: Instant) -> Polled<'_> {
        let since = &self.since[task];
        since.store(self.at(now), Ordering::Relaxed);
        Polled(since)
    }

    fn at(&self, now: Instant) -> u64 {
        let passed = now.saturating_duration_since(self.base).as_millis();
        u64::try_from(passed).unwrap_or(u64::MAX - 1) + 1
    }

    fn blocked_for(&self) -> Duration {
        let now = self.at(Instant::now());
        let longest = self
            .since
            .iter()
            .map(|since| match since.load(Ordering::Relaxed) {
                0 => 0,
                since => now.saturating_sub(since),
            })
            .max();
        Duration::from_millis(longest.unwrap_or(0))
    }
}

/// A run that tells the pulse while it is being polled.
pub(super) struct Watched<'a, T> {
    run: BoxFuture<'a, T>,
    pulse: &'a Pulse,
    worker: usize,
}

impl<'a, T> Watched<'a, T> {
    pub(super) fn new(run: BoxFuture<'a, T>, pulse: &'a Pulse, worker: usize) -> Self {
        Self { run, pulse, worker }
    }
}

impl<T> Future for Watched<'_, T> {
    type Output = T;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<T> {
        let known = self.pulse.since[self.worker].load(Ordering::Relaxed) != 0;
        // Whoever polls many runs says so once for all: a look at the clock costs as much as a short run.
        let _polled = (!known).then(|| self.pulse.poll(self.worker, Instant::now()));
        self.run.as_mut().poll(cx)
    }
}

/// A poll that goes on. It ends with a panic as well.
pub(super) struct Polled<'a>(&'a AtomicU64);

impl Drop for Polled<'_> {
    fn drop(&mut self) {
        self.0.store(0, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use std::future::Future;
    use std::panic::{AssertUnwindSafe, catch_unwind};
    use std::pin::Pin;
    use std::sync::atomic::Ordering;
    use std::task::{Context, Waker};

    use futures_util::FutureExt;

    use super::{Pulse, Watched};

    #[test]
    fn a_run_that_panics_blocks_nothing_any_more() {
        let pulse = Pulse::new(1);
        let run = async { panic!("a mistake") }.boxed();
        let mut run = Watched::<()>::new(run, &pulse, 0);
        let mut cx = Context::from_waker(Waker::noop());
        let poll = || Pin::new(&mut run).poll(&mut cx).is_ready();
        assert!(catch_unwind(AssertUnwindSafe(poll)).is_err());
        assert_eq!(pulse.since[0].load(Ordering::Relaxed), 0);
    }
}
