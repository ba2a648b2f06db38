//! The grammar of topics, once: checked while compiling, and used for every message.

use std::fmt::{self, Display, Write as _};

/// A topic with placeholders: `orders.{region}.placed`.
///
/// Tokens stand between dots. A token is either a literal of `[A-Za-z0-9_-]` or one whole placeholder
/// `{field}`. The first token is a literal, and none of the words that the runtime keeps for itself
/// (`lane`, `after`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TopicTemplate(&'static str);

impl TopicTemplate {
    /// Checks a template. In a `const` a mistake is a compile error.
    ///
    /// # Panics
    ///
    /// When the template breaks the grammar; the message says which rule.
    #[track_caller]
    pub const fn new(template: &'static str) -> Self {
        Self::check(template);
        Self(template)
    }

    /// For generated code: takes a template that is checked elsewhere.
    #[doc(hidden)]
    pub const fn unchecked(template: &'static str) -> Self {
        Self(template)
    }

    /// For generated code: panics when the template breaks the grammar.
    #[doc(hidden)]
    #[track_caller]
    pub const fn check(template: &'static str) {
        let bytes = template.as_bytes();
        assert!(!bytes.is_empty(), "a topic must not be empty");
        let mut start = 0;
        let mut first = true;
        loop {
            let mut end = start;
            while end < bytes.len() && bytes[end] != b'.' {
                end += 1;
            }
            check_token(bytes, start, end, first);
            if end == bytes.len() {
                return;
            }
            start = end + 1;
            first = false;
        }
    }

    /// The template as written.
    pub const fn as_str(self) -> &'static str {
        self.0
    }

    /// Whether two templates are the same once every placeholder is taken for any one token.
    ///
    /// All versions of one event need the same pattern: widening a durable's filter later would never
    /// deliver what was stored before.
    pub const fn same_pattern(self, other: Self) -> bool {
        let (a, b) = (self.0.as_bytes(), other.0.as_bytes());
        let (mut i, mut j) = (0, 0);
        while i < a.len() && j < b.len() {
            if a[i] != b[j] {
                return false;
            }
            if a[i] == b'{' {
                i = after_placeholder(a, i);
                j = after_placeholder(b, j);
            } else {
                i += 1;
                j += 1;
            }
        }
        i == a.len() && j == b.len()
    }

    /// The subjects of this topic: placeholders as `*`.
    pub fn pattern(self) -> String {
        let tokens: Vec<&str> = self
            .0
            .split('.')
            .map(|token| if token.starts_with('{') { "*" } else { token })
            .collect();
        tokens.join(".")
    }

    /// The names of the placeholders, in order.
    pub fn placeholders(self) -> impl Iterator<Item = &'static str> {
        self.0
            .split('.')
            .filter_map(|token| token.strip_prefix('{')?.strip_suffix('}'))
    }

    /// The first token, which is a literal.
    pub fn first_token(self) -> &'static str {
        self.0.split_once('.').map_or(self.0, |(first, _)| first)
    }

    /// Fills the placeholders in, in the order of the template.
    ///
    /// Anything outside `[A-Za-z0-9_-]` is written as `%XX`, byte by byte, so a value is always one token
    /// and can be read back. An empty value is an error: it would be another topic.
    pub fn render(self, values: &[&dyn Display]) -> Result<String, TopicError> {
        let mut topic = String::with_capacity(self.0.len() + 16);
        let mut values = values.iter();
        // Tokens are too short for what `split` does to search for a character.
        let mut rest = Some(self.0);
        while let Some(template) = rest {
            let end = template.bytes().position(|byte| byte == b'.');
            let token = &template[..end.unwrap_or(template.len())];
            rest = end.map(|end| &template[end + 1..]);
            if !topic.is_empty() {
                topic.push('.');
            }
            if token.starts_with('{') {
                let before = topic.len();
                if let Some(value) = values.next() {
                    // The encoder itself never fails; a `Display` that does has written what it could.
                    let _ = write!(Encoder(&mut topic), "{value}");
                }
                if topic.len() == before {
                    return Err(TopicError {
                        template: self.0,
                        placeholder: token,
                    });
                }
            } else {
                topic.push_str(token);
            }
        }
        Ok(topic)
    }

    /// Encodes one placeholder value as [`render`](Self::render) does, for filters.
    pub fn encode(value: &str) -> String {
        let mut token = String::with_capacity(value.len());
        let _ = Encoder(&mut token).write_str(value);
        token
    }
}

impl Display for TopicTemplate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0)
    }
}

/// A placeholder of the topic had an empty value.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "the topic `{template}` can't be filled in: the value for `{placeholder}` is empty; give that field a value before publishing"
)]
pub struct TopicError {
    template: &'static str,
    placeholder: &'static str,
}

struct Encoder<'a>(&'a mut String);

impl fmt::Write for Encoder<'_> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        let mut rest = text;
        loop {
            let plain = rest.bytes().take_while(|byte| is_plain(*byte)).count();
            self.0.push_str(&rest[..plain]);
            // What is not plain may be several bytes, each of which is written.
            let Some(other) = rest[plain..].chars().next() else {
                return Ok(());
            };
            rest = &rest[plain + other.len_utf8()..];
            for byte in other.encode_utf8(&mut [0; 4]).bytes() {
                write!(self.0, "%{byte:02X}")?;
            }
        }
    }
}

const fn is_plain(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'_' || byte == b'-'
}

#[track_caller]
const fn check_token(bytes: &[u8], start: usize, end: usize, first: bool) {
    assert!(
        start < end,
        "a topic must not begin or end with a dot, or have two in a row"
    );
    if bytes[start] == b'{' {
        assert!(
            !first,
            "a topic must begin with a word, not with a placeholder: its stream is named after it"
        );
        assert!(
            end - start > 2 && bytes[end - 1] == b'}',
            "a placeholder fills a whole token between dots: `{{field}}`"
        );
        let mut i = start + 1;
        while i < end - 1 {
            assert!(
                bytes[i].is_ascii_alphanumeric() || bytes[i] == b'_',
                "a placeholder fills a whole token between dots: `{{field}}`"
            );
            i += 1;
        }
        return;
    }
    let mut i = start;
    while i < end {
        assert!(
            bytes[i] != b'{' && bytes[i] != b'}',
            "a placeholder fills a whole token between dots: `{{field}}`"
        );
        assert!(
            bytes[i] != b'*' && bytes[i] != b'>',
            "a topic must not have wildcards: write a placeholder `{{field}}`"
        );
        assert!(
            is_plain(bytes[i]),
            "a topic's words are of letters, digits, `_` and `-`, with dots between them"
        );
        i += 1;
    }
    assert!(
        !(first && (is_word(bytes, start, end, b"lane") || is_word(bytes, start, end, b"after"))),
        "a topic must not begin with `lane` or `after`: the runtime keeps these for itself"
    );
}

const fn is_word(bytes: &[u8], start: usize, end: usize, word: &[u8]) -> bool {
    if end - start != word.len() {
        return false;
    }
    let mut i = 0;
    while i < word.len() {
        // In any case: streams are named in upper case, so `Lane` would meet `lane` there.
        if !bytes[start + i].eq_ignore_ascii_case(&word[i]) {
            return false;
        }
        i += 1;
    }
    true
}

const fn after_placeholder(bytes: &[u8], mut at: usize) -> usize {
    while bytes[at] != b'}' {
        at += 1;
    }
    at + 1
}

#[cfg(test)]
mod tests {
    use super::TopicTemplate;

    const ORDERS: TopicTemplate = TopicTemplate::new("orders.{region}.placed");

    #[test]
    fn a_value_is_always_one_token() {
        for (value, token) in [
            ("eu", "eu"),
            ("a.b", "a%2Eb"),
            ("a b", "a%20b"),
            ("50%", "50%25"),
            ("ä", "%C3%A4"),
            ("*", "%2A"),
        ] {
            assert_eq!(
                ORDERS.render(&[&value]).unwrap(),
                format!("orders.{token}.placed")
            );
            assert_eq!(TopicTemplate::encode(value), token);
        }
    }

    #[test]
    fn an_empty_value_is_refused_with_the_field() {
        expect_test::expect!["the topic `orders.{region}.placed` can't be filled in: the value for `{region}` is empty; give that field a value before publishing"]
            .assert_eq(&ORDERS.render(&[&""]).unwrap_err().to_string());
    }

    #[test]
    fn patterns_are_compared_without_the_names_of_placeholders() {
        assert!(ORDERS.same_pattern(TopicTemplate::new("orders.{land}.placed")));
        assert!(!ORDERS.same_pattern(TopicTemplate::new("orders.{region}.shipped")));
        assert!(!ORDERS.same_pattern(TopicTemplate::new("orders.eu.placed")));
        assert!(!ORDERS.same_pattern(TopicTemplate::new("orders.{region}")));
        assert_eq!(ORDERS.pattern(), "orders.*.placed");
    }

    #[test]
    fn broken_templates_are_refused() {
        for broken in [
            "", ".a", "a.", "a..b", "{a}.b", "a.x{b}", "a.{b", "a.{}", "a.{b c}", "a.*", "a.>",
            "a b", "lane.x", "After.x", "é",
        ] {
            assert!(
                std::panic::catch_unwind(|| TopicTemplate::new(broken)).is_err(),
                "{broken}"
            );
        }
    }
}
