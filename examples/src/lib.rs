//! Examples of `event-runtime`: numbered small ones in `src/bin`, and the flagship, [`shop`].

pub mod shop;
