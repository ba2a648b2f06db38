//! The command line of a service: `App::run`.

mod contracts;
mod dead_letters;
mod handlers;
mod redrive;
mod topology;

use std::ffi::OsString;
use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};

use crate::runtime::{App, Error};
use crate::telemetry::logs;

/// A service of event handlers. Settings come from the environment (`EVENT_BROKER` and others).
#[derive(Debug, Parser)]
#[command(disable_version_flag = true)]
struct Cli {
    #[command(subcommand)]
    command: Option<Command>,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Runs the handlers until the program is told to stop; the default
    Run,
    /// Lists the handlers of this program
    Handlers {
        /// As JSON
        #[arg(long)]
        json: bool,
    },
    /// Shows what this program wants of the broker, and what is there
    Topology {
        /// Creates what is missing
        #[arg(long)]
        apply: bool,
    },
    /// Events and handlers as files for other teams
    #[command(subcommand)]
    Contracts(ContractsCommand),
    /// Messages that handlers gave up
    #[command(subcommand)]
    DeadLetters(DeadLettersCommand),
}

#[derive(Debug, Subcommand)]
enum ContractsCommand {
    /// Writes a JSON Schema for each event version, and handlers.json
    Export {
        /// The folder
        #[arg(long, default_value = "contracts")]
        out: PathBuf,
    },
}

#[derive(Debug, Subcommand)]
enum DeadLettersCommand {
    /// Lists them, oldest first
    List {
        #[command(flatten)]
        which: Which,
        /// At most so many
        #[arg(long, default_value_t = 100)]
        limit: usize,
        /// As JSON
        #[arg(long)]
        json: bool,
    },
    /// Shows one with its headers and body
    Show {
        /// Its number in the list
        sequence: u64,
        /// As JSON
        #[arg(long)]
        json: bool,
    },
    /// Sends them back to the handler that failed
    Redrive {
        /// Their numbers in the list
        #[arg(required_unless_present = "all", conflicts_with_all = ["handler", "topic", "reason"])]
        sequences: Vec<u64>,
        /// All that fit, instead of numbers
        #[arg(long, conflicts_with = "sequences")]
        all: bool,
        #[command(flatten)]
        which: Which,
        /// What the handler returns is to be new for those who have seen it
        #[arg(long)]
        fresh: bool,
        /// As JSON
        #[arg(long)]
        json: bool,
    },
}

#[derive(Debug, Args)]
struct Which {
    /// Only of this handler
    #[arg(long)]
    handler: Option<String>,
    /// Only from this topic; `*` and `>` stand for words
    #[arg(long)]
    topic: Option<String>,
    /// Only for this reason
    #[arg(long)]
    reason: Option<String>,
}

impl App {
    /// A whole program: reads the command line, sets up logs, and runs until it is told to stop (SIGTERM or
    /// Ctrl-C). `main` returns the result: its exit code says whether the end was clean.
    pub async fn run(self) -> Result<(), Error> {
        self.run_from(std::env::args_os()).await
    }

    /// As [`run`](Self::run), for programs with flags of their own; the first of `args` is the program's name.
    pub async fn run_from<T: Into<OsString> + Clone>(
        self,
        args: impl IntoIterator<Item = T>,
    ) -> Result<(), Error> {
        let cli = match Cli::try_parse_from(args) {
            Ok(cli) => cli,
            // Help is asked for, and an error here has its usage in it.
            Err(error) => error.exit(),
        };
        logs::init();
        match cli.command.unwrap_or(Command::Run) {
            Command::Run => self.run_handlers().await,
            Command::Handlers { json } => handlers::list(&self.unlocked().prepare()?, json),
            Command::Topology { apply } => topology::show(self.prepare()?, apply).await,
            Command::Contracts(ContractsCommand::Export { out }) => {
                contracts::export(&self.unlocked().prepare()?, &out)
            }
            Command::DeadLetters(command) => {
                dead_letters::run(self.unlocked().prepare()?, command).await
            }
        }
    }

    async fn run_handlers(self) -> Result<(), Error> {
        let mut signals = Signals::listen()?;
        let mut running = self.start().await?;
        let failed = tokio::select! {
            () = signals.received() => None,
            error = running.failed() => Some(error),
        };
        tracing::info!("stopping: running handlers may finish");
        let stopped = running.stop().await;
        match failed {
            Some(error) => Err(error),
            None => stopped,
        }
    }
}

/// What tells a program to stop.
struct Signals {
    #[cfg(unix)]
    terminate: tokio::signal::unix::Signal,
}

impl Signals {
    fn listen() -> Result<Self, Error> {
        #[cfg(unix)]
        {
            use tokio::signal::unix::{SignalKind, signal};

            let terminate = signal(SignalKind::terminate()).map_err(|error| {
                Error::Command(format!("SIGTERM can't be listened to: {error}"))
            })?;
            Ok(Self { terminate })
        }
        #[cfg(not(unix))]
        Ok(Self {})
    }

    async fn received(&mut self) {
        #[cfg(unix)]
        tokio::select! {
            _ = tokio::signal::ctrl_c() => {}
            _ = self.terminate.recv() => {}
        }
        #[cfg(not(unix))]
        let _ = tokio::signal::ctrl_c().await;
    }
}

/// Prints to standard output; a reader that has gone away is no error of ours.
fn print(text: &str) {
    use std::io::Write as _;

    let _ = std::io::stdout().lock().write_all(text.as_bytes());
}

fn print_json(value: &serde_json::Value) {
    print(&format!("{value:#}\n"));
}
