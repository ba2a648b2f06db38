//! What generated code may name. Not public API: it changes without notice.

use std::fmt::Display;

pub use core;
pub use inventory;
pub use std;

pub use crate::event::{
    Event, EventDescriptor, EventRegistration, NoPrevious, PreviousVersion, TopicError,
    TopicTemplate, UpcastError, data_schema, read_data, write_data,
};
pub use schemars::{Schema, SchemaGenerator};
pub use serde::{Deserializer, Serializer};

#[cfg(feature = "runtime")]
mod batch;
#[cfg(feature = "runtime")]
pub use self::batch::*;
#[cfg(feature = "runtime")]
pub use self::runtime::*;

/// Fails to compile where two versions of one event are told apart by more than their form.
#[track_caller]
pub const fn check_chain<E: Event>() {
    let Some((name, version, topic)) = <E::Previous as PreviousVersion>::FORM else {
        return;
    };
    assert!(
        same(E::NAME, name),
        "`upcast_from` names a type of another event: all versions of one event have the same `name`"
    );
    assert!(
        version < E::VERSION,
        "`upcast_from` names a type whose version is not before this one"
    );
    assert!(
        !<E::Previous as PreviousVersion>::BARE,
        "`upcast_from` names a bare event, whose messages don't say that they are that version: leave out its `bare`, or give this event another `name`"
    );
    assert!(
        E::TOPIC.same_pattern(topic),
        "all versions of one event have the same topic pattern: another topic is another event, with its own `name`"
    );
}

const fn same(a: &str, b: &str) -> bool {
    let (a, b) = (a.as_bytes(), b.as_bytes());
    if a.len() != b.len() {
        return false;
    }
    let mut i = 0;
    while i < a.len() {
        if a[i] != b[i] {
            return false;
        }
        i += 1;
    }
    true
}

/// Makes a version out of the one before, by `From` or `TryFrom`.
#[diagnostic::on_unimplemented(
    message = "`{Self}` can't be made out of the version before it, `{P}`",
    label = "no `From` or `TryFrom` for the version named by `upcast_from`",
    note = "write `impl From<{P}> for {Self}`, or `TryFrom` where it may fail"
)]
pub trait UpcastFrom<P>: Sized {
    /// Converts.
    fn upcast_from(previous: P) -> Result<Self, String>;
}

#[diagnostic::do_not_recommend]
impl<P, E> UpcastFrom<P> for E
where
    E: TryFrom<P>,
    E::Error: Display,
{
    fn upcast_from(previous: P) -> Result<Self, String> {
        E::try_from(previous).map_err(|error| error.to_string())
    }
}

/// Upcasts, with the error that the chain expects. `P` is `E::Previous`.
pub fn upcast<E: Event + UpcastFrom<P>, P>(previous: P) -> Result<E, UpcastError> {
    let from = <E::Previous as PreviousVersion>::FORM.map_or(0, |(_, version, _)| version);
    E::upcast_from(previous).map_err(|error| UpcastError::new::<E>(from, error))
}

/// What can stand in a topic or be a key.
#[diagnostic::on_unimplemented(
    message = "a field of type `{Self}` can't be part of a topic or a key",
    label = "has no text",
    note = "a topic's placeholder and a key are text: name a field that implements `Display`, such as a `String`, a number or a `Uuid`"
)]
pub trait Text: Display {}

#[diagnostic::do_not_recommend]
impl<T: Display> Text for T {}

/// A placeholder's value.
pub fn as_text<T: Text>(field: &T) -> &dyn Display {
    field
}

/// A key.
pub fn key_text<T: Text>(field: &T) -> Option<String> {
    Some(field.to_string())
}

/// A key that may be absent.
pub fn optional_key_text<T: Text>(field: &Option<T>) -> Option<String> {
    field.as_ref().map(ToString::to_string)
}

#[cfg(feature = "runtime")]
mod runtime {
    use std::any::{Any, TypeId};
    use std::cell::Cell;
    use std::convert::Infallible;
    use std::error::Error;
    use std::fmt;
    use std::future::{Future, Ready};
    use std::marker::PhantomData;
    use std::time::Duration;

    pub use futures_util::future::BoxFuture;

    use crate::envelope::{DecodeError, Incoming, Seen};
    use crate::event::Event;
    pub use crate::handler::{
        BoxedEvent, Class, Classifier, Classify, Context, Extract, HandlerDescriptor, HandlerError,
        HandlerOptions, IntoEvents, Needs, Outcome, Received, Returned, StartOption, classify,
    };
    pub use crate::publish::{Outgoing, Publisher};

    /// The type of a function item, for `App::only`.
    pub fn type_id_of_value<T: Any>(_: &T) -> TypeId {
        TypeId::of::<T>()
    }

    /// Reads an event out of a message.
    pub fn decode<E: Event>(message: Incoming<'_>) -> Result<Received, DecodeError> {
        let mut seen = Seen::default();
        let event = crate::envelope::decode_boxed::<E>(message, &mut seen)?;
        Ok(Received { seen, event })
    }

    /// The event as its own type again. The descriptor's `decode` and `invoke` are made for the same type; a type
    /// that is no event is refused at the former.
    pub fn event<E: 'static>(event: BoxedEvent) -> Result<E, Outcome> {
        event.downcast().map(|event| *event).map_err(|_| {
            Outcome::Failed(HandlerError::reject(
                "the event is not of the handler's type: this is a bug of event-runtime",
            ))
        })
    }

    /// What a handler returned: `(&&Answered::new(returned)).split()`.
    ///
    /// Found by autoref, so that a type which can't be returned is refused once, where its events are described,
    /// and not here as well.
    pub struct Answered<R>(Cell<Option<R>>);

    impl<R> Answered<R> {
        /// Takes what was returned.
        pub fn new(returned: R) -> Self {
            Self(Cell::new(Some(returned)))
        }
    }

    impl<R> fmt::Debug for Answered<R> {
        fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.debug_struct("Answered").finish_non_exhaustive()
        }
    }

    /// Separates events and error.
    pub trait Split {
        /// What `R` is separated into.
        type Parts;
        /// Separates. `None` if that was done before.
        fn split(&self) -> Option<Self::Parts>;
    }

    impl<R: Returned> Split for &Answered<R> {
        type Parts = Result<R::Events, R::Error>;

        fn split(&self) -> Option<Self::Parts> {
            self.0.take().map(R::split)
        }
    }

    /// Stands in for a type that can't be returned: its program does not compile.
    pub trait SplitNothing {
        /// Nothing.
        fn split(&self) -> Option<Result<(), Infallible>>;
    }

    impl<R> SplitNothing for Answered<R> {
        fn split(&self) -> Option<Result<(), Infallible>> {
            None
        }
    }

    /// The events that a return type may hold.
    pub fn describe<R: Returned>(events: &mut Vec<&'static crate::event::EventDescriptor>) {
        <R::Events as IntoEvents>::describe(events);
    }

    /// What is said of a run whose answer was taken already.
    pub fn nothing_returned() -> Outcome {
        Outcome::Failed(HandlerError::reject(
            "a handler's answer was taken twice: this is a bug of event-runtime",
        ))
    }

    /// What a function without a return type returns.
    pub type Unit = ();

    /// Boxes the run of a handler, which may move between threads.
    pub fn boxed<F: Future<Output = Outcome> + Send + 'static>(
        run: F,
    ) -> BoxFuture<'static, Outcome> {
        Box::pin(run)
    }

    /// An argument that is yet to be made: `(&&Argument::<T>::of(&context)).make().await`.
    ///
    /// Found by autoref, so that a type which can't be an argument is refused once, where its needs are asked for,
    /// and not here as well.
    #[derive(Debug)]
    pub struct Argument<'a, T>(&'a Context, PhantomData<fn() -> T>);

    impl<'a, T> Argument<'a, T> {
        /// The argument for the event of this context.
        pub fn of(context: &'a Context) -> Self {
            Self(context, PhantomData)
        }
    }

    /// Makes an argument, or the outcome that its error means.
    pub trait Make<T> {
        /// Makes it.
        fn make(&self) -> impl Future<Output = Result<T, Outcome>> + Send;
    }

    impl<T: Extract> Make<T> for &Argument<'_, T> {
        async fn make(&self) -> Result<T, Outcome> {
            T::extract(self.0).await.map_err(Outcome::Failed)
        }
    }

    /// Stands in for a type that can't be an argument: its program does not compile.
    pub trait MakeNothing<T> {
        /// Makes nothing.
        fn make(&self) -> Ready<Result<T, Outcome>>;
    }

    impl<T> MakeNothing<T> for Argument<'_, T> {
        fn make(&self) -> Ready<Result<T, Outcome>> {
            std::future::ready(Err(Outcome::Failed(HandlerError::reject(
                "a handler has an argument that can't be made: this is a bug of event-runtime",
            ))))
        }
    }

    /// Finds the way from an error to a [`HandlerError`] by autoref: `(&&&Probe(&error)).convert()`.
    ///
    /// Three ways, because `From<E: Error>` beside one for `anyhow::Error` can't be written, and because
    /// `anyhow::Error` has to be walked from the error inside it.
    #[derive(Debug)]
    pub struct Probe<'a, E>(pub &'a E);

    /// The error is a [`HandlerError`] already.
    pub trait ViaSelf {
        /// Converts.
        fn convert(&self) -> HandlerError;
    }

    impl ViaSelf for &&Probe<'_, HandlerError> {
        fn convert(&self) -> HandlerError {
            self.0.clone()
        }
    }

    /// The error is a [`std::error::Error`].
    pub trait ViaError {
        /// Converts.
        fn convert(&self) -> HandlerError;
    }

    impl<E: Error + 'static> ViaError for &Probe<'_, E> {
        fn convert(&self) -> HandlerError {
            HandlerError::walk(self.0)
        }
    }

    /// The error is a report around one, such as `anyhow::Error`; anything else is refused here.
    pub trait ViaReport<E> {
        /// Converts.
        fn convert(&self) -> HandlerError
        where
            E: Report;
    }

    impl<E> ViaReport<E> for Probe<'_, E> {
        fn convert(&self) -> HandlerError
        where
            E: Report,
        {
            HandlerError::walk(self.0.error())
        }
    }

    /// A report around an error.
    #[diagnostic::on_unimplemented(
        message = "`{Self}` can't be a handler's error",
        label = "neither an error nor a report of one",
        note = "a handler's error implements `std::error::Error` (`#[derive(thiserror::Error)]`), or is `anyhow::Error` or `HandlerError`"
    )]
    pub trait Report {
        /// The error inside.
        fn error(&self) -> &(dyn Error + 'static);
    }

    #[diagnostic::do_not_recommend]
    impl<E: AsRef<dyn Error + Send + Sync + 'static>> Report for E {
        fn error(&self) -> &(dyn Error + 'static) {
            self.as_ref()
        }
    }

    /// The time that an error asks for: a `Duration`, or an `Option` of one.
    #[diagnostic::on_unimplemented(
        message = "`#[retry(after = …)]` names a field of type `{Self}`",
        label = "not a `Duration` or `Option<Duration>`",
        note = "the field says how long to wait: make it a `std::time::Duration`, or an `Option` of one"
    )]
    pub trait After {
        /// The time.
        fn after(&self) -> Option<Duration>;
    }

    impl After for Duration {
        fn after(&self) -> Option<Duration> {
            Some(*self)
        }
    }

    impl After for Option<Duration> {
        fn after(&self) -> Option<Duration> {
            *self
        }
    }

    /// The time in a field.
    pub fn after<T: After>(field: &T) -> Option<Duration> {
        field.after()
    }

    /// Finds the way to an inner error's class by autoref: `(&&Forward(inner)).class_of()`.
    #[derive(Debug)]
    pub struct Forward<'a, E>(pub &'a E);

    /// The inner error is a [`std::error::Error`].
    pub trait ForwardError {
        /// Its class.
        fn class_of(&self) -> Option<Class>;
    }

    impl<E: Error + 'static> ForwardError for &Forward<'_, E> {
        fn class_of(&self) -> Option<Class> {
            classify(self.0)
        }
    }

    /// The inner error is a report around one, such as `anyhow::Error`.
    pub trait ForwardReport<E> {
        /// Its class.
        fn class_of(&self) -> Option<Class>
        where
            E: Report;
    }

    impl<E> ForwardReport<E> for Forward<'_, E> {
        fn class_of(&self) -> Option<Class>
        where
            E: Report,
        {
            classify(self.0.error())
        }
    }
}
