//! What event-runtime costs beside the NATS client by hand, at equal work: `scripts/bench` runs this.
//!
//! [`plan`] lists all that is measured. [`by_hand`] and [`ours`] hold the same programs twice; each run of one is a
//! [`child`] process, and each run of another framework one of its [`peers`]. [`rounds`] runs them side by side and
//! looks at the [`load`]; [`instructions`] counts under callgrind. A [`row`] compares, and becomes a [`figure`] of the
//! [`table`].

mod by_hand;
mod child;
mod figure;
mod instructions;
mod load;
mod measure;
mod meter;
mod order;
mod ours;
mod peers;
mod plan;
mod rounds;
mod row;
mod server;
mod stage;
mod table;

use std::process::ExitCode;

use clap::{Parser, Subcommand};
use tokio::signal::unix::{SignalKind, signal};

/// What event-runtime costs beside the NATS client by hand.
#[derive(Debug, Parser)]
struct Command {
    #[command(subcommand)]
    what: What,
}

#[derive(Debug, Subcommand)]
enum What {
    /// Measures, prints one table, and writes target/bench.json.
    Measure(measure::Options),
    /// Counts instructions an event under callgrind, and judges nothing.
    Instructions {
        /// Only work with this in its name.
        #[arg(long)]
        only: Option<String>,
    },
    /// One run of one program; the driver starts it.
    Child(child::Run),
}

fn main() -> ExitCode {
    match run(Command::parse().what) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(what: What) -> anyhow::Result<()> {
    match what {
        What::Child(run) => run.measure(),
        What::Measure(options) => drive(options.run()),
        What::Instructions { only } => drive(count(only.as_deref())),
    }
}

/// Told to stop, the driver ends as after an error: with the server and the programs that it has started.
fn drive(work: impl Future<Output = anyhow::Result<()>>) -> anyhow::Result<()> {
    tokio::runtime::Runtime::new()?.block_on(async {
        let mut terminate = signal(SignalKind::terminate())?;
        tokio::select! {
            done = work => done,
            _ = tokio::signal::ctrl_c() => anyhow::bail!("interrupted"),
            _ = terminate.recv() => anyhow::bail!("told to stop"),
        }
    })
}

async fn count(only: Option<&str>) -> anyhow::Result<()> {
    let folder = table::target().join("callgrind");
    println!(
        "{:<12} {:>9} {:>9} {:>6}",
        "work", "ours", "baseline", "ratio"
    );
    let cases = plan::EXPERIMENTS.iter().filter_map(instructions::Case::of);
    for case in cases.filter(|case| only.is_none_or(|only| case.name.contains(only))) {
        let instructions::Counted { ours, baseline } = case.count(&folder).await?;
        println!(
            "{:<12} {ours:>9.0} {baseline:>9.0} {:>6.3}",
            case.name,
            ours / baseline
        );
    }
    Ok(())
}
