//! What one process did, in a file that survives it: an entry for each thing that happened, written and synced
//! before the broker hears of it.

use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::path::Path;
use std::sync::{Mutex, PoisonError};

use event_runtime::telemetry::{Observation, Observer, What};
use serde::{Deserialize, Serialize};

use super::feed::Feed;
use super::tally::{Tally, words};

/// The ledger of this process.
#[derive(Debug)]
pub struct Ledger(Mutex<File>);

#[derive(Serialize, Deserialize)]
#[serde(untagged)]
enum Entry {
    Event {
        handler: String,
        event: String,
        what: String,
        attempt: u32,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        reason: Option<String>,
    },
    Feed {
        feed: Feed,
    },
}

impl Ledger {
    /// Opens a new file in the folder.
    pub fn open(folder: &Path) -> io::Result<Self> {
        std::fs::create_dir_all(folder)?;
        let file = folder.join(format!("{}.jsonl", uuid::Uuid::now_v7()));
        Ok(Self(Mutex::new(
            OpenOptions::new()
                .create_new(true)
                .append(true)
                .open(file)?,
        )))
    }

    /// Writes the feeder's figures.
    pub fn write_feed(&self, feed: Feed) -> io::Result<()> {
        self.write(&Entry::Feed { feed }, true)
    }

    fn write(&self, entry: &Entry, sync: bool) -> io::Result<()> {
        let mut line = serde_json::to_vec(entry)?;
        line.push(b'\n');
        let mut file = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        file.write_all(&line)?;
        if sync { file.sync_data() } else { Ok(()) }
    }
}

impl Observer for Ledger {
    fn observe(&self, observation: &Observation<'_>) {
        let Some((what, reason)) = words(observation.what) else {
            return;
        };
        let entry = Entry::Event {
            handler: observation.handler.to_owned(),
            event: observation.event_id.to_owned(),
            what: what.to_owned(),
            attempt: observation.attempt,
            reason: reason.map(str::to_owned),
        };
        // What is not final is followed by something that is, and synced with it.
        let is_final = matches!(observation.what, What::Handled | What::DeadLettered { .. });
        if let Err(error) = self.write(&entry, is_final) {
            // A ledger with holes proves nothing, so the event must not be acknowledged.
            tracing::error!(%error, "the ledger can't be written: ending at once");
            std::process::abort();
        }
    }
}

/// Merges all ledgers of a folder, by handler and event id. The last line of a process that was killed may be
/// cut off; it was never synced, so nothing was acknowledged for it.
pub fn read_ledgers(folder: &Path) -> io::Result<Tally> {
    let mut tally = Tally::default();
    for file in std::fs::read_dir(folder)? {
        let path = file?.path();
        if path.extension().is_none_or(|end| end != "jsonl") {
            continue;
        }
        for line in std::fs::read_to_string(path)?.lines() {
            match serde_json::from_str(line) {
                Ok(Entry::Event {
                    handler,
                    event,
                    what,
                    reason,
                    ..
                }) => {
                    tally.note(&handler, &event, &what, reason.as_deref());
                }
                Ok(Entry::Feed { feed }) => tally.set_feed(feed),
                Err(_) => {}
            }
        }
    }
    Ok(tally)
}
