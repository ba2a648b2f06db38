//! Subjects and filters: tokens between dots, `*` for one token, `>` for all that follow.

/// Whether a message may be published under this subject: words between dots, without wildcards, spaces and
/// control characters, 1 KiB at most.
pub fn is_valid(subject: &str) -> bool {
    // In one pass over the bytes: each message is looked at.
    let mut before = b'.';
    for byte in subject.bytes() {
        if matches!(byte, b'*' | b'>' | b' ')
            || byte.is_ascii_control()
            || (byte == b'.' && before == b'.')
        {
            return false;
        }
        before = byte;
    }
    before != b'.' && subject.len() <= super::lanes::MAX_SUBJECT
}

/// Whether the filter delivers this subject.
pub fn matches(filter: &str, subject: &str) -> bool {
    covers(filter, subject)
}

/// Whether every subject that `inner` matches is matched by `outer` too.
pub fn covers(outer: &str, inner: &str) -> bool {
    let mut inner = tokens(inner);
    for token in tokens(outer) {
        match (token, inner.next()) {
            (b">", Some(_)) => return true,
            (b"*", Some(found)) if found != b">" => {}
            (wanted, Some(found)) if wanted == found => {}
            _ => return false,
        }
    }
    inner.next().is_none()
}

/// Whether some subject is matched by both.
pub fn overlaps(one: &str, other: &str) -> bool {
    let mut other = tokens(other);
    for token in tokens(one) {
        match (token, other.next()) {
            (b">", Some(_)) | (_, Some(b">")) => return true,
            (b"*", Some(_)) | (_, Some(b"*")) => {}
            (a, Some(b)) if a == b => {}
            _ => return false,
        }
    }
    other.next().is_none()
}

/// As bytes: a search for a character costs more than such short words.
fn tokens(subject: &str) -> impl Iterator<Item = &[u8]> {
    subject.as_bytes().split(|byte| *byte == b'.')
}

#[cfg(test)]
mod tests {
    use super::{covers, is_valid, matches, overlaps};

    #[test]
    fn a_subject_is_words_between_dots() {
        for subject in ["a", "a.b", "orders.eu.placed", "a.é", "%20"] {
            assert!(is_valid(subject), "{subject}");
        }
        for subject in [
            "", ".", ".a", "a.", "a..b", "a.*", "a.>", "a b", "a.\r\nb", "a\u{7f}",
        ] {
            assert!(!is_valid(subject), "{subject:?}");
        }
        assert!(is_valid(&"a".repeat(1024)));
        assert!(!is_valid(&"a".repeat(1025)));
    }

    #[test]
    fn a_filter_matches_token_by_token() {
        assert!(matches("orders.*.placed", "orders.eu.placed"));
        assert!(!matches("orders.*.placed", "orders.eu.de.placed"));
        assert!(!matches("orders.*", "orders"));
        assert!(matches("orders.>", "orders.eu.placed"));
        assert!(!matches("orders.>", "orders"));
        assert!(!matches("orders.eu", "orders.eu.placed"));
    }

    #[test]
    fn covering_is_for_all_subjects() {
        assert!(covers("orders.>", "orders.*.placed"));
        assert!(covers("orders.*.placed", "orders.*.placed"));
        assert!(!covers("orders.eu.>", "orders.*.placed"));
        assert!(!covers("orders.*", "orders.>"));
        assert!(covers("orders.>", "orders.>"));
    }

    #[test]
    fn overlapping_is_for_some_subject() {
        assert!(overlaps("orders.eu.>", "orders.*.placed"));
        assert!(overlaps("orders.*.placed", "orders.eu.>"));
        assert!(overlaps("a.*.c", "a.b.*"));
        assert!(!overlaps("a.*.c", "a.b.d"));
        assert!(!overlaps("a.b", "a.b.c"));
        assert!(!overlaps("a.b.c", "a.b"));
        assert!(overlaps("a.>", "a.b.c"));
        assert!(!overlaps("a.>", "a"));
    }
}
