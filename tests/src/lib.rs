//! What the behaviour tests share.

pub mod faulty;
pub mod model;
pub mod nats;
pub mod proxy;
pub mod service;
