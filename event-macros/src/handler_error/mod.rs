//! `#[derive(HandlerError)]`, stage by stage.

mod expand;
mod model;

use proc_macro2::TokenStream;
use syn::DeriveInput;

use crate::errors::Errors;

pub(crate) fn derive(input: &DeriveInput) -> TokenStream {
    let mut errors = Errors::new();
    let model = model::ErrorModel::parse(input, &mut errors);
    // An error without a class is a good error still, so nothing has to stand in for it.
    errors.finish().unwrap_or_else(|| expand::classify(&model))
}
