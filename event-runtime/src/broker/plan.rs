//! Compares what is wanted with what exists, and says what follows. The same rules for every broker.

use super::{
    Broker, BrokerError, DurableInfo, DurableSpec, StreamInfo, StreamKind, StreamSpec, subject,
};
use crate::event::EventDescriptor;

/// The stream that an event needs where none holds its topic yet.
///
/// Named after the topic's first word, it takes all topics that begin with it, so that events of one family
/// share a stream. A stream that events name takes the topics of those events. The subjects of all events
/// that are linked and go to this stream are in it, whichever of them comes first: nothing is altered later.
pub fn event_stream(event: &EventDescriptor) -> StreamSpec {
    let name = event.stream_name();
    let mut subjects = event_subjects(event);
    for other in EventDescriptor::linked() {
        if other.stream_name() == name {
            subjects.extend(event_subjects(other));
        }
    }
    subjects.sort();
    subjects.dedup();
    // A stream can't hold a subject twice.
    let all = subjects.clone();
    subjects.retain(|subject| {
        !all.iter()
            .any(|other| other != subject && subject::covers(other, subject))
    });
    StreamSpec {
        name,
        subjects,
        kind: StreamKind::Events {
            topic: event.topic.pattern(),
            named: event.stream.is_some(),
        },
    }
}

fn event_subjects(event: &EventDescriptor) -> Vec<String> {
    let first = event.topic.first_token();
    match event.stream {
        Some(_) => vec![event.topic.pattern()],
        None => vec![first.to_owned(), format!("{first}.>")],
    }
}

/// Finds the stream that a spec asks for: by its subjects for events, by its name for lanes.
///
/// `None` where nothing stands in the way of creating it. What stands in the way is an error that says how
/// to get rid of it.
pub async fn find_stream(
    broker: &dyn Broker,
    spec: &StreamSpec,
) -> Result<Option<StreamInfo>, BrokerError> {
    match &spec.kind {
        StreamKind::Events { topic, named } => find_event_stream(broker, spec, topic, *named).await,
        StreamKind::Retry { service } | StreamKind::Dead { service, .. } => {
            let found = broker.stream(&spec.name).await?;
            if let Some(found) = &found {
                check_lane(spec, service, found)?;
            }
            Ok(found)
        }
    }
}

async fn find_event_stream(
    broker: &dyn Broker,
    spec: &StreamSpec,
    topic: &str,
    named: bool,
) -> Result<Option<StreamInfo>, BrokerError> {
    let mut found = broker.streams_for(topic).await?;
    let name = &spec.name;
    let Some(stream) = found.pop() else {
        return match broker.stream(name).await? {
            None => Ok(None),
            Some(existing) => Err(BrokerError::misconfigured(format!(
                "the stream `{name}` exists and does not hold `{topic}`, only {}: add the subject to it, or name another stream with `#[event(stream = \"…\")]`",
                list(&existing.subjects)
            ))),
        };
    };
    if let Some(other) = found.pop() {
        return Err(BrokerError::misconfigured(format!(
            "`{topic}` is spread over the streams `{}` and `{}`, and a handler reads one: let one stream hold all of `{topic}`",
            other.name, stream.name
        )));
    }
    if !stream
        .subjects
        .iter()
        .any(|held| subject::covers(held, topic))
    {
        return Err(BrokerError::misconfigured(format!(
            "the stream `{}` holds a part of `{topic}`, by {}: add `{topic}` to its subjects, or change the event's topic",
            stream.name,
            list(&stream.subjects)
        )));
    }
    if named && stream.name != *name {
        return Err(BrokerError::misconfigured(format!(
            "the event asks for the stream `{name}`, and `{topic}` is held by the stream `{}`: write `stream = \"{}\"`, leave the option out, or take the subject from that stream",
            stream.name, stream.name
        )));
    }
    Ok(Some(stream))
}

fn check_lane(spec: &StreamSpec, service: &str, found: &StreamInfo) -> Result<(), BrokerError> {
    let name = &spec.name;
    match &found.owner {
        Some(owner) if owner == service => {}
        Some(owner) => {
            return Err(BrokerError::misconfigured(format!(
                "the lane stream `{name}` belongs to the service `{owner}`: give this service another name"
            )));
        }
        None => {
            return Err(BrokerError::misconfigured(format!(
                "the stream `{name}` exists and was not made for the lanes of `{service}`: remove it, or give this service another name"
            )));
        }
    }
    let missing = spec.subjects.iter().find(|wanted| {
        !found
            .subjects
            .iter()
            .any(|held| subject::covers(held, wanted))
    });
    match missing {
        Some(wanted) => Err(BrokerError::misconfigured(format!(
            "the lane stream `{name}` does not hold `{wanted}`, only {}: add the subject to it",
            list(&found.subjects)
        ))),
        None => Ok(()),
    }
}

/// The error for a stream that is missing where nothing may be created.
pub fn missing_stream(spec: &StreamSpec) -> BrokerError {
    let what = match &spec.kind {
        StreamKind::Events { topic, .. } => format!("no stream holds `{topic}`"),
        StreamKind::Retry { .. } | StreamKind::Dead { .. } => {
            format!("the lane stream `{}` is missing", spec.name)
        }
    };
    BrokerError::misconfigured(format!(
        "{what}, and EVENT_PROVISION=check creates nothing: run the program once with `topology --apply`"
    ))
}

/// What to tell people about a stream that recognises repeated message ids for a shorter time than its broker
/// can; `None` where there is nothing to tell.
pub fn short_window(broker: &dyn Broker, spec: &StreamSpec, found: &StreamInfo) -> Option<String> {
    let wanted = broker.capabilities().deduplicates_for?;
    let wanted = match spec.kind {
        // What is gone can't be stored twice.
        StreamKind::Dead { max_age, .. } => wanted.min(max_age),
        StreamKind::Events { .. } | StreamKind::Retry { .. } => wanted,
    };
    let window = found.deduplicates_for.unwrap_or_default();
    (window < wanted).then(|| {
        format!(
            "the stream recognises a repeated message id for {window:?}, and {wanted:?} are counted on: an event that is published again later than that is stored twice, and handled twice; raise its `duplicate_window` at the broker"
        )
    })
}

/// The error for a durable that is missing where nothing may be created.
pub fn missing_durable(stream: &str, spec: &DurableSpec) -> BrokerError {
    BrokerError::misconfigured(format!(
        "the durable `{}` is missing on the stream `{stream}`, and EVENT_PROVISION=check creates nothing: run the program once with `topology --apply`",
        spec.name
    ))
}

/// The error for a new durable of which nobody said where it starts, on a stream that holds events for it.
pub fn no_start(stream: &str, spec: &DurableSpec, stored: u64) -> BrokerError {
    BrokerError::misconfigured(format!(
        "the handler `{}` is new, and the stream `{stream}` already holds {stored} event{} for it: say `#[handler(start = \"all\")]` to handle them, `\"new\"` to begin with what comes, or a time",
        spec.handler,
        if stored == 1 { "" } else { "s" }
    ))
}

/// A setting of a durable that is not what the code says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Difference {
    /// Which setting.
    pub setting: &'static str,
    /// What the code says.
    pub wanted: String,
    /// What the broker says.
    pub found: String,
    /// Whether the handler must not run like this.
    pub refused: bool,
}

/// Where a durable differs from what is wanted.
///
/// Filter, ack policy, owner and the broker's own delivery limit would lose events or take another service's;
/// they are refused. All else may have been written by a newer generation of the service, whose old instances
/// must go on running.
pub fn compare_durable(spec: &DurableSpec, found: &DurableInfo) -> Vec<Difference> {
    let text = |owner: &Option<String>| owner.clone().unwrap_or_else(|| "nobody".into());
    let ack = |explicit| if explicit { "explicit" } else { "none or all" };
    let all = [
        ("owner", spec.service.clone(), text(&found.owner), true),
        (
            "filter",
            spec.filter.clone(),
            found.filters.join(", "),
            true,
        ),
        (
            "ack policy",
            ack(true).into(),
            ack(found.explicit_ack).into(),
            true,
        ),
        (
            "max_deliver",
            "unlimited".into(),
            found
                .max_deliver
                .map_or_else(|| "unlimited".into(), |limit| limit.to_string()),
            true,
        ),
        (
            "ack_wait",
            format!("{:?}", spec.ack_wait),
            format!("{:?}", found.ack_wait),
            false,
        ),
        (
            "max_ack_pending",
            spec.max_ack_pending.to_string(),
            found.max_ack_pending.to_string(),
            false,
        ),
    ];
    all.into_iter()
        .filter(|(_, wanted, found, _)| wanted != found)
        .map(|(setting, wanted, found, refused)| Difference {
            setting,
            wanted,
            found,
            refused,
        })
        .collect()
}

/// The error for a durable that a handler must not use as it is.
pub fn refused_durable(stream: &str, spec: &DurableSpec, difference: &Difference) -> BrokerError {
    let Difference {
        setting,
        wanted,
        found,
        ..
    } = difference;
    let fix = match *setting {
        "owner" => "give the service or the handler another name (`#[handler(name = \"…\")]`)",
        "filter" => {
            "changing it would skip events that are stored already; give the handler a new `name`, which makes a new durable, or restore the old topic or filter"
        }
        _ => {
            "correct it at the broker, or give the handler a new `name`, which makes a new durable"
        }
    };
    BrokerError::misconfigured(format!(
        "the durable `{}` on the stream `{stream}` has {setting} `{found}`, and the handler needs `{wanted}`: {fix}",
        spec.name
    ))
}

fn list(subjects: &[String]) -> String {
    let quoted: Vec<String> = subjects
        .iter()
        .map(|subject| format!("`{subject}`"))
        .collect();
    quoted.join(", ")
}
