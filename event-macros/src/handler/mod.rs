//! `#[handler]`, stage by stage.

mod batch;
mod expand;
mod model;
mod validate;

use proc_macro2::TokenStream;
use quote::quote;

use crate::errors::Errors;

pub(crate) fn attribute(options: TokenStream, item: TokenStream) -> TokenStream {
    let mut errors = Errors::new();
    let function = match syn::parse2::<model::Function>(item.clone()) {
        Ok(function) => function,
        Err(error) => {
            errors.add(error);
            let errors = errors.finish();
            return quote!(#errors #item);
        }
    };
    let model = model::HandlerModel::parse(&function, options, &mut errors);
    validate::check(&model, &mut errors);
    // The function is given back as it was written, also beside mistakes: editors go on working.
    let registration = errors.finish().unwrap_or_else(|| expand::handler(&model));
    quote!(#item #registration)
}
