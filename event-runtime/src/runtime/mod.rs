//! From annotated functions to a running service: settings, checks, broker objects, workers, the end.

mod app;
mod connect;
mod error;
mod provision;
mod running;
mod settings;
mod start;
mod state;
pub(crate) mod table;
mod topology;
mod work;

pub use self::app::App;
#[cfg(feature = "testing")]
pub(crate) use self::connect::connect;
pub use self::error::Error;
pub use self::running::Running;
pub use self::settings::Settings;
#[cfg(feature = "cli")]
pub(crate) use self::start::Prepared;
#[cfg(feature = "cli")]
pub(crate) use self::topology::{Item, inspect};
#[cfg(feature = "testing")]
pub(crate) use self::work::Work;
