//! Headers on the wire. Those that begin with `Nats-` are the server's and this adapter's alone.

use async_nats::header::{HeaderMap, HeaderName, HeaderValue};

use crate::broker::BrokerError;
use crate::envelope::Headers;

/// The server recognises a repeated message by this header.
pub(super) const MESSAGE_ID: &str = "Nats-Msg-Id";

pub(super) fn is_ours(name: &str) -> bool {
    name.get(..5)
        .is_some_and(|start| start.eq_ignore_ascii_case("nats-"))
}

/// Headers for the server, of a message that was checked.
pub(super) fn write(subject: &str, headers: &Headers) -> Result<HeaderMap, BrokerError> {
    let mut map = HeaderMap::new();
    for (name, value) in headers.iter().filter(|(name, _)| !is_ours(name)) {
        let parsed = HeaderName::try_from(name)
            .ok()
            .zip(value.parse::<HeaderValue>().ok());
        let Some((name, value)) = parsed else {
            return Err(BrokerError::permanent(format!(
                "the client does not send the header `{name}` of a message for `{subject}`"
            )));
        };
        map.append(name, value);
    }
    Ok(map)
}

/// Headers of a delivery.
pub(super) fn read(map: Option<&HeaderMap>) -> Headers {
    let Some(map) = map else {
        return Headers::new();
    };
    map.iter()
        .filter(|(name, _)| !is_ours(name.as_ref()))
        .flat_map(|(name, values)| {
            let name: &str = name.as_ref();
            values.iter().map(move |value| (name, value.as_str()))
        })
        .collect()
}

/// The message id that a delivery was published with.
pub(super) fn message_id(map: &HeaderMap) -> Option<String> {
    map.get(MESSAGE_ID).map(|id| id.as_str().to_owned())
}

/// Headers as the server stores them: `NATS/1.0`, then a line each.
pub(super) fn parse(bytes: &[u8]) -> Headers {
    let text = String::from_utf8_lossy(bytes);
    text.split("\r\n")
        .skip(1)
        .filter_map(|line| line.split_once(':'))
        .filter(|(name, _)| !is_ours(name))
        .map(|(name, value)| (name.to_owned(), value.trim_start().to_owned()))
        .collect()
}

/// The bytes that headers take on the wire, roughly.
pub(super) fn size(headers: &Headers) -> usize {
    headers
        .iter()
        .map(|(name, value)| name.len() + value.len() + 4)
        .sum()
}
