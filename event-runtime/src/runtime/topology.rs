//! What this service wants of the broker, and what it finds there.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::broker::plan::{self, Difference};
use crate::broker::{
    Broker, BrokerError, DurableInfo, DurableSpec, Start, StreamInfo, StreamKind, StreamSpec,
    Topology, lanes,
};
use crate::handler::{Catalog, HandlerPlan};

/// The ack wait: reported progress starts it anew, three times in each.
const ACK_WAIT: Duration = Duration::from_secs(10);

/// What this program wants of the broker.
#[derive(Debug)]
pub(crate) struct Wanted {
    service: String,
    topology: Topology,
    /// Durables of handlers that other programs of the service run.
    elsewhere: Vec<String>,
}

impl Wanted {
    pub(super) fn new(service: &str, catalog: &Catalog, dead_letter_age: Duration) -> Self {
        let names = catalog.left_out().iter();
        Self {
            service: service.to_owned(),
            topology: topology(service, catalog.handlers(), dead_letter_age),
            elsewhere: names.map(|name| lanes::durable(service, name)).collect(),
        }
    }
}

/// All that the handlers of a service need. A durable's stream is not known before the broker is asked.
fn topology(service: &str, handlers: &[HandlerPlan], dead_letter_age: Duration) -> Topology {
    let mut streams: BTreeMap<(String, Vec<String>, String), StreamSpec> = BTreeMap::new();
    for handler in handlers {
        for event in std::iter::once(&handler.event).chain(&handler.returns) {
            let spec = plan::event_stream(event);
            streams.insert(
                (
                    spec.name.clone(),
                    spec.subjects.clone(),
                    event.topic.pattern(),
                ),
                spec,
            );
        }
    }
    let mut topology = Topology {
        streams: streams.into_values().collect(),
        durables: Vec::new(),
    };
    if handlers.is_empty() {
        return topology;
    }
    topology.streams.push(StreamSpec {
        name: lanes::retry_stream(service),
        subjects: lanes::retry_subjects(service),
        kind: StreamKind::Retry {
            service: service.to_owned(),
        },
    });
    topology.streams.push(StreamSpec {
        name: lanes::dead_stream(service),
        subjects: lanes::dead_subjects(service),
        kind: StreamKind::Dead {
            service: service.to_owned(),
            max_age: dead_letter_age,
        },
    });
    for handler in handlers {
        topology.durables.push(durable(
            service,
            handler,
            handler.filter.clone(),
            handler.start,
        ));
        let lane = lanes::retry_subject(service, handler.name());
        topology
            .durables
            .push(durable(service, handler, lane, Some(Start::All)));
    }
    topology
}

fn durable(
    service: &str,
    handler: &HandlerPlan,
    filter: String,
    start: Option<Start>,
) -> DurableSpec {
    DurableSpec {
        name: lanes::durable(service, handler.name()),
        service: service.to_owned(),
        handler: handler.name().to_owned(),
        filter,
        start,
        ack_wait: ACK_WAIT,
        max_ack_pending: handler.max_ack_pending(),
    }
}

/// One wanted object, and what was found.
#[derive(Debug)]
pub(crate) enum Item {
    Stream {
        wanted: StreamSpec,
        found: Result<Option<StreamInfo>, BrokerError>,
    },
    Durable {
        wanted: DurableSpec,
        /// Its stream, if that is known.
        #[cfg_attr(not(feature = "cli"), allow(dead_code, reason = "for people"))]
        stream: Option<String>,
        found: Result<Option<DurableInfo>, BrokerError>,
        differences: Vec<Difference>,
    },
    /// A durable of this service without a handler.
    Orphan { stream: String, found: DurableInfo },
}

/// Looks at everything that is wanted, and changes nothing.
pub(crate) async fn inspect(
    broker: &dyn Broker,
    wanted: &Wanted,
) -> Result<Vec<Item>, BrokerError> {
    let Wanted {
        service,
        topology,
        elsewhere,
    } = wanted;
    let mut items = Vec::new();
    let mut streams: Vec<String> = Vec::new();
    for wanted in &topology.streams {
        let found = plan::find_stream(broker, wanted).await;
        if let Ok(Some(info)) = &found
            && !streams.contains(&info.name)
        {
            streams.push(info.name.clone());
        }
        items.push(Item::Stream {
            wanted: wanted.clone(),
            found,
        });
    }
    let mut known = Vec::new();
    for wanted in &topology.durables {
        let stream = stream_of(&items, wanted);
        let found = match &stream {
            Some(stream) => broker.durable(stream, &wanted.name).await,
            None => Ok(None),
        };
        let differences = match &found {
            Ok(Some(info)) => plan::compare_durable(wanted, info),
            _ => Vec::new(),
        };
        known.push((stream.clone(), wanted.name.clone()));
        items.push(Item::Durable {
            wanted: wanted.clone(),
            stream,
            found,
            differences,
        });
    }
    for stream in streams {
        for found in broker.durables(&stream, service).await? {
            let here = known.contains(&(Some(stream.clone()), found.name.clone()));
            if !here && !elsewhere.contains(&found.name) {
                items.push(Item::Orphan {
                    stream: stream.clone(),
                    found,
                });
            }
        }
    }
    Ok(items)
}

/// The stream that holds a durable's subjects, among those that were found.
pub(super) fn stream_of(items: &[Item], durable: &DurableSpec) -> Option<String> {
    items.iter().find_map(|item| match item {
        Item::Stream {
            found: Ok(Some(info)),
            ..
        } => info
            .subjects
            .iter()
            .any(|held| crate::broker::subject::covers(held, &durable.filter))
            .then(|| info.name.clone()),
        _ => None,
    })
}
