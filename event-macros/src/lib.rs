//! The macros of `event-runtime`. Use them through that crate, which documents them.
//!
//! Each macro has the same stages: the tokens become a model, the model is checked, and only a model without
//! mistakes becomes code. All mistakes of one item are reported in one build.

mod errors;
mod event;
mod events;
mod handler;
mod handler_error;
mod options;
mod runtime_path;

use proc_macro::TokenStream;
use syn::{DeriveInput, parse_macro_input};

/// Makes a struct an event: its name, version, topic, key, schema and the versions before it.
///
/// | option | meaning | default |
/// |---|---|---|
/// | `name = "order.placed"` | the name on the wire, the same for all versions: words of `[a-z0-9_-]` with dots | required |
/// | `version = 2` | the version on the wire, from 1; a new one means that old readers can't read the new form | required |
/// | `topic = "orders.{region}.placed"` | where it is published; a placeholder is a field, and fills a whole word | required |
/// | `key = order_id` | the field by which events belong together; an `Option` may be without one | no key |
/// | `upcast_from = OrderPlacedV1` | the version before; needs `From<OrderPlacedV1>`, or `TryFrom` where it may fail | no earlier version |
/// | `stream = "SALES"` | the stream for this topic alone | the topic's first word, in upper case |
/// | `bare` | the message is the event's JSON alone, as programs that don't know CloudEvents write it; its id is the broker's message id, or else `{stream}:{sequence}`; it has this version only | a CloudEvent |
/// | `crate = path` | where `event_runtime` is, if it is re-exported | `::event_runtime` |
#[proc_macro_derive(Event, attributes(event))]
pub fn derive_event(input: TokenStream) -> TokenStream {
    event::derive(&parse_macro_input!(input as DeriveInput)).into()
}

/// Makes an enum of events something that a handler may return: one variant for each answer, each with one
/// event (or anything else that a handler may return).
///
/// `#[events(crate = path)]` says where `event_runtime` is, if it is re-exported.
#[proc_macro_derive(Events, attributes(events))]
pub fn derive_events(input: TokenStream) -> TokenStream {
    events::derive(&parse_macro_input!(input as DeriveInput)).into()
}

/// Says for every value of an error type whether trying again can help.
///
/// | attribute | meaning |
/// |---|---|
/// | `#[retry]` | trying again may help: by the handler's retry policy |
/// | `#[retry(after = wait)]` | the same, but after the time in this field: a `Duration`, or an `Option` of one |
/// | `#[reject]` | trying again can't help: the event becomes a dead letter at once |
/// | `#[forward]` | as the error inside says: the field with `#[from]` or `#[source]`, or the only one |
///
/// Every variant carries one of them, or the struct itself does. The class survives `?`, `anyhow` and
/// `.context()`. `#[handler_error(crate = path)]` says where `event_runtime` is, if it is re-exported.
#[proc_macro_derive(HandlerError, attributes(retry, reject, forward, handler_error))]
pub fn derive_handler_error(input: TokenStream) -> TokenStream {
    handler_error::derive(&parse_macro_input!(input as DeriveInput)).into()
}

/// Makes an `async fn` a handler of its first parameter's event. The function stays what it is.
///
/// | option | meaning | default |
/// |---|---|---|
/// | `name = "charge"` | its name, `[a-z0-9_]`: stands for its place in the stream, so keep it when the function is renamed | the function's name |
/// | `start = "all"` | where to begin on a stream that already holds matching events: `"all"`, `"new"`, or an RFC 3339 time | refused until said |
/// | `concurrency = 16` | events handled at once by one process; of a handler of batches, batches | 16 |
/// | `batch(max = 500, wait = "50ms")` | several events for one run: the first parameter is `Batch<E>`, with at most `max` events (up to 5,000), and the first of them waits at most `wait` for others; `batch` alone takes the defaults | one event a run; `max = 100`, `wait = "50ms"` |
/// | `tasks = 4` | for a handler that computes: tasks that share its runs, so that as many threads can work on them; not above `concurrency` | 1 |
/// | `retry(max = 24, base = "200ms", cap = "10m")` | runs in all; the first delay, which doubles; the longest delay | as written here |
/// | `timeout = "20s"` | the longest that one run may take | 20 s |
/// | `filter(region = "eu")` | only events whose topic has this value for a placeholder | all |
/// | `others = "skip"` | what becomes of events of other names on the same topic: `"dead_letter"`, or `"skip"` where a topic is shared on purpose | `"dead_letter"` |
/// | `crate = path` | where `event_runtime` is, if it is re-exported | `::event_runtime` |
///
/// After the event, which may be taken as `E`, `&E` or `Batch<E>`, come `State<T>`, `Metadata`, `Publisher` and any type
/// that implements `Extract`. It returns `()`, an event, an `Option`, `Vec` or tuple of events, a
/// `#[derive(Events)]` enum, or a `Result` of those.
///
/// A handler of batches returns `()` or `Result<(), E>`, and takes neither `Metadata` (the batch has each event's) nor
/// `Publisher`: a batch that is split runs again with other neighbours, so what it published would get other ids.
#[proc_macro_attribute]
pub fn handler(options: TokenStream, item: TokenStream) -> TokenStream {
    handler::attribute(options.into(), item.into()).into()
}
