//! Brokers behind the port.

pub mod memory;
#[cfg(feature = "nats")]
pub mod nats;
