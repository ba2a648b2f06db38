//! From a checked program to running handlers.

use std::sync::Arc;
use std::time::Duration;

use tokio::task::JoinSet;

use super::connect::Address;
use super::provision::{Ready, provision};
use super::running::{Ended, Running};
use super::settings::Settings;
use super::state::LateState;
use super::topology::Wanted;
use super::{App, Error, table};
use crate::broker::{Broker, lanes};
use crate::consume::{Pipeline, PipelineSettings, Source, Stopper, Worker, WorkerEnd};
use crate::envelope::Mode;
use crate::handler::{Catalog, Fault, HandlerPlan, Middleware, States};
use crate::publish::{Publisher, PublisherSettings};
use crate::telemetry::Observer;

/// How long running handlers may take to finish at the end: under the 30 s that Kubernetes gives.
const GRACE: Duration = Duration::from_secs(25);

/// A program whose settings and handlers are checked, as far as that goes without a connection.
#[derive(Debug)]
pub(crate) struct Prepared {
    pub(crate) service: String,
    pub(crate) settings: Settings,
    pub(crate) catalog: Catalog,
    address: Result<Address, Fault>,
    faults: Vec<Fault>,
    grace: Duration,
    mode: Mode,
    states: States,
    late_states: Vec<LateState>,
    observers: Vec<Arc<dyn Observer>>,
    middleware: Vec<Arc<dyn Middleware>>,
}

impl Prepared {
    pub(super) fn new(
        app: App,
        settings: Settings,
        catalog: Catalog,
        mut faults: Vec<Fault>,
    ) -> Result<Self, Error> {
        let address = Address::find(app.broker, &settings, app.default_broker.as_deref());
        let service = app.service.or_else(|| settings.service.clone());
        let needs_name = address.as_ref().is_ok_and(Address::outlives_process);
        let service = match service {
            Some(name) => {
                if !is_service_name(&name) {
                    faults.push(Fault::new(format!(
                        "the service's name is `{name}`, and it has to be of lower-case letters, digits and `-`: it is part of subjects"
                    )));
                }
                name
            }
            None if needs_name => {
                faults.push(Fault::new(
                    "the service has no name: say `.service(\"billing\")` or set EVENT_SERVICE; its place in the streams is kept under it",
                ));
                String::new()
            }
            None => "app".to_owned(),
        };
        let grace = app.grace.or(settings.grace).unwrap_or(GRACE);
        let mode = app.envelope.or(settings.envelope).unwrap_or_default();
        if !faults.is_empty() {
            if let Err(fault) = address {
                faults.push(fault);
            }
            return Err(Error::Start(faults));
        }
        Ok(Self {
            service,
            settings,
            catalog,
            address,
            faults,
            grace,
            mode,
            states: app.states,
            late_states: app.late_states,
            observers: app.observers,
            middleware: app.middleware,
        })
    }

    /// What this service wants of the broker.
    pub(crate) fn wanted(&self) -> Wanted {
        Wanted::new(&self.service, &self.catalog, self.settings.dead_letter_age)
    }

    #[cfg(feature = "cli")]
    /// Connects, for commands that look into the broker; one in the memory of another process can't be.
    pub(crate) async fn connect_for(self, command: &str) -> Result<(Self, Arc<dyn Broker>), Error> {
        let mut this = self;
        let address = this.take_address()?;
        if !address.outlives_process() {
            return Err(Error::Command(format!(
                "`{command}` looks into the broker, and `memory://` ends with the program that uses it: set EVENT_BROKER to the server that the service runs on"
            )));
        }
        let broker = address.connect(&this.settings, &this.service).await?;
        Ok((this, broker))
    }

    #[cfg(feature = "cli")]
    /// Creates what is missing, and starts no handler.
    pub(crate) async fn apply(&self, broker: &dyn Broker) -> Result<(), Error> {
        let mode = crate::publish::Provision::Create;
        provision(broker, &self.wanted(), mode)
            .await
            .map(drop)
            .map_err(Error::Start)
    }

    fn take_address(&mut self) -> Result<Address, Error> {
        let used = Err(Fault::new("the broker was connected already"));
        std::mem::replace(&mut self.address, used).map_err(|fault| Error::Start(vec![fault]))
    }

    pub(crate) async fn start(mut self) -> Result<Running, Error> {
        debug_assert!(
            self.faults.is_empty(),
            "a program with faults is never prepared"
        );
        let broker = self
            .take_address()?
            .connect(&self.settings, &self.service)
            .await?;
        let mode = self.settings.provision;
        let (ready, mut faults) = match provision(&*broker, &self.wanted(), mode).await {
            Ok(ready) => (ready, Vec::new()),
            Err(faults) => (Vec::new(), faults),
        };
        // Also where the broker is not fit: all that needs a connection is reported together.
        for late in std::mem::take(&mut self.late_states) {
            if let Err(fault) = late.open(self.settings.clone(), &mut self.states).await {
                faults.push(fault);
            }
        }
        if !faults.is_empty() {
            let _ = broker.close().await;
            return Err(Error::Start(faults));
        }
        self.begin(broker, &ready).await
    }

    async fn begin(self, broker: Arc<dyn Broker>, ready: &[Ready]) -> Result<Running, Error> {
        let Self {
            service,
            settings,
            catalog,
            grace,
            mode,
            states,
            observers,
            middleware,
            ..
        } = self;
        let publisher = Publisher::new(PublisherSettings {
            broker: Arc::clone(&broker),
            service: service.clone(),
            provision: settings.provision,
            mode,
        });
        let stopper = Stopper::new();
        let shared = PipelineSettings {
            service: service.as_str().into(),
            states: Arc::new(states),
            publisher: publisher.clone(),
            broker: Arc::clone(&broker),
            observers: observers.into(),
            middleware: middleware.into(),
            stop: stopper.listen(),
        };
        let handlers: Vec<HandlerPlan> = catalog.handlers().to_vec();
        if !handlers.is_empty() {
            warn_of_one_thread();
        }
        let mut tasks = JoinSet::new();
        let mut begun = Vec::new();
        let mut beats = JoinSet::new();
        for plan in handlers.iter().filter(|plan| plan.runs_here) {
            warn_of_settings(plan, grace);
            let pipeline = Arc::new(Pipeline::new(plan.clone(), shared.clone()));
            let lane = lanes::retry_subject(&service, plan.name());
            let mut ack_wait = Duration::MAX;
            for Ready { spec, stream } in ready
                .iter()
                .filter(|ready| ready.spec.handler == plan.name())
            {
                let source = Source {
                    stream: stream.clone(),
                    durable: spec.name.clone(),
                    from_lane: spec.filter == lane,
                };
                let subscribed = broker.subscribe(&source.stream, &source.durable).await;
                let subscription = match subscribed {
                    Ok(subscription) => subscription,
                    Err(error) => {
                        let _ = broker.close().await;
                        return Err(error.into());
                    }
                };
                ack_wait = ack_wait.min(subscription.ack_wait());
                let worker = Worker::new(Arc::clone(&pipeline), source);
                begun.push((plan.name(), worker, subscription));
            }
            spawn_helpers(&mut beats, pipeline, ack_wait);
        }
        // Only now, when every one has its place: a start that fails has begun nothing.
        for (handler, worker, subscription) in begun {
            tasks.spawn(async move {
                let error = match worker.run(subscription).await {
                    WorkerEnd::Stopped => None,
                    WorkerEnd::Failed(error) => Some(error),
                };
                Ended { handler, error }
            });
        }
        if !handlers.is_empty() {
            tracing::info!(
                service,
                broker = broker.address(),
                "{} handlers\n{}",
                handlers.len(),
                table::handlers(&handlers)
            );
        }
        Ok(Running {
            service,
            broker,
            publisher,
            stopper,
            tasks,
            beats,
            grace,
            ready: ready.to_vec(),
            #[cfg(feature = "testing")]
            here: handlers
                .iter()
                .filter(|plan| plan.runs_here)
                .map(HandlerPlan::name)
                .collect(),
        })
    }
}

/// What goes on beside the workers of one handler until the end.
fn spawn_helpers(beats: &mut JoinSet<()>, pipeline: Arc<Pipeline>, ack_wait: Duration) {
    for number in 0..pipeline.task_count() {
        let pipeline = Arc::clone(&pipeline);
        beats.spawn(async move { pipeline.run_task(number).await });
    }
    // In a task of its own: a handler that blocks its thread must not stop it.
    beats.spawn(async move { pipeline.keep_alive(ack_wait).await });
}

fn warn_of_one_thread() {
    let runtime = tokio::runtime::Handle::current().runtime_flavor();
    if runtime == tokio::runtime::RuntimeFlavor::CurrentThread {
        tracing::warn!(
            "the runtime has one thread: an event whose handler blocks it can't be kept alive, and is delivered again; use `#[tokio::main]` as it is"
        );
    }
}

fn warn_of_settings(plan: &HandlerPlan, grace: Duration) {
    let (handler, timeout) = (plan.name(), plan.timeout);
    if timeout > grace {
        tracing::warn!(
            handler,
            "its timeout of {timeout:?} is longer than the grace of {grace:?}: a run that is cut off at the end begins again elsewhere"
        );
    }
}

fn is_service_name(name: &str) -> bool {
    !name.is_empty()
        && name
            .bytes()
            .all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-')
}
