//! Connects, and says in plain words why it can't.

use std::path::PathBuf;
use std::time::Duration;

use async_nats::{Client, ConnectOptions, ServerAddr};

use super::link::{Events, Link};
use super::{NatsOptions, api, refusal};
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
            address.parse().map_err(|_| unreadable())
        })
        .collect()
}

fn unreadable() -> BrokerError {
    BrokerError::misconfigured(
        "EVENT_BROKER can't be read: it is `nats://host:4222` or `tls://host:4222`, several with commas between them",
    )
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
        // Each message's subject is checked before it comes here, by stricter rules.
        .skip_subject_validation(true)
        .event_callback(move |event| {
            heard.hear(&event);
            std::future::ready(())
        });
    let bare = servers.iter().cloned().map(without_login);
    let bare: Vec<ServerAddr> = bare.collect::<Result<_, _>>()?;
    let attempt = tokio::time::timeout(CONNECT * 2, connect.connect(bare)).await;
    let client: Client = match attempt {
        Ok(Ok(client)) => client,
        Ok(Err(error)) => {
            return Err(refusal::refused(&error, options, servers, address));
        }
        Err(_) => return Err(refusal::silent(address)),
    };
    Ok(Link { client, events })
}

/// The client library logs whole addresses, and needs no login in them: it gets it apart.
fn without_login(server: ServerAddr) -> Result<ServerAddr, BrokerError> {
    let mut url = server.into_inner();
    let host = url.set_username("").and(url.set_password(None));
    host.ok()
        .and_then(|()| ServerAddr::from_url(url).ok())
        .ok_or_else(unreadable)
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
    if let Some(ca) = &options.ca {
        check_pem(ca, "EVENT_NATS_CA", "CERTIFICATE")?;
        connect = connect
            .add_root_certificates(PathBuf::from(ca))
            .require_tls(true);
    }
    match (&options.cert, &options.key) {
        (Some(cert), Some(key)) => {
            check_pem(cert, "EVENT_NATS_CERT", "CERTIFICATE")?;
            check_pem(key, "EVENT_NATS_KEY", "PRIVATE KEY")?;
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

/// Whether a file holds what it should: the client library takes one that holds nothing for empty.
fn check_pem(file: &str, variable: &str, what: &str) -> Result<(), BrokerError> {
    let text = std::fs::read(file).map_err(|error| {
        BrokerError::misconfigured(format!("the file `{file}` ({variable}) can't be read"))
            .because(error)
    })?;
    // `-----BEGIN EC PRIVATE KEY-----` is one too.
    let begins = String::from_utf8_lossy(&text)
        .lines()
        .any(|line| line.starts_with("-----BEGIN ") && line.contains(&format!("{what}-----")));
    if begins {
        return Ok(());
    }
    Err(BrokerError::misconfigured(format!(
        "the file `{file}` ({variable}) holds no `{what}`: it is a PEM file, with a line `-----BEGIN {what}-----`"
    )))
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
