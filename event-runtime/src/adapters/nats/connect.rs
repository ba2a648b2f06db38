//! Connects, and says in plain words why it can't.

use std::path::PathBuf;
use std::time::Duration;

use async_nats::{Client, ConnectErrorKind, ConnectOptions, ServerAddr};

use super::link::{Events, Link};
use super::{NatsOptions, api};
use crate::broker::{BrokerError, Secret};

/// Scheduled messages came with this version: retry lanes need them.
const OLDEST: (u64, u64) = (2, 12);
const CONNECT: Duration = Duration::from_secs(5);

pub(super) struct Connected {
    pub(super) address: String,
    pub(super) publish: Link,
    pub(super) consume: Link,
}

pub(super) async fn connect(options: &NatsOptions) -> Result<Connected, BrokerError> {
    let servers = servers(&options.address)?;
    let address = shown(&servers);
    let publish = open(options, &servers, &address, "publish").await?;
    let version = publish.client.server_info().version;
    check_version(&version, &address)?;
    let consume = consumer(options).await?;
    api::check_jetstream(&publish, &address).await?;
    Ok(Connected {
        address,
        publish,
        consume,
    })
}

/// The connection that consumes; again where the one before has ended.
pub(super) async fn consumer(options: &NatsOptions) -> Result<Link, BrokerError> {
    let servers = servers(&options.address)?;
    open(options, &servers, &shown(&servers), "consume").await
}

fn servers(address: &Secret) -> Result<Vec<ServerAddr>, BrokerError> {
    let addresses = address
        .reveal()
        .split(',')
        .map(str::trim)
        .filter(|address| !address.is_empty());
    addresses
        .map(|address| {
            // The text may hold a password: it is not repeated, and neither is what the parser says of it.
            address.parse().map_err(|_| {
                BrokerError::misconfigured(
                    "EVENT_BROKER can't be read: it is `nats://host:4222` or `tls://host:4222`, several with commas between them",
                )
            })
        })
        .collect()
}

/// Hosts and ports alone.
fn shown(servers: &[ServerAddr]) -> String {
    let shown: Vec<String> = servers
        .iter()
        .map(|server| format!("{}://{}:{}", server.scheme(), server.host(), server.port()))
        .collect();
    shown.join(",")
}

async fn open(
    options: &NatsOptions,
    servers: &[ServerAddr],
    address: &str,
    purpose: &str,
) -> Result<Link, BrokerError> {
    let events = Events::default();
    let heard = events.clone();
    let connect = login(options, servers)?
        .name(format!("{} ({purpose})", options.name))
        .ping_interval(Duration::from_secs(5))
        .connection_timeout(CONNECT)
        .request_timeout(Some(Duration::from_secs(5)))
        .event_callback(move |event| {
            heard.hear(&event);
            std::future::ready(())
        });
    let attempt = tokio::time::timeout(CONNECT * 2, connect.connect(servers)).await;
    let client: Client = match attempt {
        Ok(Ok(client)) => client,
        Ok(Err(error)) => {
            return Err(refused(error.kind(), address).because(Redacted::new(&error, servers)));
        }
        Err(_) => return Err(refused(ConnectErrorKind::TimedOut, address)),
    };
    Ok(Link { client, events })
}

fn login(options: &NatsOptions, servers: &[ServerAddr]) -> Result<ConnectOptions, BrokerError> {
    let mut connect = ConnectOptions::new();
    if let Some(file) = &options.credentials {
        let text = std::fs::read_to_string(file).map_err(|error| {
            BrokerError::misconfigured(format!(
                "the credentials file `{file}` (EVENT_NATS_CREDENTIALS) can't be read"
            ))
            .because(error)
        })?;
        connect = connect.credentials(&text).map_err(|_| {
            BrokerError::misconfigured(format!(
                "the file `{file}` (EVENT_NATS_CREDENTIALS) is no credentials file: it holds a user's JWT and its seed, as `nsc` writes them"
            ))
        })?;
    }
    match (&options.user, &options.password) {
        (Some(user), Some(password)) => {
            connect = connect.user_and_password(user.clone(), password.reveal().to_owned());
        }
        (None, None) => {
            if let Some(server) = servers.iter().find(|server| server.has_user_pass()) {
                connect = login_of(server, connect);
            }
        }
        _ => {
            return Err(BrokerError::misconfigured(
                "EVENT_NATS_USER and EVENT_NATS_PASSWORD go together: set both, or none",
            ));
        }
    }
    if let Some(token) = &options.token {
        connect = connect.token(token.reveal().to_owned());
    }
    for (file, variable) in [
        (&options.ca, "EVENT_NATS_CA"),
        (&options.cert, "EVENT_NATS_CERT"),
        (&options.key, "EVENT_NATS_KEY"),
    ] {
        if let Some(file) = file {
            std::fs::metadata(file).map_err(|error| {
                BrokerError::misconfigured(format!("the file `{file}` ({variable}) can't be read"))
                    .because(error)
            })?;
        }
    }
    if let Some(ca) = &options.ca {
        connect = connect
            .add_root_certificates(PathBuf::from(ca))
            .require_tls(true);
    }
    match (&options.cert, &options.key) {
        (Some(cert), Some(key)) => {
            connect = connect
                .add_client_certificate(PathBuf::from(cert), PathBuf::from(key))
                .require_tls(true);
        }
        (None, None) => {}
        _ => {
            return Err(BrokerError::misconfigured(
                "EVENT_NATS_CERT and EVENT_NATS_KEY go together: set both, or none",
            ));
        }
    }
    Ok(connect)
}

/// What stands before the host: `user:password@`, or `token@`. The client library leaves it to us.
fn login_of(server: &ServerAddr, connect: ConnectOptions) -> ConnectOptions {
    let decoded = |part: Option<&str>| {
        part.filter(|part| !part.is_empty()).map(|part| {
            percent_encoding::percent_decode_str(part)
                .decode_utf8_lossy()
                .into_owned()
        })
    };
    match (decoded(server.username()), decoded(server.password())) {
        (Some(user), Some(password)) => connect.user_and_password(user, password),
        (Some(token), None) => connect.token(token),
        (None, _) => connect,
    }
}

fn refused(kind: ConnectErrorKind, address: &str) -> BrokerError {
    match kind {
        ConnectErrorKind::AuthorizationViolation | ConnectErrorKind::Authentication => {
            BrokerError::misconfigured(format!(
                "the server at {address} refuses this login: check EVENT_NATS_USER and EVENT_NATS_PASSWORD, EVENT_NATS_TOKEN, EVENT_NATS_CREDENTIALS, or the user in EVENT_BROKER"
            ))
        }
        ConnectErrorKind::Tls => BrokerError::misconfigured(format!(
            "the server at {address} can't be trusted over TLS: check EVENT_NATS_CA, EVENT_NATS_CERT and EVENT_NATS_KEY, and that the certificate is for this host"
        )),
        ConnectErrorKind::ServerParse | ConnectErrorKind::Dns => BrokerError::misconfigured(
            format!("the host in {address} is unknown: check EVENT_BROKER"),
        ),
        _ => BrokerError::transient(format!(
            "no NATS server answers at {address}: is it running, and is EVENT_BROKER right?"
        )),
    }
}

/// An error's text without what the address may hold besides host and port.
#[derive(Debug)]
struct Redacted(String);

impl Redacted {
    fn new(error: &dyn std::error::Error, servers: &[ServerAddr]) -> Self {
        let mut text = innermost(error);
        for server in servers {
            for secret in [server.password(), server.username()]
                .into_iter()
                .flatten()
                .filter(|text| !text.is_empty())
            {
                text = text.replace(secret, "[redacted]");
            }
        }
        Self(text)
    }
}

/// The innermost cause: what the system said.
fn innermost(error: &dyn std::error::Error) -> String {
    let mut cause = error;
    while let Some(source) = cause.source() {
        cause = source;
    }
    cause.to_string()
}

impl std::fmt::Display for Redacted {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for Redacted {}

fn check_version(version: &str, address: &str) -> Result<(), BrokerError> {
    let mut numbers = version
        .split(['.', '-'])
        .map(|number| number.parse::<u64>().unwrap_or(0));
    let found = (numbers.next().unwrap_or(0), numbers.next().unwrap_or(0));
    if found >= OLDEST {
        return Ok(());
    }
    let (major, minor) = OLDEST;
    Err(BrokerError::misconfigured(format!(
        "the server at {address} is nats-server {version}, and retries need {major}.{minor} or newer, which can delay messages: upgrade it"
    )))
}

#[cfg(test)]
mod tests {
    use super::check_version;

    #[test]
    fn an_old_server_is_refused_with_its_version() {
        assert!(check_version("2.12.0", "nats://a:4222").is_ok());
        assert!(check_version("2.15.1-beta.2", "nats://a:4222").is_ok());
        assert!(check_version("3.0.0", "nats://a:4222").is_ok());
        expect_test::expect!["the server at nats://a:4222 is nats-server 2.11.9, and retries need 2.12 or newer, which can delay messages: upgrade it"]
            .assert_eq(&check_version("2.11.9", "nats://a:4222").unwrap_err().to_string());
    }
}
