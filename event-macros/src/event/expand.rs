//! From a model without mistakes to code.

use proc_macro2::TokenStream;
use quote::{format_ident, quote, quote_spanned};
use syn::spanned::Spanned;
use syn::{LitInt, LitStr, Type};

use super::model::EventModel;

pub(crate) fn event(model: &EventModel<'_>) -> TokenStream {
    let EventModel {
        ident,
        name,
        version,
        topic,
        stream,
        runtime,
        ..
    } = model;
    let name_text = name.as_ref().map(LitStr::value).unwrap_or_default();
    let version_number: u32 = version
        .as_ref()
        .and_then(|version| version.base10_parse().ok())
        .unwrap_or(1);
    let version = version
        .as_ref()
        .map(LitInt::base10_digits)
        .map(|digits| LitInt::new(digits, ident.span()));
    let wire_type = format!("{name_text}.v{version_number}");
    let topic = topic.as_ref().map(|topic| {
        // The grammar panics while compiling; the panic is shown where the literal is.
        quote_spanned!(topic.span()=> #runtime::TopicTemplate::new(#topic))
    });
    let placeholders = model
        .placeholders()
        .into_iter()
        .map(|name| format_ident!("{name}"));
    let key = key(model);
    let (previous, upcast, chain) = chain(model);
    let key_name = option(runtime_key(model).as_deref(), runtime);
    let stream = option(stream.as_ref().map(LitStr::value).as_deref(), runtime);
    let type_name = ident.to_string();
    quote! {
        const _: () = {
            const __TOPIC: #runtime::TopicTemplate = #topic;
            static __DESCRIPTOR: #runtime::EventDescriptor = #runtime::EventDescriptor::of::<#ident>(
                #type_name,
                #key_name,
                #stream,
                #runtime::std::file!(),
                #runtime::std::line!(),
            );

            #[automatically_derived]
            impl #runtime::Event for #ident {
                const NAME: &'static #runtime::core::primitive::str = #name;
                const VERSION: #runtime::core::primitive::u32 = #version;
                const WIRE_TYPE: &'static #runtime::core::primitive::str = #wire_type;
                const TOPIC: #runtime::TopicTemplate = __TOPIC;
                type Previous = #previous;

                fn topic(&self) -> #runtime::core::result::Result<#runtime::std::string::String, #runtime::TopicError> {
                    __TOPIC.render(&[#(&self.#placeholders),*])
                }

                fn key(&self) -> #runtime::core::option::Option<#runtime::std::string::String> {
                    #key
                }

                fn upcast(__previous: Self::Previous) -> #runtime::core::result::Result<Self, #runtime::UpcastError> {
                    #upcast
                }

                fn descriptor() -> &'static #runtime::EventDescriptor {
                    &__DESCRIPTOR
                }
            }

            #chain
            #runtime::inventory::submit! { #runtime::EventRegistration(&__DESCRIPTOR) }
        };
    }
}

fn key(model: &EventModel<'_>) -> TokenStream {
    let runtime = &model.runtime;
    let field = runtime_key(model).and_then(|name| model.field(&name));
    let Some(field) = field else {
        return quote!(#runtime::core::option::Option::None);
    };
    let ident = &field.ident;
    let to_string = quote!(#runtime::std::string::ToString::to_string);
    if is_option(&field.ty) {
        quote!(#runtime::core::option::Option::map(#runtime::core::option::Option::as_ref(&self.#ident), #to_string))
    } else {
        quote!(#runtime::core::option::Option::Some(#to_string(&self.#ident)))
    }
}

fn runtime_key(model: &EventModel<'_>) -> Option<String> {
    model.key.as_ref()?.get_ident().map(ToString::to_string)
}

fn chain(model: &EventModel<'_>) -> (TokenStream, TokenStream, TokenStream) {
    let (runtime, ident) = (&model.runtime, model.ident);
    let Some(previous) = &model.upcast_from else {
        let never = quote!(match __previous {});
        return (quote!(#runtime::NoPrevious), never, TokenStream::new());
    };
    let upcast = quote_spanned! {previous.span()=>
        #runtime::upcast::<Self, #previous>(__previous)
    };
    let check = quote_spanned! {previous.span()=>
        const _: () = #runtime::assert_chain::<#ident, #previous>();
    };
    (quote!(#previous), upcast, check)
}

fn option(value: Option<&str>, runtime: &crate::runtime_path::RuntimePath) -> TokenStream {
    match value {
        Some(value) => quote!(#runtime::core::option::Option::Some(#value)),
        None => quote!(#runtime::core::option::Option::None),
    }
}

fn is_option(ty: &Type) -> bool {
    matches!(ty, Type::Path(path) if path.path.segments.last().is_some_and(|segment| segment.ident == "Option"))
}
