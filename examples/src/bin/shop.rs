//! The shop: reads orders, publishes them, and waits until five handlers have done their work.
//!
//! ```text
//! shop [--orders FILE] [--json] [--ledger DIR]   everything in one process, until all is settled
//! shop feed [--orders FILE] [--ledger DIR]       publishes only
//! shop work [--ledger DIR]                       handles until told to stop; EVENT_HANDLERS narrows it
//! shop report --ledger DIR [--json]              what feeder and workers did
//! shop service …                                 the service's own commands: handlers, topology, dead-letters …
//! ```

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context as _, bail};
use clap::{Args, Parser, Subcommand};
use event_runtime::App;
use examples::shop::{Ledger, ORDERS, SharedTally, Tally, app, feed, read_ledgers};

/// The shipped file is done within this time.
const LIMIT: Duration = Duration::from_secs(30);

#[derive(Debug, Parser)]
#[command(
    about = "An example: orders cascade through five handlers",
    args_conflicts_with_subcommands = true
)]
struct Cli {
    #[command(subcommand)]
    role: Option<Role>,
    #[command(flatten)]
    input: Input,
    /// Prints one JSON object instead of a table
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Args)]
struct Input {
    /// Orders as JSON lines; by default the file that comes with the program
    #[arg(long)]
    orders: Option<PathBuf>,
    /// A folder for a file of all that this process did
    #[arg(long)]
    ledger: Option<PathBuf>,
}

#[derive(Debug, Subcommand)]
enum Role {
    /// Publishes the orders, and handles nothing
    Feed(Input),
    /// Handles events until it is told to stop
    Work {
        /// A folder for a file of all that this process did
        #[arg(long)]
        ledger: Option<PathBuf>,
    },
    /// Merges what feeder and workers wrote
    Report {
        /// The folder
        #[arg(long)]
        ledger: PathBuf,
        /// Prints one JSON object instead of a table
        #[arg(long)]
        json: bool,
    },
    /// The service's own commands
    Service {
        /// For example `handlers`, `topology`, `dead-letters list`
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        command: Vec<String>,
    },
}

#[tokio::main]
async fn main() -> ExitCode {
    hush_the_panicking_article();
    match run(Cli::parse()).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("shop: {error:#}");
            ExitCode::FAILURE
        }
    }
}

/// The shipped orders hold articles that panic on purpose, and the runtime tells of each in a line of its log.
fn hush_the_panicking_article() {
    let default = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |panic| {
        let message = panic.payload_as_str().unwrap_or_default();
        if !message.starts_with("the article `panic`") {
            default(panic);
        }
    }));
}

async fn run(cli: Cli) -> anyhow::Result<()> {
    match cli.role {
        None => everything(&cli.input, cli.json).await,
        Some(Role::Feed(input)) => feed_only(&input).await,
        Some(Role::Work { ledger }) => Ok(with_ledger(app(), ledger.as_deref())?
            .run_from(["shop"])
            .await?),
        Some(Role::Report { ledger, json }) => {
            let tally = read_ledgers(&ledger)
                .with_context(|| format!("no ledgers in `{}`", ledger.display()))?;
            print(&tally, json);
            Ok(())
        }
        Some(Role::Service { command }) => Ok(app()
            .run_from(std::iter::once("shop service".to_owned()).chain(command))
            .await?),
    }
}

async fn everything(input: &Input, json: bool) -> anyhow::Result<()> {
    let orders = orders(input)?;
    let tally = SharedTally::default();
    let running = with_ledger(app(), input.ledger.as_deref())?
        .observe(tally.clone())
        .start()
        .await?;
    let fed = feed(&running, &orders).await?;
    let settled = running.settled(LIMIT).await?;
    running.stop().await?;
    let mut tally = tally.get();
    tally.set_feed(fed);
    print(&tally, json);
    if !settled {
        bail!("not all was settled within {LIMIT:?}");
    }
    Ok(())
}

async fn feed_only(input: &Input) -> anyhow::Result<()> {
    let orders = orders(input)?;
    let running = app().publish_only().start().await?;
    let fed = feed(&running, &orders).await?;
    running.stop().await?;
    if let Some(folder) = &input.ledger {
        Ledger::open(folder)?.write_feed(fed)?;
    }
    println!(
        "{} orders and {} foreign messages published",
        fed.published, fed.foreign
    );
    Ok(())
}

fn orders(input: &Input) -> anyhow::Result<Vec<u8>> {
    match &input.orders {
        None => Ok(ORDERS.to_vec()),
        Some(file) => std::fs::read(file)
            .with_context(|| format!("the orders file `{}` can't be read", file.display())),
    }
}

fn with_ledger(app: App, folder: Option<&Path>) -> anyhow::Result<App> {
    Ok(match folder {
        None => app,
        Some(folder) => {
            let ledger = Ledger::open(folder)
                .with_context(|| format!("no ledger can be written in `{}`", folder.display()))?;
            app.observe(ledger)
        }
    })
}

fn print(tally: &Tally, json: bool) {
    if json {
        println!("{}", tally.to_json());
    } else {
        print!("{}", tally.to_table());
    }
}
