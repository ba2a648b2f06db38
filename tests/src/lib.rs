//! What the behaviour tests share.

pub mod broken;
pub mod faulty;
pub mod nats;
pub mod proxy;
pub mod service;
