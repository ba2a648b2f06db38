//! A message's headers.

use std::cmp::Ordering;
use std::sync::Arc;
#[cfg(feature = "runtime")]
use std::sync::LazyLock;

use bytestring::ByteString;

#[cfg(feature = "runtime")]
use super::CONTENT_TYPE;

/// Headers of a message, in order. Names are looked up in any case, as CloudEvents asks for, and kept as
/// they were written. Clones share what they hold until one of them changes.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Headers(Option<Arc<Vec<(ByteString, ByteString)>>>);

#[cfg(feature = "runtime")]
static STRUCTURED: LazyLock<Headers> = LazyLock::new(|| {
    let content_type = ["Content-Type", CONTENT_TYPE].map(ByteString::from_static);
    Headers::from_iter([content_type.into()])
});

impl Headers {
    /// No headers.
    pub const fn new() -> Self {
        Self(None)
    }

    /// Those of an event in structured mode.
    #[cfg(feature = "runtime")]
    pub(crate) fn structured() -> Self {
        STRUCTURED.clone()
    }

    /// Whether these are the [`structured`](Self::structured) ones, not only equal to them. Nearly all are.
    #[cfg(feature = "runtime")]
    pub(crate) fn are_structured(&self) -> bool {
        let both = self.0.as_ref().zip(STRUCTURED.0.as_ref());
        both.is_some_and(|(ours, theirs)| Arc::ptr_eq(ours, theirs))
    }

    /// The first value of this name.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.iter()
            .find(|(found, _)| found.eq_ignore_ascii_case(name))
            .map(|(_, value)| value)
    }

    /// Sets a header, in place of all that have this name.
    pub fn set(&mut self, name: &str, value: impl Into<ByteString>) {
        self.remove(name);
        self.append(name, value);
    }

    /// Adds a header beside those that have this name.
    pub fn append(&mut self, name: impl Into<ByteString>, value: impl Into<ByteString>) {
        let headers = Arc::make_mut(self.0.get_or_insert_default());
        headers.push((name.into(), value.into()));
    }

    /// Removes all headers of this name.
    pub fn remove(&mut self, name: &str) {
        self.retain(|found| !found.eq_ignore_ascii_case(name));
    }

    /// Keeps the headers for whose name this is true.
    pub fn retain(&mut self, mut keep: impl FnMut(&str) -> bool) {
        // Nothing is copied where nothing goes; and each header is asked for once.
        let first = self.iter().position(|(name, _)| !keep(name));
        if let Some((headers, first)) = self.0.as_mut().zip(first) {
            let mut index = 0..;
            Arc::make_mut(headers).retain(|(name, _)| {
                let order = index
                    .next()
                    .map_or(Ordering::Greater, |index| first.cmp(&index));
                order == Ordering::Greater || order == Ordering::Less && keep(name)
            });
        }
        if self.iter().next().is_none() {
            self.0 = None;
        }
    }

    /// Names and values, in order.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        let headers = self.0.as_deref().map(Vec::as_slice).unwrap_or_default();
        headers.iter().map(|(name, value)| (&**name, &**value))
    }

    /// The bytes that they take on the wire, each with `: ` and its line's end.
    pub fn wire_size(&self) -> usize {
        self.iter()
            .map(|(name, value)| name.len() + value.len() + 4)
            .sum()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.0.is_none()
    }
}

impl<N: Into<ByteString>, V: Into<ByteString>> FromIterator<(N, V)> for Headers {
    fn from_iter<I: IntoIterator<Item = (N, V)>>(headers: I) -> Self {
        let mut all = Self::new();
        for (name, value) in headers {
            all.append(name, value);
        }
        all
    }
}
