//! Other people's CloudEvents libraries, as child processes: the programs of `tests/interop/`.

pub mod orders;

use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use serde_json::Value;
use tokio::io::AsyncWriteExt;
use tokio::process::Command;

use crate::nats::TestNats;

/// A CloudEvents library.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Library {
    /// `cloudevents` for Python, over `nats-py`.
    Python,
    /// `cloudevents` for JavaScript, over `nats`.
    JavaScript,
    /// The Go SDK with its own binding for JetStream.
    Go,
}

/// How an event is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    /// All of it in the body.
    Structured,
    /// The attributes in headers, the data in the body.
    Binary,
}

impl Library {
    /// Its name, as a token of a topic.
    pub fn name(self) -> &'static str {
        match self {
            Self::Python => "python",
            Self::JavaScript => "javascript",
            Self::Go => "go",
        }
    }

    /// The largest integer that it carries: JavaScript has only floating-point numbers.
    pub fn largest_integer(self) -> u64 {
        match self {
            Self::JavaScript => (1 << 53) - 1,
            Self::Python | Self::Go => u64::MAX,
        }
    }

    /// Lets the library write events, given as their attributes and `data`, to a subject of a stream.
    ///
    /// # Panics
    ///
    /// When the library is not installed, refuses an event, or is not done within 30 s.
    pub async fn write(
        self,
        mode: Mode,
        nats: &TestNats,
        (stream, subject): (&str, &str),
        events: &[Value],
    ) {
        let mode = match mode {
            Mode::Structured => "structured",
            Mode::Binary => "binary",
        };
        let arguments = ["write", mode, &nats.url(), stream, subject];
        self.run(&arguments, &Value::from(events)).await;
    }

    /// Lets the library read the first events of a subject of a stream; they come back as it understood them.
    ///
    /// # Panics
    ///
    /// When the library is not installed, can't read an event, or has not seen so many within 30 s.
    pub async fn read(
        self,
        nats: &TestNats,
        (stream, subject): (&str, &str),
        count: usize,
    ) -> Vec<Value> {
        let arguments = ["read", &nats.url(), stream, subject, &count.to_string()];
        let output = self.run(&arguments, &Value::Null).await;
        output
            .lines()
            .map(|line| serde_json::from_str(line).expect("the program prints JSON"))
            .collect()
    }

    async fn run(self, arguments: &[&str], input: &Value) -> String {
        let mut child = self
            .command()
            .args(arguments)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .unwrap_or_else(|error| panic!("{self:?} does not start: {error}"));
        let mut stdin = child.stdin.take().expect("the child has a standard input");
        let run = async {
            stdin.write_all(input.to_string().as_bytes()).await?;
            drop(stdin);
            child.wait_with_output().await
        };
        let output = tokio::time::timeout(Duration::from_secs(30), run)
            .await
            .unwrap_or_else(|_| panic!("{self:?} {arguments:?} is not done within 30 s"))
            .expect("the child can be waited for");
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(
            output.status.success(),
            "{self:?} {arguments:?} failed: {said}"
        );
        String::from_utf8(output.stdout).expect("the program prints UTF-8")
    }

    fn command(self) -> Command {
        let programs = Path::new(env!("CARGO_MANIFEST_DIR")).join("interop");
        match self {
            Self::Python => {
                let mut command = Command::new("python3");
                command
                    .env("PYTHONPATH", installed("python"))
                    .env("PYTHONDONTWRITEBYTECODE", "1")
                    .arg(programs.join("python/events.py"));
                command
            }
            Self::JavaScript => {
                let mut command = Command::new("node");
                command
                    .env("NODE_PATH", installed("node/node_modules"))
                    .arg(programs.join("node/events.cjs"));
                command
            }
            Self::Go => Command::new(installed("go/events")),
        }
    }
}

/// A file or folder that `scripts/install-test-data` made.
///
/// # Panics
///
/// When it is not there, with the line that gets it.
pub fn installed(path: &str) -> PathBuf {
    let path = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../.tools/interop")
        .join(path);
    assert!(
        path.exists(),
        "there is no {}: run `scripts/install-test-data`, which puts it there",
        path.display()
    );
    path
}

/// Makes a test for each library out of an `async fn(Library)`.
#[macro_export]
macro_rules! with_each_library {
    ($($name:ident),* $(,)?) => {$(
        mod $name {
            use $crate::interop::Library;

            #[tokio::test(flavor = "multi_thread")]
            async fn python() {
                super::$name(Library::Python).await;
            }

            #[tokio::test(flavor = "multi_thread")]
            async fn javascript() {
                super::$name(Library::JavaScript).await;
            }

            #[tokio::test(flavor = "multi_thread")]
            async fn go() {
                super::$name(Library::Go).await;
            }
        }
    )*};
}
