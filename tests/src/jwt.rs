//! A server in operator mode, and the credentials files of its users, made for one test.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use nkeys::KeyPair;
use serde_json::{Value, json};

/// An operator with an account for users, and the system account that JetStream asks for.
#[derive(Debug)]
pub struct Operator {
    own: KeyPair,
    account: KeyPair,
    system: KeyPair,
}

impl Operator {
    /// A new one, with keys of its own.
    pub fn new() -> Self {
        Self {
            own: KeyPair::new_operator(),
            account: KeyPair::new_account(),
            system: KeyPair::new_account(),
        }
    }

    /// What a server of this operator has in its configuration.
    pub fn config(&self) -> String {
        let limits = json!({
            "subs": -1, "data": -1, "payload": -1, "imports": -1, "exports": -1, "wildcards": true,
            "conn": -1, "leaf": -1, "mem_storage": -1, "disk_storage": -1, "streams": -1, "consumer": -1,
        });
        let claims = json!({ "type": "operator", "version": 2 });
        let operator = sign(&self.own, &self.own, "operator", claims, None);
        let account = json!({ "type": "account", "version": 2, "limits": limits });
        let system = json!({ "type": "account", "version": 2 });
        let system_jwt = sign(&self.own, &self.system, "system", system, None);
        let account_jwt = sign(&self.own, &self.account, "account", account, None);
        let (account, system) = (self.account.public_key(), self.system.public_key());
        format!(
            "operator: {operator}\nsystem_account: {system}\nresolver: MEMORY\nresolver_preload: {{ {account}: {account_jwt}, {system}: {system_jwt} }}\n"
        )
    }

    /// A user's credentials file, and its secret seed. `expires` is in seconds since 1970.
    pub fn user(&self, expires: Option<i64>) -> (String, String) {
        let user = KeyPair::new_user();
        let claims = json!({
            "type": "user", "version": 2, "pub": {}, "sub": {}, "subs": -1, "data": -1, "payload": -1,
        });
        let jwt = sign(&self.account, &user, "ada", claims, expires);
        let seed = user.seed().unwrap();
        let file = format!(
            "-----BEGIN NATS USER JWT-----\n{jwt}\n------END NATS USER JWT------\n\n-----BEGIN USER NKEY SEED-----\n{seed}\n------END USER NKEY SEED------\n"
        );
        (file, seed)
    }
}

impl Default for Operator {
    fn default() -> Self {
        Self::new()
    }
}

fn sign(
    issuer: &KeyPair,
    subject: &KeyPair,
    name: &str,
    nats: Value,
    expires: Option<i64>,
) -> String {
    let mut claims = json!({
        "jti": uuid::Uuid::now_v7().simple().to_string(),
        "iat": 1_600_000_000,
        "iss": issuer.public_key(),
        "name": name,
        "sub": subject.public_key(),
        "nats": nats,
    });
    if let Some(expires) = expires {
        claims["exp"] = expires.into();
    }
    let header = json!({ "typ": "JWT", "alg": "ed25519-nkey" });
    let encode = |part: &[u8]| URL_SAFE_NO_PAD.encode(part);
    let (header, claims) = (header.to_string(), claims.to_string());
    let signed = format!(
        "{}.{}",
        encode(header.as_bytes()),
        encode(claims.as_bytes())
    );
    let signature = issuer.sign(signed.as_bytes()).unwrap();
    format!("{signed}.{}", encode(&signature))
}
