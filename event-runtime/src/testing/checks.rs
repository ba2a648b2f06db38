//! What tests ask about what happened, and what they claim about it.

use std::any::{TypeId, type_name};

use bytes::Bytes;

use super::app::TestApp;
use super::authors::authors;
use super::diff::diff;
use super::history::{Happened, Step};
use super::recorded::{Recorded, Retry};
use crate::envelope;
use crate::event::{Event, Written, parse_wire_type};
use crate::handler::HandlerDescriptor;

impl TestApp {
    /// The events that a handler received, in the order of their first arrival; each once, with the number of
    /// times that it came.
    ///
    /// # Panics
    ///
    /// When the function is no handler of `E`.
    #[track_caller]
    pub fn received<E: Event>(&self, handler: impl Sized + 'static) -> Vec<Recorded<E>> {
        let descriptor = descriptor(&handler);
        let event = (descriptor.event)();
        assert!(
            event.name == E::NAME,
            "`{}` handles `{}`, and not `{}`",
            descriptor.name,
            event.name,
            E::NAME
        );
        self.recorded(|happened| match happened {
            Happened::Handler {
                handler,
                step: Step::Received { payload, topic },
                ..
            } if handler == descriptor.name => Some((payload, topic)),
            _ => None,
        })
    }

    /// The events of this type that the app has published, in order: what its handlers returned, and what its
    /// publishers published. Each once, with the number of times that it was published.
    ///
    /// # Panics
    ///
    /// When one of them can't be read as `E`.
    #[track_caller]
    pub fn published<E: Event>(&self) -> Vec<Recorded<E>> {
        self.recorded(|happened| match happened {
            Happened::Published { payload, topic, .. } => Some((payload, topic)),
            _ => None,
        })
    }

    /// The runs of a handler that failed and were followed by another, in order.
    ///
    /// # Panics
    ///
    /// When the function is no handler.
    #[track_caller]
    pub fn retries(&self, handler: impl Sized + 'static) -> Vec<Retry> {
        let name = handler_name(&handler);
        self.steps(name, |event_id, attempt, step| match step {
            Step::Retrying { delay, error } => Some(Retry {
                event_id: event_id.to_owned(),
                attempt,
                delay: *delay,
                error: error.clone(),
            }),
            _ => None,
        })
    }

    /// Claims that a handler received exactly these events, in this order.
    ///
    /// # Panics
    ///
    /// When it did not: with the differences, and all that happened.
    #[track_caller]
    pub fn assert_received<E: Event>(
        &self,
        handler: impl Sized + 'static,
        expected: impl IntoIterator<Item = E>,
    ) {
        let what = format!("`{}` received other", handler_name(&handler));
        let found = self.received::<E>(handler);
        self.compare::<E>(&what, expected, found);
    }

    /// Claims that the app published exactly these events of this type, in this order.
    ///
    /// # Panics
    ///
    /// When it did not: with the differences, and all that happened.
    #[track_caller]
    pub fn assert_published<E: Event>(&self, expected: impl IntoIterator<Item = E>) {
        let found = self.published::<E>();
        self.compare::<E>("the app published other", expected, found);
    }

    /// Claims that the runs of a handler which were followed by another failed with exactly these errors, in
    /// this order; none for a handler that needed no second run.
    ///
    /// # Panics
    ///
    /// When they did not: with the differences, and all that happened.
    #[track_caller]
    pub fn assert_retries<'a>(
        &self,
        handler: impl Sized + 'static,
        errors: impl IntoIterator<Item = &'a str>,
    ) {
        let what = format!("`{}` ran again for other errors", handler_name(&handler));
        let found = self.retries(handler);
        let found: Vec<String> = found.into_iter().map(|retry| retry.error).collect();
        self.compare_lines(&what, &lines(errors), &found);
    }

    /// Claims that a handler gave up exactly these events, in this order, each told as its reason and its
    /// error: `"rejected: no such address"`; none for a handler that gave up none.
    ///
    /// # Panics
    ///
    /// When it did not: with the differences, and all that happened.
    #[track_caller]
    pub fn assert_dead_letters<'a>(
        &self,
        handler: impl Sized + 'static,
        expected: impl IntoIterator<Item = &'a str>,
    ) {
        let name = handler_name(&handler);
        let found = self.steps(name, |_, _, step| match step {
            Step::DeadLettered { reason, error } => Some(format!("{reason}: {error}")),
            _ => None,
        });
        let what = format!("`{name}` gave up other events");
        self.compare_lines(&what, &lines(expected), &found);
    }

    /// The events of this app that a part of the history carries, each once.
    #[track_caller]
    fn recorded<E: Event>(
        &self,
        carried: impl Fn(&Happened) -> Option<(&Bytes, &String)>,
    ) -> Vec<Recorded<E>> {
        assert!(
            !E::BARE,
            "`{}` is a bare event, which `TestApp` can't read back: look at `history()`",
            E::WIRE_TYPE
        );
        let mut found: Vec<Recorded<E>> = Vec::new();
        let told = self.bench.history.read();
        for (index, entry) in told.entries.iter().enumerate() {
            let Some((payload, topic)) = carried(&entry.happened) else {
                continue;
            };
            let Ok(attributes) = envelope::read_attributes(payload) else {
                continue;
            };
            let name = parse_wire_type(&attributes.event_type).map(|(name, _)| name);
            if entry.app != self.seat.app || name != Some(E::NAME) {
                continue;
            }
            let same = |known: &&mut Recorded<E>| {
                known.attributes.id == attributes.id && known.attributes.source == attributes.source
            };
            if let Some(known) = found.iter_mut().find(same) {
                known.times += 1;
                continue;
            }
            let (attributes, event) = envelope::decode::<E>(payload).unwrap_or_else(|error| {
                let error = crate::consume::chain(&error);
                panic!("an event can't be read as `{}`: {error}", E::WIRE_TYPE)
            });
            let handler = match &entry.happened {
                Happened::Handler { handler, .. } => Some(handler.clone()),
                _ => match authors(&told, index, payload)[..] {
                    [handler] => Some(handler.to_owned()),
                    _ => None,
                },
            };
            found.push(Recorded {
                event,
                attributes,
                topic: topic.clone(),
                handler,
                times: 1,
            });
        }
        found
    }

    fn steps<T>(&self, name: &str, pick: impl Fn(&str, u32, &Step) -> Option<T>) -> Vec<T> {
        let told = self.bench.history.read();
        let own = told
            .entries
            .iter()
            .filter(|entry| entry.app == self.seat.app);
        own.filter_map(|entry| match &entry.happened {
            Happened::Handler {
                handler,
                event_id,
                attempt,
                step,
            } if handler == name => pick(event_id, *attempt, step),
            _ => None,
        })
        .collect()
    }

    #[track_caller]
    fn compare<E: Event>(
        &self,
        what: &str,
        expected: impl IntoIterator<Item = E>,
        found: Vec<Recorded<E>>,
    ) {
        let expected: Vec<String> = expected.into_iter().map(|event| text(&event)).collect();
        let found: Vec<String> = found.iter().map(|found| text(&found.event)).collect();
        self.compare_lines(&format!("{what} `{}`", E::WIRE_TYPE), &expected, &found);
    }

    #[track_caller]
    fn compare_lines(&self, what: &str, expected: &[String], found: &[String]) {
        assert!(
            expected == found,
            "{what} than expected (`-` expected and missing, `+` not expected):\n{}\n{}",
            diff(expected, found),
            self.bench.story()
        );
    }
}

fn lines<'a>(lines: impl IntoIterator<Item = &'a str>) -> Vec<String> {
    lines.into_iter().map(str::to_owned).collect()
}

/// An event's data, as it is written.
#[track_caller]
fn text<E: Event>(event: &E) -> String {
    serde_json::to_string(&Written(event))
        .unwrap_or_else(|error| panic!("`{}` can't be written as JSON: {error}", E::WIRE_TYPE))
}

/// The name of a handler, by its function.
#[track_caller]
pub(super) fn handler_name<H: 'static>(handler: &H) -> &'static str {
    descriptor(handler).name
}

#[track_caller]
fn descriptor<H: 'static>(_: &H) -> &'static HandlerDescriptor {
    let found = inventory::iter::<HandlerDescriptor>
        .into_iter()
        .find(|handler| (handler.function)() == TypeId::of::<H>());
    found.unwrap_or_else(|| {
        panic!(
            "`{}` is no handler: write `#[handler]` above that function",
            type_name::<H>()
        )
    })
}
