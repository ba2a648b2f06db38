//! As much of the syntax of URIs as tells one from a text that is none. Letters outside ASCII are let through:
//! producers write them, and nothing here follows a URI.

use serde_json::Value;

use super::EnvelopeError;
use super::attributes::text;

/// A URI, or one without its beginning: `/shop`.
pub(super) fn reference(name: &str, value: Value) -> Result<String, EnvelopeError> {
    let uri = text(name, value)?;
    if !uri.contains(illegal) {
        return Ok(uri);
    }
    Err(EnvelopeError::rule(
        name,
        "is a URI-reference, without spaces and other characters that no URI has",
    ))
}

/// A URI with its scheme: `urn:shop:order.placed:2`.
pub(super) fn absolute(name: &str, value: Value) -> Result<String, EnvelopeError> {
    let uri = text(name, value)?;
    let scheme = uri.split_once(':').map_or("", |(scheme, _)| scheme);
    let legal = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'-' | b'.');
    if scheme.starts_with(|first: char| first.is_ascii_alphabetic())
        && scheme.bytes().all(legal)
        && !uri.contains(illegal)
    {
        return Ok(uri);
    }
    Err(EnvelopeError::rule(name, "is an absolute URI"))
}

fn illegal(character: char) -> bool {
    matches!(
        character,
        ' ' | '"' | '<' | '>' | '\\' | '^' | '`' | '{' | '|' | '}'
    )
}
