//! The driver: measures what is asked for, and reports.

use std::time::Duration;

use anyhow::{bail, ensure};
use clap::Args;
use fastrand::Rng;

use crate::figure::Figure;
use crate::instructions::Case;
use crate::plan::{EXPERIMENTS, Experiment};
use crate::rounds::Effort;
use crate::table;

/// What the gate looks at.
const GATE: &[&str] = &["consume-16", "publish"];

/// What is measured, and how well.
#[allow(
    clippy::struct_excessive_bools,
    reason = "each is a flag of the command line"
)]
#[derive(Debug, Args)]
pub(crate) struct Options {
    /// Fewer and smaller runs: at most 5 minutes.
    #[arg(long)]
    quick: bool,
    /// Only work with this in its name.
    #[arg(long, value_name = "NAME")]
    only: Option<String>,
    /// Only instructions of consuming and publishing; fails where a row fails.
    #[arg(long)]
    gate: bool,
    /// Lists what can be measured.
    #[arg(long)]
    list: bool,
    /// The order of runs comes from this; a random one is printed.
    #[arg(long)]
    seed: Option<u64>,
    /// Pairs beside other load count too: to see that all works, on a machine that is not quiet.
    #[arg(long)]
    keep_noisy: bool,
}

impl Options {
    /// Measures, prints the table and writes the file.
    pub(crate) async fn run(self) -> anyhow::Result<()> {
        let experiments = self.experiments()?;
        if self.list {
            for experiment in experiments {
                println!("{}", experiment.name);
            }
            return Ok(());
        }
        let seed = self.seed.unwrap_or_else(|| fastrand::u64(..));
        println!("seed {seed}");
        let mut rng = Rng::with_seed(seed);
        let mut figures = Vec::new();
        for experiment in experiments {
            eprintln!("{} …", experiment.name);
            figures.append(&mut self.measure(experiment, &mut rng).await?);
        }
        table::print(&figures);
        table::write(&figures)?;
        table::print_missed(&figures);
        if self.keep_noisy {
            println!("pairs beside other load were kept: these figures are for no one else");
        }
        let failed = figures.iter().filter(|figure| !figure.ok).count();
        ensure!(!self.gate || failed == 0, "{failed} rows fail");
        Ok(())
    }

    fn experiments(&self) -> anyhow::Result<Vec<&'static Experiment>> {
        let gated = |name| !self.gate || GATE.contains(&name);
        let wanted = |name: &str| self.only.as_deref().is_none_or(|only| name.contains(only));
        let chosen: Vec<_> = EXPERIMENTS
            .iter()
            .filter(|experiment| gated(experiment.name) && wanted(experiment.name))
            .collect();
        if chosen.is_empty() {
            let names: Vec<_> = EXPERIMENTS
                .iter()
                .map(|experiment| experiment.name)
                .collect();
            bail!("nothing has such a name; there is {}", names.join(", "));
        }
        Ok(chosen)
    }

    fn effort(&self) -> Effort {
        let (rounds, tries, seconds) = if self.quick {
            (3, 4, 15)
        } else {
            (15, 25, 240)
        };
        Effort {
            quick: self.quick,
            rounds,
            tries,
            time: Duration::from_secs(seconds),
            keep_noisy: self.keep_noisy,
        }
    }

    async fn measure(&self, experiment: &Experiment, rng: &mut Rng) -> anyhow::Result<Vec<Figure>> {
        let mut figures = Vec::new();
        if let Some(case) = Case::of(experiment) {
            let counted = case.count(&table::target().join("callgrind")).await?;
            let rows = experiment.rows.iter().filter(|row| row.is_counted());
            figures.extend(rows.filter_map(|row| row.compare_counted(experiment.name, counted)));
        }
        if self.gate {
            return Ok(figures);
        }
        let measured = experiment.measure(self.effort(), rng).await?;
        if measured.clean.is_empty() {
            eprintln!(
                "{}: no pair was clean ({} dropped), so there are no figures: wait until the machine is quiet, or see `--keep-noisy`",
                experiment.name, measured.dropped
            );
        }
        for row in experiment.rows.iter().filter(|row| !row.is_counted()) {
            figures.extend(row.compare(experiment.name, &measured.clean));
        }
        Ok(figures)
    }
}
