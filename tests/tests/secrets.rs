//! No secret of any setting is seen: not in what a service prints, at whatever level, and not in what can be
//! formatted.

use std::process::Stdio;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use event_runtime::adapters::nats::{Nats, NatsOptions};
use event_runtime::broker::Secret;
use event_runtime::{App, Settings};
use event_tests::certificates::{Authority, Pem};
use event_tests::jwt::Operator;
use event_tests::nats::TestNats;
use event_tests::service::{Script, first, task};
use tokio::io::{AsyncBufReadExt, AsyncReadExt, BufReader};
use tokio::process::Command;

/// As an address holds them, and as they are meant.
const IN_ADDRESS: [&str; 2] = ["hunter2%2Furl", "hunter2/url"];
const PASSWORD: &str = "hunter2-password";
const TOKEN: &str = "hunter2-token";

/// A secret in every setting that can hold one.
struct Secrets {
    authority: Authority,
    client: Pem,
    credentials: String,
    seed: String,
}

impl Secrets {
    fn new(operator: &Operator) -> Self {
        let authority = Authority::new("ours");
        let client = authority.issue("client");
        let (file, seed) = operator.user(None);
        let credentials = authority.path("user.creds");
        std::fs::write(&credentials, file).unwrap();
        Self {
            client,
            credentials: credentials.display().to_string(),
            seed,
            authority,
        }
    }

    /// All settings, for a server at this address.
    fn settings(&self, nats: &str) -> Vec<(&'static str, String)> {
        vec![
            ("EVENT_BROKER", with_login(nats)),
            ("EVENT_NATS_USER", "ada".into()),
            ("EVENT_NATS_PASSWORD", PASSWORD.into()),
            ("EVENT_NATS_TOKEN", TOKEN.into()),
            ("EVENT_NATS_CREDENTIALS", self.credentials.clone()),
        ]
    }

    /// The settings for TLS besides.
    fn tls(&self) -> [(&'static str, String); 3] {
        [
            ("EVENT_NATS_CA", self.authority.ca()),
            ("EVENT_NATS_CERT", self.client.cert.clone()),
            ("EVENT_NATS_KEY", self.client.key.clone()),
        ]
    }

    /// The configuration of a server that wants all of that.
    fn server(&self) -> String {
        let Pem { cert, key } = self.authority.issue("127.0.0.1");
        let ca = self.authority.ca();
        format!(
            "tls {{ cert_file: \"{cert}\", key_file: \"{key}\", ca_file: \"{ca}\", verify: true }}"
        )
    }

    /// Fails where a secret is seen, and says which and where.
    fn are_not_in(&self, what: &str, text: &str) {
        let key = std::fs::read_to_string(&self.client.key).unwrap();
        let key = key.lines().find(|line| !line.starts_with("-----")).unwrap();
        let all = [PASSWORD, TOKEN, &self.seed, key];
        for secret in all.into_iter().chain(IN_ADDRESS) {
            let line = text.lines().find(|line| line.contains(secret));
            assert_eq!(line, None, "{what} shows the secret `{secret}`");
        }
        assert!(!text.contains("hunter2"), "{what} shows a part of a secret");
    }
}

fn with_login(nats: &str) -> String {
    nats.replace("://", &format!("://ada:{}@", IN_ADDRESS[0]))
}

/// What a service prints that ends by itself, or is stopped once it has handled an event.
async fn output(variables: &[(&'static str, String)]) -> String {
    let mut child = Command::new(env!("CARGO_BIN_EXE_worker"))
        .env("EVENT_LOG", "trace")
        .envs(variables.iter().cloned())
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .unwrap();
    let pid = child.id().unwrap().to_string();
    let mut stdout = BufReader::new(child.stdout.take().unwrap()).lines();
    let mut stderr = child.stderr.take().unwrap();
    let mut log = String::new();
    let printed = async {
        let mut printed = String::new();
        while let Some(line) = stdout.next_line().await.unwrap() {
            if line.ends_with("handled") {
                let stopped = Command::new("kill").arg(&pid).status().await;
                assert!(stopped.unwrap().success());
            }
            printed += &line;
        }
        printed
    };
    let both = async { tokio::join!(printed, stderr.read_to_string(&mut log)) };
    let ended = tokio::time::timeout(Duration::from_mins(1), both).await;
    let (printed, read) = ended.expect("it ends within a minute");
    read.unwrap();
    printed + &log
}

/// A service that logs in with all it has, and handles an event.
async fn good(secrets: &Secrets, settings: Vec<(&'static str, String)>) {
    let feeder = App::new().service("feeder").only(()).publish_only();
    let feeder = feeder.environment(settings.clone()).start().await.unwrap();
    feeder.publisher().publish(&task("t1")).await.unwrap();
    feeder.stop().await.unwrap();
    let output = output(&settings).await;
    assert!(output.contains("handled"), "{output}");
    assert!(
        output.contains(r#""level":"TRACE""#),
        "all is logged: {output}"
    );
    secrets.are_not_in("a service that runs", &output);
}

/// A service that does not come to run, and says so.
async fn bad(secrets: &Secrets, settings: &[(&'static str, String)]) {
    let output = output(settings).await;
    assert!(output.contains("Error: "), "{output}");
    secrets.are_not_in("a service that does not run", &output);
    let app = App::new().service("test").only(()).publish_only();
    let app = app.environment(settings.iter().cloned());
    secrets.are_not_in("the builder", &format!("{app:?} {app:#?}"));
    let error = app.start().await.unwrap_err();
    secrets.are_not_in("the error", &format!("{error} {error:?} {error:#?}"));
}

fn password(password: &str) -> String {
    format!("authorization {{ users: [ {{ user: ada, password: \"{password}\" }} ] }}")
}

fn token(token: &str) -> String {
    format!("authorization {{ token: \"{token}\" }}")
}

#[tokio::test(flavor = "multi_thread")]
async fn a_service_that_runs_shows_none() {
    let operator = Operator::new();
    let secrets = Secrets::new(&operator);
    for config in [
        String::new(),
        password(PASSWORD),
        token(TOKEN),
        operator.config(),
    ] {
        let nats = TestNats::with_config(&config);
        good(&secrets, secrets.settings(&nats.url())).await;
    }
    let nats = TestNats::with_config(&secrets.server());
    let mut settings = secrets.settings(&nats.url());
    settings.extend(secrets.tls());
    good(&secrets, settings).await;
    // The login of the address is used where no other is set.
    let nats = TestNats::with_config(&password(IN_ADDRESS[1]));
    let address = vec![("EVENT_BROKER", with_login(&nats.url()))];
    good(&secrets, address).await;
    let nats = TestNats::with_config(&token(IN_ADDRESS[1]));
    let address = nats.url().replace("://", &format!("://{}@", IN_ADDRESS[0]));
    good(&secrets, vec![("EVENT_BROKER", address)]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_service_that_does_not_run_shows_none() {
    let secrets = Secrets::new(&Operator::new());
    for config in [
        password("other"),
        token("other"),
        Operator::new().config(),
        secrets.server(),
    ] {
        let nats = TestNats::with_config(&config);
        let mut settings = secrets.settings(&nats.url());
        bad(&secrets, &settings).await;
        settings.retain(|(name, _)| *name == "EVENT_BROKER");
        bad(&secrets, &settings).await;
    }
    // Nobody answers, and the address is none.
    let nats = TestNats::start();
    let url = nats.url();
    drop(nats);
    bad(&secrets, &secrets.settings(&url)).await;
    for address in ["nats://[", "nats:/", "amqp://", "nats://a b:"] {
        let mut settings = secrets.settings(&url);
        settings[0].1 = format!("{address}{}", IN_ADDRESS[1]);
        bad(&secrets, &settings).await;
    }
    // Files in each other's place.
    let mut settings = secrets.settings(&url);
    settings.push(("EVENT_NATS_CA", secrets.client.key.clone()));
    bad(&secrets, &settings).await;
    settings.pop();
    settings[4].1.clone_from(&secrets.client.key);
    bad(&secrets, &settings).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_can_be_formatted_shows_none() {
    let secrets = Secrets::new(&Operator::new());
    let nats = TestNats::start();
    let given: Arc<Mutex<Option<Settings>>> = Arc::default();
    let taken = Arc::clone(&given);
    let settings = secrets.settings(&nats.url());
    let app = App::new().service("test").only((first,));
    let app = app.default_broker(with_login(&nats.url()));
    let app = app.environment(settings).state(|settings| async move {
        *taken.lock().unwrap() = Some(settings);
        Ok::<_, String>(Script::new(|_| async { Ok(None) }))
    });
    secrets.are_not_in("the builder", &format!("{app:?} {app:#?}"));
    let running = app.start().await.unwrap();
    secrets.are_not_in("what runs", &format!("{running:?} {:?}", running.broker()));
    secrets.are_not_in("its address", &running.broker().address());
    running.stop().await.unwrap();
    let settings = given.lock().unwrap().take().unwrap();
    assert_eq!(settings.nats.token, Some(Secret::new(TOKEN)));
    secrets.are_not_in("the settings", &format!("{settings:?} {settings:#?}"));
    let mut options = NatsOptions::new(with_login(&nats.url()));
    options.user = Some("ada".into());
    options.password = Some(Secret::new(PASSWORD));
    options.token = Some(Secret::new(TOKEN));
    secrets.are_not_in("the options", &format!("{options:?} {options:#?}"));
    let broker = Nats::connect(options).await.unwrap();
    secrets.are_not_in("the broker", &format!("{broker:?} {broker:#?}"));
    let secret = Secret::new(TOKEN);
    secrets.are_not_in("a secret", &format!("{secret} {secret:?}"));
}
