//! What the behaviour tests share.

pub mod certificates;
pub mod faulty;
pub mod jwt;
pub mod model;
pub mod nats;
pub mod proxy;
pub mod service;
