//! Where a text stands in a message.

use std::borrow::Cow;

#[cfg(feature = "runtime")]
use bytes::Bytes;
#[cfg(feature = "runtime")]
use bytestring::ByteString;

/// Where a text stands in a message: a few bytes instead of a copy, most of which nobody would look at. A text that
/// does not stand there as it is, because it is escaped or a header, is kept whole.
#[derive(Debug, Clone, Default)]
#[allow(
    clippy::box_collection,
    reason = "a pointer of one word keeps all places small, and few of them are of this kind"
)]
pub(crate) enum Place {
    #[default]
    Absent,
    /// From the one byte to before the other.
    At(u32, u32),
    Kept(Box<String>),
}

impl Place {
    /// The place of a text, which may be a part of the body.
    #[inline]
    pub(super) fn of(text: Cow<'_, str>, body: &[u8]) -> Self {
        let Cow::Borrowed(part) = text else {
            return Self::Kept(Box::new(text.into_owned()));
        };
        let start = part.as_ptr().addr().wrapping_sub(body.as_ptr().addr());
        let place = u32::try_from(start)
            .ok()
            .zip(u32::try_from(start + part.len()).ok());
        match place {
            Some((start, end)) if end as usize <= body.len() => Self::At(start, end),
            _ => Self::Kept(Box::new(part.to_owned())),
        }
    }

    pub(super) fn is_absent(&self) -> bool {
        matches!(self, Self::Absent)
    }

    /// The text, in the body of the message that the place was taken from. `None` if there is none.
    pub(crate) fn text<'a>(&'a self, body: &'a [u8]) -> Option<&'a str> {
        match self {
            Self::Absent => None,
            Self::At(start, end) => {
                let part = body.get(*start as usize..*end as usize);
                part.and_then(|part| std::str::from_utf8(part).ok())
            }
            Self::Kept(text) => Some(text),
        }
    }

    /// As [`text`](Self::text), in a body that is known to be text.
    pub(super) fn of_text<'a>(&'a self, body: &'a str) -> Option<&'a str> {
        match self {
            Self::Absent => None,
            Self::At(start, end) => body.get(*start as usize..*end as usize),
            Self::Kept(text) => Some(text),
        }
    }

    /// The text as a part of the body, which lives on in it.
    #[cfg(feature = "runtime")]
    pub(crate) fn shared(&self, body: &Bytes) -> Option<ByteString> {
        match self {
            Self::At(start, end) if *end as usize <= body.len() => {
                body.slice(*start as usize..*end as usize).try_into().ok()
            }
            _ => self.text(body).map(Into::into),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Place;

    #[test]
    fn a_part_of_the_body_is_found_there_and_anything_else_is_kept() {
        let body = b"{\"id\":\"1\"}";
        let text = std::str::from_utf8(body).unwrap();
        let part = Place::of((&text[7..8]).into(), body);
        assert!(matches!(part, Place::At(7, 8)));
        assert_eq!(part.text(body), Some("1"));
        #[cfg(feature = "runtime")]
        assert_eq!(part.shared(&body.to_vec().into()).unwrap(), "1");

        let other = String::from("elsewhere");
        for kept in [
            Place::of((&*other).into(), body),
            Place::of(other.clone().into(), b""),
        ] {
            assert!(matches!(kept, Place::Kept(_)));
            assert_eq!(kept.text(body), Some("elsewhere"));
        }
        assert_eq!(Place::Absent.text(body), None);
    }
}
