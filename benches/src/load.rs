//! What else the machine did during a run: other people's processes, and time that the hypervisor took away.

use std::time::{Duration, Instant};

use anyhow::Context;
use nix::sys::resource::UsageWho;
use procfs::process::Process;
use procfs::{CurrentSI, KernelStats};

use crate::meter::cpu_of;

/// A run beside more of this than 5 % of the machine says nothing.
pub(crate) const LIMIT: f64 = 0.05;
/// The kernel counts in hundredths of a second: over less than this, shares are chance.
const WINDOW: Duration = Duration::from_millis(500);

/// The machine's clocks, and ours, at one moment.
#[derive(Debug)]
pub(crate) struct Load {
    since: Instant,
    server: Option<u32>,
    /// All that there was, in ticks of all cores.
    total: u64,
    steal: u64,
    /// Spent by processes.
    busy: u64,
    /// Of that, by us: this process, its children that have ended, and the server.
    own: Duration,
}

impl Load {
    /// Reads the clocks.
    pub(crate) fn now(server: Option<u32>) -> anyhow::Result<Self> {
        let cpu = KernelStats::current()?.total;
        let steal = cpu.steal.unwrap_or_default();
        let busy = cpu.user + cpu.nice + cpu.system;
        // Interrupts stay out of `busy`: the kernel serves the loopback traffic in them, which is our own.
        let interrupts = cpu.irq.unwrap_or_default() + cpu.softirq.unwrap_or_default();
        let total = busy + interrupts + cpu.idle + cpu.iowait.unwrap_or_default() + steal;
        let mut own = cpu_of(UsageWho::RUSAGE_SELF) + cpu_of(UsageWho::RUSAGE_CHILDREN);
        if let Some(pid) = server {
            own += cpu_of_process(&Process::new(i32::try_from(pid)?)?)?;
        }
        Ok(Self {
            since: Instant::now(),
            server,
            total,
            steal,
            busy,
            own,
        })
    }

    /// The share of the machine that others had since then. After a short run, waits until that can be told.
    pub(crate) async fn foreign_share(&self) -> anyhow::Result<f64> {
        tokio::time::sleep(WINDOW.saturating_sub(self.since.elapsed())).await;
        let now = Self::now(self.server)?;
        let own = now.own.saturating_sub(self.own);
        let busy = ticks(now.busy - self.busy);
        let steal = ticks(now.steal - self.steal);
        let total = ticks(now.total - self.total).as_secs_f64();
        let foreign = (busy.saturating_sub(own) + steal).as_secs_f64();
        Ok(if total > 0.0 { foreign / total } else { 0.0 })
    }
}

/// CPU time in user and kernel of another process, in steps of the kernel's ticks.
pub(crate) fn cpu_of_process(process: &Process) -> anyhow::Result<Duration> {
    let stat = process.stat().context("the process has ended")?;
    Ok(ticks(stat.utime + stat.stime))
}

fn ticks(ticks: u64) -> Duration {
    Duration::from_millis(ticks * 1000 / procfs::ticks_per_second())
}
