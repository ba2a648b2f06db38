//! How generated code names the runtime.

use proc_macro2::{Span, TokenStream, TokenTree};
use quote::{ToTokens, quote};
use syn::Path;

use crate::errors::Errors;

/// `::event_runtime::__private`, or the same behind a re-export.
pub(crate) struct RuntimePath(TokenStream);

impl RuntimePath {
    pub(crate) fn new(path: Option<Path>, errors: &mut Errors) -> Self {
        let Some(path) = path else {
            return Self(quote!(::event_runtime::__private));
        };
        let first = path
            .segments
            .first()
            .map(|segment| segment.ident.to_string())
            .unwrap_or_default();
        // Code is generated into modules of its own, where `self` and `super` mean something else.
        if path.leading_colon.is_none() && first != "crate" {
            let written = path.to_token_stream().to_string().replace(' ', "");
            errors.push(
                &path,
                format!("`crate` needs a path from the root: write `crate = ::{written}` or `crate = crate::{written}`"),
            );
        }
        Self(quote!(#path::__private))
    }

    /// The same, under a place of the user's: an error is shown there only if all tokens of it are.
    pub(crate) fn at(&self, span: Span) -> TokenStream {
        let respan = |mut token: TokenTree| {
            token.set_span(span.resolved_at(token.span()));
            token
        };
        self.0.clone().into_iter().map(respan).collect()
    }
}

impl ToTokens for RuntimePath {
    fn to_tokens(&self, tokens: &mut TokenStream) {
        self.0.to_tokens(tokens);
    }
}
