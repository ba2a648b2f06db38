//! From a typed event to a stored message: topic, identity, envelope, broker.

mod all;
mod error;
mod identity;
mod kept;
mod kind;
mod outgoing;
mod publisher;
mod store;
mod streams;

pub use self::all::{AsEvent, PublishAllError};
pub use self::error::PublishError;
pub(crate) use self::identity::Cause;
pub use self::outgoing::Outgoing;
pub(crate) use self::publisher::PublisherSettings;
pub use self::publisher::{Published, Publisher};
pub use self::streams::Provision;
