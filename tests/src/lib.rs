//! What the behaviour tests share.

pub mod faulty;
pub mod logs;
pub mod nats;
pub mod proxy;
pub mod service;

/// The README's code has to compile.
#[cfg(doctest)]
#[doc = include_str!("../../README.md")]
mod readme {}
