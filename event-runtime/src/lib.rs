//! Annotated events and handlers.

pub mod envelope;
pub mod event;

#[cfg(feature = "runtime")]
pub mod adapters;
#[cfg(feature = "runtime")]
pub mod broker;
#[cfg(feature = "runtime")]
mod consume;
#[cfg(feature = "runtime")]
pub mod handler;
#[cfg(feature = "runtime")]
pub mod publish;
#[cfg(feature = "runtime")]
mod runtime;
#[cfg(feature = "runtime")]
pub mod telemetry;

#[doc(hidden)]
pub mod private;
pub use event::Event;
pub use event_macros::Event;
#[cfg(feature = "runtime")]
pub use event_macros::{Events, HandlerError, handler};
#[cfg(feature = "runtime")]
pub use handler::{Context, Extract, HandlerError, Metadata, Needs, State};
#[doc(hidden)]
pub use private as __private;
#[cfg(feature = "runtime")]
pub use publish::Publisher;
#[cfg(feature = "runtime")]
pub use runtime::{App, Error, Running, Settings};
