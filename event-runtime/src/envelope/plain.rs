//! An envelope as this library writes it, taken apart without a JSON reader.

use super::place::Place;
use super::seen::{Seen, is_json, is_plain_time};
use super::uri;

impl Seen {
    /// Takes in the attributes of an envelope as this library writes it: in its order, with the data last, without
    /// spaces or escapes, in printable ASCII. The text of the data, which nobody has looked at; `None` where anything
    /// is otherwise, which says nothing about the envelope and leaves anything in here.
    pub(super) fn take_plain<'a>(&mut self, text: &'a str) -> Option<&'a str> {
        let mut rest = Rest { text, at: 0 };
        rest.pass(br#"{"specversion":"1.0","id":""#).then_some(())?;
        self.id = rest.value()?;
        rest.pass(br#","source":""#).then_some(())?;
        self.source = rest.value()?;
        rest.pass(br#","type":""#).then_some(())?;
        self.event_type = rest.value()?;
        self.time = rest.member(br#","time":""#)?;
        self.data_content_type = rest.member(br#","datacontenttype":""#)?;
        self.data_schema = rest.member(br#","dataschema":""#)?;
        self.subject = rest.member(br#","subject":""#)?;
        self.partition_key = rest.member(br#","partitionkey":""#)?;
        self.correlation_id = rest.member(br#","correlationid":""#)?;
        self.causation_id = rest.member(br#","causationid":""#)?;
        self.trace_parent = rest.member(br#","traceparent":""#)?;
        rest.pass(br#","data":"#).then_some(())?;
        let (attributes, data) = text.split_at_checked(rest.at)?;
        let keeps = |place: &Place, rule: fn(&str) -> bool| place.of_text(text).is_none_or(rule);
        let good = attributes.bytes().fold(true, is_plain)
            && keeps(&self.source, uri::is_reference)
            && keeps(&self.time, is_plain_time)
            && keeps(&self.data_content_type, is_json)
            && keeps(&self.data_schema, uri::is_absolute);
        self.spec_version = good;
        // What comes after the data, if that is not all, is still behind it for whoever reads it.
        data.strip_suffix('}').filter(|_| good)
    }
}

/// Printable, and no beginning of an escape. Without an early end many bytes are looked at together.
fn is_plain(all: bool, byte: u8) -> bool {
    let plain = (b' '..0x7f).contains(&byte) && byte != b'\\';
    all & plain
}

/// What is left of a text.
struct Rest<'a> {
    text: &'a str,
    at: usize,
}

impl Rest<'_> {
    /// Whether it goes on with this, which is passed then. Of a known length, so that it is compared in place.
    fn pass<const N: usize>(&mut self, what: &[u8; N]) -> bool {
        let passed = self.text.as_bytes()[self.at..].first_chunk() == Some(what);
        if passed {
            self.at += N;
        }
        passed
    }

    /// The value of a member that may be there, which begins with this, quotes and all. `None` where it is empty, or
    /// has no end.
    fn member<const N: usize>(&mut self, name: &[u8; N]) -> Option<Place> {
        if self.pass(name) {
            self.value()
        } else {
            Some(Place::Absent)
        }
    }

    /// A value up to its quote.
    fn value(&mut self) -> Option<Place> {
        let length = before_quote(&self.text.as_bytes()[self.at..]).filter(|length| *length > 0)?;
        let (start, end) = (self.at, self.at + length);
        self.at = end + 1;
        Some(Place::At(start.try_into().ok()?, end.try_into().ok()?))
    }
}

/// How many bytes there are before the first quote: eight are compared at a time.
fn before_quote(text: &[u8]) -> Option<usize> {
    const ONES: u64 = u64::from_ne_bytes([1; 8]);
    const QUOTES: u64 = ONES * b'"' as u64;
    let mut before = 0;
    while let Some(eight) = text.get(before..).and_then(|rest| rest.first_chunk()) {
        // A byte is zero where a quote is; the first one gets its highest bit, others may get it wrongly.
        let zeros = u64::from_le_bytes(*eight) ^ QUOTES;
        let found = zeros.wrapping_sub(ONES) & !zeros & (ONES << 7);
        if found != 0 {
            return Some(before + found.trailing_zeros() as usize / 8);
        }
        before += 8;
    }
    let rest = text.get(before..)?.iter().position(|byte| *byte == b'"')?;
    Some(before + rest)
}

#[cfg(test)]
mod tests {
    use super::{Seen, before_quote};
    use crate::envelope::{Attributes, read_attributes};

    const PLAIN: &str = r#"{"specversion":"1.0","id":"1","source":"/shop","type":"a.b.v1","time":"2026-11-30T05:00:00.123Z","datacontenttype":"application/json","dataschema":"urn:shop:a.b:1","subject":"s","partitionkey":"k","correlationid":"0","causationid":"c","traceparent":"t","data":{"a":1}}"#;

    fn plain(text: &str) -> Option<(Attributes, &str)> {
        let mut seen = Seen::default();
        let data = seen.take_plain(text)?;
        Some((seen.attributes(text.as_bytes()), data))
    }

    #[test]
    fn what_we_write_is_read_as_by_the_json_reader() {
        let optional = [
            r#","time":"2026-11-30T05:00:00.123Z""#,
            r#","datacontenttype":"application/json""#,
            r#","dataschema":"urn:shop:a.b:1""#,
            r#","subject":"s""#,
            r#","partitionkey":"k""#,
            r#","correlationid":"0""#,
            r#","causationid":"c""#,
            r#","traceparent":"t""#,
        ];
        for left_out in 0..1_u32 << optional.len() {
            let mut text = PLAIN.to_owned();
            for (at, member) in optional.iter().enumerate() {
                if left_out & 1 << at != 0 {
                    text = text.replace(member, "");
                }
            }
            let (attributes, data) = plain(&text).unwrap();
            assert_eq!(attributes, read_attributes(text.as_bytes()).unwrap());
            assert_eq!(data, r#"{"a":1}"#);
        }
    }

    #[test]
    fn anything_else_is_left_to_the_json_reader() {
        for (this, by) in [
            (r#""1.0""#, r#""0.3""#),
            (r#""id":"1""#, r#""id":"""#),
            (r#""id":"1""#, r#""id":1"#),
            (r#""id":"1""#, r#""id":"\"""#),
            (r#""id":"1""#, "\"id\":\"\u{e9}\""),
            (r#""id":"1""#, "\"id\":\"\t\""),
            (
                r#""id":"1","source":"/shop""#,
                r#""source":"/shop","id":"1""#,
            ),
            ("/shop", "/a shop"),
            ("11-30", "11-31"),
            ("application/json", "text/plain"),
            ("urn:", "/urn"),
            (r#","subject":"s""#, r#","other":"o""#),
            (r#","subject":"s""#, r#","subject":"s","subject":"s""#),
            (r#","subject":"s""#, r#", "subject":"s""#),
            (r#"{"a":1}}"#, r#"{"a":1}} "#),
        ] {
            let text = PLAIN.replace(this, by);
            assert_ne!(text, PLAIN);
            assert!(plain(&text).is_none(), "{text}");
        }
        for end in 0..PLAIN.len() - 1 {
            let text = &PLAIN[..end];
            assert!(
                plain(text).is_none_or(|(_, data)| data != r#"{"a":1}"#),
                "{text}"
            );
        }
    }

    #[test]
    fn the_first_quote_is_found() {
        for length in 0..40 {
            let text = "a".repeat(length);
            assert_eq!(before_quote(text.as_bytes()), None);
            for after in ["", "#\"", "!!!!!!!!\"", "\"\"\"\"\"\"\"\"\""] {
                let text = format!("{text}\"{after}");
                assert_eq!(before_quote(text.as_bytes()), Some(length), "{text}");
            }
        }
    }
}
