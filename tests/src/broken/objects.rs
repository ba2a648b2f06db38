//! Faults in streams, durables and what is stored.

use std::sync::Arc;

use event_runtime::broker::{
    Broker, BrokerError, DurableInfo, DurableSpec, Position, Start, StoredMessage, StreamInfo,
    StreamKind, StreamSpec,
};
use futures_util::FutureExt;
use futures_util::future::BoxFuture;

use super::Broken;
use crate::faulty::{Answer, Fault};

pub(super) const ALL: &[Broken] = &[
    Broken::new(
        "delivers the events of other handlers too",
        &[
            "filters_match_word_by_word",
            "topics_do_not_disturb_each_other",
            "a_retry_reaches_its_own_handler_only",
        ],
        || creating(|spec| spec.filter = String::from(">")),
    ),
    Broken::new(
        "begins every durable at the first event",
        &["a_durable_begins_where_its_start_says"],
        || creating(|spec| spec.start = Some(Start::All)),
    ),
    Broken::new(
        "has no limit of unsettled deliveries",
        &[
            "no_more_than_the_limit_is_unsettled",
            "a_durable_tells_its_settings",
        ],
        || creating(|spec| spec.max_ack_pending = usize::MAX),
    ),
    Broken::new(
        "delivers again after half of the ack wait",
        &[
            "what_is_not_settled_comes_again_after_the_ack_wait",
            "a_durable_tells_its_settings",
        ],
        || creating(|spec| spec.ack_wait /= 2),
    ),
    Broken::new(
        "takes any durable of the same name for the same",
        &["a_durable_is_created_once_and_never_altered"],
        || Arc::new(AnyDurable),
    ),
    Broken::new(
        "lists the durables of all services",
        &["durables_belong_to_their_service"],
        || Arc::new(Everybodys),
    ),
    Broken::new(
        "counts what is unsettled as pending",
        &[
            "a_position_says_what_is_left",
            "a_dead_letter_is_kept_before_its_original_is_let_go",
        ],
        || Arc::new(Blurred),
    ),
    Broken::new(
        "takes any stream of the same name for the same, and lets them overlap",
        &[
            "a_stream_is_created_once_and_never_altered",
            "two_streams_hold_no_subject_in_common",
            "lanes_belong_to_one_service",
        ],
        || Arc::new(AnyStream),
    ),
    Broken::new(
        "refuses to create what exists already",
        &[
            "instances_create_the_same_things_at_once",
            "a_stream_is_created_once_and_never_altered",
            "a_durable_is_created_once_and_never_altered",
        ],
        || Arc::new(Strict),
    ),
    Broken::new(
        "has no work queues",
        &["a_retry_lane_empties_itself"],
        || Arc::new(NoQueues),
    ),
    Broken::new(
        "finds streams by their exact subjects only",
        &["streams_are_found_by_subject"],
        || Arc::new(Literal),
    ),
    Broken::new(
        "counts and reads without looking at the filter",
        &["counting_is_by_filter", "reading_goes_on_at_the_next_match"],
        || Arc::new(Unfiltered),
    ),
    Broken::new(
        "removes nothing",
        &[
            "what_is_removed_is_gone",
            "a_dead_letter_is_kept_before_its_original_is_let_go",
        ],
        || Arc::new(Keeper),
    ),
    Broken::new(
        "forgets everything when it is restarted",
        &["a_restart_of_the_broker_loses_nothing"],
        || Arc::new(Volatile),
    ),
];

/// Creates durables otherwise than asked.
struct Creating(fn(&mut DurableSpec));

fn creating(change: fn(&mut DurableSpec)) -> Arc<dyn Fault> {
    Arc::new(Creating(change))
}

impl Fault for Creating {
    fn create_durable<'a>(
        &'a self,
        inner: &'a dyn Broker,
        stream: &'a str,
        spec: &'a DurableSpec,
    ) -> Answer<'a, DurableInfo> {
        async move {
            let mut spec = spec.clone();
            (self.0)(&mut spec);
            inner.create_durable(stream, &spec).await
        }
        .boxed()
    }
}

struct AnyDurable;

impl Fault for AnyDurable {
    fn create_durable<'a>(
        &'a self,
        inner: &'a dyn Broker,
        stream: &'a str,
        spec: &'a DurableSpec,
    ) -> Answer<'a, DurableInfo> {
        async move {
            match inner.durable(stream, &spec.name).await? {
                Some(found) => Ok(found),
                None => inner.create_durable(stream, spec).await,
            }
        }
        .boxed()
    }
}

struct Everybodys;

impl Fault for Everybodys {
    fn durables<'a>(
        &'a self,
        inner: &'a dyn Broker,
        stream: &'a str,
        _: &'a str,
    ) -> Answer<'a, Vec<DurableInfo>> {
        async move {
            let mut all = inner.durables(stream, "conf").await?;
            all.extend(inner.durables(stream, "other").await?);
            Ok(all)
        }
        .boxed()
    }
}

struct Blurred;

impl Fault for Blurred {
    fn told(&self, mut durable: DurableInfo) -> DurableInfo {
        let Position { pending, unsettled } = durable.position;
        durable.position = Position {
            pending: pending + unsettled,
            unsettled: 0,
        };
        durable
    }
}

struct AnyStream;

impl Fault for AnyStream {
    fn create_stream<'a>(
        &'a self,
        inner: &'a dyn Broker,
        spec: &'a StreamSpec,
    ) -> Answer<'a, StreamInfo> {
        async move {
            if let Ok(created) = inner.create_stream(spec).await {
                return Ok(created);
            }
            let mut info = StreamInfo::new(&spec.name, spec.subjects.clone());
            info.owner = spec.kind.owner().map(str::to_owned);
            Ok(info)
        }
        .boxed()
    }
}

struct Strict;

impl Fault for Strict {
    fn create_stream<'a>(
        &'a self,
        inner: &'a dyn Broker,
        spec: &'a StreamSpec,
    ) -> Answer<'a, StreamInfo> {
        async move {
            match inner.stream(&spec.name).await? {
                Some(_) => Err(exists()),
                None => inner.create_stream(spec).await,
            }
        }
        .boxed()
    }

    fn create_durable<'a>(
        &'a self,
        inner: &'a dyn Broker,
        stream: &'a str,
        spec: &'a DurableSpec,
    ) -> Answer<'a, DurableInfo> {
        async move {
            match inner.durable(stream, &spec.name).await? {
                Some(_) => Err(exists()),
                None => inner.create_durable(stream, spec).await,
            }
        }
        .boxed()
    }
}

fn exists() -> BrokerError {
    BrokerError::misconfigured("it exists already")
}

struct NoQueues;

impl Fault for NoQueues {
    fn create_stream<'a>(
        &'a self,
        inner: &'a dyn Broker,
        spec: &'a StreamSpec,
    ) -> Answer<'a, StreamInfo> {
        async move {
            let mut spec = spec.clone();
            if let StreamKind::Retry { service } = spec.kind {
                let max_age = std::time::Duration::from_hours(1);
                spec.kind = StreamKind::Dead { service, max_age };
            }
            inner.create_stream(&spec).await
        }
        .boxed()
    }
}

struct Literal;

impl Fault for Literal {
    fn streams_for<'a>(
        &'a self,
        inner: &'a dyn Broker,
        filter: &'a str,
    ) -> Answer<'a, Vec<StreamInfo>> {
        async move {
            let mut found = inner.streams_for(filter).await?;
            found.retain(|stream| stream.subjects.iter().any(|subject| subject == filter));
            Ok(found)
        }
        .boxed()
    }
}

struct Unfiltered;

impl Fault for Unfiltered {
    fn count<'a>(&'a self, inner: &'a dyn Broker, stream: &'a str, _: &'a str) -> Answer<'a, u64> {
        inner.count(stream, ">")
    }

    fn read<'a>(
        &'a self,
        inner: &'a dyn Broker,
        stream: &'a str,
        _: &'a str,
        sequence: u64,
    ) -> Answer<'a, Option<StoredMessage>> {
        inner.read(stream, ">", sequence)
    }
}

struct Keeper;

impl Fault for Keeper {
    fn remove<'a>(&'a self, _: &'a dyn Broker, _: &'a str, _: u64) -> Answer<'a, ()> {
        std::future::ready(Ok(())).boxed()
    }
}

struct Volatile;

impl Fault for Volatile {
    fn restarted<'a>(&'a self, inner: &'a dyn Broker) -> BoxFuture<'a, ()> {
        async move {
            while let Some(found) = inner.read("CONF", ">", 1).await.unwrap() {
                inner.remove("CONF", found.sequence).await.unwrap();
            }
        }
        .boxed()
    }
}
