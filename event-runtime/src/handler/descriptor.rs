//! A handler as data, found at link time.

use std::any::{Any, TypeId};
use std::fmt;
use std::time::Duration;

use futures_util::future::BoxFuture;

use super::{BatchOptions, Context, Needs, Outcome};
use crate::broker::Start;
use crate::envelope::{DecodeError, Incoming, Seen};
use crate::event::EventDescriptor;

/// An event whose type only its handler knows.
pub type BoxedEvent = Box<dyn Any + Send>;

/// A handler as data: `#[handler]` leaves one for each function.
#[derive(Clone, Copy)]
#[doc(hidden)]
pub struct HandlerDescriptor {
    /// Its name: the function's, unless the attribute gives another.
    pub name: &'static str,
    /// The function, for `App::only`.
    pub function: fn() -> TypeId,
    /// The module of the function.
    pub module: &'static str,
    /// The source file.
    pub file: &'static str,
    /// The line there.
    pub line: u32,
    /// The event that it takes.
    pub event: fn() -> &'static EventDescriptor,
    /// Adds the events that it may return.
    pub returns: fn(&mut Vec<&'static EventDescriptor>),
    /// Adds what its arguments need from the app.
    pub needs: fn(&mut Needs),
    /// What the attribute says.
    pub options: HandlerOptions,
    /// Reads the event out of a message.
    pub decode: fn(Incoming<'_>) -> Result<Received, DecodeError>,
    /// Runs the function once, on an event, or on a batch of them.
    pub invoke: fn(BoxedEvent, Context) -> BoxFuture<'static, Outcome>,
}

impl HandlerDescriptor {
    /// All handlers that are linked into this program, sorted by name.
    pub(super) fn linked() -> Vec<&'static Self> {
        let mut all: Vec<_> = inventory::iter::<Self>.into_iter().collect();
        all.sort_by_key(|handler| (handler.name, handler.file, handler.line));
        all
    }
}

impl fmt::Debug for HandlerDescriptor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HandlerDescriptor")
            .field("name", &self.name)
            .field("file", &self.file)
            .field("line", &self.line)
            .finish_non_exhaustive()
    }
}

inventory::collect!(HandlerDescriptor);

/// What the `#[handler(…)]` attribute says; `None` where it says nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[doc(hidden)]
pub struct HandlerOptions {
    /// Events, or batches, handled at once by one process.
    pub concurrency: Option<usize>,
    /// Tasks that share the runs.
    pub tasks: Option<usize>,
    /// How large batches are, for a handler that takes them.
    pub batch: Option<BatchOptions>,
    /// Runs before an event becomes a dead letter, the first included.
    pub retry_max: Option<u32>,
    /// The delay before the second run.
    pub retry_base: Option<Duration>,
    /// The longest delay.
    pub retry_cap: Option<Duration>,
    /// The longest that one run may take.
    pub timeout: Option<Duration>,
    /// Where to start on a stream that already holds matching events.
    pub start: Option<StartOption>,
    /// A narrower filter than the event's topic: values for some of its placeholders.
    pub filter: &'static [(&'static str, &'static str)],
    /// Whether events of other names are passed over.
    pub skip_others: bool,
}

impl HandlerOptions {
    /// Nothing said.
    pub const NONE: Self = Self {
        concurrency: None,
        tasks: None,
        batch: None,
        retry_max: None,
        retry_base: None,
        retry_cap: None,
        timeout: None,
        start: None,
        filter: &[],
        skip_others: false,
    };
}

/// Where to start, as an attribute can say it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[doc(hidden)]
pub enum StartOption {
    /// `start = "all"`.
    All,
    /// `start = "new"`.
    New,
    /// `start = "2026-11-24T00:00:00Z"`, read when the program starts.
    At(&'static str),
}

impl StartOption {
    /// The start, or what is wrong with it.
    pub(crate) fn start(self) -> Result<Start, String> {
        match self {
            Self::All => Ok(Start::All),
            Self::New => Ok(Start::New),
            Self::At(time) => time.parse().map(Start::At).map_err(|_| {
                format!("`start = \"{time}\"` is no time: write `\"all\"`, `\"new\"` or an RFC 3339 time such as `\"2026-11-24T00:00:00Z\"`")
            }),
        }
    }
}

/// How often and after which delays a failed event is run again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RetryPolicy {
    /// Runs in all, the first included. Default 24.
    pub max: u32,
    /// The delay before the second run; doubles with each further one. Default 200 ms.
    pub base: Duration,
    /// The longest delay. Default 10 min.
    pub cap: Duration,
}

impl Default for RetryPolicy {
    fn default() -> Self {
        Self {
            max: 24,
            base: Duration::from_millis(200),
            cap: Duration::from_mins(10),
        }
    }
}

/// An event read out of a message.
#[doc(hidden)]
pub struct Received {
    /// What the envelope says.
    pub(crate) seen: Seen,
    /// The event.
    pub event: BoxedEvent,
}

impl fmt::Debug for Received {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Received")
            .field("seen", &self.seen)
            .finish_non_exhaustive()
    }
}
