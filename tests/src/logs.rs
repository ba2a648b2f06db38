//! What a program logs, for tests that read it.

use std::io::{self, Write};
use std::sync::{Arc, Mutex};

use tracing::subscriber::DefaultGuard;

/// The warnings and errors that are logged by this thread, while this lives.
#[derive(Debug)]
pub struct Logs {
    text: Arc<Mutex<Vec<u8>>>,
    _guard: DefaultGuard,
}

impl Logs {
    /// Listens from now on.
    pub fn listen() -> Self {
        let text: Arc<Mutex<Vec<u8>>> = Arc::default();
        let writer = Arc::clone(&text);
        let subscriber = tracing_subscriber::fmt()
            .with_max_level(tracing::Level::WARN)
            .with_ansi(false)
            .with_target(false)
            .without_time()
            .with_writer(move || Writer(Arc::clone(&writer)))
            .finish();
        Self {
            text,
            _guard: tracing::subscriber::set_default(subscriber),
        }
    }

    /// The lines that hold this text.
    ///
    /// # Panics
    ///
    /// When another thread panicked while it wrote a line.
    pub fn of(&self, text: &str) -> Vec<String> {
        let written = self.text.lock().unwrap();
        let written = String::from_utf8_lossy(&written);
        let lines = written.lines().filter(|line| line.contains(text));
        lines.map(|line| line.trim().to_owned()).collect()
    }
}

struct Writer(Arc<Mutex<Vec<u8>>>);

impl Write for Writer {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
