//! CloudEvents 1.0 on the wire, in structured JSON.
//!
//! ```json
//! {"specversion":"1.0","id":"0192…","source":"/shop","type":"order.placed.v2","time":"2026-11-23T05:00:00.123Z",
//!  "datacontenttype":"application/json","dataschema":"urn:shop:order.placed:2","partitionkey":"ord-1",
//!  "correlationid":"…","causationid":"…","traceparent":"00-…-01","data":{}}
//! ```
//! The version is part of `type`, never of `data`. `type` comes before `data`, so that a reader that sees a
//! type it knows reads the data straight into it; in any other order the data is kept and read last.

mod attributes;
mod decode;
mod encode;
mod error;
mod headers;

pub use self::attributes::Attributes;
pub use self::decode::{decode, read_attributes};
pub use self::encode::encode;
pub use self::error::{DecodeError, EnvelopeError};
pub use self::headers::Headers;

/// The content type of a structured CloudEvent in JSON.
pub const CONTENT_TYPE: &str = "application/cloudevents+json";
