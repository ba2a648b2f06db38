//! From a model without mistakes to the registration of a handler.

use proc_macro2::TokenStream;
use quote::{format_ident, quote, quote_spanned};
use syn::spanned::Spanned;

use super::batch::item_type;
use super::model::{HandlerModel, event_type};
use super::validate::function_name;
use crate::runtime_path::RuntimePath;

pub(crate) fn handler(model: &HandlerModel<'_>) -> TokenStream {
    let (runtime, ident) = (&model.runtime, model.ident());
    let Some(first) = model.parameters().next() else {
        return TokenStream::new();
    };
    let (taken, _) = event_type(first);
    let item = item_type(taken);
    let event = item.unwrap_or(taken);
    let name = model
        .name
        .as_ref()
        .map_or_else(|| function_name(model), syn::LitStr::value);
    let needs = model.parameters().skip(1).map(|parameter| {
        let ty = &parameter.ty;
        let runtime = runtime.at(ty.span());
        quote_spanned!(ty.span()=> <#ty as #runtime::Extract>::needs(__needs);)
    });
    let returns = model.returns();
    let options = options(model);
    let invoke = invoke(model);
    let at_returns = runtime.at(returns.span());
    let describe = if item.is_some() {
        quote_spanned!(returns.span()=> #at_returns::describe_batch::<#returns>)
    } else {
        quote_spanned!(returns.span()=> #at_returns::describe::<#returns>)
    };
    let at_event = runtime.at(event.span());
    let decode = quote_spanned!(event.span()=> #at_event::decode::<#event>);
    let descriptor = quote_spanned!(event.span()=> <#event as #at_event::Event>::descriptor);
    quote! {
        const _: () = {
            #invoke

            fn __needs(__needs: &mut #runtime::Needs) {
                let _ = &__needs;
                #(#needs)*
            }

            fn __function() -> #runtime::core::any::TypeId {
                #runtime::type_id_of_value(&#ident)
            }

            #runtime::inventory::submit! {
                #runtime::HandlerDescriptor {
                    name: #name,
                    function: __function,
                    module: #runtime::core::module_path!(),
                    file: #runtime::core::file!(),
                    line: #runtime::core::line!(),
                    event: #descriptor,
                    returns: #describe,
                    needs: __needs,
                    options: #options,
                    decode: #decode,
                    invoke: __invoke,
                }
            }
        };
    }
}

fn invoke(model: &HandlerModel<'_>) -> TokenStream {
    let (runtime, ident) = (&model.runtime, model.ident());
    let mut arguments = Vec::new();
    let mut extracts = Vec::new();
    for (index, parameter) in model.parameters().enumerate() {
        let argument = format_ident!("__argument_{index}");
        let ok = quote!(#runtime::core::result::Result::Ok(__value) => __value);
        let err = quote!(#runtime::core::result::Result::Err(__outcome) => return __outcome);
        let value = if index == 0 {
            let (event, borrowed) = event_type(parameter);
            arguments.push(if borrowed {
                quote!(&#argument)
            } else {
                quote!(#argument)
            });
            let runtime = runtime.at(event.span());
            match item_type(event) {
                Some(item) => quote_spanned!(item.span()=> #runtime::batch::<#item>(__event)),
                None => quote_spanned!(event.span()=> #runtime::event::<#event>(__event)),
            }
        } else {
            let ty = &parameter.ty;
            arguments.push(quote!(#argument));
            let runtime = runtime.at(ty.span());
            quote_spanned!(ty.span()=> (&&#runtime::Argument::<#ty>::of(&__context)).make().await)
        };
        extracts.push(quote!(let #argument = match #value { #ok, #err };));
    }
    let returns = model.returns();
    let at_returns = runtime.at(returns.span());
    let split = quote_spanned!(returns.span()=> (&&#at_returns::Answered::<#returns>::new(__returned)).split());
    let convert = quote_spanned!(returns.span()=> (&&&#at_returns::Probe(&__error)).convert());
    // A future that can't move between threads is reported under the function's name.
    let at_name = runtime.at(ident.span());
    let boxed = quote_spanned!(ident.span()=> #at_name::boxed);
    quote! {
        fn __invoke(
            __event: #runtime::BoxedEvent,
            __context: #runtime::Context,
        ) -> #runtime::BoxFuture<'static, #runtime::Outcome> {
            #[allow(unused_imports)]
            use #runtime::{
                Make as _, MakeNothing as _, Split as _, SplitNothing as _, ViaError as _, ViaReport as _, ViaSelf as _,
            };
            #boxed(async move {
                #(#extracts)*
                let __returned = #ident(#(#arguments),*).await;
                // Split where it was made, just now: there is something to take.
                match #split {
                    #runtime::core::option::Option::Some(#runtime::core::result::Result::Ok(__events)) => {
                        #runtime::Outcome::done(__events, &__context)
                    }
                    #runtime::core::option::Option::Some(#runtime::core::result::Result::Err(__error)) => {
                        #runtime::Outcome::Failed(#convert)
                    }
                    #runtime::core::option::Option::None => #runtime::nothing_returned(),
                }
            })
        }
    }
}

fn options(model: &HandlerModel<'_>) -> TokenStream {
    let runtime = &model.runtime;
    let some = |value: TokenStream| quote!(#runtime::core::option::Option::Some(#value));
    let none = quote!(#runtime::core::option::Option::None);
    let or_none = |value: Option<TokenStream>| value.map_or_else(|| none.clone(), some);
    let concurrency = or_none(model.concurrency.as_ref().map(|number| quote!(#number)));
    let tasks = or_none(model.tasks.as_ref().map(|number| quote!(#number)));
    let batch = super::batch::expand(model);
    let retry_max = or_none(model.retry.max.as_ref().map(|number| quote!(#number)));
    let duration = |millis: Option<(u64, proc_macro2::Span)>| {
        or_none(
            millis.map(|(millis, _)| quote!(#runtime::core::time::Duration::from_millis(#millis))),
        )
    };
    let (retry_base, retry_cap) = (duration(model.retry.base), duration(model.retry.cap));
    let timeout = duration(model.timeout);
    let start = or_none(
        model
            .start
            .as_ref()
            .map(|start| start_option(&start.value(), runtime)),
    );
    let filter = model
        .filter
        .iter()
        .map(|(name, value)| quote!((#name, #value)));
    let skip_others = model
        .others
        .as_ref()
        .is_some_and(|others| others.value() == "skip");
    quote! {
        #runtime::HandlerOptions {
            concurrency: #concurrency,
            tasks: #tasks,
            batch: #batch,
            retry_max: #retry_max,
            retry_base: #retry_base,
            retry_cap: #retry_cap,
            timeout: #timeout,
            start: #start,
            filter: &[#(#filter),*],
            skip_others: #skip_others,
        }
    }
}

fn start_option(text: &str, runtime: &RuntimePath) -> TokenStream {
    match text {
        "all" => quote!(#runtime::StartOption::All),
        "new" => quote!(#runtime::StartOption::New),
        time => quote!(#runtime::StartOption::At(#time)),
    }
}
