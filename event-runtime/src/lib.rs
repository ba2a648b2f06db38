//! Annotated events and handlers over NATS JetStream: versioned contracts, nothing lost by default.
//!
//! Services stop calling each other and waiting: they publish events, and handle them. A struct becomes an
//! event by `#[derive(Event)]`, an async function a handler by `#[handler]`, and [`run`] is the whole of
//! `main`.
//!
//! ```standalone_crate
//! use event_runtime::{App, Event, handler};
//! use schemars::JsonSchema;
//! use serde::{Deserialize, Serialize};
//!
//! /// Somebody was met.
//! #[derive(Event, Serialize, Deserialize, JsonSchema)]
//! #[event(name = "guest.met", version = 1, topic = "guests.met")]
//! struct GuestMet {
//!     name: String,
//! }
//!
//! #[handler]
//! async fn greet(guest: GuestMet) {
//!     println!("Hello, {}!", guest.name);
//! }
//!
//! # #[tokio::main]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let running = App::new().service("hello").default_broker("memory://").start().await?;
//! running.publisher().publish(&GuestMet { name: "Ada".into() }).await?;
//! assert!(running.settled(std::time::Duration::from_secs(5)).await?);
//! running.stop().await?;
//! # Ok(())
//! # }
//! ```
//!
//! | feature | what it adds | default |
//! |---|---|---|
//! | `runtime` | handlers, the in-memory broker, and what runs them | by the others |
//! | `nats` | the NATS JetStream adapter | yes |
//! | `cli` | [`App::run`]: the command line of a service | yes |
//! | `testing` | `testing::TestApp`: tests of a service, without a server | no |
//!
//! Without features there are events, envelopes and schemas only: for a crate that declares the events which
//! several services share.

pub mod envelope;
pub mod event;
pub mod schema;

#[cfg(feature = "runtime")]
pub mod adapters;
#[cfg(feature = "runtime")]
pub mod broker;
#[cfg(feature = "cli")]
mod cli;
#[cfg(feature = "runtime")]
mod consume;
#[cfg(feature = "runtime")]
pub mod contracts;
#[cfg(feature = "runtime")]
pub mod dead_letters;
#[cfg(feature = "runtime")]
pub mod handler;
#[cfg(feature = "runtime")]
pub mod publish;
#[cfg(feature = "runtime")]
mod runtime;
#[cfg(feature = "runtime")]
pub mod telemetry;
#[cfg(feature = "testing")]
pub mod testing;

#[doc(hidden)]
pub mod private;
#[doc(hidden)]
pub use private as __private;

pub use event::Event;
pub use event_macros::Event;
#[cfg(feature = "runtime")]
pub use event_macros::{Events, HandlerError, handler};
#[cfg(feature = "runtime")]
pub use handler::{Batch, Context, Extract, HandlerError, Metadata, Needs, State};
#[cfg(feature = "runtime")]
pub use publish::Publisher;
#[cfg(feature = "runtime")]
pub use runtime::{App, Error, Running, Settings};

/// Runs all handlers that are linked into this program, as [`App::run`] does. The name of the service comes
/// from `EVENT_SERVICE`, the broker from `EVENT_BROKER`.
#[cfg(feature = "cli")]
pub async fn run() -> Result<(), Error> {
    App::new().run().await
}
