//! The history as text: one line for each thing that happened, events numbered as they come.

use std::collections::HashSet;
use std::fmt::Write as _;

use serde::Deserialize;
use serde_json::value::RawValue;

use super::authors::authors;
use super::faults::is_lane;
use super::history::{Entry, Happened, Step, Told};
use crate::envelope::read_attributes;

/// A longer text of an event's data is cut.
const DATA: usize = 200;

/// Tells all that happened, without ids and times, so that it is the same whenever the same happens.
pub(super) fn tell(told: &Told) -> String {
    let mut story = Story {
        told,
        arrived: HashSet::new(),
        numbered: Vec::new(),
        text: String::new(),
    };
    for (index, entry) in told.entries.iter().enumerate() {
        story.line(index, entry);
        story.text.push('\n');
    }
    story.text
}

struct Story<'a> {
    told: &'a Told,
    /// What has arrived: app, handler, event.
    arrived: HashSet<(usize, &'a str, &'a str)>,
    /// The ids of the events so far; an event's number is its place here, from 1.
    numbered: Vec<String>,
    text: String,
}

impl<'a> Story<'a> {
    fn line(&mut self, index: usize, entry: &'a Entry) {
        let service = &self.told.apps[entry.app];
        let line = match &entry.happened {
            Happened::StartedAgain => format!("{service} started again"),
            Happened::Stopped => format!("{service} stopped"),
            Happened::Crashed => format!("{service} crashed"),
            Happened::Given { payload } => {
                format!("the test published {}", self.event(None, payload))
            }
            Happened::Published {
                payload, duplicate, ..
            } => {
                let who = self.publisher(index, payload);
                let known = if *duplicate {
                    ", which the broker had"
                } else {
                    ""
                };
                format!("{who} published {}{known}", self.event(None, payload))
            }
            Happened::Refused {
                subject,
                payload,
                error,
            } => {
                let what = if is_lane(subject) {
                    format!("a message for `{subject}`")
                } else {
                    self.event(None, payload)
                };
                format!("{service} could not publish {what}: {error}")
            }
            Happened::Handler {
                handler,
                event_id,
                attempt,
                step,
            } => {
                let name = self.name(entry.app, handler);
                let new = matches!(step, Step::Received { .. })
                    && self.arrived.insert((entry.app, handler, event_id));
                let again = if new { "" } else { " again" };
                self.step(&name, event_id, *attempt, step, again)
            }
        };
        self.text.push_str(&line);
    }

    fn step(
        &mut self,
        name: &str,
        event_id: &str,
        attempt: u32,
        step: &Step,
        again: &str,
    ) -> String {
        if let Step::Received { payload, .. } = step {
            let event = self.event(Some(event_id), payload);
            return format!("{name} received {event}{again}");
        }
        let (event, _) = self.number(event_id);
        match step {
            Step::Received { .. } => String::new(),
            Step::Retrying { delay, error } => format!(
                "{name} failed on {event} at attempt {attempt}, the next is in {delay:.1?}: {error}"
            ),
            Step::Handled if attempt == 1 => format!("{name} handled {event}"),
            Step::Handled => format!("{name} handled {event} at attempt {attempt}"),
            Step::Skipped => format!("{name} passed over {event}"),
            Step::DeadLettered { reason, error } => format!(
                "{name} gave up {event} at attempt {attempt}, now a dead letter ({reason}): {error}"
            ),
        }
    }

    /// Who published the event of an entry: a handler, or the app itself.
    fn publisher(&self, index: usize, payload: &[u8]) -> String {
        let app = self.told.entries[index].app;
        let handlers = authors(self.told, index, payload);
        if handlers.is_empty() {
            return self.told.apps[app].clone();
        }
        let names: Vec<String> = handlers
            .into_iter()
            .map(|handler| self.name(app, handler))
            .collect();
        names.join(" or ")
    }

    /// A handler, with its service where there are several.
    fn name(&self, app: usize, handler: &str) -> String {
        match &self.told.apps[..] {
            [_] => handler.to_owned(),
            apps => format!("{}/{handler}", apps[app]),
        }
    }

    /// An event: its number, and what it is if it is new.
    fn event(&mut self, id: Option<&str>, payload: &[u8]) -> String {
        let attributes = read_attributes(payload);
        let id = match (id, &attributes) {
            (Some(id), _) => id,
            (None, Ok(attributes)) => &attributes.id,
            (None, Err(_)) => "",
        };
        let (mut text, new) = self.number(id);
        if new {
            let kind = match &attributes {
                Ok(attributes) => &attributes.event_type,
                Err(_) => "(no event)",
            };
            let _ = write!(text, " {kind} {}", data(payload));
        }
        text
    }

    /// An event's number, and whether it is new.
    fn number(&mut self, id: &str) -> (String, bool) {
        let known = self.numbered.iter().position(|known| known == id);
        let place = known.unwrap_or_else(|| {
            self.numbered.push(id.to_owned());
            self.numbered.len() - 1
        });
        (format!("#{}", place + 1), known.is_none())
    }
}

/// The data of an event as it was written; the whole of what is no event.
fn data(payload: &[u8]) -> String {
    #[derive(Deserialize)]
    struct Body<'a> {
        #[serde(borrow)]
        data: &'a RawValue,
    }
    let text = serde_json::from_slice::<Body<'_>>(payload).map_or_else(
        |_| String::from_utf8_lossy(payload).escape_debug().to_string(),
        |body| body.data.get().to_owned(),
    );
    match text.char_indices().nth(DATA) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text,
    }
}
