//! From an address to a broker. The one place that knows the adapters.

use std::sync::Arc;

use super::Error;
use super::settings::Settings;
use crate::adapters::memory::Memory;
use crate::broker::Broker;
use crate::handler::Fault;

const NONE: &str = "no broker: set EVENT_BROKER (`nats://host:4222`), or say `.default_broker(\"memory://\")` for a program that is to run without a server";

/// Where the broker is, before anything is connected.
#[derive(Debug, Clone)]
pub(super) enum Address {
    /// One that the builder was given.
    Given(Arc<dyn Broker>),
    Memory,
    /// Whole addresses; may hold a password.
    #[cfg(feature = "nats")]
    Nats(crate::broker::Secret),
}

/// Connects to an address, whatever the settings say about where the broker is.
#[cfg(feature = "testing")]
pub(crate) async fn connect(
    address: &str,
    variable: &str,
    settings: &Settings,
) -> Result<Arc<dyn Broker>, Error> {
    let address = Address::parse(address, variable).map_err(|fault| Error::Start(vec![fault]))?;
    address.connect(settings, "test").await
}

impl Address {
    /// Decides where the broker is, or says what is missing.
    pub(super) fn find(
        given: Option<Arc<dyn Broker>>,
        settings: &Settings,
        default: Option<&str>,
    ) -> Result<Self, Fault> {
        if let Some(broker) = given {
            return Ok(Self::Given(broker));
        }
        match settings
            .broker
            .as_ref()
            .map(crate::broker::Secret::reveal)
            .or(default)
        {
            Some(address) => Self::parse(address, "EVENT_BROKER"),
            None if cfg!(debug_assertions) => {
                tracing::warn!(
                    "no broker is set: using `memory://`, as debug builds do; its events end with the program"
                );
                Ok(Self::Memory)
            }
            None => Err(Fault::new(NONE)),
        }
    }

    /// Reads an address; `variable` is what people wrote it into.
    fn parse(address: &str, variable: &str) -> Result<Self, Fault> {
        match address.split_once("://").map(|(scheme, _)| scheme) {
            Some("memory") => Ok(Self::Memory),
            #[cfg(feature = "nats")]
            Some("nats" | "tls") => Ok(Self::Nats(crate::broker::Secret::new(address))),
            #[cfg(not(feature = "nats"))]
            Some("nats" | "tls") => Err(Fault::new(
                "the broker is a NATS server, and event-runtime was built without its feature `nats`: add it",
            )),
            Some(scheme) => Err(Fault::new(format!(
                "{variable} begins with `{scheme}://`, and there is no such broker: it is `nats://host:4222`, `tls://host:4222` or `memory://`"
            ))),
            // It may be all secret: it is not repeated.
            None => Err(Fault::new(format!(
                "{variable} is no address: it is `nats://host:4222`, `tls://host:4222` or `memory://`"
            ))),
        }
    }

    /// Whether its data outlive the process, so that a service name is needed.
    pub(super) fn outlives_process(&self) -> bool {
        match self {
            Self::Given(broker) => broker.capabilities().outlives_process,
            Self::Memory => false,
            #[cfg(feature = "nats")]
            Self::Nats(_) => true,
        }
    }

    #[cfg_attr(
        not(feature = "nats"),
        allow(
            unused_variables,
            clippy::unused_async,
            reason = "used by adapters of servers"
        )
    )]
    pub(super) async fn connect(
        self,
        settings: &Settings,
        service: &str,
    ) -> Result<Arc<dyn Broker>, Error> {
        match self {
            Self::Given(broker) => Ok(broker),
            Self::Memory => Ok(Arc::new(Memory::new())),
            #[cfg(feature = "nats")]
            Self::Nats(address) => {
                use crate::adapters::nats::{Nats, NatsOptions};

                let nats = settings.nats.clone();
                let options = NatsOptions {
                    address,
                    name: service.to_owned(),
                    credentials: nats.credentials,
                    user: nats.user,
                    password: nats.password,
                    token: nats.token,
                    ca: nats.ca,
                    cert: nats.cert,
                    key: nats.key,
                };
                Ok(Arc::new(Nats::connect(options).await?))
            }
        }
    }
}
