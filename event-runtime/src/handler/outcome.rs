//! What a handler returns, and what becomes of it.

use std::convert::Infallible;

use super::{Context, HandlerError};
use crate::broker::Message;
use crate::event::{Event, EventDescriptor};
use crate::publish::{Outgoing, PublishError};

/// Events that a handler may return: `()`, an event, `Option`, `Vec`, a tuple, or a `#[derive(Events)]` enum.
#[diagnostic::on_unimplemented(
    message = "`{Self}` can't be returned from a handler",
    label = "not something that can be published",
    note = "a handler returns `()`, an event, an `Option`, `Vec` or tuple of events, a `#[derive(Events)]` enum, or a `Result` of those"
)]
pub trait IntoEvents: Send {
    /// Puts the events into `outgoing`, in an order that is the same on every run.
    fn into_events(self, outgoing: &mut Outgoing<'_>);

    /// Adds the types that may be among them.
    fn describe(events: &mut Vec<&'static EventDescriptor>);
}

#[diagnostic::do_not_recommend]
impl<E: Event> IntoEvents for E {
    fn into_events(self, outgoing: &mut Outgoing<'_>) {
        outgoing.push(&self);
    }

    fn describe(events: &mut Vec<&'static EventDescriptor>) {
        events.push(<E as Event>::descriptor());
    }
}

impl<T: IntoEvents> IntoEvents for Option<T> {
    fn into_events(self, outgoing: &mut Outgoing<'_>) {
        if let Some(events) = self {
            events.into_events(outgoing);
        }
    }

    fn describe(events: &mut Vec<&'static EventDescriptor>) {
        T::describe(events);
    }
}

impl<T: IntoEvents> IntoEvents for Vec<T> {
    fn into_events(self, outgoing: &mut Outgoing<'_>) {
        for events in self {
            events.into_events(outgoing);
        }
    }

    fn describe(events: &mut Vec<&'static EventDescriptor>) {
        T::describe(events);
    }
}

macro_rules! tuples {
    ($($name:ident)*) => {
        impl<$($name: IntoEvents),*> IntoEvents for ($($name,)*) {
            #[allow(non_snake_case, reason = "one binding for each type parameter")]
            fn into_events(self, _outgoing: &mut Outgoing<'_>) {
                let ($($name,)*) = self;
                $($name.into_events(_outgoing);)*
            }

            fn describe(_events: &mut Vec<&'static EventDescriptor>) {
                $($name::describe(_events);)*
            }
        }
    };
}

tuples!();
tuples!(A);
tuples!(A B);
tuples!(A B C);
tuples!(A B C D);
tuples!(A B C D F);
tuples!(A B C D F G);

/// What a handler may return: events, or a `Result` of events.
#[diagnostic::on_unimplemented(
    message = "`{Self}` can't be returned from a handler",
    label = "not something that can be published",
    note = "a handler returns `()`, an event, an `Option`, `Vec` or tuple of events, a `#[derive(Events)]` enum, or a `Result` of those"
)]
pub trait Returned {
    /// The events.
    type Events: IntoEvents;
    /// The error; [`Infallible`] for a handler that can't fail.
    type Error;

    /// Separates them.
    fn split(self) -> Result<Self::Events, Self::Error>;
}

impl<T: IntoEvents, E> Returned for Result<T, E> {
    type Events = T;
    type Error = E;

    fn split(self) -> Self {
        self
    }
}

#[diagnostic::do_not_recommend]
impl<T: IntoEvents> Returned for T {
    type Events = T;
    type Error = Infallible;

    fn split(self) -> Result<T, Infallible> {
        Ok(self)
    }
}

/// How one run of a handler ended.
#[derive(Debug)]
pub enum Outcome {
    /// Well, with these messages to publish.
    Done(Vec<Message>),
    /// With an error.
    Failed(HandlerError),
    /// Well, but what it returned can't be published, and never can be.
    Output(PublishError),
}

impl Outcome {
    /// For generated code: makes messages of what the handler returned.
    #[doc(hidden)]
    pub fn done(events: impl IntoEvents, context: &Context) -> Self {
        let publisher = || context.publisher();
        let mut outgoing = Outgoing::new(&publisher);
        events.into_events(&mut outgoing);
        match outgoing.finish() {
            Ok(messages) => Self::Done(messages),
            Err(error) => Self::Output(error),
        }
    }
}
