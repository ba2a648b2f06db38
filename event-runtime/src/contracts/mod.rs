//! The contracts folder: what this program promises to others, as files to commit.

mod lock;

use std::io;
use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use crate::event::EventDescriptor;
use crate::handler::HandlerPlan;
use crate::schema;

use self::lock::Entry;
pub use self::lock::assert_locked;
pub(crate) use self::lock::compare;

/// The file that lists the handlers.
const HANDLERS: &str = "handlers.json";

/// Writes one schema for each event version that is linked, and `handlers.json`; the same program writes the
/// same bytes. Returns the files.
pub fn export(folder: &Path, service: &str, handlers: &[HandlerPlan]) -> io::Result<Vec<PathBuf>> {
    std::fs::create_dir_all(folder)?;
    let mut files = Vec::new();
    for event in EventDescriptor::linked() {
        files.push((
            format!("{}.schema.json", event.wire_type),
            schema::contract(event),
        ));
    }
    files.push((HANDLERS.to_owned(), handlers_file(service, handlers)));
    let mut written = Vec::new();
    for (name, value) in files {
        let path = folder.join(name);
        let mut text =
            serde_json::to_string_pretty(&schema::sorted(value)).map_err(io::Error::other)?;
        text.push('\n');
        std::fs::write(&path, text)?;
        written.push(path);
    }
    Ok(written)
}

/// The handlers as data: with their crates, events and topics.
pub fn handlers_file(service: &str, handlers: &[HandlerPlan]) -> Value {
    let handlers: Vec<Entry> = handlers.iter().map(Entry::new).collect();
    json!({ "service": service, "handlers": handlers })
}
