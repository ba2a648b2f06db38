//! Streams and durables on the server: found, created, read. Nothing that exists is altered.

use std::time::Duration;

use serde::Deserialize;
use serde_json::{Value, json};

use super::WINDOW;
use super::api::{Failure, call, optional};
use super::link::Link;
use crate::broker::{
    BrokerError, DurableInfo, DurableSpec, Position, Setting, Start, StreamInfo, StreamKind,
    StreamSpec,
};

/// Where an owner is written in the metadata of what it has created.
const OWNER: &str = "event-runtime.service";
/// A service's dead letters take at most this much room.
const DEAD_BYTES: u64 = 1024 * 1024 * 1024;

#[derive(Deserialize)]
struct Names {
    total: u64,
    streams: Option<Vec<String>>,
}

#[derive(Deserialize)]
struct WireStream {
    config: Value,
    state: WireState,
}

#[derive(Deserialize)]
struct WireState {
    messages: u64,
}

#[derive(Deserialize)]
pub(super) struct WireConsumer {
    name: String,
    pub(super) created: String,
    pub(super) config: Value,
    num_pending: u64,
    pub(super) num_ack_pending: u64,
    #[serde(default)]
    pub(super) delivered: Place,
    #[serde(default)]
    pub(super) ack_floor: Place,
}

/// How far a durable has come, in its own count and in the stream's.
#[derive(Deserialize, Default)]
pub(super) struct Place {
    pub(super) consumer_seq: u64,
    pub(super) stream_seq: u64,
}

pub(super) async fn streams_for(link: &Link, filter: &str) -> Result<Vec<StreamInfo>, BrokerError> {
    let mut names = Vec::new();
    loop {
        let page: Names = call(
            link,
            "STREAM.NAMES",
            &json!({ "subject": filter, "offset": names.len() }),
        )
        .await?;
        let found = page.streams.unwrap_or_default();
        let empty = found.is_empty();
        names.extend(found);
        if empty || names.len() as u64 >= page.total {
            break;
        }
    }
    let mut streams = Vec::new();
    for name in names {
        streams.extend(stream(link, &name).await?);
    }
    Ok(streams)
}

pub(super) async fn stream(link: &Link, name: &str) -> Result<Option<StreamInfo>, BrokerError> {
    let found: Option<WireStream> =
        optional(call(link, &format!("STREAM.INFO.{name}"), &Value::Null).await)?;
    Ok(found.map(stream_info))
}

fn stream_info(found: WireStream) -> StreamInfo {
    let config = &found.config;
    let settings = [
        "retention",
        "storage",
        "num_replicas",
        "max_age",
        "max_bytes",
        "max_msgs",
        "discard",
        "duplicate_window",
    ];
    StreamInfo {
        name: text(&config["name"]),
        subjects: texts(&config["subjects"]),
        owner: config["metadata"][OWNER].as_str().map(str::to_owned),
        messages: found.state.messages,
        deduplicates_for: config["duplicate_window"]
            .as_u64()
            .map(Duration::from_nanos),
        settings: settings
            .into_iter()
            .map(|name| Setting {
                name,
                value: setting(name, &config[name]),
            })
            .collect(),
    }
}

fn setting(name: &str, value: &Value) -> String {
    match (name, value) {
        ("max_age", Value::Number(nanos)) => match nanos.as_u64() {
            Some(0) | None => "unlimited".into(),
            Some(nanos) => age(Duration::from_nanos(nanos)),
        },
        ("duplicate_window", value) => match value.as_u64() {
            Some(0) | None => "none".into(),
            Some(nanos) => age(Duration::from_nanos(nanos)),
        },
        (_, Value::Number(number)) if number.as_i64() == Some(-1) => "unlimited".into(),
        (_, Value::String(text)) => text.clone(),
        (_, value) => value.to_string(),
    }
}

fn age(age: Duration) -> String {
    const DAY: u64 = 24 * 60 * 60;

    match age.as_secs() {
        seconds if seconds >= DAY && seconds.is_multiple_of(DAY) => {
            format!("{} days", seconds / DAY)
        }
        _ => format!("{age:?}"),
    }
}

pub(super) async fn create_stream(
    link: &Link,
    spec: &StreamSpec,
) -> Result<StreamInfo, BrokerError> {
    let mut config = json!({
        "name": spec.name,
        "subjects": spec.subjects,
        "retention": "limits",
        "storage": "file",
        "discard": "old",
        "num_replicas": 1,
        "max_consumers": -1,
        "max_msgs": -1,
        "max_bytes": -1,
        "max_age": 0,
        "duplicate_window": nanos(WINDOW),
    });
    if let Some(owner) = spec.kind.owner() {
        config["metadata"] = json!({ OWNER: owner });
    }
    match &spec.kind {
        StreamKind::Events { .. } => {}
        StreamKind::Retry { .. } => {
            // A work queue empties itself. Schedules refuse `discard: new`, so it has no size that could discard.
            config["retention"] = "workqueue".into();
            config["allow_msg_schedules"] = true.into();
        }
        StreamKind::Dead { max_age, .. } => {
            config["max_age"] = nanos(*max_age).into();
            // The server refuses a window that is longer than what it is to recognise stays.
            config["duplicate_window"] = nanos(WINDOW.min(*max_age)).into();
            config["max_bytes"] = DEAD_BYTES.into();
            config["discard"] = "new".into();
        }
    }
    match call::<WireStream>(link, &format!("STREAM.CREATE.{}", spec.name), &config).await {
        Ok(created) => Ok(stream_info(created)),
        // Another instance may have been quicker, with another generation's settings.
        Err(Failure::Refused(10058, error)) => match stream(link, &spec.name).await? {
            Some(found)
                if found.subjects == spec.subjects
                    && found.owner.as_deref() == spec.kind.owner() =>
            {
                Ok(found)
            }
            _ => Err(error),
        },
        Err(failure) => Err(failure.into()),
    }
}

pub(super) async fn durable(
    link: &Link,
    stream: &str,
    name: &str,
) -> Result<Option<DurableInfo>, BrokerError> {
    Ok(consumer_info(link, stream, name).await?.map(durable_info))
}

pub(super) async fn consumer_info(
    link: &Link,
    stream: &str,
    name: &str,
) -> Result<Option<WireConsumer>, BrokerError> {
    optional(
        call(
            link,
            &format!("CONSUMER.INFO.{stream}.{name}"),
            &Value::Null,
        )
        .await,
    )
}

fn durable_info(found: WireConsumer) -> DurableInfo {
    let config = &found.config;
    let mut filters = texts(&config["filter_subjects"]);
    filters.extend(
        config["filter_subject"]
            .as_str()
            .filter(|filter| !filter.is_empty())
            .map(str::to_owned),
    );
    filters.sort();
    DurableInfo {
        name: found.name,
        owner: config["metadata"][OWNER].as_str().map(str::to_owned),
        filters,
        explicit_ack: config["ack_policy"] == "explicit",
        ack_wait: Duration::from_nanos(config["ack_wait"].as_u64().unwrap_or(0)),
        max_ack_pending: config["max_ack_pending"].as_i64().unwrap_or(-1),
        max_deliver: config["max_deliver"].as_i64().filter(|limit| *limit > 0),
        position: Position {
            pending: found.num_pending,
            unsettled: found.num_ack_pending,
        },
    }
}

#[derive(Deserialize)]
struct Consumers {
    total: u64,
    consumers: Option<Vec<WireConsumer>>,
}

pub(super) async fn durables(
    link: &Link,
    stream: &str,
    service: &str,
) -> Result<Vec<DurableInfo>, BrokerError> {
    let mut all = Vec::new();
    loop {
        let page: Consumers = call(
            link,
            &format!("CONSUMER.LIST.{stream}"),
            &json!({ "offset": all.len() }),
        )
        .await?;
        let found = page.consumers.unwrap_or_default();
        let empty = found.is_empty();
        all.extend(found.into_iter().map(durable_info));
        if empty || all.len() as u64 >= page.total {
            break;
        }
    }
    all.retain(|durable| durable.owner.as_deref() == Some(service));
    Ok(all)
}

/// The server's word for a durable with room for more deliveries than its stream or its account allows.
const TOO_MUCH_UNSETTLED: u32 = 10121;

pub(super) async fn create_durable(
    link: &Link,
    stream: &str,
    spec: &DurableSpec,
) -> Result<DurableInfo, BrokerError> {
    let mut config = json!({
        "durable_name": spec.name,
        "name": spec.name,
        "description": format!("the handler `{}` of the service `{}`", spec.handler, spec.service),
        "deliver_policy": "all",
        "ack_policy": "explicit",
        "ack_wait": nanos(spec.ack_wait),
        // The runtime counts and decides: a limit here would lose what healthy messages share a batch with.
        "max_deliver": -1,
        "filter_subject": spec.filter,
        "replay_policy": "instant",
        "max_ack_pending": spec.max_ack_pending,
        "metadata": { OWNER: spec.service, "event-runtime.handler": spec.handler },
    });
    match spec.start {
        None | Some(Start::All) => {}
        Some(Start::New) => config["deliver_policy"] = "new".into(),
        Some(Start::At(time)) => {
            config["deliver_policy"] = "by_start_time".into();
            config["opt_start_time"] = time.to_string().into();
        }
    }
    let mut body = json!({ "stream_name": stream, "config": config, "action": "create" });
    let subject = format!("CONSUMER.CREATE.{stream}.{}.{}", spec.name, spec.filter);
    let mut created = call::<WireConsumer>(link, &subject, &body).await;
    if matches!(created, Err(Failure::Refused(TOO_MUCH_UNSETTLED, _))) {
        // The stream or the account has a limit: without a word of ours the server sets what it allows.
        body["config"]["max_ack_pending"] = 0.into();
        created = call(link, &subject, &body).await;
    }
    match created {
        Ok(created) => Ok(durable_info(created)),
        Err(Failure::Refused(code, error)) => match durable(link, stream, &spec.name).await? {
            // Another instance was quicker; whether it is what we need was or will be compared.
            Some(found) if code == 10148 && found.filters == [spec.filter.clone()] => Ok(found),
            _ => Err(error),
        },
        Err(failure) => Err(failure.into()),
    }
}

fn nanos(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}

pub(super) fn text(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}

fn texts(value: &Value) -> Vec<String> {
    value
        .as_array()
        .map(|list| list.iter().map(text).collect())
        .unwrap_or_default()
}
