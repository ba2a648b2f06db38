//! A handler as the user wrote it: the signature and the options; the body is never looked at.

use proc_macro2::{Span, TokenStream};
use quote::quote;
use syn::ext::IdentExt;
use syn::parse::{Parse, ParseStream};
use syn::{
    Attribute, FnArg, Ident, LitInt, LitStr, PatType, ReturnType, Signature, Type, Visibility,
};

use super::batch::BatchOption;
use crate::errors::Errors;
use crate::options::{Entry, Options};
use crate::runtime_path::RuntimePath;

const OPTIONS: &[&str] = &[
    "name",
    "start",
    "concurrency",
    "tasks",
    "batch",
    "retry",
    "timeout",
    "filter",
    "others",
    "crate",
];

/// A function: all that comes before its body, and that there is one.
pub(crate) struct Function {
    pub(crate) signature: Signature,
    pub(crate) has_body: bool,
}

impl Parse for Function {
    fn parse(input: ParseStream<'_>) -> syn::Result<Self> {
        input.call(Attribute::parse_outer)?;
        input.parse::<Visibility>()?;
        let signature = input
            .parse()
            .map_err(|_| syn::Error::new(input.span(), "`#[handler]` goes above an `async fn`"))?;
        let has_body = input.peek(syn::token::Brace);
        // A mistake in the body is rustc's to report, once.
        input.parse::<TokenStream>()?;
        Ok(Self {
            signature,
            has_body,
        })
    }
}

pub(crate) struct HandlerModel<'a> {
    pub(crate) function: &'a Function,
    pub(crate) name: Option<LitStr>,
    pub(crate) start: Option<LitStr>,
    pub(crate) concurrency: Option<LitInt>,
    pub(crate) tasks: Option<LitInt>,
    pub(crate) batch: Option<BatchOption>,
    pub(crate) retry: Retry,
    pub(crate) timeout: Option<(u64, Span)>,
    pub(crate) filter: Vec<(String, LitStr)>,
    pub(crate) others: Option<LitStr>,
    pub(crate) runtime: RuntimePath,
}

#[derive(Default)]
pub(crate) struct Retry {
    pub(crate) max: Option<LitInt>,
    pub(crate) base: Option<(u64, Span)>,
    pub(crate) cap: Option<(u64, Span)>,
}

impl<'a> HandlerModel<'a> {
    pub(crate) fn parse(function: &'a Function, tokens: TokenStream, errors: &mut Errors) -> Self {
        let mut options = Options::parse("handler", OPTIONS, tokens, errors);
        let path = options.path("crate", "::my_crate::event_runtime", errors);
        Self {
            function,
            name: options.string("name", "\"charge\"", errors),
            start: options.string("start", "\"all\"", errors),
            concurrency: options.integer("concurrency", 1, errors),
            tasks: options.integer("tasks", 1, errors),
            batch: super::batch::option(&mut options, errors),
            retry: retry(&mut options, errors),
            timeout: options.duration("timeout", errors),
            filter: filter(&mut options, errors),
            others: options.string("others", "\"skip\"", errors),
            runtime: RuntimePath::new(path, errors),
        }
    }

    pub(crate) fn ident(&self) -> &'a Ident {
        &self.function.signature.ident
    }

    /// The parameters, `self` left out.
    pub(crate) fn parameters(&self) -> impl Iterator<Item = &'a PatType> {
        self.function
            .signature
            .inputs
            .iter()
            .filter_map(|input| match input {
                FnArg::Typed(parameter) => Some(parameter),
                FnArg::Receiver(_) => None,
            })
    }

    /// What it returns.
    pub(crate) fn returns(&self) -> TokenStream {
        let runtime = &self.runtime;
        match &self.function.signature.output {
            ReturnType::Default => quote!(#runtime::Unit),
            ReturnType::Type(_, ty) => quote!(#ty),
        }
    }
}

/// The event's type, and whether the function borrows it.
pub(crate) fn event_type(parameter: &PatType) -> (&Type, bool) {
    match &*parameter.ty {
        Type::Reference(reference) => (&reference.elem, true),
        ty => (ty, false),
    }
}

fn retry(options: &mut Options, errors: &mut Errors) -> Retry {
    let example = "max = 24, base = \"200ms\", cap = \"10m\"";
    let Some(entries) = options.list("retry", example, errors) else {
        return Retry::default();
    };
    let mut options = Options::check("retry", &["max", "base", "cap"], entries, errors);
    Retry {
        max: options.integer("max", 1, errors),
        base: options.duration("base", errors),
        cap: options.duration("cap", errors),
    }
}

fn filter(options: &mut Options, errors: &mut Errors) -> Vec<(String, LitStr)> {
    let entries: Vec<Entry> = options
        .list("filter", "region = \"eu\"", errors)
        .unwrap_or_default();
    let names: Vec<String> = entries
        .iter()
        .map(|entry| entry.key.unraw().to_string())
        .collect();
    let legal: Vec<&str> = names.iter().map(String::as_str).collect();
    // Which placeholders there are is known to the event, and checked when the program starts.
    let mut options = Options::check("filter", &legal, entries, errors);
    names
        .iter()
        .filter_map(|name| Some((name.clone(), options.string(name, "\"eu\"", errors)?)))
        .collect()
}
