//! The work on event-runtime, through its public interface, as a user writes it.

pub(crate) mod answer;
pub(crate) mod batch;
pub(crate) mod consume;
pub(crate) mod latency;
pub(crate) mod memory;
pub(crate) mod publish;
pub(crate) mod retry;

use std::time::Duration;

use event_runtime::App;

use crate::child::Run;

/// How long a run may take.
const LIMIT: Duration = Duration::from_mins(2);

/// The service that all programs here are, with these settings.
fn app<const N: usize>(run: &Run, settings: [(&str, String); N]) -> App {
    // Nothing of the environment around: a setting there would be measured.
    let broker = ("EVENT_BROKER", run.server.clone());
    App::new()
        .service("bench")
        .environment(settings.into_iter().chain([broker]))
}
