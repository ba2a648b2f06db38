//! The cases of an error type, each with its class.

use syn::spanned::Spanned;
use syn::{Attribute, Data, DeriveInput, Field, Fields, Ident, Index, Member};

use crate::errors::Errors;
use crate::options::{Options, Value};
use crate::runtime_path::RuntimePath;

pub(crate) struct ErrorModel<'a> {
    pub(crate) ident: &'a Ident,
    pub(crate) cases: Vec<Case<'a>>,
    pub(crate) runtime: RuntimePath,
}

/// A variant, or the struct itself.
pub(crate) struct Case<'a> {
    /// `None` for a struct.
    pub(crate) variant: Option<&'a Ident>,
    pub(crate) class: Class<'a>,
}

pub(crate) enum Class<'a> {
    Retry,
    RetryAfter(Member, &'a Field),
    Reject,
    Forward(Member, &'a Field),
}

impl<'a> ErrorModel<'a> {
    pub(crate) fn parse(input: &'a DeriveInput, errors: &mut Errors) -> Self {
        let mut options = Options::of("handler_error", &["crate"], &input.attrs, errors);
        let path = options.path("crate", "::my_crate::event_runtime", errors);
        let runtime = RuntimePath::new(path, errors);
        if !input.generics.params.is_empty() {
            let message = "a classified error has no parameters: its class is found by its type";
            errors.push(&input.generics.params, message);
        }
        let mut cases = Vec::new();
        match &input.data {
            Data::Enum(data) => {
                if let Some(stray) = class_attributes(&input.attrs).next() {
                    let message =
                        "an enum is classified variant by variant: put this above each of them";
                    errors.push(stray, message);
                }
                for variant in &data.variants {
                    let place = format!("the variant `{}`", variant.ident);
                    let class = class(
                        &variant.attrs,
                        &variant.fields,
                        &variant.ident,
                        &place,
                        errors,
                    );
                    cases.extend(class.map(|class| Case {
                        variant: Some(&variant.ident),
                        class,
                    }));
                }
            }
            Data::Struct(data) => {
                let place = format!("the error `{}`", input.ident);
                let class = class(&input.attrs, &data.fields, &input.ident, &place, errors);
                cases.extend(class.map(|class| Case {
                    variant: None,
                    class,
                }));
            }
            Data::Union(_) => errors.push(&input.ident, "a handler's error is an enum or a struct"),
        }
        Self {
            ident: &input.ident,
            cases,
            runtime,
        }
    }
}

fn class_attributes(attributes: &[Attribute]) -> impl Iterator<Item = &Attribute> {
    attributes.iter().filter(|attribute| {
        ["retry", "reject", "forward"]
            .iter()
            .any(|class| attribute.path().is_ident(class))
    })
}

fn class<'a>(
    attributes: &[Attribute],
    fields: &'a Fields,
    ident: &Ident,
    place: &str,
    errors: &mut Errors,
) -> Option<Class<'a>> {
    let mut given = class_attributes(attributes);
    let Some(attribute) = given.next() else {
        errors.push(
            ident,
            format!("{place} has no class: write `#[retry]`, `#[retry(after = field)]`, `#[reject]` or `#[forward]` above it"),
        );
        return None;
    };
    if let Some(second) = given.next() {
        errors.push(second, format!("{place} has two classes; leave one out"));
        return None;
    }
    if attribute.path().is_ident("retry") {
        return retry(attribute, fields, errors);
    }
    if !matches!(attribute.meta, syn::Meta::Path(_)) {
        errors.push(
            attribute,
            "this class takes no options: write `#[reject]` or `#[forward]`",
        );
        return None;
    }
    if attribute.path().is_ident("reject") {
        Some(Class::Reject)
    } else {
        forward(attribute, fields, place, errors)
    }
}

fn retry<'a>(attribute: &Attribute, fields: &'a Fields, errors: &mut Errors) -> Option<Class<'a>> {
    if matches!(attribute.meta, syn::Meta::Path(_)) {
        return Some(Class::Retry);
    }
    let mut options = Options::of("retry", &["after"], std::slice::from_ref(attribute), errors);
    let entry = options.take("after")?;
    let found = match &entry.value {
        Value::Path(path) => path.get_ident().and_then(|name| named(fields, name)),
        Value::Lit(syn::Lit::Int(index)) => index
            .base10_parse()
            .ok()
            .and_then(|index| numbered(fields, index)),
        _ => None,
    };
    if found.is_none() {
        let message = "`after` names no field here: write `#[retry(after = wait)]`, where `wait` is a `Duration` or an `Option<Duration>`";
        errors.add(syn::Error::new(entry.span(), message));
    }
    found.map(|(member, field)| Class::RetryAfter(member, field))
}

fn forward<'a>(
    attribute: &Attribute,
    fields: &'a Fields,
    place: &str,
    errors: &mut Errors,
) -> Option<Class<'a>> {
    let is_source = |field: &Field| {
        field.attrs.iter().any(|attribute| {
            attribute.path().is_ident("from") || attribute.path().is_ident("source")
        }) || field.ident.as_ref().is_some_and(|ident| ident == "source")
    };
    let all: Vec<(usize, &Field)> = fields.iter().enumerate().collect();
    let chosen = match all.as_slice() {
        [only] => Some(*only),
        several => several.iter().copied().find(|(_, field)| is_source(field)),
    };
    let Some((index, field)) = chosen else {
        errors.push(
            attribute,
            format!("{place} has no error inside whose class could be taken: mark its field `#[from]` or `#[source]`, or choose `#[retry]` or `#[reject]`"),
        );
        return None;
    };
    Some(Class::Forward(member(index, field), field))
}

fn named<'a>(fields: &'a Fields, name: &Ident) -> Option<(Member, &'a Field)> {
    let field = fields
        .iter()
        .find(|field| field.ident.as_ref() == Some(name))?;
    Some((Member::Named(name.clone()), field))
}

fn numbered(fields: &Fields, index: usize) -> Option<(Member, &Field)> {
    let field = fields
        .iter()
        .nth(index)
        .filter(|field| field.ident.is_none())?;
    Some((member(index, field), field))
}

fn member(index: usize, field: &Field) -> Member {
    match &field.ident {
        Some(ident) => Member::Named(ident.clone()),
        None => Member::Unnamed(Index {
            index: u32::try_from(index).unwrap_or(u32::MAX),
            span: field.span(),
        }),
    }
}
