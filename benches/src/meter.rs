//! Counts events, and takes the time and the CPU from the first to the last.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::{Duration, Instant};

use anyhow::Context;
use nix::sys::resource::{Usage, UsageWho, getrusage};
use nix::sys::time::TimeValLike;
use procfs::process::Process;
use serde::{Deserialize, Serialize};
use tokio::sync::Notify;

/// What one run of one program measured.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
pub(crate) struct Sample {
    /// Events between the first and the last.
    pub(crate) events: u64,
    /// Seconds on the clock.
    pub wall: f64,
    /// Seconds of CPU of this process, in user and kernel.
    pub cpu: f64,
    /// The most memory that the process ever had, in KiB.
    pub peak_kib: u64,
    /// From the call that published to the start of the handler, where that was measured.
    pub latency: Option<Latency>,
}

/// Two percentiles, in microseconds.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
pub(crate) struct Latency {
    /// Half are faster.
    pub p50: f64,
    /// One in a hundred is slower.
    pub p99: f64,
}

/// Counts events; clones count together.
#[derive(Debug, Clone)]
pub(crate) struct Meter(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    total: u64,
    seen: AtomicU64,
    made: Instant,
    begun: OnceLock<(Instant, Duration)>,
    ended: OnceLock<(Instant, Duration)>,
    all: Notify,
    latencies: Mutex<Vec<u64>>,
}

impl Meter {
    /// A meter that is done after this many events.
    pub(crate) fn new(total: u64) -> Self {
        Self(Arc::new(Shared {
            total,
            seen: AtomicU64::new(0),
            made: Instant::now(),
            begun: OnceLock::new(),
            ended: OnceLock::new(),
            all: Notify::new(),
            latencies: Mutex::default(),
        }))
    }

    /// How many events there are.
    pub(crate) fn total(&self) -> u64 {
        self.0.total
    }

    /// The clocks run from here; an event begins them too.
    pub(crate) fn begin(&self) {
        self.0.begun.get_or_init(|| (Instant::now(), cpu()));
    }

    /// The clocks run to here: what follows is no part of the work.
    pub(crate) fn end(&self) {
        self.0.ended.get_or_init(|| (Instant::now(), cpu()));
    }

    /// One more event.
    pub(crate) fn count(&self) {
        let seen = self.0.seen.fetch_add(1, Ordering::Relaxed);
        if seen == 0 {
            self.begin();
        }
        if seen + 1 == self.0.total {
            self.0.all.notify_one();
        }
    }

    /// Nanoseconds since the meter was made.
    pub(crate) fn nanos(&self) -> u64 {
        u64::try_from(self.0.made.elapsed().as_nanos()).unwrap_or(u64::MAX)
    }

    /// One more event, which was sent at this time by [`nanos`](Self::nanos).
    pub(crate) fn count_latency(&self, sent: u64) {
        let latency = self.nanos().saturating_sub(sent);
        let latencies = self.0.latencies.lock();
        latencies
            .unwrap_or_else(PoisonError::into_inner)
            .push(latency);
        self.count();
    }

    /// Waits until all events have been counted.
    pub(crate) async fn all(&self, limit: Duration) -> anyhow::Result<()> {
        let waited = tokio::time::timeout(limit, self.0.all.notified()).await;
        waited.with_context(|| {
            let (seen, total) = (self.0.seen.load(Ordering::Relaxed), self.0.total);
            format!("only {seen} of {total} events were handled within {limit:?}")
        })
    }

    /// What was measured from begin to end.
    pub(crate) fn sample(&self) -> anyhow::Result<Sample> {
        let (began, cpu_before) = *self.0.begun.get().context("no event was handled")?;
        let (ended, cpu_after) = *self.0.ended.get().context("the run has not ended")?;
        let wall = ended.saturating_duration_since(began);
        let cpu = cpu_after.saturating_sub(cpu_before);
        let mut latencies = self
            .0
            .latencies
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone();
        latencies.sort_unstable();
        Ok(Sample {
            events: self.0.total,
            wall: wall.as_secs_f64(),
            cpu: cpu.as_secs_f64(),
            peak_kib: peak(&Process::myself()?)?,
            latency: (!latencies.is_empty()).then(|| Latency {
                p50: percentile(&latencies, 50),
                p99: percentile(&latencies, 99),
            }),
        })
    }
}

/// In microseconds, from sorted nanoseconds.
fn percentile(sorted: &[u64], percent: usize) -> f64 {
    let place = (sorted.len() * percent / 100).min(sorted.len() - 1);
    Duration::from_nanos(sorted[place]).as_secs_f64() * 1e6
}

fn cpu() -> Duration {
    cpu_of(UsageWho::RUSAGE_SELF)
}

/// The most memory that a process had, in KiB. `getrusage` would answer for the process that started it, too.
pub(crate) fn peak(process: &Process) -> anyhow::Result<u64> {
    let status = process.status()?;
    status.vmhwm.context("the kernel says no VmHWM")
}

/// CPU time in user and kernel.
pub(crate) fn cpu_of(who: UsageWho) -> Duration {
    let usage = usage(who);
    let micros = usage.user_time().num_microseconds() + usage.system_time().num_microseconds();
    Duration::from_micros(u64::try_from(micros).unwrap_or_default())
}

fn usage(who: UsageWho) -> Usage {
    getrusage(who).expect("`getrusage` only fails for a wrong argument")
}
