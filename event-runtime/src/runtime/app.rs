//! The one builder.

use std::collections::BTreeMap;
use std::fmt;
use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use super::settings::Settings;
use super::start::Prepared;
use super::state::LateState;
use super::{Error, Running};
use crate::broker::Broker;
use crate::contracts;
use crate::envelope::Mode;
use crate::handler::{
    Catalog, Defaults, Fault, HandlerPlan, HandlerSet, Middleware, RetryPolicy, States,
};
use crate::telemetry::Observer;

/// A service: what its handlers need, and how it is run.
///
/// The builder is over the environment ([`Settings`]), and that is over the defaults.
#[derive(Default)]
pub struct App {
    pub(super) service: Option<String>,
    pub(super) broker: Option<Arc<dyn Broker>>,
    pub(super) default_broker: Option<String>,
    pub(super) states: States,
    pub(super) late_states: Vec<LateState>,
    pub(super) only: Option<Vec<(std::any::TypeId, &'static str)>>,
    pub(super) publish_only: bool,
    pub(super) defaults: Defaults,
    pub(super) grace: Option<Duration>,
    pub(super) envelope: Option<Mode>,
    pub(super) observers: Vec<Arc<dyn Observer>>,
    pub(super) middleware: Vec<Arc<dyn Middleware>>,
    locked: Option<String>,
    environment: Option<BTreeMap<String, String>>,
}

impl App {
    /// A service with all handlers that are linked into the program.
    pub fn new() -> Self {
        Self::default()
    }

    /// Names the service: `[a-z0-9-]`. The name is part of its place in the streams, and the source of its
    /// events.
    pub fn service(mut self, name: impl Into<String>) -> Self {
        self.service = Some(name.into());
        self
    }

    /// Uses this broker, whatever the environment says: for tests, or an adapter of your own.
    pub fn broker(mut self, broker: impl Broker) -> Self {
        self.broker = Some(Arc::new(broker));
        self
    }

    /// Where the broker is if the environment doesn't say: `memory://` for a program that is to run without
    /// any server.
    pub fn default_broker(mut self, address: impl Into<String>) -> Self {
        self.default_broker = Some(address.into());
        self
    }

    /// Gives handlers a value, for their `State<T>`.
    pub fn with_state<T: Clone + Send + Sync + 'static>(mut self, value: T) -> Self {
        self.states.insert(value);
        self
    }

    /// Gives handlers a value that is opened once, when handlers are about to run.
    pub fn state<T, E, F, Fut>(mut self, open: F) -> Self
    where
        T: Clone + Send + Sync + 'static,
        E: fmt::Display,
        F: FnOnce(Settings) -> Fut + Send + 'static,
        Fut: Future<Output = Result<T, E>> + Send + 'static,
    {
        let late = LateState::new(open);
        (late.reserve)(&mut self.states);
        self.late_states.push(late);
        self
    }

    /// Takes only these handlers: `.only((charge, reserve))`, or `.only((charge,))`.
    pub fn only(mut self, handlers: impl HandlerSet) -> Self {
        self.only = Some(handlers.functions());
        self
    }

    /// Runs no handler here: for a program that only publishes. Handlers that are linked all the same belong
    /// to other processes of the service; what they need of the broker is created, so that nothing is missed.
    pub fn publish_only(mut self) -> Self {
        self.publish_only = true;
        self
    }

    /// Refuses to start unless the handlers are those of this lock:
    /// `.locked(include_str!("../contracts/handlers.json"))`, a file that `contracts export` writes. So a
    /// handler whose crate is no longer linked is not lost unseen.
    ///
    /// A handler in the lock has to be linked, whatever [`only`](Self::only) and `EVENT_HANDLERS` choose; one
    /// that this program takes has to be in the lock, in the same form. The name of the service may differ.
    /// What can't be read is a fault too. The commands `handlers`, `contracts` and `dead-letters` work
    /// without it, so that a lock can be written anew.
    pub fn locked(mut self, handlers: impl Into<String>) -> Self {
        self.locked = Some(handlers.into());
        self
    }

    /// The retry policy of handlers that say nothing themselves.
    pub fn retry(mut self, policy: RetryPolicy) -> Self {
        self.defaults.retry = policy;
        self
    }

    /// How long running handlers may take to finish at the end. Default 25 s.
    pub fn grace(mut self, grace: Duration) -> Self {
        self.grace = Some(grace);
        self
    }

    /// How published events are written: [`Mode::Structured`], the default, or [`Mode::Binary`]. Both are read
    /// always, so that services may differ.
    pub fn envelope(mut self, mode: Mode) -> Self {
        self.envelope = Some(mode);
        self
    }

    /// Tells an observer what happens to events.
    pub fn observe(mut self, observer: impl Observer) -> Self {
        self.observers.push(Arc::new(observer));
        self
    }

    /// Runs this around every handler. The first one added is the outermost.
    pub fn middleware(mut self, middleware: impl Middleware) -> Self {
        self.middleware.push(Arc::new(middleware));
        self
    }

    /// Reads these variables instead of the process's environment.
    pub fn environment<K: Into<String>, V: Into<String>>(
        mut self,
        variables: impl IntoIterator<Item = (K, V)>,
    ) -> Self {
        self.environment = Some(
            variables
                .into_iter()
                .map(|(name, value)| (name.into(), value.into()))
                .collect(),
        );
        self
    }

    /// Starts the service beside other code, without a command line; signals are the caller's.
    ///
    /// Must be called within a tokio runtime.
    pub async fn start(self) -> Result<Running, Error> {
        self.prepare()?.start().await
    }

    /// The same without the lock, for commands that work without it.
    #[cfg(feature = "cli")]
    pub(crate) fn unlocked(mut self) -> Self {
        self.locked = None;
        self
    }

    /// The variables that settings are read from.
    pub(crate) fn variables(&self) -> BTreeMap<String, String> {
        self.environment.clone().unwrap_or_else(|| {
            std::env::vars_os()
                .filter_map(|(name, value)| {
                    Some((name.into_string().ok()?, value.into_string().ok()?))
                })
                .filter(|(name, _)| name.starts_with("EVENT_"))
                .collect()
        })
    }

    /// Reads settings and finds handlers; all faults that show without a connection, together.
    pub(crate) fn prepare(self) -> Result<Prepared, Error> {
        let variables = self.variables();
        let (settings, mut faults) = Settings::read(&variables);
        let mut catalog = Catalog::find(self.only.as_deref(), &self.defaults, &settings.overrides);
        catalog.check_states(&self.states);
        if let Some(names) = &settings.handlers {
            catalog.run_only(names);
        }
        if self.publish_only {
            catalog.run_only(&[]);
        }
        faults.append(&mut catalog.take_faults());
        if catalog.handlers().is_empty() && !self.publish_only {
            faults.push(Fault::new(
                "no handler is linked into this program: write `#[handler]` above a function, name the crate that has them (`use orders as _;`), or say `.publish_only()`",
            ));
        }
        if let Some(lock) = &self.locked {
            let linked = HandlerPlan::linked();
            faults.append(&mut contracts::compare(
                "the lock in `.locked(…)`",
                lock,
                &linked,
                catalog.handlers(),
            ));
        }
        Prepared::new(self, settings, catalog, faults)
    }
}

impl fmt::Debug for App {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Not the environment and the default address: both may hold passwords.
        f.debug_struct("App")
            .field("service", &self.service)
            .field("broker", &self.broker)
            .field("states", &self.states)
            .field("observers", &self.observers)
            .finish_non_exhaustive()
    }
}
