//! State that is opened only when handlers run.

use std::any::type_name;
use std::fmt;
use std::future::Future;

use futures_util::FutureExt;
use futures_util::future::BoxFuture;

use super::Settings;
use crate::handler::{Fault, States};

type Open = Box<dyn FnOnce(Settings) -> BoxFuture<'static, Result<Put, Fault>> + Send>;
type Put = Box<dyn FnOnce(&mut States) + Send>;

/// A state that `App::state` will open.
pub(super) struct LateState {
    pub(super) reserve: fn(&mut States),
    open: Open,
    name: &'static str,
}

impl LateState {
    pub(super) fn new<T, E, F, Fut>(open: F) -> Self
    where
        T: Clone + Send + Sync + 'static,
        E: fmt::Display,
        F: FnOnce(Settings) -> Fut + Send + 'static,
        Fut: Future<Output = Result<T, E>> + Send + 'static,
    {
        let open: Open = Box::new(|settings| {
            open(settings)
                .map(|opened| match opened {
                    Ok(value) => Ok(Box::new(|states: &mut States| states.fill(value)) as Put),
                    Err(error) => Err(Fault::new(format!(
                        "the state `{}` could not be opened: {error}",
                        type_name::<T>()
                    ))),
                })
                .boxed()
        });
        Self {
            reserve: States::reserve::<T>,
            open,
            name: type_name::<T>(),
        }
    }

    pub(super) async fn open(self, settings: Settings, states: &mut States) -> Result<(), Fault> {
        (self.open)(settings).await.map(|put| put(states))
    }
}

impl fmt::Debug for LateState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("LateState").field(&self.name).finish()
    }
}
