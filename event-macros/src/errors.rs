//! All mistakes of one item, so that one build shows them all.

use proc_macro2::TokenStream;
use quote::ToTokens;

/// Collects mistakes. Dropping it unread would hide them, so that panics.
pub(crate) struct Errors(Option<Vec<syn::Error>>);

impl Errors {
    pub(crate) fn new() -> Self {
        Self(Some(Vec::new()))
    }

    /// Notes a mistake under these tokens.
    pub(crate) fn push(&mut self, tokens: impl ToTokens, message: impl std::fmt::Display) {
        self.add(syn::Error::new_spanned(tokens, message));
    }

    /// Notes a mistake that knows its own place.
    pub(crate) fn add(&mut self, error: syn::Error) {
        if let Some(errors) = &mut self.0 {
            errors.push(error);
        }
    }

    /// The mistakes as compile errors; `None` if there were none.
    pub(crate) fn finish(mut self) -> Option<TokenStream> {
        let mut errors = self.0.take().unwrap_or_default().into_iter();
        let mut all = errors.next()?;
        for error in errors {
            all.combine(error);
        }
        Some(all.to_compile_error())
    }
}

impl Drop for Errors {
    fn drop(&mut self) {
        assert!(
            self.0.is_none() || std::thread::panicking(),
            "the mistakes of an item were never reported"
        );
    }
}
