//! `batch(…)`: several events for one run.

use proc_macro2::TokenStream;
use quote::quote;
use syn::{GenericArgument, Ident, LitInt, PatType, PathArguments, Type};

use super::model::{HandlerModel, event_type};
use crate::errors::Errors;
use crate::options::{Options, Value};

/// As many as one fetch from a broker brings.
const MOST: u32 = 5000;

/// `batch`, or `batch(max = 500, wait = "50ms")`.
pub(crate) struct BatchOption {
    key: Ident,
    max: Option<LitInt>,
    wait: Option<u64>,
}

pub(crate) fn option(options: &mut Options, errors: &mut Errors) -> Option<BatchOption> {
    let entry = options.take("batch")?;
    let span = entry.span();
    let entries = match entry.value {
        Value::Nothing => Vec::new(),
        Value::List(entries) => entries,
        _ => {
            errors.add(syn::Error::new(
                span,
                "`batch` is a list: write `batch(max = 500, wait = \"50ms\")`, or `batch` alone",
            ));
            Vec::new()
        }
    };
    let mut options = Options::check("batch", &["max", "wait"], entries, errors);
    let max = options.integer("max", 1, errors);
    if let Some(max) = &max
        && max.base10_parse::<u32>().is_ok_and(|max| max > MOST)
    {
        errors.push(
            max,
            format!("`max` is at most {MOST}: write `max = {MOST}`, or less"),
        );
    }
    Some(BatchOption {
        key: entry.key,
        max,
        wait: options.duration("wait", errors).map(|(millis, _)| millis),
    })
}

/// The event's type where the first parameter is `Batch<E>`.
pub(crate) fn item_type(ty: &Type) -> Option<&Type> {
    let Type::Path(path) = ty else { return None };
    let last = path.path.segments.last()?;
    let PathArguments::AngleBracketed(arguments) = &last.arguments else {
        return None;
    };
    match arguments.args.first()? {
        GenericArgument::Type(item) if last.ident == "Batch" => Some(item),
        _ => None,
    }
}

pub(crate) fn check(model: &HandlerModel<'_>, errors: &mut Errors) {
    let Some(first) = model.parameters().next() else {
        return;
    };
    let (taken, _) = event_type(first);
    let item = item_type(taken);
    match (&model.batch, item) {
        (None, None) => {}
        (None, Some(_)) => errors.push(
            taken,
            "a handler that takes a `Batch` says how large: write `#[handler(batch(max = 500, wait = \"50ms\"))]`, or take one event",
        ),
        (Some(option), None) => {
            let event = quote!(#taken);
            errors.push(
                &option.key,
                format!("`batch` hands over several events at once: take `Batch<{event}>` first, or leave `batch` out"),
            );
        }
        (Some(_), Some(_)) => {
            for parameter in model.parameters().skip(1) {
                check_argument(parameter, errors);
            }
        }
    }
}

/// By its name: a type that is called otherwise gets the first event's metadata, or a publisher whose ids are new.
fn check_argument(parameter: &PatType, errors: &mut Errors) {
    let Type::Path(path) = &*parameter.ty else {
        return;
    };
    let Some(last) = path.path.segments.last() else {
        return;
    };
    if last.ident == "Metadata" {
        errors.push(
            &parameter.ty,
            "each event of a batch has metadata of its own: leave this out, and ask the batch for `metadata(index)`",
        );
    } else if last.ident == "Publisher" {
        errors.push(
            &parameter.ty,
            "a batch that is split runs again with other neighbours, so events that it published would have other ids: leave this out, and publish from a handler of single events",
        );
    }
}

/// The value of `HandlerOptions::batch`.
pub(crate) fn expand(model: &HandlerModel<'_>) -> TokenStream {
    let runtime = &model.runtime;
    let some = |value: TokenStream| quote!(#runtime::core::option::Option::Some(#value));
    let none = quote!(#runtime::core::option::Option::None);
    let Some(BatchOption { max, wait, .. }) = &model.batch else {
        return none;
    };
    let max = max
        .as_ref()
        .map_or_else(|| none.clone(), |max| some(quote!(#max)));
    let wait = wait.map_or_else(
        || none.clone(),
        |millis| some(quote!(#runtime::core::time::Duration::from_millis(#millis))),
    );
    some(quote!(#runtime::BatchOptions { max: #max, wait: #wait }))
}
