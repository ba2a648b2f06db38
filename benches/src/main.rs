//! What event-runtime costs beside the NATS client by hand, at equal work: `scripts/bench` runs this.

mod by_hand;
mod child;
mod instructions;
mod meter;
mod order;
mod ours;
mod server;
mod stage;

use std::path::Path;

use clap::{Parser, Subcommand};

/// What event-runtime costs beside the NATS client by hand.
#[derive(Debug, Parser)]
struct Command {
    #[command(subcommand)]
    what: What,
}

#[derive(Debug, Subcommand)]
enum What {
    /// Counts instructions an event under callgrind.
    Instructions {
        /// Only this work.
        #[arg(long)]
        only: Option<String>,
    },
    /// One run of one program; the driver starts it.
    Child(child::Run),
}

fn main() -> anyhow::Result<()> {
    match Command::parse().what {
        What::Child(run) => run.measure(),
        What::Instructions { only } => {
            let runtime = tokio::runtime::Runtime::new()?;
            runtime.block_on(count(only.as_deref()))
        }
    }
}

async fn count(only: Option<&str>) -> anyhow::Result<()> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../target/callgrind");
    println!(
        "{:<12} {:>9} {:>9} {:>6}",
        "work", "ours", "by hand", "ratio"
    );
    let wanted = |case: &&instructions::Case| only.is_none_or(|only| case.name.contains(only));
    for case in instructions::CASES.iter().filter(wanted) {
        let instructions::Counted { ours, by_hand } = case.count(&folder).await?;
        println!(
            "{:<12} {ours:>9.0} {by_hand:>9.0} {:>6.3}",
            case.name,
            ours / by_hand
        );
    }
    Ok(())
}
