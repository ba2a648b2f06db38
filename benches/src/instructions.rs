//! Instructions for each event, counted by callgrind: they repeat to a fraction of a percent on any machine.
//!
//! Each program runs twice, on one thread, with a smaller and a larger number of events. What both runs have in
//! common (start, connecting, the end) drops out of the difference.

use std::path::{Path, PathBuf};
use std::process::Stdio;

use anyhow::{Context, bail, ensure};

use tokio::process::Command;

use crate::child::{Side, Work};
use crate::plan::{Experiment, Stage};
use crate::rounds::{RUN_LIMIT, name};
use crate::server::Server;
use crate::stage::{ORDERS, Watch};

/// Events of the two runs.
const SIZES: [u64; 2] = [4_000, 16_000];

/// Work whose instructions are counted.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Case {
    /// As in `--only`.
    pub(crate) name: &'static str,
    /// What is done.
    pub(crate) work: Work,
    /// Who does it: ours, and what it is compared with.
    pub(crate) sides: [Side; 2],
    /// What the server has to hold before.
    pub(crate) stage: Stage,
    /// How many handlers may run at once.
    pub(crate) concurrency: usize,
}

/// Instructions an event of both programs.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Counted {
    /// On event-runtime.
    pub ours: f64,
    /// What it is compared with: mostly the same by hand.
    pub baseline: f64,
}

impl Case {
    /// The experiment's own work, if it is counted at all.
    pub(crate) fn of(experiment: &Experiment) -> Option<Self> {
        let row = experiment.rows.iter().find(|row| row.is_counted())?;
        Some(Self {
            name: experiment.name,
            work: experiment.work?,
            sides: row.sides(),
            stage: experiment.stage,
            concurrency: experiment.concurrency,
        })
    }

    /// Counts both programs. Keeps callgrind's files in this folder, for `callgrind_annotate`.
    pub(crate) async fn count(&self, folder: &Path) -> anyhow::Result<Counted> {
        check_valgrind().await?;
        std::fs::create_dir_all(folder)?;
        let server = Server::start()?;
        let watch = Watch::connect(&server.url()).await?;
        watch.renew(ORDERS).await?;
        let mut counted = Vec::new();
        for events in SIZES {
            if self.stage == Stage::Full {
                watch.fill(events).await?;
            }
            for side in self.sides {
                watch.prepare(self.stage).await?;
                counted.push(self.run(side, events, &server, folder).await?);
            }
        }
        let slope = |side: usize| {
            let events = SIZES[1] - SIZES[0];
            let [first, second] = [counted[side], counted[side + 2]];
            #[allow(clippy::cast_precision_loss, reason = "far below 2^52")]
            let slope = second.saturating_sub(first) as f64 / events as f64;
            slope
        };
        Ok(Counted {
            ours: slope(0),
            baseline: slope(1),
        })
    }

    async fn run(
        &self,
        side: Side,
        events: u64,
        server: &Server,
        folder: &Path,
    ) -> anyhow::Result<u64> {
        let file = folder.join(format!("{}.{side:?}.{events}.callgrind", self.name));
        let output = Command::new("valgrind")
            .arg("--tool=callgrind")
            .arg(format!("--callgrind-out-file={}", file.display()))
            .arg(std::env::current_exe()?)
            .args(["child", &name(self.work), &name(side), "--one-thread"])
            .args(["--events", &events.to_string()])
            .args(["--concurrency", &self.concurrency.to_string()])
            .args(["--server", &server.url()])
            .env_remove("RUST_BACKTRACE")
            .stdin(Stdio::null())
            .kill_on_drop(true)
            .output();
        let output = tokio::time::timeout(RUN_LIMIT, output)
            .await
            .with_context(|| format!("{} {side:?} did not end within {RUN_LIMIT:?}", self.name))?
            .context("valgrind can't be started")?;
        let said = String::from_utf8_lossy(&output.stderr);
        ensure!(
            output.status.success(),
            "{} {side:?} failed under callgrind:\n{said}",
            self.name
        );
        total(&file)
    }
}

fn total(file: &PathBuf) -> anyhow::Result<u64> {
    let text = std::fs::read_to_string(file)?;
    let line = text
        .lines()
        .find_map(|line| line.strip_prefix("totals: "))
        .with_context(|| format!("{} has no line `totals:`", file.display()))?;
    line.trim()
        .parse()
        .with_context(|| format!("{}: `{line}` is no number", file.display()))
}

/// Without valgrind nothing can be counted, and nothing is skipped.
async fn check_valgrind() -> anyhow::Result<()> {
    let found = Command::new("valgrind").arg("--version").output().await;
    if found.is_ok_and(|output| output.status.success()) {
        return Ok(());
    }
    bail!("there is no valgrind: run `scripts/install-valgrind`, or install your system's package")
}
