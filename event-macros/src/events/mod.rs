//! `#[derive(Events)]`: an enum of answers. Small enough for one file.

use proc_macro2::TokenStream;
use quote::{quote, quote_spanned};
use syn::spanned::Spanned;
use syn::{Data, DeriveInput, Fields, Ident, Type};

use crate::errors::Errors;
use crate::options::Options;
use crate::runtime_path::RuntimePath;

pub(crate) fn derive(input: &DeriveInput) -> TokenStream {
    let mut errors = Errors::new();
    let mut options = Options::of("events", &["crate"], &input.attrs, &mut errors);
    let path = options.path("crate", "::my_crate::event_runtime", &mut errors);
    let runtime = RuntimePath::new(path, &mut errors);
    let variants = variants(input, &mut errors);
    if !input.generics.params.is_empty() {
        errors.push(
            &input.generics.params,
            "an enum of events has no parameters: name the events themselves",
        );
    }
    match errors.finish() {
        None => expand(&input.ident, &variants, &runtime),
        Some(errors) if input.generics.params.is_empty() => {
            let inert = expand(&input.ident, &[], &runtime);
            let inert = if variants.is_empty()
                && matches!(&input.data, Data::Enum(data) if data.variants.is_empty())
            {
                TokenStream::new()
            } else {
                inert
            };
            quote!(#errors #inert)
        }
        Some(errors) => errors,
    }
}

/// Each variant with the one type in it.
fn variants<'a>(input: &'a DeriveInput, errors: &mut Errors) -> Vec<(&'a Ident, &'a Type)> {
    let Data::Enum(data) = &input.data else {
        let message = "`Events` is for an enum with one event in each variant; a struct is an event itself: `#[derive(Event)]`";
        errors.push(&input.ident, message);
        return Vec::new();
    };
    let mut variants = Vec::new();
    for variant in &data.variants {
        match &variant.fields {
            Fields::Unnamed(fields) if fields.unnamed.len() == 1 => {
                variants.push((&variant.ident, &fields.unnamed[0].ty));
            }
            _ => {
                let message = format!(
                    "a variant holds one event: write `{}(TheEvent)`, or `{0}(())` for none",
                    variant.ident
                );
                errors.push(variant, message);
            }
        }
    }
    if data.variants.is_empty() {
        errors.push(&input.ident, "an enum of events has at least one variant");
    }
    variants
}

fn expand(ident: &Ident, variants: &[(&Ident, &Type)], runtime: &RuntimePath) -> TokenStream {
    let names = variants.iter().map(|(name, _)| name);
    let into_events = variants.iter().map(|(_, ty)| {
        let runtime = runtime.at(ty.span());
        quote_spanned!(ty.span()=> <#ty as #runtime::IntoEvents>::into_events)
    });
    let describe = variants.iter().map(|(_, ty)| {
        let runtime = runtime.at(ty.span());
        quote_spanned!(ty.span()=> <#ty as #runtime::IntoEvents>::describe)
    });
    let arms = quote! {
        #(Self::#names(__events) => #into_events(__events, __outgoing),)*
    };
    quote! {
        const _: () = {
            #[automatically_derived]
            impl #runtime::IntoEvents for #ident {
                fn into_events(self, __outgoing: &mut #runtime::Outgoing<'_>) {
                    match self {
                        #arms
                        #[allow(unreachable_patterns)]
                        _ => {}
                    }
                }

                fn describe(__events: &mut #runtime::std::vec::Vec<&'static #runtime::EventDescriptor>) {
                    #(#describe(__events);)*
                }
            }
        };
    }
}
