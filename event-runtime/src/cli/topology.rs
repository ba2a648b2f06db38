//! `topology`: wanted and found, side by side.

use super::print;
use crate::broker::{BrokerError, StreamInfo, StreamKind};
use crate::runtime::{Error, Item, Prepared, inspect, table};

pub(super) async fn show(prepared: Prepared, apply: bool) -> Result<(), Error> {
    let (prepared, broker) = prepared.connect_for("topology").await?;
    if apply {
        prepared.apply(&*broker).await?;
    }
    let items = inspect(&*broker, &prepared.wanted()).await?;
    let mut rows = vec![
        ["KIND", "NAME", "WANTED", "FOUND"]
            .map(str::to_owned)
            .to_vec(),
    ];
    rows.extend(items.iter().map(row));
    print(&table::columns(&rows));
    broker.close().await?;
    Ok(())
}

fn row(item: &Item) -> Vec<String> {
    match item {
        Item::Stream { wanted, found } => {
            let what = match &wanted.kind {
                StreamKind::Events { topic, .. } => format!("holds {topic}"),
                StreamKind::Retry { .. } | StreamKind::Dead { .. } => {
                    format!("holds {}", wanted.subjects.join(", "))
                }
            };
            let name = found
                .as_ref()
                .ok()
                .and_then(Option::as_ref)
                .map_or(&wanted.name, |info| &info.name);
            vec!["stream".into(), name.clone(), what, outcome(found, stream)]
        }
        Item::Durable {
            wanted,
            stream,
            found,
            differences,
        } => {
            let place = stream.as_deref().unwrap_or("a stream to be created");
            let state = if differences.is_empty() {
                outcome(found, |info| {
                    format!(
                        "as wanted; {} pending, {} unsettled",
                        info.position.pending, info.position.unsettled
                    )
                })
            } else {
                let list: Vec<String> = differences
                    .iter()
                    .map(|difference| {
                        let weight = if difference.refused {
                            ", which the handler can't run with"
                        } else {
                            ""
                        };
                        format!("{} is {}{weight}", difference.setting, difference.found)
                    })
                    .collect();
                list.join("; ")
            };
            vec![
                "durable".into(),
                wanted.name.clone(),
                format!("{} from {place}", wanted.filter),
                state,
            ]
        }
        Item::Orphan { stream, found } => vec![
            "durable".into(),
            found.name.clone(),
            "no handler".into(),
            format!(
                "on {stream}; {} pending: delete it if its handler is gone",
                found.position.pending
            ),
        ],
    }
}

fn outcome<T>(found: &Result<Option<T>, BrokerError>, describe: impl Fn(&T) -> String) -> String {
    match found {
        Ok(Some(info)) => describe(info),
        Ok(None) => "missing; `topology --apply` creates it".into(),
        Err(error) => format!("refused: {error}"),
    }
}

fn stream(info: &StreamInfo) -> String {
    let settings: Vec<String> = info
        .settings
        .iter()
        .map(|setting| format!("{} {}", setting.name, setting.value))
        .collect();
    format!("{} messages; {}", info.messages, settings.join(", "))
}
