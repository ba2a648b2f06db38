//! Creates what is missing, refuses what would lose events, and leaves everything else as it is.

use super::topology::{Item, Wanted, inspect};
use crate::broker::{
    Broker, BrokerError, BrokerErrorKind, DurableInfo, DurableSpec, StreamSpec, plan, subject,
};
use crate::handler::Fault;
use crate::publish::Provision;

/// A durable that is there, and the stream that it is on.
#[derive(Debug, Clone)]
pub(super) struct Ready {
    pub(super) spec: DurableSpec,
    pub(super) stream: String,
}

/// Makes the broker fit to run, or says everything that stands in the way.
pub(super) async fn provision(
    broker: &dyn Broker,
    wanted: &Wanted,
    mode: Provision,
) -> Result<Vec<Ready>, Vec<Fault>> {
    let mut faults = Vec::new();
    let items = inspect(broker, wanted)
        .await
        .map_err(|error| vec![fault(&error)])?;
    let mut streams: Vec<(String, Vec<String>)> = Vec::new();
    let mut missing: Vec<StreamSpec> = Vec::new();
    let mut durables = Vec::new();
    for item in items {
        match item {
            Item::Stream {
                found: Ok(Some(info)),
                wanted,
            } => {
                if !streams.iter().any(|(name, _)| *name == info.name)
                    && let Some(warning) = plan::short_window(broker, &wanted, &info)
                {
                    tracing::warn!(stream = info.name, "{warning}");
                }
                streams.push((info.name, info.subjects));
            }
            Item::Stream {
                found: Ok(None),
                wanted,
            } => add_missing(&mut missing, wanted),
            Item::Stream {
                found: Err(error), ..
            }
            | Item::Durable {
                found: Err(error), ..
            } => faults.push(fault(&error)),
            Item::Durable {
                wanted,
                found: Ok(found),
                differences,
                ..
            } => {
                durables.push((wanted, found.is_some(), differences));
            }
            Item::Orphan { stream, found } => tracing::warn!(
                durable = found.name,
                stream,
                pending = found.position.pending,
                "this durable of the service has no handler any more; delete it if it is not coming back"
            ),
        }
    }
    for spec in missing {
        if mode == Provision::Check {
            faults.push(fault(&plan::missing_stream(&spec)));
            continue;
        }
        match broker.create_stream(&spec).await {
            Ok(info) => streams.push((info.name, info.subjects)),
            Err(error) => faults.push(fault(&error)),
        }
    }
    let mut ready = Vec::new();
    for (spec, exists, differences) in durables {
        let holds = |subjects: &[String]| {
            subjects
                .iter()
                .any(|held| subject::covers(held, &spec.filter))
        };
        let Some((stream, _)) = streams.iter().find(|(_, subjects)| holds(subjects)) else {
            // Its stream is among the faults already.
            continue;
        };
        let stream = stream.clone();
        let differences = if exists {
            differences
        } else {
            match create_durable(broker, &stream, &spec, mode).await {
                Ok(info) => plan::compare_durable(&spec, &info),
                Err(error) => {
                    faults.push(fault(&error));
                    continue;
                }
            }
        };
        for difference in differences {
            if difference.refused {
                faults.push(fault(&plan::refused_durable(&stream, &spec, &difference)));
            } else {
                warn_of(&stream, &spec, &difference);
            }
        }
        ready.push(Ready { spec, stream });
    }
    faults.sort();
    faults.dedup();
    if faults.is_empty() {
        Ok(ready)
    } else {
        Err(faults)
    }
}

/// Two events may need subjects of one stream that does not exist yet.
fn add_missing(missing: &mut Vec<StreamSpec>, wanted: StreamSpec) {
    match missing.iter_mut().find(|spec| spec.name == wanted.name) {
        Some(spec) => {
            for subject in wanted.subjects {
                if !spec.subjects.contains(&subject) {
                    spec.subjects.push(subject);
                }
            }
            spec.subjects.sort();
        }
        None => missing.push(wanted),
    }
}

/// Creates a durable, or finds that another instance was quicker.
async fn create_durable(
    broker: &dyn Broker,
    stream: &str,
    spec: &DurableSpec,
    mode: Provision,
) -> Result<DurableInfo, BrokerError> {
    let stored = match spec.start {
        None => broker.count(stream, &spec.filter).await?,
        Some(_) => 0,
    };
    if stored == 0 && mode == Provision::Create {
        return broker.create_durable(stream, spec).await;
    }
    // Another instance may have created it since, and what is stored may have come after that.
    if let Some(found) = broker.durable(stream, &spec.name).await? {
        return Ok(found);
    }
    Err(if stored > 0 {
        plan::no_start(stream, spec, stored)
    } else {
        plan::missing_durable(stream, spec)
    })
}

fn warn_of(stream: &str, spec: &DurableSpec, difference: &plan::Difference) {
    let plan::Difference {
        setting,
        wanted,
        found,
        ..
    } = difference;
    tracing::warn!(
        handler = spec.handler,
        durable = spec.name,
        stream,
        "the broker has {setting} {found}, and this program would set {wanted}; it is kept, since a person or a newer program may have set it"
    );
}

fn fault(error: &BrokerError) -> Fault {
    let text = crate::consume::chain(error);
    Fault::new(match error.kind() {
        BrokerErrorKind::Transient => format!("{text}; try again once the broker answers"),
        _ => text,
    })
}
