//! A service as a process of its own, for tests that kill or stop it.
//!
//! It handles tasks by their kind: `a` is answered at once, `slow` after 2 s, `stuck` never; `die` kills the
//! process with SIGKILL after the answer is stored and before the event is acknowledged, the first time.
//! Every observation is a line on standard output.

use std::io::Write;
use std::path::PathBuf;
use std::time::Duration;

use event_runtime::telemetry::{Observation, Observer, What};
use event_runtime::{App, handler};
use event_tests::service::{Done, Task};

#[handler(start = "all", timeout = "1m")]
async fn answer(task: Task) -> Done {
    match task.kind.as_str() {
        "slow" => tokio::time::sleep(Duration::from_secs(2)).await,
        "stuck" => std::future::pending().await,
        _ => {}
    }
    Done {
        id: task.id,
        kind: task.kind,
        note: String::new(),
    }
}

/// Prints what happens, and dies where it is told to.
#[derive(Debug)]
struct Printer {
    /// Exists once the process has died of a task of the kind `die`.
    died: PathBuf,
}

impl Observer for Printer {
    fn observe(&self, observation: &Observation<'_>) {
        let what = match observation.what {
            What::Received => "received",
            What::Handled => "handled",
            _ => "failed",
        };
        let mut out = std::io::stdout().lock();
        let _ = writeln!(out, "{} {what}", observation.event_id);
        let _ = out.flush();
        // Observers hear of `Handled` when the answer is stored and the broker is not told yet.
        if what == "handled"
            && observation.topic.contains(".die.")
            && std::fs::create_dir(&self.died).is_ok()
        {
            let pid = std::process::id().to_string();
            let _ = std::process::Command::new("kill")
                .args(["-9", &pid])
                .status();
            std::thread::sleep(Duration::from_mins(1));
        }
    }
}

#[tokio::main]
async fn main() -> Result<(), event_runtime::Error> {
    let died = std::env::var_os("WORKER_DIED").unwrap_or_default().into();
    App::new()
        .service("test")
        .only((answer,))
        .observe(Printer { died })
        .run_from(["worker"])
        .await
}
