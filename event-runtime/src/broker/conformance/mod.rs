//! What every adapter promises, as tests that any adapter's author runs.
//!
//! One macro call makes a test of each behaviour:
//!
//! ```
//! use std::sync::Arc;
//!
//! use event_runtime::adapters::memory::Memory;
//! use event_runtime::broker::Broker;
//! use event_runtime::broker::conformance::World;
//! use futures_util::future::BoxFuture;
//!
//! struct InMemory(Memory);
//!
//! impl World for InMemory {
//!     fn broker(&self) -> BoxFuture<'_, Arc<dyn Broker>> {
//!         Box::pin(async { Arc::new(self.0.clone()) as Arc<dyn Broker> })
//!     }
//! }
//!
//! event_runtime::broker_conformance!(async || InMemory(Memory::new()));
//! ```
//!
//! Each test makes a [`World`] of its own. Another kind of test goes in front of it:
//! `broker_conformance!(#[tokio::test(start_paused = true)] async || …)`. A behaviour that a broker can't show
//! (by its [`Capabilities`](super::Capabilities), or because the world can't do something to it) is skipped with
//! a line on standard error, which the test harness does not swallow.
//!
//! The behaviours are functions too, and [`BEHAVIOURS`] lists them with their promises. Each is proven by a
//! deliberately broken adapter that it refuses.

mod bench;
mod content;
mod deliver;
mod durables;
mod failed;
mod lanes;
mod list;
mod publish;
mod restart;
mod settle;
mod sharing;
mod streams;
mod subscription;
mod world;

pub use self::list::*;
pub use self::world::{Behaviour, Outcome, Timing, World};
