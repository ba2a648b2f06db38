//! What the behaviour tests share.

pub mod nats;
pub mod proxy;
pub mod service;
