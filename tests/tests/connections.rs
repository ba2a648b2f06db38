//! Each way to reach a server and log in: the right one handles an event, and each wrong one is told with its
//! place and the fix. Wrong passwords, tokens and files that are none are among the tests of `messages`.

use event_runtime::App;
use event_tests::certificates::{Authority, Pem};
use event_tests::jwt::Operator;
use event_tests::nats::TestNats;
use event_tests::service::{Script, Seen, first, give, task};
use expect_test::{Expect, expect};

/// The app that these tests start, in this environment.
fn app(variables: &[(&str, &str)]) -> App {
    App::new()
        .service("test")
        .only((first,))
        .with_state(Script::new(|_| async { Ok(None) }))
        .environment(variables.iter().copied())
}

/// Starts, and handles an event.
async fn works(variables: &[(&str, &str)]) {
    let seen = Seen::default();
    let running = app(variables).observe(seen.clone()).start().await.unwrap();
    // Another id each time: the server would know it again.
    give(&running, &[task(&uuid::Uuid::now_v7().to_string())]).await;
    running.stop().await.unwrap();
    assert_eq!(seen.of("handled").len(), 1);
}

/// Starts in vain, and compares the message without what is chance in it.
async fn refused(variables: &[(&str, &str)], chance: &[&str], expected: Expect) {
    let error = app(variables).start().await.unwrap_err();
    let mut text = error.to_string();
    let mut cause = std::error::Error::source(&error);
    while let Some(source) = cause {
        text.push_str("\n  because: ");
        text.push_str(&source.to_string());
        cause = source.source();
    }
    for chance in chance {
        text = text.replace(chance, "…");
    }
    expected.assert_eq(&without_times(&text));
}

/// Seconds since 1970 are chance, too.
fn without_times(text: &str) -> String {
    let words = text.split_inclusive(|character: char| !character.is_ascii_digit());
    let kept = words.map(|word| {
        let digits = word.trim_end_matches(|character: char| !character.is_ascii_digit());
        let is_time = digits.len() >= 9;
        if is_time {
            word.replace(digits, "…")
        } else {
            word.to_owned()
        }
    });
    kept.collect()
}

/// A server that speaks TLS only, by this certificate.
fn tls(server: &Pem, more: &str) -> TestNats {
    let Pem { cert, key } = server;
    TestNats::with_config(&format!(
        "tls {{ cert_file: \"{cert}\", key_file: \"{key}\", timeout: 5, {more} }}"
    ))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_private_authority() {
    let ours = Authority::new("ours");
    let theirs = Authority::new("theirs");
    let nats = tls(&ours.issue("127.0.0.1"), "");
    let url = nats.url();
    let secure = url.replace("nats://", "tls://");
    let host = url.trim_start_matches("nats://");
    let folder = theirs.folder();
    let (ours, theirs) = (ours.ca(), theirs.ca());
    for url in [&url, &secure] {
        works(&[("EVENT_BROKER", url), ("EVENT_NATS_CA", &ours)]).await;
    }
    let wrong = [("EVENT_BROKER", url.as_str()), ("EVENT_NATS_CA", &theirs)];
    refused(&wrong, &[host, &folder], expect![[r#"
        the certificate of the server at nats://… was not issued by an authority in `…/ca.pem` (EVENT_NATS_CA): put the authority of this server there
          because: invalid peer certificate: UnknownIssuer"#]]).await;
    // Without an authority, only the system's are trusted.
    refused(&[("EVENT_BROKER", &url)], &[host], expect![[r#"
        the certificate of the server at nats://… was issued by an authority that this machine does not trust: name a PEM file with its certificate in EVENT_NATS_CA
          because: invalid peer certificate: UnknownIssuer"#]]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_certificate_for_another_host_or_of_another_time() {
    let ours = Authority::new("ours");
    let ca = ours.ca();
    for (server, expected) in [
        (
            ours.issue("other.example"),
            expect![[r#"
                the certificate of the server at nats://… is for another host: use a name that it is for in EVENT_BROKER, or issue it for this one
                  because: invalid peer certificate: certificate not valid for name "127.0.0.1"; certificate is only valid for DnsName("other.example")"#]],
        ),
        (
            ours.issue_expired("127.0.0.1"),
            expect![[r#"
                the certificate of the server at nats://… has expired: renew it (or is this machine's clock wrong?)
                  because: invalid peer certificate: certificate expired: verification time … (UNIX), but certificate is not valid after … (… seconds ago)"#]],
        ),
    ] {
        let nats = tls(&server, "");
        let url = nats.url();
        let host = url.trim_start_matches("nats://");
        refused(
            &[("EVENT_BROKER", &url), ("EVENT_NATS_CA", &ca)],
            &[host],
            expected,
        )
        .await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_authority_for_a_server_without_tls() {
    let ours = Authority::new("ours");
    let nats = TestNats::start();
    let url = nats.url();
    let host = url.trim_start_matches("nats://");
    let ca = ours.ca();
    refused(
        &[("EVENT_BROKER", &url), ("EVENT_NATS_CA", &ca)],
        &[host],
        expect![[r#"
            the server at nats://… does not speak TLS, and `tls://`, EVENT_NATS_CA or EVENT_NATS_CERT ask for it: set TLS up at the server, or take them out
              because: received corrupt message of type InvalidContentType"#]],
    )
    .await;
    let secure = url.replace("nats://", "tls://");
    refused(
        &[("EVENT_BROKER", &secure)],
        &[host],
        expect![[r#"
            the server at tls://… does not speak TLS, and `tls://`, EVENT_NATS_CA or EVENT_NATS_CERT ask for it: set TLS up at the server, or take them out
              because: received corrupt message of type InvalidContentType"#]],
    )
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_with_a_certificate() {
    let ours = Authority::new("ours");
    let theirs = Authority::new("theirs");
    let ca = ours.ca();
    let nats = tls(
        &ours.issue("127.0.0.1"),
        &format!("ca_file: \"{ca}\", verify: true"),
    );
    let url = nats.url();
    let host = url.trim_start_matches("nats://");
    let server = [("EVENT_BROKER", url.as_str()), ("EVENT_NATS_CA", &ca)];
    let (own, other) = (ours.folder(), theirs.folder());
    let chance = [host, own.as_str(), other.as_str()];
    let client = ours.issue("client");
    let foreign = theirs.issue("client");
    let expired = ours.issue_expired("client");
    let [b, c] = server;
    works(&[
        b,
        c,
        ("EVENT_NATS_CERT", &client.cert),
        ("EVENT_NATS_KEY", &client.key),
    ])
    .await;
    refused(
        &server,
        &chance,
        expect![[r#"
            the server at nats://… wants a certificate of this client: name PEM files in EVENT_NATS_CERT and EVENT_NATS_KEY
              because: received fatal alert: CertificateRequired"#]],
    )
    .await;
    let wrong = [
        b,
        c,
        ("EVENT_NATS_CERT", &foreign.cert),
        ("EVENT_NATS_KEY", &foreign.key),
    ];
    refused(
        &wrong,
        &chance,
        expect![[r#"
            the server at nats://… does not trust the authority of the certificate `…/client.pem` (EVENT_NATS_CERT): use one that an authority of the server issued
              because: received fatal alert: UnknownCA"#]],
    )
    .await;
    let wrong = [
        b,
        c,
        ("EVENT_NATS_CERT", &expired.cert),
        ("EVENT_NATS_KEY", &expired.key),
    ];
    refused(
        &wrong,
        &chance,
        expect![[r#"
            the certificate `…/client-expired.pem` (EVENT_NATS_CERT) has expired: renew it
              because: received fatal alert: CertificateExpired"#]],
    )
    .await;
    // A key that belongs to another certificate, and files in each other's place.
    let wrong = [
        b,
        c,
        ("EVENT_NATS_CERT", &client.cert),
        ("EVENT_NATS_KEY", &foreign.key),
    ];
    refused(&wrong, &chance, expect![[r#"
        the certificate `…/client.pem` (EVENT_NATS_CERT) and the key `…/client.key` (EVENT_NATS_KEY) can't be used: does the key belong to the certificate?
          because: could not add certificate or key"#]]).await;
    let wrong = [
        b,
        c,
        ("EVENT_NATS_CERT", &client.key),
        ("EVENT_NATS_KEY", &client.cert),
    ];
    refused(&wrong, &chance, expect!["the file `…/client.key` (EVENT_NATS_CERT) holds no `CERTIFICATE`: it is a PEM file, with a line `-----BEGIN CERTIFICATE-----`"]).await;
    let text = ours.path("text");
    std::fs::write(&text, "hunter2").unwrap();
    let text = text.display().to_string();
    let wrong = [b, ("EVENT_NATS_CA", text.as_str())];
    refused(
        &wrong,
        &chance,
        expect!["the file `…/text` (EVENT_NATS_CA) holds no `CERTIFICATE`: it is a PEM file, with a line `-----BEGIN CERTIFICATE-----`"],
    )
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_credentials_file() {
    let operator = Operator::new();
    let nats = TestNats::with_config(&operator.config());
    let url = nats.url();
    let host = url.trim_start_matches("nats://");
    let folder = nats.folder().display().to_string();
    let file = nats.folder().join("user.creds");
    let path = file.display().to_string();
    let settings = [
        ("EVENT_BROKER", url.as_str()),
        ("EVENT_NATS_CREDENTIALS", path.as_str()),
    ];
    let (user, _) = operator.user(None);
    std::fs::write(&file, user).unwrap();
    works(&settings).await;
    let (expired, _) = operator.user(Some(1_600_000_001));
    std::fs::write(&file, expired).unwrap();
    refused(&settings, &[host, &folder], expect![[r#"
        the server at nats://… refuses the user of the credentials file `…/user.creds` (EVENT_NATS_CREDENTIALS): it may have expired, been revoked, or be for another server
          because: nats: authorization violation"#]]).await;
    let (foreign, _) = Operator::new().user(None);
    std::fs::write(&file, foreign).unwrap();
    refused(&settings, &[host, &folder], expect![[r#"
        the server at nats://… refuses the user of the credentials file `…/user.creds` (EVENT_NATS_CREDENTIALS): it may have expired, been revoked, or be for another server
          because: nats: authorization violation"#]]).await;
    refused(&settings[..1], &[host, &folder], expect![[r#"
        the server at nats://… refuses this login: check EVENT_NATS_USER and EVENT_NATS_PASSWORD, EVENT_NATS_TOKEN, EVENT_NATS_CREDENTIALS, or the user in EVENT_BROKER
          because: nats: authorization violation"#]]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token() {
    let nats = TestNats::with_config("authorization { token: \"r/ght\" }");
    let url = nats.url();
    works(&[("EVENT_BROKER", &url), ("EVENT_NATS_TOKEN", "r/ght")]).await;
    let url = url.replace("nats://", "nats://r%2Fght@");
    works(&[("EVENT_BROKER", &url)]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_user_and_a_password() {
    let nats =
        TestNats::with_config("authorization { users: [ { user: ada, password: \"r/ght\" } ] }");
    let url = nats.url();
    works(&[
        ("EVENT_BROKER", &url),
        ("EVENT_NATS_USER", "ada"),
        ("EVENT_NATS_PASSWORD", "r/ght"),
    ])
    .await;
    let url = url.replace("nats://", "nats://ada:r%2Fght@");
    works(&[("EVENT_BROKER", &url)]).await;
}
