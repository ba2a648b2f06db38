//! CloudEvents on the wire.

mod headers;

pub use self::headers::Headers;
