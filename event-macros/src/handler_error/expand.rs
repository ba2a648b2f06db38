//! From classes to code.

use proc_macro2::TokenStream;
use quote::{quote, quote_spanned};
use syn::spanned::Spanned;

use super::model::{Case, Class, ErrorModel};

pub(crate) fn classify(model: &ErrorModel<'_>) -> TokenStream {
    let ErrorModel {
        ident,
        cases,
        runtime,
    } = model;
    let private = runtime.at(ident.span());
    let classifier = quote_spanned!(ident.span()=> #private::Classifier::of::<#ident>());
    let arms = cases.iter().map(|case| arm(case, runtime));
    quote! {
        const _: () = {
            #[automatically_derived]
            impl #runtime::Classify for #ident {
                fn class(&self) -> #runtime::core::option::Option<#runtime::Class> {
                    #[allow(unused_imports)]
                    use #runtime::{ForwardError as _, ForwardReport as _};
                    match *self {
                        #(#arms)*
                    }
                }
            }

            #runtime::inventory::submit! { #classifier }
        };
    }
}

fn arm(case: &Case<'_>, runtime: &crate::runtime_path::RuntimePath) -> TokenStream {
    let path = match case.variant {
        Some(variant) => quote!(Self::#variant),
        None => quote!(Self),
    };
    let some = quote!(#runtime::core::option::Option::Some);
    match &case.class {
        Class::Retry => {
            quote!(#path { .. } => #some(#runtime::Class::Retry { after: #runtime::core::option::Option::None }),)
        }
        Class::Reject => quote!(#path { .. } => #some(#runtime::Class::Reject),),
        Class::RetryAfter(member, field) => {
            let ty = &field.ty;
            let private = runtime.at(ty.span());
            let after = quote_spanned!(ty.span()=> #private::after::<#ty>(__after));
            quote!(#path { #member: ref __after, .. } => #some(#runtime::Class::Retry { after: #after }),)
        }
        Class::Forward(member, field) => {
            let ty = &field.ty;
            let private = runtime.at(ty.span());
            let class = quote_spanned!(ty.span()=> (&&#private::Forward(__inner)).class_of());
            quote!(#path { #member: ref __inner, .. } => #class,)
        }
    }
}
