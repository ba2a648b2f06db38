//! What the user wrote, in our words.

use syn::ext::IdentExt;
use syn::{Data, DeriveInput, Field, Fields, Generics, Ident, LitInt, LitStr, Path};

use crate::errors::Errors;
use crate::options::Options;
use crate::runtime_path::RuntimePath;

const OPTIONS: &[&str] = &[
    "name",
    "version",
    "topic",
    "key",
    "upcast_from",
    "stream",
    "bare",
    "crate",
];

/// An event as the user wrote it. What is missing or wrong is `None`, and reported.
pub(crate) struct EventModel<'a> {
    pub(crate) ident: &'a Ident,
    pub(crate) generics: &'a Generics,
    pub(crate) fields: Vec<&'a Field>,
    pub(crate) name: Option<LitStr>,
    pub(crate) version: Option<LitInt>,
    pub(crate) topic: Option<LitStr>,
    pub(crate) key: Option<Path>,
    pub(crate) upcast_from: Option<Path>,
    pub(crate) stream: Option<LitStr>,
    pub(crate) bare: Option<Ident>,
    pub(crate) runtime: RuntimePath,
}

impl<'a> EventModel<'a> {
    pub(crate) fn parse(input: &'a DeriveInput, errors: &mut Errors) -> Self {
        let mut options = Options::of("event", OPTIONS, &input.attrs, errors);
        let path = options.path("crate", "::my_crate::event_runtime", errors);
        Self {
            ident: &input.ident,
            generics: &input.generics,
            fields: fields(input, errors),
            name: required(&mut options, "name", "\"order.placed\"", input, errors),
            version: {
                let given = options.integer("version", 1, errors);
                if given.is_none() && !reported(&input.attrs, "version") {
                    missing("version", "1", input, errors);
                }
                given
            },
            topic: required(
                &mut options,
                "topic",
                "\"orders.{region}.placed\"",
                input,
                errors,
            ),
            key: options.path("key", "order_id", errors),
            upcast_from: options.path("upcast_from", "OrderPlacedV1", errors),
            stream: options.string("stream", "\"SALES\"", errors),
            bare: options.flag("bare", errors),
            runtime: RuntimePath::new(path, errors),
        }
    }

    /// The field of this name.
    pub(crate) fn field(&self, name: &str) -> Option<&'a Field> {
        self.fields.iter().copied().find(|field| {
            field
                .ident
                .as_ref()
                .is_some_and(|ident| ident.unraw() == name)
        })
    }

    /// The field that is the key.
    pub(crate) fn key_field(&self) -> Option<&'a Field> {
        self.field(&self.key.as_ref()?.get_ident()?.unraw().to_string())
    }

    /// The placeholders of the topic that are written as such. What is written wrongly is left to the one
    /// grammar, which is the runtime's.
    pub(crate) fn placeholders(&self) -> Vec<String> {
        let topic = self.topic.as_ref().map(LitStr::value).unwrap_or_default();
        topic
            .split('.')
            .filter_map(|token| token.strip_prefix('{')?.strip_suffix('}'))
            .filter(|name| {
                !name.is_empty()
                    && name
                        .bytes()
                        .all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
            })
            .map(str::to_owned)
            .collect()
    }
}

fn fields<'a>(input: &'a DeriveInput, errors: &mut Errors) -> Vec<&'a Field> {
    match &input.data {
        Data::Struct(data) => match &data.fields {
            Fields::Named(fields) => fields.named.iter().collect(),
            Fields::Unit => Vec::new(),
            Fields::Unnamed(_) => {
                let message = "an event is a struct with named fields: its JSON needs names that can stay the same";
                errors.push(&input.ident, message);
                Vec::new()
            }
        },
        Data::Enum(_) | Data::Union(_) => {
            let message =
                "an event is a struct with named fields: put the enum into a field of one";
            errors.push(&input.ident, message);
            Vec::new()
        }
    }
}

fn required(
    options: &mut Options,
    key: &str,
    example: &str,
    input: &DeriveInput,
    errors: &mut Errors,
) -> Option<LitStr> {
    let given = options.string(key, example, errors);
    if given.is_none() && !reported(&input.attrs, key) {
        missing(key, example, input, errors);
    }
    given
}

fn missing(key: &str, example: &str, input: &DeriveInput, errors: &mut Errors) {
    errors.push(
        &input.ident,
        format!("an event needs a {key}: write `#[event({key} = {example})]`"),
    );
}

/// Whether the key is there at all, so that a wrong value is not called a missing one as well.
fn reported(attributes: &[syn::Attribute], key: &str) -> bool {
    attributes
        .iter()
        .filter(|attribute| attribute.path().is_ident("event"))
        .any(|attribute| match &attribute.meta {
            syn::Meta::List(list) => list
                .tokens
                .clone()
                .into_iter()
                .any(|token| token.to_string() == key),
            _ => false,
        })
}
