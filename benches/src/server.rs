//! A nats-server for the benchmarks: on a port of its own, with a folder of its own, gone when the guard is.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, bail, ensure};
use tempfile::TempDir;

/// How long a start may take.
const LIMIT: Duration = Duration::from_secs(20);

/// A running nats-server with JetStream.
#[derive(Debug)]
pub(crate) struct Server {
    /// Deleted when this is dropped, after the process has ended.
    folder: TempDir,
    child: Child,
    port: u16,
}

impl Server {
    /// Starts a server on a free port of the loopback interface.
    pub(crate) fn start() -> anyhow::Result<Self> {
        let binary = binary()?;
        let folder = tempfile::Builder::new().prefix("event-bench-").tempdir()?;
        let path = folder.path();
        let config = path.join("nats.conf");
        // -1 lets the server choose a free port, and say which.
        fs::write(
            &config,
            format!(
                "host: 127.0.0.1\nport: -1\nports_file_dir: \"{path}\"\njetstream: {{ store_dir: \"{path}/store\" }}\n",
                path = path.display()
            ),
        )?;
        let child = Command::new(&binary)
            .arg("-c")
            .arg(&config)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(fs::File::create(path.join("log"))?)
            .spawn()
            .with_context(|| format!("{} can't be started", binary.display()))?;
        let mut this = Self {
            folder,
            child,
            port: 0,
        };
        this.wait()?;
        Ok(this)
    }

    fn wait(&mut self) -> anyhow::Result<()> {
        let deadline = Instant::now() + LIMIT;
        while Instant::now() < deadline {
            if let Some(port) = read_port(self.folder.path())
                && self.log().contains("Server is ready")
            {
                self.port = port;
                return Ok(());
            }
            if let Some(status) = self.child.try_wait()? {
                bail!(
                    "nats-server ended at once ({status}); it said:\n{}",
                    self.log()
                );
            }
            std::thread::sleep(Duration::from_millis(10));
        }
        bail!(
            "nats-server did not start within {LIMIT:?}; it said:\n{}",
            self.log()
        )
    }

    fn log(&self) -> String {
        fs::read_to_string(self.folder.path().join("log")).unwrap_or_default()
    }

    /// Where clients connect.
    pub(crate) fn url(&self) -> String {
        format!("nats://127.0.0.1:{}", self.port)
    }

    /// Its process.
    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // By pid, and its data goes with it.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The server that `scripts/install-nats` fetches.
fn binary() -> anyhow::Result<PathBuf> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../.tools/nats-server");
    ensure!(
        path.exists(),
        "there is no nats-server: run `scripts/install-nats`, which puts one into .tools/"
    );
    Ok(path)
}

fn read_port(folder: &Path) -> Option<u16> {
    let file = fs::read_dir(folder)
        .ok()?
        .flatten()
        .find(|entry| entry.path().extension().is_some_and(|end| end == "ports"))?;
    let text = fs::read_to_string(file.path()).ok()?;
    let json: serde_json::Value = serde_json::from_str(&text).ok()?;
    json["nats"][0].as_str()?.rsplit(':').next()?.parse().ok()
}
