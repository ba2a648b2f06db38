//! Runs programs side by side: in rounds of one run each, in random order, until enough rounds are clean.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::process::Stdio;
use std::time::{Duration, Instant};

use anyhow::{Context, bail, ensure};
use clap::ValueEnum;
use fastrand::Rng;
use tokio::process::Command;

use crate::child::Side;
use crate::load::{self, Load};
use crate::meter::Sample;
use crate::peers;
use crate::plan::{Experiment, Stage};
use crate::server::Server;
use crate::stage::{ORDERS, Watch};

/// No run takes so long.
pub(crate) const RUN_LIMIT: Duration = Duration::from_secs(150);

/// How much is measured.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Effort {
    /// Smaller runs.
    pub(crate) quick: bool,
    /// Clean rounds that are wanted.
    pub(crate) rounds: usize,
    /// Rounds that are tried.
    pub(crate) tries: usize,
    /// No round begins after this time.
    pub(crate) time: Duration,
    /// Rounds beside other load count too.
    pub(crate) keep_noisy: bool,
}

/// What was measured.
#[derive(Debug, Default)]
pub(crate) struct Measured {
    /// Rounds that count.
    pub(crate) clean: Vec<BTreeMap<Side, Sample>>,
    /// Rounds beside other load, which don't.
    pub(crate) dropped: usize,
}

/// Where the programs of one experiment run.
#[derive(Debug)]
struct Place {
    server: Option<(Server, Watch)>,
    experiment: Experiment,
    events: u64,
}

impl Experiment {
    /// Measures rounds of all sides.
    pub(crate) async fn measure(&self, effort: Effort, rng: &mut Rng) -> anyhow::Result<Measured> {
        let place = Place::prepare(*self, effort.quick).await?;
        let began = Instant::now();
        let mut measured = Measured::default();
        for _ in 0..effort.tries {
            let enough = measured.clean.len() >= effort.rounds;
            if enough || began.elapsed() > effort.time {
                break;
            }
            let (round, share) = place.round(rng).await?;
            if share <= load::LIMIT || effort.keep_noisy {
                measured.clean.push(round);
            } else {
                measured.dropped += 1;
                eprintln!(
                    "{}: a round is dropped: others had {:.0} % of the machine",
                    self.name,
                    share * 100.0
                );
            }
        }
        Ok(measured)
    }
}

impl Place {
    async fn prepare(experiment: Experiment, quick: bool) -> anyhow::Result<Self> {
        let events = experiment.events[usize::from(quick)];
        let server = match experiment.stage {
            Stage::None => None,
            stage => {
                let server = Server::start()?;
                let watch = Watch::connect(&server.url()).await?;
                watch.renew(ORDERS).await?;
                match stage {
                    Stage::Full => watch.fill(events).await?,
                    Stage::Holding(orders) => watch.fill(orders).await?,
                    Stage::None | Stage::Empty => {}
                }
                Some((server, watch))
            }
        };
        Ok(Self {
            server,
            experiment,
            events,
        })
    }

    /// One run of each side in random order, and the largest share that others had of the machine meanwhile.
    async fn round(&self, rng: &mut Rng) -> anyhow::Result<(BTreeMap<Side, Sample>, f64)> {
        let mut sides = self.experiment.sides.to_vec();
        rng.shuffle(&mut sides);
        let mut round = BTreeMap::new();
        let mut most: f64 = 0.0;
        for side in sides {
            if let Some((_, watch)) = &self.server {
                watch.prepare(self.experiment.stage).await?;
            }
            let load = Load::now(self.server.as_ref().map(|(server, _)| server.pid()))?;
            let sample = tokio::time::timeout(RUN_LIMIT, self.run(side)).await;
            let sample = sample
                .unwrap_or_else(|_| bail!("it did not end within {RUN_LIMIT:?}"))
                .with_context(|| format!("{} {side:?} failed", self.experiment.name))?;
            most = most.max(load.foreign_share().await?);
            round.insert(side, sample);
        }
        Ok((round, most))
    }

    async fn run(&self, side: Side) -> anyhow::Result<Sample> {
        if side.is_peer() {
            return self.run_peer(side).await;
        }
        let mut command = self.command(side)?;
        command
            // A backtrace for each error would be measured.
            .env_remove("RUST_BACKTRACE")
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::inherit())
            .kill_on_drop(true);
        let output = command.output().await?;
        ensure!(output.status.success(), "it ended with {}", output.status);
        let said = String::from_utf8_lossy(&output.stdout);
        serde_json::from_str(said.trim()).with_context(|| format!("it printed `{said}`"))
    }

    async fn run_peer(&self, side: Side) -> anyhow::Result<Sample> {
        let (server, watch) = self.server.as_ref().context("there is a server")?;
        let run = peers::Run {
            work: self.experiment.work.context("there is work")?,
            side,
            events: self.events,
            concurrency: self.experiment.concurrency,
            server: &server.url(),
            watch,
        };
        run.measure().await
    }

    fn command(&self, side: Side) -> anyhow::Result<Command> {
        let this: PathBuf = std::env::current_exe()?;
        let Some(work) = self.experiment.work else {
            let other = this.with_file_name("many-handlers");
            ensure!(
                other.exists(),
                "there is no {}: build the whole package, as `scripts/bench` does",
                other.display()
            );
            return Ok(Command::new(other));
        };
        let mut command = Command::new(this);
        command
            .args(["child", &name(work), &name(side)])
            .args(["--events", &self.events.to_string()])
            .args(["--concurrency", &self.experiment.concurrency.to_string()]);
        if let Some((server, _)) = &self.server {
            command.args(["--server", &server.url()]);
        }
        if let Stage::Holding(_) = self.experiment.stage {
            command.arg("--part");
        }
        Ok(command)
    }
}

/// The name by which clap knows a value.
pub(crate) fn name(value: impl ValueEnum) -> String {
    let value = value.to_possible_value();
    value.map_or_else(String::new, |value| value.get_name().to_owned())
}
