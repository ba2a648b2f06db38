//! What a handler's arguments after the event are made from.

use std::any::{TypeId, type_name};
use std::future::Future;

use super::{Context, HandlerError, Metadata};
use crate::publish::Publisher;

/// An argument of a handler after its event: [`State`], [`Metadata`], [`Publisher`], or a type of yours.
///
/// ```
/// use event_runtime::{Context, Extract, HandlerError, Needs, State};
///
/// #[derive(Clone)]
/// struct Tariff(u32);
///
/// /// The tariff, halved for orders that were seen before.
/// struct Price(u32);
///
/// impl Extract for Price {
///     fn needs(needs: &mut Needs) {
///         State::<Tariff>::needs(needs);
///     }
///
///     async fn extract(context: &Context) -> Result<Self, HandlerError> {
///         let State(tariff) = State::<Tariff>::extract(context).await?;
///         Ok(Self(if context.metadata().attempt > 1 { tariff.0 / 2 } else { tariff.0 }))
///     }
/// }
/// ```
///
/// In a handler of batches it is made once for each run, from the context of the whole [`Batch`]: what is made of
/// state only works there as anywhere, and what is made of an event's metadata has to look at [`Context::batch`].
///
/// [`Batch`]: crate::handler::Batch
#[diagnostic::on_unimplemented(
    message = "`{Self}` can't be an argument of a handler",
    label = "not something that a handler can ask for",
    note = "after the event a handler takes `State<T>`, `Metadata`, `Publisher`, or a type that implements `Extract`"
)]
pub trait Extract: Sized + Send {
    /// Makes the value for one event. An error is the handler's error, with its class.
    fn extract(context: &Context) -> impl Future<Output = Result<Self, HandlerError>> + Send;

    /// Says which state this needs, so that a missing one is reported at start and not at the first event.
    fn needs(needs: &mut Needs) {
        let _ = needs;
    }
}

/// A value that the program gave the app: `App::new().with_state(value)`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct State<T>(pub T);

impl<T: Clone + Send + Sync + 'static> Extract for State<T> {
    async fn extract(context: &Context) -> Result<Self, HandlerError> {
        // The catalog has checked this before the first event.
        context.states().get().map(Self).ok_or_else(|| {
            HandlerError::retry(format!(
                "no state of type `{}`: add `.with_state(…)` to the app",
                type_name::<T>()
            ))
        })
    }

    fn needs(needs: &mut Needs) {
        needs.state::<T>();
    }
}

impl Extract for Metadata {
    async fn extract(context: &Context) -> Result<Self, HandlerError> {
        Ok(context.metadata().clone())
    }
}

impl Extract for Publisher {
    async fn extract(context: &Context) -> Result<Self, HandlerError> {
        Ok(context.publisher().clone())
    }
}

/// What an argument needs from the app.
#[derive(Debug, Default)]
pub struct Needs(Vec<(TypeId, &'static str)>);

impl Needs {
    /// A value of this type has to be among the app's state.
    pub fn state<T: 'static>(&mut self) {
        let need = (TypeId::of::<T>(), type_name::<T>());
        // Several arguments may need the same; one that is missing is one fault.
        if !self.0.contains(&need) {
            self.0.push(need);
        }
    }

    pub(super) fn states(&self) -> &[(TypeId, &'static str)] {
        &self.0
    }
}
