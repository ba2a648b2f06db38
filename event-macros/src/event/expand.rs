//! From a model without mistakes to code.

use proc_macro2::TokenStream;
use quote::{quote, quote_spanned};
use syn::ext::IdentExt;
use syn::spanned::Spanned;
use syn::{GenericArgument, LitInt, LitStr, PathArguments, Type};

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
    let check = topic.as_ref().map(|topic| {
        let runtime = runtime.at(topic.span());
        // The grammar panics while compiling; the panic is shown where the literal is, and nowhere else, as
        // nothing uses this constant.
        quote_spanned!(topic.span()=> const _: () = #runtime::TopicTemplate::check(#topic);)
    });
    let placeholders = model
        .placeholders()
        .into_iter()
        .filter_map(|name| model.field(&name))
        .map(|field| {
            let (ident, ty) = (&field.ident, &field.ty);
            let runtime = runtime.at(ty.span());
            quote_spanned!(ty.span()=> #runtime::as_text::<#ty>(&self.#ident))
        });
    let key = key(model);
    let (previous, upcast, chain) = chain(model);
    let key_name = option(key_name(model).as_deref(), runtime);
    let stream = option(stream.as_ref().map(LitStr::value).as_deref(), runtime);
    let type_name = ident.to_string();
    let bare = model.bare.is_some();
    quote! {
        const _: () = {
            #check
            const __TOPIC: #runtime::TopicTemplate = #runtime::TopicTemplate::unchecked(#topic);
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
                const BARE: #runtime::core::primitive::bool = #bare;
                type Previous = #previous;

                fn topic(&self) -> #runtime::core::result::Result<#runtime::std::string::String, #runtime::TopicError> {
                    __TOPIC.render(&[#(#placeholders),*])
                }

                fn key(&self) -> #runtime::core::option::Option<#runtime::std::string::String> {
                    #key
                }

                fn upcast(__previous: Self::Previous) -> #runtime::core::result::Result<Self, #runtime::UpcastError> {
                    #upcast
                }

                fn write_data<__S: #runtime::Serializer>(
                    &self,
                    __serializer: __S,
                ) -> #runtime::core::result::Result<__S::Ok, __S::Error> {
                    #runtime::write_data::<#ident, __S>(self, __serializer)
                }

                fn read_data<'__de, __D: #runtime::Deserializer<'__de>>(
                    __deserializer: __D,
                ) -> #runtime::core::result::Result<Self, __D::Error> {
                    #runtime::read_data::<#ident, __D>(__deserializer)
                }

                fn data_schema(__generator: &mut #runtime::SchemaGenerator) -> #runtime::Schema {
                    #runtime::data_schema::<#ident>(__generator)
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
    let Some(field) = model.key_field() else {
        return quote!(#runtime::core::option::Option::None);
    };
    let ident = &field.ident;
    let private = runtime.at(field.ty.span());
    let text = match in_option(&field.ty) {
        Some(ty) => quote_spanned!(ty.span()=> #private::optional_key_text::<#ty>),
        None => {
            let ty = &field.ty;
            quote_spanned!(ty.span()=> #private::key_text::<#ty>)
        }
    };
    quote!(#text(&self.#ident))
}

/// `T` of a field that is written as `Option<T>`: only then may the key be absent.
fn in_option(ty: &Type) -> Option<&Type> {
    let Type::Path(path) = ty else { return None };
    let last = path.path.segments.last()?;
    match &last.arguments {
        PathArguments::AngleBracketed(arguments) if last.ident == "Option" => {
            match arguments.args.first()? {
                GenericArgument::Type(inner) => Some(inner),
                _ => None,
            }
        }
        _ => None,
    }
}

fn key_name(model: &EventModel<'_>) -> Option<String> {
    Some(model.key_field()?.ident.as_ref()?.unraw().to_string())
}

fn chain(model: &EventModel<'_>) -> (TokenStream, TokenStream, TokenStream) {
    let (runtime, ident) = (&model.runtime, model.ident);
    let Some(previous) = &model.upcast_from else {
        let never = quote!(match __previous {});
        return (quote!(#runtime::NoPrevious), never, TokenStream::new());
    };
    let private = runtime.at(previous.span());
    let upcast = quote_spanned! {previous.span()=>
        #private::upcast::<#ident, #previous>(__previous)
    };
    let check = quote_spanned! {previous.span()=>
        const _: () = #private::check_chain::<#ident>();
    };
    (quote!(#previous), upcast, check)
}

fn option(value: Option<&str>, runtime: &crate::runtime_path::RuntimePath) -> TokenStream {
    match value {
        Some(value) => quote!(#runtime::core::option::Option::Some(#value)),
        None => quote!(#runtime::core::option::Option::None),
    }
}
