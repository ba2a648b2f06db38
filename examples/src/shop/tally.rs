//! Counts what happened to events, each once however often it was delivered.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, PoisonError};

use event_runtime::telemetry::{Observation, Observer, What};
use serde_json::{Map, Value, json};

use super::feed::Feed;

const HANDLERS: [&str; 5] = [
    "charge_payment",
    "notify_refused",
    "notify_shipped",
    "reserve_stock",
    "ship_order",
];

/// What happened to the events of each handler.
#[derive(Debug, Clone, Default)]
pub struct Tally {
    feed: Feed,
    handlers: BTreeMap<String, Events>,
}

/// The events of one handler, by id.
#[derive(Debug, Clone, Default)]
struct Events {
    received: BTreeSet<String>,
    handled: BTreeSet<String>,
    retried: BTreeSet<String>,
    dead_lettered: BTreeMap<String, String>,
}

impl Tally {
    /// Notes that something happened; noting it again changes nothing.
    pub fn note(&mut self, handler: &str, event: &str, what: &str, reason: Option<&str>) {
        let events = self.handlers.entry(handler.to_owned()).or_default();
        let event = event.to_owned();
        match what {
            "received" => drop(events.received.insert(event)),
            "handled" => drop(events.handled.insert(event)),
            "retried" => drop(events.retried.insert(event)),
            _ => drop(
                events
                    .dead_lettered
                    .insert(event, reason.unwrap_or_default().to_owned()),
            ),
        }
    }

    /// Takes the feeder's figures.
    pub fn set_feed(&mut self, feed: Feed) {
        self.feed = feed;
    }

    /// All figures as one object.
    pub fn to_json(&self) -> Value {
        let mut handlers = Map::new();
        let nothing = Events::default();
        for name in HANDLERS {
            let events = self.handlers.get(name).unwrap_or(&nothing);
            handlers.insert(
                name.to_owned(),
                json!({
                    "received": events.received.len(),
                    "handled": events.handled.len(),
                    "retried": events.retried.len(),
                    "dead_lettered": events.reasons(),
                }),
            );
        }
        let Feed {
            lines,
            invalid_lines,
            duplicates,
            foreign,
            published,
        } = self.feed;
        json!({
            "lines": lines,
            "invalid_lines": invalid_lines,
            "duplicates": duplicates,
            "foreign": foreign,
            "published": published,
            "handlers": handlers,
        })
    }

    /// All figures as a table.
    pub fn to_table(&self) -> String {
        use std::fmt::Write as _;

        let Feed {
            lines,
            invalid_lines,
            duplicates,
            foreign,
            published,
        } = self.feed;
        let mut text = format!(
            "{lines} lines: {published} orders published, {duplicates} duplicates, {foreign} foreign messages, {invalid_lines} invalid\n\n"
        );
        let _ = writeln!(
            text,
            "{:<16}{:>9}{:>9}{:>9}  dead letters",
            "handler", "received", "handled", "retried"
        );
        let nothing = Events::default();
        for name in [
            "reserve_stock",
            "charge_payment",
            "ship_order",
            "notify_shipped",
            "notify_refused",
        ] {
            let events = self.handlers.get(name).unwrap_or(&nothing);
            let dead: Vec<String> = events
                .reasons()
                .into_iter()
                .map(|(reason, count)| format!("{count} {reason}"))
                .collect();
            let row = format!(
                "{name:<16}{:>9}{:>9}{:>9}  {}",
                events.received.len(),
                events.handled.len(),
                events.retried.len(),
                dead.join(", ")
            );
            let _ = writeln!(text, "{}", row.trim_end());
        }
        text
    }
}

impl Events {
    fn reasons(&self) -> BTreeMap<&str, usize> {
        let mut reasons = BTreeMap::new();
        for reason in self.dead_lettered.values() {
            *reasons.entry(reason.as_str()).or_default() += 1;
        }
        reasons
    }
}

/// A tally that observes a running service.
#[derive(Debug, Clone, Default)]
pub struct SharedTally(Arc<Mutex<Tally>>);

impl SharedTally {
    /// What was counted so far.
    pub fn get(&self) -> Tally {
        self.0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }
}

impl Observer for SharedTally {
    fn observe(&self, observation: &Observation<'_>) {
        if let Some((what, reason)) = words(observation.what) {
            let mut tally = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            tally.note(observation.handler, observation.event_id, what, reason);
        }
    }
}

/// An observation in the words of tally and ledger.
pub(super) fn words(what: What<'_>) -> Option<(&'static str, Option<&str>)> {
    Some(match what {
        What::Received => ("received", None),
        What::Retrying { .. } => ("retried", None),
        What::Handled => ("handled", None),
        What::DeadLettered { reason } => ("dead_lettered", Some(reason)),
        _ => return None,
    })
}
