//! A real nats-server for one test: on a port of its own, with a folder of its own, gone when the guard is.

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// A running nats-server with JetStream.
#[derive(Debug)]
pub struct TestNats {
    folder: PathBuf,
    config: String,
    port: u16,
    child: Option<Child>,
}

fn with_jetstream(config: &str) -> String {
    format!("jetstream: {{ store_dir: \"{{folder}}/store\" }}\n{config}")
}

impl TestNats {
    /// Starts a server on a free port.
    ///
    /// # Panics
    ///
    /// When there is no server, with the line that gets one.
    pub fn start() -> Self {
        Self::with_config("")
    }

    /// Starts a server with these lines in its configuration file, besides port and store.
    ///
    /// # Panics
    ///
    /// When there is no server, with the line that gets one; when it does not start within 20 s.
    pub fn with_config(config: &str) -> Self {
        Self::launch(&with_jetstream(config))
    }

    /// Restarts it with other lines in its configuration file.
    ///
    /// # Panics
    ///
    /// As [`restart`](Self::restart).
    pub fn restart_with(&mut self, config: &str) {
        self.configure(&with_jetstream(config));
        self.restart();
    }

    fn configure(&mut self, config: &str) {
        self.config = config.replace("{folder}", &self.folder.display().to_string());
    }

    /// Starts a server without JetStream.
    ///
    /// # Panics
    ///
    /// As [`with_config`](Self::with_config).
    pub fn without_jetstream() -> Self {
        Self::launch("")
    }

    fn launch(config: &str) -> Self {
        let folder = std::env::temp_dir().join(format!("event-nats-{}", uuid::Uuid::now_v7()));
        std::fs::create_dir_all(&folder).expect("a folder for the server's data");
        let mut this = Self {
            folder,
            config: String::new(),
            port: 0,
            child: None,
        };
        this.configure(config);
        this.restart();
        this
    }

    /// Where clients connect.
    pub fn url(&self) -> String {
        format!("nats://127.0.0.1:{}", self.port)
    }

    /// The port.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// The folder that holds the server's data.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// Kills the server at once, as a power cut of the process would.
    pub fn kill(&mut self) {
        if let Some(mut child) = self.child.take() {
            // `kill` is SIGKILL, by pid.
            let _ = child.kill();
            let _ = child.wait();
        }
    }

    /// Stops the server's clock: it answers nobody, and its connections stay open.
    ///
    /// # Panics
    ///
    /// When it does not run.
    pub fn freeze(&self) {
        self.signal("-STOP");
    }

    /// Lets a frozen server go on.
    ///
    /// # Panics
    ///
    /// When it does not run.
    pub fn thaw(&self) {
        self.signal("-CONT");
    }

    fn signal(&self, signal: &str) {
        let pid = self.child.as_ref().expect("the server runs").id();
        let mut kill = Command::new("kill");
        kill.arg(signal).arg(pid.to_string());
        assert!(kill.status().expect("`kill` runs").success());
    }

    /// Starts the server (again) on the same port and data; kills it before if it runs.
    ///
    /// # Panics
    ///
    /// When it does not start within 20 s.
    pub fn restart(&mut self) {
        self.kill();
        let ports = self.folder.join("ports");
        let _ = std::fs::remove_dir_all(&ports);
        std::fs::create_dir_all(&ports).expect("a folder for the server's ports file");
        // -1 lets the server choose a free port, and say which: nothing can take it in between.
        let port = if self.port == 0 {
            "-1".to_owned()
        } else {
            self.port.to_string()
        };
        let file = self.folder.join("nats.conf");
        let config = format!(
            "host: 127.0.0.1\nport: {port}\nports_file_dir: \"{}\"\n{}",
            ports.display(),
            self.config
        );
        std::fs::write(&file, config).expect("the server's configuration is written");
        let log = std::fs::File::create(self.folder.join("log")).expect("the server's log");
        let child = Command::new(binary())
            .arg("-c")
            .arg(&file)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(log)
            .spawn()
            .expect("nats-server starts");
        self.child = Some(child);
        let deadline = Instant::now() + Duration::from_secs(20);
        while Instant::now() < deadline {
            if let Some(port) = read_port(&ports) {
                self.port = port;
                if std::net::TcpStream::connect(("127.0.0.1", port)).is_ok() && self.is_ready() {
                    return;
                }
            }
            std::thread::sleep(Duration::from_millis(10));
        }
        let log = std::fs::read_to_string(self.folder.join("log")).unwrap_or_default();
        panic!("nats-server did not start within 20 s; it said:\n{log}");
    }

    fn is_ready(&self) -> bool {
        std::fs::read_to_string(self.folder.join("log"))
            .is_ok_and(|log| log.contains("Server is ready"))
    }
}

/// Asks a server's JetStream API, as any client could: `$JS.API.{call}`.
pub async fn api(
    client: &async_nats::Client,
    call: &str,
    body: serde_json::Value,
) -> serde_json::Value {
    let body = if body.is_null() {
        String::new()
    } else {
        body.to_string()
    };
    let answer = client
        .request(format!("$JS.API.{call}"), body.into())
        .await
        .expect("the server answers");
    serde_json::from_slice(&answer.payload).expect("the server answers in JSON")
}

/// How many stored messages of a stream match a filter.
pub async fn count(client: &async_nats::Client, stream: &str, filter: &str) -> u64 {
    let body = serde_json::json!({ "subjects_filter": filter });
    let info = api(client, &format!("STREAM.INFO.{stream}"), body).await;
    let subjects = info["state"]["subjects"].as_object();
    subjects.map_or(0, |subjects| {
        subjects
            .values()
            .filter_map(serde_json::Value::as_u64)
            .sum()
    })
}

impl Drop for TestNats {
    fn drop(&mut self) {
        self.kill();
        let _ = std::fs::remove_dir_all(&self.folder);
    }
}

/// The server, from the project's own folder.
fn binary() -> PathBuf {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../.tools/nats-server");
    assert!(
        path.exists(),
        "there is no nats-server: run `scripts/install-nats`, which puts one into .tools/"
    );
    path
}

fn read_port(ports: &Path) -> Option<u16> {
    let file = std::fs::read_dir(ports)
        .ok()?
        .flatten()
        .find(|entry| entry.path().extension().is_some_and(|end| end == "ports"))?;
    let text = std::fs::read_to_string(file.path()).ok()?;
    let json: serde_json::Value = serde_json::from_str(&text).ok()?;
    json["nats"][0].as_str()?.rsplit(':').next()?.parse().ok()
}
