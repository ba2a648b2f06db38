//! CloudEvents 1.0 on the wire: structured JSON, or binary mode.
//!
//! ```json
//! {"specversion":"1.0","id":"0192…","source":"/shop","type":"order.placed.v2","time":"2026-11-23T05:00:00.123Z",
//!  "datacontenttype":"application/json","dataschema":"urn:shop:order.placed:2","partitionkey":"ord-1",
//!  "correlationid":"…","causationid":"…","traceparent":"00-…-01","data":{}}
//! ```
//! The version is part of `type`, never of `data`. `type` comes before `data`, so that a reader that sees a
//! type it knows reads the data straight into it; in any other order the data is kept and read last.
//!
//! In binary mode the body is the data alone, and each attribute is a header, percent-encoded:
//!
//! ```text
//! ce-specversion: 1.0
//! ce-id: 0192…
//! ce-source: /shop
//! ce-type: order.placed.v2
//! ce-datacontenttype: application/json
//! ```
//! Which mode a message is in, it says itself: a `Content-Type` that begins with `application/cloudevents` is
//! structured, else a header `ce-specversion` is binary. Names of headers are of any case. Both modes are read
//! always; `EVENT_ENVELOPE` says which is written.
//!
//! An event that says `#[event(bare)]` has no envelope: its message is the data alone, read and written so.

mod attributes;
mod binary;
mod decode;
mod encode;
mod error;
mod given;
mod headers;
mod incoming;
mod place;
mod plain;
mod seen;
mod uri;

pub use bytestring::ByteString;

pub use self::attributes::Attributes;
pub use self::binary::encode_binary;
#[cfg(feature = "runtime")]
pub(crate) use self::binary::{decode_value, encode_value};
pub use self::decode::{decode, read_attributes};
#[cfg(feature = "runtime")]
pub(crate) use self::decode::{decode_boxed, see_attributes};
pub use self::encode::encode;
#[cfg(feature = "runtime")]
pub(crate) use self::encode::{Common, Own, encode_bare, encode_own};
pub use self::error::{DecodeError, EnvelopeError};
pub use self::headers::Headers;
pub use self::incoming::{Incoming, Mode};
#[cfg(feature = "runtime")]
pub(crate) use self::place::Place;
#[cfg(feature = "runtime")]
pub(crate) use self::seen::Seen;

/// The content type of a structured CloudEvent in JSON.
pub const CONTENT_TYPE: &str = "application/cloudevents+json";
