//! Annotated events and handlers.

pub mod envelope;

#[cfg(feature = "runtime")]
pub mod adapters;
#[cfg(feature = "runtime")]
pub mod broker;
