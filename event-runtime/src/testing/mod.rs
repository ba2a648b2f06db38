//! Tests of a service, without a server and without waiting.

mod app;
mod bench;
mod checks;
mod clock;
mod diff;
mod faults;
mod history;
mod isolation;
mod line;
mod recorded;
mod story;

pub use self::app::TestApp;
pub use self::recorded::{Recorded, Retry};
