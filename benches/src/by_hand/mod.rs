//! The same work by hand on async-nats, as good as we know how: what event-runtime is compared with.
//!
//! Whoever finds a faster way to do the same work by hand has found a fault here. The same work means: the
//! same bytes on the wire, the same kind of stream, each event acknowledged by itself, the data in an owned
//! struct, and the attributes read without which an event can't be told from another one.

pub(crate) mod answer;
pub(crate) mod consume;
pub(crate) mod envelope;
pub(crate) mod latency;
pub(crate) mod memory;
pub(crate) mod publish;
mod pull;
