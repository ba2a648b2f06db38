//! The driver: measures what is asked for, and reports.

use std::collections::BTreeSet;
use std::path::Path;
use std::time::Duration;

use anyhow::ensure;
use clap::Args;
use fastrand::Rng;

use crate::figure::Figure;
use crate::instructions::Case;
use crate::peers;
use crate::plan::{EXPERIMENTS, Experiment, PEERS};
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
    /// Only the comparison with other frameworks.
    #[arg(long, conflicts_with = "gate")]
    peers: bool,
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
        if self.list {
            self.list();
            return Ok(());
        }
        let all = if self.peers { PEERS } else { EXPERIMENTS };
        let chosen = self.chosen(all);
        let names: Vec<_> = all.iter().map(|experiment| experiment.name).collect();
        ensure!(
            !chosen.is_empty(),
            "nothing has such a name; there is {}",
            names.join(", ")
        );
        let (present, absent) = present(chosen, &peers::folder());
        for why in &absent {
            eprintln!("{why}");
        }
        ensure!(!present.is_empty(), "nothing is left to measure");
        let seed = self.seed.unwrap_or_else(|| fastrand::u64(..));
        println!("seed {seed}");
        let mut rng = Rng::with_seed(seed);
        let mut figures = Vec::new();
        for experiment in present {
            eprintln!("{} …", experiment.name);
            figures.append(&mut self.measure(experiment, &mut rng).await?);
        }
        table::print(&figures);
        table::write(&figures)?;
        table::print_missed(&figures);
        for why in absent {
            println!("{why}");
        }
        if self.keep_noisy {
            println!("pairs beside other load were kept: these figures are for no one else");
        }
        let failed = figures.iter().filter(|figure| !figure.ok).count();
        ensure!(!self.gate || failed == 0, "{failed} rows fail");
        Ok(())
    }

    /// The names of all that can be measured, and what else to say for it.
    fn list(&self) {
        if !self.peers {
            for experiment in self.chosen(EXPERIMENTS) {
                println!("{}", experiment.name);
            }
        }
        for experiment in self.chosen(PEERS) {
            println!("{} (--peers)", experiment.name);
        }
    }

    fn chosen(&self, all: &'static [Experiment]) -> Vec<&'static Experiment> {
        let gated = |name| !self.gate || GATE.contains(&name);
        let wanted = |name: &str| self.only.as_deref().is_none_or(|only| name.contains(only));
        all.iter()
            .filter(|experiment| gated(experiment.name) && wanted(experiment.name))
            .collect()
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

/// Without the experiments whose program is not built, and why those are left out.
fn present(
    chosen: Vec<&'static Experiment>,
    folder: &Path,
) -> (Vec<&'static Experiment>, BTreeSet<String>) {
    let mut absent = BTreeSet::new();
    let mut present = chosen;
    present.retain(|experiment| {
        let why = experiment
            .sides
            .iter()
            .find_map(|side| peers::absent(*side, folder));
        let is_present = why.is_none();
        absent.extend(why);
        is_present
    });
    (present, absent)
}

#[cfg(test)]
mod tests {
    use super::present;
    use crate::plan::{EXPERIMENTS, PEERS};

    #[test]
    fn what_is_not_built_is_left_out_and_named_once() {
        let folder = tempfile::tempdir().unwrap();
        let all = EXPERIMENTS.iter().chain(PEERS).collect();
        let (left, absent) = present(all, folder.path());
        assert_eq!(left.len(), EXPERIMENTS.len());
        let first = |why: &String| why.split(' ').next().map(str::to_owned);
        let named: Vec<_> = absent.iter().filter_map(first).collect();
        assert_eq!(named, ["faststream", "ruststream", "watermill"]);
    }
}
