//! Messages as a stream holds them: counted, read, removed.

use std::collections::HashMap;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use jiff::Timestamp;
use serde::Deserialize;
use serde_json::{Value, json};

use super::api::{Failure, call, optional};
use super::headers;
use super::link::Link;
use crate::broker::{BrokerError, StoredMessage};

/// A page of the subjects that a stream holds.
#[derive(Deserialize)]
struct Page {
    state: Subjects,
    #[serde(default)]
    total: u64,
}

#[derive(Deserialize)]
struct Subjects {
    subjects: Option<HashMap<String, u64>>,
}

pub(super) async fn count(link: &Link, stream: &str, filter: &str) -> Result<u64, BrokerError> {
    let mut subjects = 0;
    let mut messages = 0;
    loop {
        let body = json!({ "subjects_filter": filter, "offset": subjects });
        let page: Page = call(link, &format!("STREAM.INFO.{stream}"), &body).await?;
        let found = page.state.subjects.unwrap_or_default();
        subjects += found.len() as u64;
        messages += found.values().sum::<u64>();
        if found.is_empty() || subjects >= page.total {
            return Ok(messages);
        }
    }
}

#[derive(Deserialize)]
struct Got {
    message: WireMessage,
}

#[derive(Deserialize)]
struct WireMessage {
    subject: String,
    seq: u64,
    hdrs: Option<String>,
    data: Option<String>,
    time: String,
}

/// A message with its headers as they were written, whatever they are.
pub(super) struct Raw {
    pub(super) subject: String,
    pub(super) sequence: u64,
    pub(super) stored_at: Timestamp,
    pub(super) headers: Vec<u8>,
    pub(super) payload: Vec<u8>,
}

pub(super) async fn read(
    link: &Link,
    stream: &str,
    filter: &str,
    sequence: u64,
) -> Result<Option<StoredMessage>, BrokerError> {
    let found = read_raw(link, stream, filter, sequence).await?;
    Ok(found.map(|raw| StoredMessage {
        subject: raw.subject,
        sequence: raw.sequence,
        stored_at: raw.stored_at,
        headers: headers::parse(&raw.headers),
        payload: raw.payload.into(),
    }))
}

/// The first message from this place on.
pub(super) async fn read_raw(
    link: &Link,
    stream: &str,
    filter: &str,
    sequence: u64,
) -> Result<Option<Raw>, BrokerError> {
    let body = json!({ "seq": sequence, "next_by_subj": filter });
    let found: Option<Got> =
        optional(call(link, &format!("STREAM.MSG.GET.{stream}"), &body).await)?;
    let Some(Got { message }) = found else {
        return Ok(None);
    };
    let unreadable = || {
        BrokerError::transient(format!(
            "message {} of the stream `{stream}` can't be read",
            message.seq
        ))
    };
    let decode = |text: &Option<String>| match text {
        Some(text) => STANDARD.decode(text).map_err(|_| unreadable()),
        None => Ok(Vec::new()),
    };
    Ok(Some(Raw {
        sequence: message.seq,
        stored_at: message.time.parse().map_err(|_| unreadable())?,
        headers: decode(&message.hdrs)?,
        payload: decode(&message.data)?,
        subject: message.subject,
    }))
}

pub(super) async fn remove(link: &Link, stream: &str, sequence: u64) -> Result<(), BrokerError> {
    let body = json!({ "seq": sequence, "no_erase": true });
    match call::<Value>(link, &format!("STREAM.MSG.DELETE.{stream}"), &body).await {
        // 10043 and, from older servers, 10057: it is gone already.
        Ok(_) | Err(Failure::NotFound | Failure::Refused(10043 | 10057, _)) => Ok(()),
        Err(failure) => Err(failure.into()),
    }
}
