//! As much of the syntax of URIs as tells one from a text that is none. Letters outside ASCII are let through:
//! producers write them, and nothing here follows a URI.

/// What [`is_reference`] asks for.
pub(super) const REFERENCE: &str =
    "is a URI-reference, without spaces and other characters that no URI has";

/// What [`is_absolute`] asks for.
pub(super) const ABSOLUTE: &str = "is an absolute URI";

/// A URI, or one without its beginning: `/shop`.
pub(super) fn is_reference(uri: &str) -> bool {
    // Without an early end it is looked at many bytes at a time.
    uri.bytes()
        .fold(true, |legal, byte| legal & !is_illegal(byte))
}

/// A URI with its scheme: `urn:shop:order.placed:2`.
pub(super) fn is_absolute(uri: &str) -> bool {
    let legal = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'-' | b'.');
    let scheme = uri.bytes().position(|byte| !legal(byte));
    uri.starts_with(|first: char| first.is_ascii_alphabetic())
        && scheme.is_some_and(|end| uri.as_bytes()[end] == b':')
        && is_reference(uri)
}

fn is_illegal(byte: u8) -> bool {
    matches!(
        byte,
        b' ' | b'"' | b'<' | b'>' | b'\\' | b'^' | b'`' | b'{' | b'|' | b'}'
    )
}
