//! The macros of `event-runtime`.
