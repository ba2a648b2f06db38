//! The server's JSON API: requests with their time limit, errors with their code.

use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

use super::link::{CALL, Link};
use super::publish::ApiError;
use crate::broker::BrokerError;

/// The server knows no such object.
const NOT_FOUND: [u32; 3] = [10014, 10037, 10059];

#[derive(Deserialize)]
struct Failed {
    error: Option<ApiError>,
}

/// Why a call failed.
pub(super) enum Failure {
    /// There is no such stream, durable or message.
    NotFound,
    /// The server's own error code, with the error as we tell it.
    Refused(u32, BrokerError),
    Broker(BrokerError),
}

impl From<Failure> for BrokerError {
    fn from(failure: Failure) -> Self {
        match failure {
            Failure::NotFound => {
                BrokerError::misconfigured("the server has no such stream or durable")
            }
            Failure::Refused(_, error) | Failure::Broker(error) => error,
        }
    }
}

/// Calls `$JS.API.{call}`.
pub(super) async fn call<T: DeserializeOwned>(
    link: &Link,
    call: &str,
    body: &Value,
) -> Result<T, Failure> {
    let subject = format!("$JS.API.{call}");
    // What would end the line in which the server reads the subject. The client does not look for it.
    if subject.contains(|letter: char| letter.is_whitespace() || letter.is_control()) {
        return Err(Failure::Broker(BrokerError::misconfigured(format!(
            "`{}` can't be asked of the server: a name in it is not valid",
            call.escape_debug()
        ))));
    }
    let body = if body.is_null() {
        Vec::new()
    } else {
        body.to_string().into_bytes()
    };
    let request = link.client.request(subject, body.into());
    let answer = match tokio::time::timeout(CALL, request).await {
        Ok(Ok(answer)) => answer,
        Ok(Err(error)) => {
            return Err(Failure::Broker(BrokerError::transient(format!(
                "the server did not answer `{call}`: {error}"
            ))));
        }
        Err(_) => {
            let text = format!("the server did not answer `{call}` within {CALL:?}");
            return Err(Failure::Broker(BrokerError::transient(text)));
        }
    };
    let unreadable = |error| {
        Failure::Broker(
            BrokerError::transient(format!("the answer to `{call}` can't be read")).because(error),
        )
    };
    if let Failed { error: Some(error) } =
        serde_json::from_slice(&answer.payload).map_err(unreadable)?
    {
        return Err(failure(call, error));
    }
    serde_json::from_slice(&answer.payload).map_err(unreadable)
}

fn failure(call: &str, error: ApiError) -> Failure {
    let ApiError {
        code,
        err_code,
        description,
    } = error;
    if NOT_FOUND.contains(&err_code) {
        return Failure::NotFound;
    }
    let text = format!("the server refuses `{call}`: {description} ({err_code})");
    let error = if code == 503 || code == 500 || code == 408 {
        BrokerError::transient(text)
    } else {
        BrokerError::misconfigured(text)
    };
    Failure::Refused(err_code, error)
}

/// Nothing found is `None`.
pub(super) fn optional<T>(answer: Result<T, Failure>) -> Result<Option<T>, BrokerError> {
    match answer {
        Ok(found) => Ok(Some(found)),
        Err(Failure::NotFound) => Ok(None),
        Err(failure) => Err(failure.into()),
    }
}

/// Checks that the server has JetStream, for this account.
pub(super) async fn check_jetstream(link: &Link, address: &str) -> Result<(), BrokerError> {
    let none = || {
        BrokerError::misconfigured(format!(
            "the server at {address} has no JetStream for this account: start it with `-js` (and a store folder), or enable it for the account"
        ))
    };
    let request = link.client.request("$JS.API.INFO", bytes::Bytes::new());
    match tokio::time::timeout(CALL, request).await {
        Ok(Ok(answer)) => match serde_json::from_slice::<Failed>(&answer.payload) {
            Ok(Failed { error: None }) => Ok(()),
            _ => Err(none()),
        },
        Ok(Err(error)) if error.kind() == async_nats::RequestErrorKind::NoResponders => Err(none()),
        _ => Err(BrokerError::transient(format!(
            "the server at {address} does not answer for its JetStream"
        ))),
    }
}
