//! What stands in for an event with mistakes: enough of it that no use of the type is a second mistake.

use proc_macro2::TokenStream;
use quote::quote;

use super::model::EventModel;

pub(crate) fn event(model: &EventModel<'_>, errors: TokenStream) -> TokenStream {
    let EventModel {
        ident,
        generics,
        runtime,
        ..
    } = model;
    let (impl_generics, type_generics, where_clause) = generics.split_for_impl();
    if !generics.params.is_empty() {
        // Nothing can be said about a type with parameters.
        return errors;
    }
    quote! {
        #errors

        const _: () = {
            #[automatically_derived]
            impl #impl_generics #runtime::Event for #ident #type_generics #where_clause {
                const NAME: &'static #runtime::core::primitive::str = "";
                const VERSION: #runtime::core::primitive::u32 = 1;
                const WIRE_TYPE: &'static #runtime::core::primitive::str = "";
                const TOPIC: #runtime::TopicTemplate = #runtime::TopicTemplate::new("unknown");
                type Previous = #runtime::NoPrevious;

                fn topic(&self) -> #runtime::core::result::Result<#runtime::std::string::String, #runtime::TopicError> {
                    #runtime::core::unreachable!()
                }

                fn key(&self) -> #runtime::core::option::Option<#runtime::std::string::String> {
                    #runtime::core::unreachable!()
                }

                fn upcast(_: Self::Previous) -> #runtime::core::result::Result<Self, #runtime::UpcastError> {
                    #runtime::core::unreachable!()
                }

                fn write_data<__S: #runtime::Serializer>(
                    &self,
                    _: __S,
                ) -> #runtime::core::result::Result<__S::Ok, __S::Error> {
                    #runtime::core::unreachable!()
                }

                fn read_data<'__de, __D: #runtime::Deserializer<'__de>>(
                    _: __D,
                ) -> #runtime::core::result::Result<Self, __D::Error> {
                    #runtime::core::unreachable!()
                }

                fn data_schema(_: &mut #runtime::SchemaGenerator) -> #runtime::Schema {
                    #runtime::core::unreachable!()
                }

                fn descriptor() -> &'static #runtime::EventDescriptor {
                    #runtime::core::unreachable!()
                }
            }
        };
    }
}
