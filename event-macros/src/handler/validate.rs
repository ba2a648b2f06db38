//! The rules for a handler, one function each.

use syn::{FnArg, GenericArgument, Lifetime, PathArguments, Type};

use super::model::{HandlerModel, event_type};
use crate::errors::Errors;

pub(crate) fn check(model: &HandlerModel<'_>, errors: &mut Errors) {
    check_function(model, errors);
    check_parameters(model, errors);
    super::batch::check(model, errors);
    check_name(model, errors);
    check_start(model, errors);
    check_retry(model, errors);
    check_others(model, errors);
}

fn check_function(model: &HandlerModel<'_>, errors: &mut Errors) {
    let signature = &model.function.signature;
    if signature.asyncness.is_none() {
        errors.push(
            signature.fn_token,
            "a handler is asynchronous: write `async fn`",
        );
    }
    if !model.function.has_body {
        errors.push(
            &signature.ident,
            "a handler has a body: `#[handler]` goes above a function, not above a declaration",
        );
    }
    if !signature.generics.params.is_empty() {
        errors.push(
            &signature.generics.params,
            "a handler has no type or lifetime parameters: it handles one event, so name its types",
        );
    }
    if let syn::Safety::Unsafe(unsafety) = &signature.safety {
        errors.push(
            unsafety,
            "a handler is called by the runtime, which calls nothing unsafe: take `unsafe` away",
        );
    }
    if let Some(abi) = &signature.abi {
        errors.push(abi, "a handler is an ordinary function: take `extern` away");
    }
}

fn check_parameters(model: &HandlerModel<'_>, errors: &mut Errors) {
    let signature = &model.function.signature;
    if let Some(FnArg::Receiver(receiver)) = signature.inputs.first() {
        errors.push(
            receiver,
            "a handler is a free function: take what it needs as `State<T>` instead of `self`",
        );
        return;
    }
    let mut parameters = model.parameters();
    let Some(first) = parameters.next() else {
        errors.push(
            &signature.ident,
            "a handler takes its event first: write `async fn name(event: OrderPlaced)`",
        );
        return;
    };
    if let Type::Reference(reference) = &*first.ty
        && let Some(mutability) = &reference.mutability
    {
        errors.push(
            mutability,
            "an event is taken as `E` or `&E`: a change to it would be seen by nobody",
        );
    }
    let (event, _) = event_type(first);
    if let Some(lifetime) = lifetime_of(event) {
        errors.push(
            lifetime,
            "an event owns its data, so its type has no lifetime: take `E` or `&E`",
        );
    }
    for ty in std::iter::once(event).chain(parameters.map(|parameter| &*parameter.ty)) {
        if let Type::ImplTrait(unnamed) = ty {
            errors.push(
                unnamed,
                "a handler's arguments are found by their types: name the type instead of `impl`",
            );
        }
    }
}

/// A lifetime among a type's arguments: `View<'_>`.
fn lifetime_of(ty: &Type) -> Option<&Lifetime> {
    let Type::Path(path) = ty else { return None };
    path.path.segments.iter().find_map(|segment| {
        let PathArguments::AngleBracketed(arguments) = &segment.arguments else {
            return None;
        };
        arguments.args.iter().find_map(|argument| match argument {
            GenericArgument::Lifetime(lifetime) => Some(lifetime),
            _ => None,
        })
    })
}

fn check_name(model: &HandlerModel<'_>, errors: &mut Errors) {
    let good = |name: &str| {
        !name.is_empty()
            && name
                .bytes()
                .all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_')
    };
    match &model.name {
        Some(name) if !good(&name.value()) => {
            errors.push(name, "a handler's name is of lower-case letters, digits and `_`: write `name = \"charge\"`");
        }
        None if !good(&function_name(model)) => {
            errors.push(
                model.ident(),
                "a handler's name is of lower-case letters, digits and `_`: rename the function, or write `#[handler(name = \"charge\")]`",
            );
        }
        _ => {}
    }
}

/// The function's name without a leading `r#`.
pub(crate) fn function_name(model: &HandlerModel<'_>) -> String {
    let name = model.ident().to_string();
    name.strip_prefix("r#").map_or(name.clone(), str::to_owned)
}

fn check_start(model: &HandlerModel<'_>, errors: &mut Errors) {
    let Some(start) = &model.start else { return };
    let text = start.value();
    // Only the shape; the runtime reads the time itself.
    let time = text.len() >= 20 && text.as_bytes()[4] == b'-' && text.as_bytes()[10] == b'T';
    if text != "all" && text != "new" && !time {
        errors.push(start, "`start` is `\"all\"`, `\"new\"`, or an RFC 3339 time such as `\"2026-11-24T00:00:00Z\"`");
    }
}

fn check_others(model: &HandlerModel<'_>, errors: &mut Errors) {
    let Some(others) = &model.others else { return };
    if !matches!(others.value().as_str(), "dead_letter" | "skip") {
        errors.push(
            others,
            "`others` is what becomes of events of other names on the same topic: `\"dead_letter\"`, or `\"skip\"` where that is intended",
        );
    }
}

fn check_retry(model: &HandlerModel<'_>, errors: &mut Errors) {
    if let (Some((base, _)), Some((cap, span))) = (model.retry.base, model.retry.cap)
        && cap < base
    {
        errors.add(syn::Error::new(
            span,
            "`cap` is the longest delay, and shorter than `base`, the first one",
        ));
    }
}
