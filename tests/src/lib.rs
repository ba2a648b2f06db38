//! What the behaviour tests share.

pub mod bakery;
pub mod broken;
pub mod certificates;
pub mod faulty;
pub mod interop;
pub mod jwt;
pub mod logs;
pub mod model;
pub mod nats;
pub mod proxy;
pub mod service;
pub mod workspace;

/// The code in the documentation compiles, and its tests run.
#[cfg(doctest)]
pub mod chapters {
    #[doc = include_str!("../../README.md")]
    pub mod readme {}
    #[doc = include_str!("../../docs/testing.md")]
    pub mod testing {}
}
