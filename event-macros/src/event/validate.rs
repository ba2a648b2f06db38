//! The rules for an event, one function each.

use syn::LitStr;
use syn::ext::IdentExt;

use super::model::EventModel;
use crate::errors::Errors;

pub(crate) fn check(model: &EventModel<'_>, errors: &mut Errors) {
    check_generics(model, errors);
    check_name(model, errors);
    check_stream(model, errors);
    check_placeholders(model, errors);
    check_key(model, errors);
    check_bare(model, errors);
}

fn check_generics(model: &EventModel<'_>, errors: &mut Errors) {
    if !model.generics.params.is_empty() {
        errors.push(
            &model.generics.params,
            "an event owns its data and has one form: write it without type or lifetime parameters",
        );
    }
}

fn check_name(model: &EventModel<'_>, errors: &mut Errors) {
    let Some(name) = &model.name else { return };
    let word = |word: &str| {
        !word.is_empty()
            && word.bytes().all(|byte| {
                byte.is_ascii_lowercase() || byte.is_ascii_digit() || matches!(byte, b'_' | b'-')
            })
    };
    if !name.value().split('.').all(word) {
        errors.push(
            name,
            "a name is of lower-case words with dots between them: write `name = \"order.placed\"`",
        );
    }
}

fn check_stream(model: &EventModel<'_>, errors: &mut Errors) {
    let Some(stream) = &model.stream else { return };
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-');
    if stream.value().is_empty() || !stream.value().bytes().all(plain) {
        errors.push(
            stream,
            "a stream's name is of letters, digits, `_` and `-`: write `stream = \"SALES\"`",
        );
    }
}

fn check_placeholders(model: &EventModel<'_>, errors: &mut Errors) {
    let placeholders = model.placeholders();
    for name in &placeholders {
        if model.field(name).is_none() {
            let topic: &LitStr = match &model.topic {
                Some(topic) => topic,
                None => return,
            };
            errors.push(
                topic,
                format!("`{{{name}}}` is no field of this event; {}", known(model)),
            );
        }
    }
}

fn check_key(model: &EventModel<'_>, errors: &mut Errors) {
    let Some(key) = &model.key else { return };
    if model.key_field().is_none() {
        errors.push(
            key,
            format!("`key` names no field of this event; {}", known(model)),
        );
    }
}

fn check_bare(model: &EventModel<'_>, errors: &mut Errors) {
    if let (Some(bare), Some(_)) = (&model.bare, &model.upcast_from) {
        errors.push(
            bare,
            "a bare event has one version, since its JSON doesn't say which it is: leave out `bare` or `upcast_from`",
        );
    }
}

fn known(model: &EventModel<'_>) -> String {
    let fields: Vec<String> = model
        .fields
        .iter()
        .filter_map(|field| Some(format!("`{}`", field.ident.as_ref()?.unraw())))
        .collect();
    if fields.is_empty() {
        "it has none".into()
    } else {
        format!("the fields are {}", fields.join(", "))
    }
}
