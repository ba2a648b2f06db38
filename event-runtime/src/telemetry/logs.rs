//! Logs: for people on a terminal, as JSON lines anywhere else.

use std::io::IsTerminal;

use tracing_subscriber::EnvFilter;

/// What is logged where `EVENT_LOG` says nothing: the client library tells of every connection.
const DEFAULT: &str = "info,async_nats=warn";

/// Writes logs to standard error, as `EVENT_LOG` says. Does nothing where the program has set up its own.
pub(crate) fn init() {
    let wanted = std::env::var("EVENT_LOG")
        .ok()
        .filter(|wanted| !wanted.is_empty());
    let filter = EnvFilter::builder().parse_lossy(wanted.as_deref().unwrap_or(DEFAULT));
    let logs = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr);
    let _ = if std::io::stderr().is_terminal() {
        logs.with_target(false).try_init()
    } else {
        logs.json().flatten_event(true).try_init()
    };
}
