//! Why a connection was not made, in plain words: what is wrong, where it is set, and what to do.

use std::error::Error;
use std::fmt;
use std::io;

use async_nats::rustls::{self, AlertDescription, CertificateError, InvalidMessage};
use async_nats::{ConnectErrorKind, ServerAddr};

use super::NatsOptions;
use crate::broker::BrokerError;

/// The error for a connection that the client library could not make.
pub(super) fn refused(
    error: &async_nats::ConnectError,
    options: &NatsOptions,
    servers: &[ServerAddr],
    address: &str,
) -> BrokerError {
    let refused = match tls_error(error) {
        Some(error) => BrokerError::misconfigured(tls(error, options, address)),
        None => by_kind(error.kind(), options, address),
    };
    refused.because(Redacted::new(error, servers))
}

/// The error for a server that did not answer in time.
pub(super) fn silent(address: &str) -> BrokerError {
    BrokerError::transient(format!(
        "no NATS server answers at {address}: is it running, and is EVENT_BROKER right?"
    ))
}

fn by_kind(kind: ConnectErrorKind, options: &NatsOptions, address: &str) -> BrokerError {
    match (kind, &options.credentials) {
        (
            ConnectErrorKind::AuthorizationViolation | ConnectErrorKind::Authentication,
            Some(file),
        ) => BrokerError::misconfigured(format!(
            "the server at {address} refuses the user of the credentials file `{file}` (EVENT_NATS_CREDENTIALS): it may have expired, been revoked, or be for another server"
        )),
        (ConnectErrorKind::AuthorizationViolation | ConnectErrorKind::Authentication, None) => {
            BrokerError::misconfigured(format!(
                "the server at {address} refuses this login: check EVENT_NATS_USER and EVENT_NATS_PASSWORD, EVENT_NATS_TOKEN, EVENT_NATS_CREDENTIALS, or the user in EVENT_BROKER"
            ))
        }
        (ConnectErrorKind::Tls, _) => BrokerError::misconfigured(unusable_files(options)),
        (ConnectErrorKind::ServerParse | ConnectErrorKind::Dns, _) => BrokerError::misconfigured(
            format!("the host in {address} is unknown: check EVENT_BROKER"),
        ),
        _ => silent(address),
    }
}

/// TLS did not come so far as to ask the server.
fn unusable_files(options: &NatsOptions) -> String {
    match (&options.cert, &options.key) {
        (Some(cert), Some(key)) => format!(
            "the certificate `{cert}` (EVENT_NATS_CERT) and the key `{key}` (EVENT_NATS_KEY) can't be used: does the key belong to the certificate?"
        ),
        _ => "TLS can't be set up: check EVENT_NATS_CA, and this machine's own authorities".into(),
    }
}

/// What TLS itself says, which the client library hands on as an error of input and output.
fn tls_error<'a>(error: &'a (dyn Error + 'static)) -> Option<&'a rustls::Error> {
    let mut cause = Some(error);
    while let Some(error) = cause {
        if let Some(found) = error.downcast_ref() {
            return Some(found);
        }
        // An `io::Error` counts its inner error's cause as its own, not the inner error.
        cause = match error
            .downcast_ref::<io::Error>()
            .and_then(io::Error::get_ref)
        {
            Some(inner) => Some(inner),
            None => error.source(),
        };
    }
    None
}

fn tls(error: &rustls::Error, options: &NatsOptions, address: &str) -> String {
    match error {
        rustls::Error::InvalidCertificate(error) => certificate(error, options, address),
        rustls::Error::AlertReceived(alert) => alerted(*alert, options, address),
        rustls::Error::InvalidMessage(InvalidMessage::InvalidContentType) => format!(
            "the server at {address} does not speak TLS, and `tls://`, EVENT_NATS_CA or EVENT_NATS_CERT ask for it: set TLS up at the server, or take them out"
        ),
        _ => failed(address),
    }
}

/// What is wrong with the server's certificate.
fn certificate(error: &CertificateError, options: &NatsOptions, address: &str) -> String {
    match (error, &options.ca) {
        (CertificateError::UnknownIssuer, Some(ca)) => format!(
            "the certificate of the server at {address} was not issued by an authority in `{ca}` (EVENT_NATS_CA): put the authority of this server there"
        ),
        (CertificateError::UnknownIssuer, None) => format!(
            "the certificate of the server at {address} was issued by an authority that this machine does not trust: name a PEM file with its certificate in EVENT_NATS_CA"
        ),
        (CertificateError::Expired | CertificateError::ExpiredContext { .. }, _) => format!(
            "the certificate of the server at {address} has expired: renew it (or is this machine's clock wrong?)"
        ),
        (
            CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. },
            _,
        ) => {
            format!(
                "the certificate of the server at {address} is for another host: use a name that it is for in EVENT_BROKER, or issue it for this one"
            )
        }
        _ => format!(
            "the certificate of the server at {address} can't be trusted: check it, and EVENT_NATS_CA"
        ),
    }
}

/// What the server says about our side of TLS.
fn alerted(alert: AlertDescription, options: &NatsOptions, address: &str) -> String {
    match (alert, &options.cert) {
        // TLS 1.2 has no alert of its own for a certificate that is missing.
        (AlertDescription::CertificateRequired | AlertDescription::BadCertificate, None) => {
            format!(
                "the server at {address} wants a certificate of this client: name PEM files in EVENT_NATS_CERT and EVENT_NATS_KEY"
            )
        }
        (AlertDescription::UnknownCA, Some(cert)) => format!(
            "the server at {address} does not trust the authority of the certificate `{cert}` (EVENT_NATS_CERT): use one that an authority of the server issued"
        ),
        (AlertDescription::CertificateExpired, Some(cert)) => {
            format!("the certificate `{cert}` (EVENT_NATS_CERT) has expired: renew it")
        }
        (
            AlertDescription::BadCertificate
            | AlertDescription::UnsupportedCertificate
            | AlertDescription::CertificateRevoked
            | AlertDescription::CertificateUnknown
            | AlertDescription::AccessDenied,
            Some(cert),
        ) => format!(
            "the server at {address} refuses the certificate `{cert}` (EVENT_NATS_CERT): is it one for clients, by an authority of the server?"
        ),
        _ => failed(address),
    }
}

fn failed(address: &str) -> String {
    format!(
        "TLS with the server at {address} fails: check EVENT_NATS_CA, EVENT_NATS_CERT and EVENT_NATS_KEY, and the server's own TLS settings"
    )
}

/// An error's text without what the address may hold besides host and port.
#[derive(Debug)]
struct Redacted(String);

impl Redacted {
    fn new(error: &dyn Error, servers: &[ServerAddr]) -> Self {
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
fn innermost(error: &dyn Error) -> String {
    let mut cause = error;
    while let Some(source) = cause.source() {
        cause = source;
    }
    cause.to_string()
}

impl fmt::Display for Redacted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl Error for Redacted {}
