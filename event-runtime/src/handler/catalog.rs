//! The handlers of this program: found, sorted, checked. All that is wrong is reported together.

use std::any::TypeId;
use std::collections::BTreeMap;
use std::fmt;

use super::plan::{Defaults, HandlerPlan, Overrides};
use super::{HandlerDescriptor, Needs, States};

/// Something that has to be changed before the program can start: place, problem and fix.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Fault(String);

impl Fault {
    /// A fault, in a sentence or two.
    pub fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// The handlers of this program, sorted by name.
#[derive(Debug, Default)]
pub(crate) struct Catalog {
    handlers: Vec<HandlerPlan>,
    left_out: Vec<&'static str>,
    faults: Vec<Fault>,
}

impl Catalog {
    /// Finds the handlers that are linked into this program; with `only`, just those functions.
    pub(crate) fn find(
        only: Option<&[(TypeId, &'static str)]>,
        defaults: &Defaults,
        overrides: &BTreeMap<String, Overrides>,
    ) -> Self {
        let (linked, left_out): (Vec<&'static HandlerDescriptor>, Vec<_>) =
            HandlerDescriptor::linked()
                .into_iter()
                .partition(|handler| {
                    only.is_none_or(|only| only.iter().any(|(id, _)| *id == (handler.function)()))
                });
        let mut catalog = Self {
            left_out: left_out.iter().map(|handler| handler.name).collect(),
            ..Self::default()
        };
        for (id, name) in only.unwrap_or_default() {
            if !linked.iter().any(|handler| (handler.function)() == *id) {
                catalog.faults.push(Fault::new(format!(
                    "`.only(…)` names `{name}`, which is no handler: write `#[handler]` above that function"
                )));
            }
        }
        for pair in linked.windows(2) {
            if pair[0].name == pair[1].name {
                catalog.faults.push(Fault::new(format!(
                    "two handlers have the name `{}`, at {} and {}: give one of them `#[handler(name = \"…\")]`, since a name stands for its place in the stream",
                    pair[0].name,
                    place(pair[0]),
                    place(pair[1])
                )));
            }
        }
        for handler in linked {
            let empty = Overrides::default();
            let own = overrides.get(handler.name).unwrap_or(&empty);
            let (plan, mut faults) = HandlerPlan::new(handler, defaults, own);
            catalog.handlers.push(plan);
            catalog.faults.append(&mut faults);
        }
        for name in overrides.keys() {
            if !catalog.has(name) && !catalog.leaves_out(name) {
                catalog.faults.push(Fault::new(format!(
                    "EVENT_HANDLER_{}_… is set, and there is no handler `{name}`; {}",
                    name.to_ascii_uppercase(),
                    catalog.names()
                )));
            }
        }
        super::events::check(&mut catalog.faults);
        catalog
    }

    /// Checks that every handler finds the state it asks for; `has` knows what the app was given.
    pub(crate) fn check_states(&mut self, states: &States) {
        for name in states.doubled() {
            self.faults.push(Fault::new(format!(
                "the app was given two values of type `{name}`, and `State<{name}>` means one: leave one out, or wrap it in a type of its own"
            )));
        }
        for handler in &self.handlers {
            let mut needs = Needs::default();
            (handler.descriptor.needs)(&mut needs);
            for (id, name) in needs.states() {
                if !states.contains(*id) {
                    self.faults.push(Fault::new(format!(
                        "the handler `{}` ({}) asks for `State<{name}>`, and the app has no such value: add `.with_state(…)` or `.state(…)`",
                        handler.name(),
                        place(handler.descriptor)
                    )));
                }
            }
        }
    }

    /// Keeps the handlers of these names running; the others stay known, as handlers of other processes.
    pub(crate) fn run_only(&mut self, names: &[String]) {
        for name in names {
            if self.has(name) {
                continue;
            }
            let problem = if self.leaves_out(name) {
                "which this program leaves out by `.only(…)`"
            } else {
                "and there is no such handler"
            };
            let fault = format!("EVENT_HANDLERS names `{name}`, {problem}; {}", self.names());
            self.faults.push(Fault::new(fault));
        }
        for handler in &mut self.handlers {
            handler.runs_here = names.iter().any(|name| name == handler.name());
        }
    }

    fn has(&self, name: &str) -> bool {
        self.handlers.iter().any(|handler| handler.name() == name)
    }

    fn leaves_out(&self, name: &str) -> bool {
        self.left_out.contains(&name)
    }

    fn names(&self) -> String {
        if self.handlers.is_empty() {
            return "this program has none".into();
        }
        let names: Vec<String> = self
            .handlers
            .iter()
            .map(|handler| format!("`{}`", handler.name()))
            .collect();
        format!("there are {}", names.join(", "))
    }

    /// The handlers, sorted by name.
    pub(crate) fn handlers(&self) -> &[HandlerPlan] {
        &self.handlers
    }

    /// The names of linked handlers that this program leaves out: they are other programs', and nothing of
    /// theirs is checked.
    pub(crate) fn left_out(&self) -> &[&'static str] {
        &self.left_out
    }

    /// What is wrong so far.
    pub(crate) fn take_faults(&mut self) -> Vec<Fault> {
        std::mem::take(&mut self.faults)
    }
}

fn place(handler: &HandlerDescriptor) -> String {
    format!("{}:{}", handler.file, handler.line)
}
