//! Logs: for people on a terminal, as JSON lines anywhere else.

use std::io::IsTerminal;

use tracing_subscriber::EnvFilter;

/// Writes logs to standard error, as `EVENT_LOG` says (`info` by default). Does nothing where the program has
/// set up its own.
pub(crate) fn init() {
    let wanted = std::env::var("EVENT_LOG").unwrap_or_default();
    let filter = EnvFilter::builder()
        .with_default_directive(tracing::level_filters::LevelFilter::INFO.into());
    let filter = filter.parse_lossy(wanted);
    let logs = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr);
    let _ = if std::io::stderr().is_terminal() {
        logs.with_target(false).try_init()
    } else {
        logs.json().flatten_event(true).with_target(true).try_init()
    };
}
