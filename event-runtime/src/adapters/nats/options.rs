//! How to reach a server and log in.

use crate::broker::Secret;

/// How to reach a server and log in. `Debug` shows no secret.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NatsOptions {
    /// One address or several with commas: `nats://host:4222`, `tls://host:4222`, `nats://user:password@host`.
    pub address: Secret,
    /// The connection's name, as the server's monitoring shows it.
    pub name: String,
    /// A credentials file.
    pub credentials: Option<String>,
    /// A user.
    pub user: Option<String>,
    /// The user's password.
    pub password: Option<Secret>,
    /// A token.
    pub token: Option<Secret>,
    /// A PEM file with the authorities to trust.
    pub ca: Option<String>,
    /// A PEM file with the client's certificate.
    pub cert: Option<String>,
    /// A PEM file with the client's key.
    pub key: Option<String>,
}

impl NatsOptions {
    /// An address, and nothing else.
    pub fn new(address: impl Into<String>) -> Self {
        Self {
            address: Secret::new(address),
            name: String::new(),
            credentials: None,
            user: None,
            password: None,
            token: None,
            ca: None,
            cert: None,
            key: None,
        }
    }
}
