//! `#[derive(Event)]`, stage by stage.

mod expand;
mod fallback;
mod model;
mod validate;

use proc_macro2::TokenStream;
use syn::DeriveInput;

use crate::errors::Errors;

pub(crate) fn derive(input: &DeriveInput) -> TokenStream {
    let mut errors = Errors::new();
    let model = model::EventModel::parse(input, &mut errors);
    validate::check(&model, &mut errors);
    match errors.finish() {
        None => expand::event(&model),
        Some(errors) => fallback::event(&model, errors),
    }
}
