//! Binary mode: attributes as headers, by the CloudEvents binding for NATS.
//!
//! Written by the specification. Read as others write it, too: the Go SDK says `content-type` for the type of
//! the data, and encodes no values.

use percent_encoding::{AsciiSet, CONTROLS, percent_decode_str, utf8_percent_encode};

use super::encode::encode_bare;
use super::given::Given;
use super::seen::Seen;
use super::{Attributes, EnvelopeError, Headers};
use crate::event::Event;

const PREFIX: &str = "ce-";

/// What a header's value can't hold, besides what is not ASCII: the specification's own list.
const ENCODED: &AsciiSet = &CONTROLS.add(b' ').add(b'"').add(b'%');

/// Writes an event in binary mode: its attributes as headers, its data as the body. Fails only where the
/// event's own `Serialize` does.
pub fn encode_binary<E: Event>(
    attributes: &Attributes,
    event: &E,
) -> Result<(Headers, Vec<u8>), serde_json::Error> {
    let mut headers = Headers::new();
    attributes.each(|name, value| {
        headers.append(format!("{PREFIX}{name}"), encode_value(value));
    });
    Ok((headers, encode_bare(event)?))
}

/// Reads the attributes out of headers.
pub(super) fn read_attributes(headers: &Headers) -> Result<Seen, EnvelopeError> {
    let mut seen = Seen::default();
    for (header, value) in headers.iter() {
        let Some(name) = attribute(header) else {
            continue;
        };
        let value = decode_value(&name, value)?;
        seen.set(&name, Given::Text(value.into()), &[])?;
    }
    if seen.data_content_type.is_absent()
        && let Some(media_type) = headers.get("content-type").filter(|text| !text.is_empty())
    {
        let media_type = Given::Text(media_type.into());
        seen.set("datacontenttype", media_type, &[])?;
    }
    seen.check()?;
    Ok(seen)
}

/// The attribute that a header stands for. Names of headers are of any case, those of attributes are not.
fn attribute(header: &str) -> Option<String> {
    let (prefix, name) = header.split_at_checked(PREFIX.len())?;
    prefix
        .eq_ignore_ascii_case(PREFIX)
        .then(|| name.to_ascii_lowercase())
}

/// A text as the value of a header: printable ASCII, reversibly.
pub(crate) fn encode_value(text: &str) -> String {
    utf8_percent_encode(text, ENCODED).to_string()
}

/// The text of a header's value: quotes and backslashes undone first, then one round of percent-decoding. A
/// `%` that begins no code stands for itself, since some writers don't encode.
pub(crate) fn decode_value(attribute: &str, value: &str) -> Result<String, EnvelopeError> {
    let unquoted = unquote(value);
    percent_decode_str(unquoted.as_deref().unwrap_or(value))
        .decode_utf8()
        .map(String::from)
        .map_err(|_| EnvelopeError::rule(attribute, "is UTF-8 once it is percent-decoded"))
}

/// What is between the double quotes of a quoted value.
fn unquote(value: &str) -> Option<String> {
    let inner = value.strip_prefix('"')?.strip_suffix('"')?;
    let mut text = String::with_capacity(inner.len());
    let mut characters = inner.chars();
    while let Some(character) = characters.next() {
        text.push(match character {
            '\\' => characters.next().unwrap_or('\\'),
            other => other,
        });
    }
    Some(text)
}

#[cfg(test)]
mod tests {
    use super::{decode_value, encode_value};

    #[test]
    fn values_are_written_by_the_specification() {
        for (text, written) in [
            ("plain-/:?#[]@!$&'()*+,;=~", "plain-/:?#[]@!$&'()*+,;=~"),
            ("Euro € 😀", "Euro%20%E2%82%AC%20%F0%9F%98%80"),
            ("a \"b\" 100%", "a%20%22b%22%20100%25"),
            ("\\", "\\"),
        ] {
            assert_eq!(encode_value(text), written);
            assert_eq!(decode_value("x", written).unwrap(), text);
        }
    }

    #[test]
    fn values_are_read_as_others_write_them() {
        for (written, text) in [
            ("Euro%20%e2%82%ac", "Euro €"),
            ("Euro €", "Euro €"),
            ("%41%42c", "ABc"),
            ("100%", "100%"),
            ("100%zz", "100%zz"),
            ("%2525", "%25"),
            (r#""a \"b\" \\ c""#, r#"a "b" \ c"#),
            (r#""%22""#, "\""),
            (r#"""#, r#"""#),
        ] {
            assert_eq!(decode_value("x", written).unwrap(), text, "{written}");
        }
        assert!(decode_value("x", "%C3%28").is_err());
        assert!(decode_value("x", "%FF").is_err());
    }
}
