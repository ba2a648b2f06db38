//! The committed `handlers.json` against the handlers that are linked: none may be lost, and none may change
//! unseen.

use std::path::Path;

use serde::{Deserialize, Serialize};

use crate::handler::{Fault, HandlerPlan};

/// What brings the lock up to date.
const EXPORT: &str = "run the program with `contracts export` and commit the change";

/// One handler in `handlers.json`: without source lines, which move without a change of contract.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Entry {
    name: String,
    /// What to name in `use … as _;` when the handler is lost.
    #[serde(rename = "crate")]
    home: String,
    event: String,
    topics: String,
    returns: Vec<String>,
}

impl Entry {
    pub(super) fn new(handler: &HandlerPlan) -> Self {
        let mut returns: Vec<String> = handler
            .returns
            .iter()
            .map(|event| event.wire_type.to_owned())
            .collect();
        returns.sort_unstable();
        returns.dedup();
        Self {
            name: handler.name().to_owned(),
            home: handler.home().to_owned(),
            event: handler.event.wire_type.to_owned(),
            topics: handler.filter.clone(),
            returns,
        }
    }

    /// What differs, as `its event is … and was …`.
    fn differences(&self, now: &Self) -> String {
        let list = |names: &[String]| match names {
            [] => "nothing".to_owned(),
            names => names.join(", "),
        };
        [
            ("crate", self.home.clone(), now.home.clone()),
            ("event", self.event.clone(), now.event.clone()),
            ("topics", self.topics.clone(), now.topics.clone()),
            ("returns", list(&self.returns), list(&now.returns)),
        ]
        .into_iter()
        .filter(|(_, was, is)| was != is)
        .map(|(what, was, is)| format!("`{what}` is `{is}` and was `{was}`"))
        .collect::<Vec<_>>()
        .join(", ")
    }
}

/// The rest of the file is for people: a deployment may give the service another name.
#[derive(Deserialize)]
struct Lock {
    handlers: Vec<Entry>,
}

/// Compares the text of a `handlers.json` with the program; `place` is how messages call it.
///
/// Whatever is in the lock has to be `linked`, whether this process takes it or not. Whatever is `taken` has
/// to be in the lock: a handler that is linked and left out on purpose may be missing there.
pub(crate) fn compare(
    place: &str,
    text: &str,
    linked: &[HandlerPlan],
    taken: &[HandlerPlan],
) -> Vec<Fault> {
    let lock: Lock = match serde_json::from_str(text) {
        Ok(lock) => lock,
        Err(error) => {
            return vec![Fault::new(format!(
                "{place} is not what `contracts export` writes ({error}): {EXPORT}"
            ))];
        }
    };
    let mut faults: Vec<Fault> = lock
        .handlers
        .iter()
        .filter_map(|entry| changed(place, entry, linked))
        .collect();
    for handler in taken {
        if !lock.handlers.iter().any(|lock| lock.name == handler.name()) {
            faults.push(Fault::new(format!(
                "{place} does not hold the handler `{}` ({}): {EXPORT}",
                handler.name(),
                location(handler)
            )));
        }
    }
    faults
}

fn changed(place: &str, entry: &Entry, linked: &[HandlerPlan]) -> Option<Fault> {
    let Entry { name, home, .. } = entry;
    let found: Vec<(&HandlerPlan, Entry)> = linked
        .iter()
        .filter(|handler| handler.name() == name)
        .map(|handler| (handler, Entry::new(handler)))
        .collect();
    // Two of one name are a fault of their own, or `.only(…)` chooses between them.
    if found.iter().any(|(_, now)| now == entry) {
        return None;
    }
    let text = match found.first() {
        Some((handler, now)) => format!(
            "{place} holds the handler `{name}` in another form than {}: {}; if that is meant, {EXPORT}",
            location(handler),
            entry.differences(now)
        ),
        None if linked.iter().any(|handler| handler.home() == home) => format!(
            "{place} holds the handler `{name}`, which the crate `{home}` does not have any more: if the function was renamed, write `#[handler(name = \"{name}\")]`, since a name stands for its place in the stream; if the handler is to go, {EXPORT}"
        ),
        None => format!(
            "{place} holds the handler `{name}`, and nothing of its crate `{home}` is linked into this program: write `use {home} as _;` in the file of `main`; if the handler is to go, {EXPORT}"
        ),
    };
    Some(Fault::new(text))
}

fn location(handler: &HandlerPlan) -> String {
    let (file, line) = handler.place();
    format!("{file}:{line}")
}

/// Fails the test that calls it unless `handlers.json` in this folder is what the program would write now.
///
/// ```no_run
/// // In the file of `main`, since a test links what its own crate names.
/// #[test]
/// fn contracts_are_locked() {
///     event_runtime::contracts::assert_locked("contracts");
/// }
/// # fn main() {}
/// ```
///
/// The folder is one that `contracts export` wrote and that is committed; a relative path begins in the
/// package's folder, where `cargo test` runs. All handlers that are linked into the test count, whatever
/// `App::only` and `EVENT_HANDLERS` choose; the name of the service doesn't, since it may come from the
/// environment.
///
/// # Panics
///
/// With every difference and its fix: a handler that is in the lock and not linked, one that is linked and
/// not in the lock, and one whose crate, event, topics or returned events are others now.
#[track_caller]
pub fn assert_locked(folder: impl AsRef<Path>) {
    let path = folder.as_ref().join(super::HANDLERS);
    let place = format!("`{}`", path.display());
    let linked = HandlerPlan::linked();
    let faults = match std::fs::read_to_string(&path) {
        Ok(text) => compare(&place, &text, &linked, &linked),
        Err(error) => vec![Fault::new(format!(
            "{place} can't be read ({error}): {EXPORT}"
        ))],
    };
    let list: Vec<String> = faults
        .iter()
        .map(|fault| format!("\n  - {fault}"))
        .collect();
    assert!(
        faults.is_empty(),
        "the handlers are not those that are committed:{}",
        list.concat()
    );
}
