//! Real deliveries of GitHub, as events: through a real server, a handler, and back, with nothing lost.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use event_runtime::{App, Event, Metadata, Running, State, handler};
use event_tests::interop::installed;
use event_tests::nats::TestNats;
use schemars::JsonSchema;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use serde_json::{Map, Value};

/// What the package holds: what github.com sends, and five versions of GitHub Enterprise Server.
const PAYLOADS: usize = 726;

#[derive(Deserialize)]
struct Kind {
    name: String,
    examples: Vec<Box<RawValue>>,
}

/// All payloads of the package, with their kinds, as they stand in its files.
fn payloads() -> Vec<(String, Box<RawValue>)> {
    let package = installed("node/node_modules/@octokit/webhooks-examples");
    let mut all = Vec::new();
    for folder in [
        "api.github.com",
        "ghes-31",
        "ghes-32",
        "ghes-33",
        "ghes-34",
        "ghes-35",
    ] {
        let text = std::fs::read(package.join(folder).join("index.json")).unwrap();
        let kinds: Vec<Kind> = serde_json::from_slice(&text).unwrap();
        for Kind { name, examples } in kinds {
            all.extend(examples.into_iter().map(|payload| (name.clone(), payload)));
        }
    }
    all
}

/// A delivery whose payload nobody here needs to understand.
#[derive(Event, Serialize, Deserialize, JsonSchema)]
#[event(
    name = "webhook.received",
    version = 1,
    topic = "webhooks.{kind}.received"
)]
struct Received {
    kind: String,
    number: usize,
    #[schemars(with = "Value")]
    payload: Box<RawValue>,
}

/// The same, one handler later.
#[derive(Event, Serialize, Deserialize, JsonSchema)]
#[event(
    name = "webhook.forwarded",
    version = 1,
    topic = "webhooks.{kind}.forwarded"
)]
struct Forwarded {
    kind: String,
    number: usize,
    #[schemars(with = "Value")]
    payload: Box<RawValue>,
}

/// What came back, by the number of the delivery.
#[derive(Clone)]
struct Kept<T>(Arc<Mutex<BTreeMap<usize, T>>>);

type Payloads = Kept<(String, Box<RawValue>)>;
type Documents = Kept<Value>;

impl<T> Kept<T> {
    fn new() -> Self {
        Self(Arc::default())
    }

    fn keep(&self, number: usize, value: T) {
        self.0.lock().unwrap().insert(number, value);
    }
}

#[handler(concurrency = 64)]
async fn forward(received: Received) -> Forwarded {
    let Received {
        kind,
        number,
        payload,
    } = received;
    Forwarded {
        kind,
        number,
        payload,
    }
}

#[handler]
async fn keep(forwarded: Forwarded, State(kept): State<Payloads>) {
    kept.keep(forwarded.number, (forwarded.kind, forwarded.payload));
}

async fn settle_and_stop(running: Running) {
    assert!(running.settled(Duration::from_mins(1)).await.unwrap());
    running.stop().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn every_payload_comes_back_byte_by_byte_from_a_raw_field() {
    let nats = TestNats::start();
    let kept = Payloads::new();
    let running = App::new()
        .service("hooks")
        .environment([("EVENT_BROKER", nats.url())])
        .with_state(kept.clone())
        .only((forward, keep))
        .start()
        .await
        .unwrap();
    let payloads = payloads();
    assert_eq!(payloads.len(), PAYLOADS);
    let mut receipts = Vec::new();
    for (number, (kind, payload)) in payloads.iter().enumerate() {
        let received = Received {
            kind: kind.clone(),
            number,
            payload: payload.clone(),
        };
        receipts.push(running.publisher().send(&received).await.unwrap());
    }
    for receipt in receipts {
        receipt.await.unwrap();
    }
    settle_and_stop(running).await;
    let kept = kept.0.lock().unwrap();
    assert_eq!(kept.len(), PAYLOADS);
    for (number, (kind, payload)) in payloads.iter().enumerate() {
        assert_eq!(kept[&number].0, *kind);
        assert_eq!(kept[&number].1.get(), payload.get(), "{kind}, {number}");
    }
}

/// All that a type doesn't name.
type Rest = Map<String, Value>;

#[derive(Serialize, Deserialize, JsonSchema)]
struct User {
    id: u64,
    login: String,
    #[serde(flatten)]
    rest: Rest,
}

#[derive(Serialize, Deserialize, JsonSchema)]
struct Repository {
    id: u64,
    full_name: String,
    private: bool,
    owner: Value,
    #[serde(flatten)]
    rest: Rest,
}

#[derive(Serialize, Deserialize, JsonSchema)]
struct Commit {
    id: String,
    message: String,
    timestamp: String,
    added: Vec<String>,
    removed: Vec<String>,
    modified: Vec<String>,
    #[serde(flatten)]
    rest: Rest,
}

/// Commits were pushed. A reference such as `refs/heads/main` is one token of the topic.
#[derive(Event, Serialize, Deserialize, JsonSchema)]
#[event(name = "github.push", version = 1, topic = "github.push.{reference}", key = reference)]
struct Push {
    #[serde(rename = "ref")]
    reference: String,
    before: String,
    after: String,
    forced: bool,
    head_commit: Option<Commit>,
    commits: Vec<Commit>,
    repository: Repository,
    sender: User,
    #[serde(flatten)]
    rest: Rest,
}

#[derive(Serialize, Deserialize, JsonSchema)]
struct Branch {
    #[serde(rename = "ref")]
    reference: String,
    sha: String,
    user: User,
    #[serde(flatten)]
    rest: Rest,
}

#[derive(Serialize, Deserialize, JsonSchema)]
struct PullRequest {
    id: u64,
    title: String,
    body: Option<String>,
    merged_at: Option<String>,
    head: Branch,
    base: Branch,
    user: User,
    #[serde(flatten)]
    rest: Rest,
}

/// Something happened to a pull request.
#[derive(Event, Serialize, Deserialize, JsonSchema)]
#[event(name = "github.pull_request", version = 1, topic = "github.pull_request.{action}", key = number)]
struct PullRequestChanged {
    action: String,
    number: u32,
    pull_request: PullRequest,
    repository: Repository,
    sender: User,
    #[serde(flatten)]
    rest: Rest,
}

#[derive(Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
enum IssueState {
    Open,
    Closed,
}

#[derive(Serialize, Deserialize, JsonSchema)]
struct Issue {
    id: u64,
    number: u32,
    title: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    state: Option<IssueState>,
    body: Option<String>,
    user: User,
    #[serde(flatten)]
    rest: Rest,
}

/// Something happened to an issue.
#[derive(Event, Serialize, Deserialize, JsonSchema)]
#[event(name = "github.issues", version = 1, topic = "github.issues.{action}")]
struct IssueChanged {
    action: String,
    issue: Issue,
    repository: Repository,
    sender: User,
    #[serde(flatten)]
    rest: Rest,
}

#[derive(Serialize, Deserialize, JsonSchema)]
struct Comment {
    id: u64,
    body: String,
    created_at: String,
    user: User,
    #[serde(flatten)]
    rest: Rest,
}

/// Something happened to a comment on an issue.
#[derive(Event, Serialize, Deserialize, JsonSchema)]
#[event(
    name = "github.issue_comment",
    version = 1,
    topic = "github.issue_comment.{action}"
)]
struct CommentChanged {
    action: String,
    comment: Comment,
    issue: Issue,
    repository: Repository,
    sender: User,
    #[serde(flatten)]
    rest: Rest,
}

#[derive(Serialize, Deserialize, JsonSchema)]
struct Release {
    id: u64,
    tag_name: String,
    name: Option<String>,
    draft: bool,
    prerelease: bool,
    published_at: Option<String>,
    author: User,
    assets: Vec<Value>,
    #[serde(flatten)]
    rest: Rest,
}

/// Something happened to a release.
#[derive(Event, Serialize, Deserialize, JsonSchema)]
#[event(
    name = "github.release",
    version = 1,
    topic = "github.release.{action}"
)]
struct ReleaseChanged {
    action: String,
    release: Release,
    repository: Repository,
    sender: User,
    #[serde(flatten)]
    rest: Rest,
}

/// What a handler was given, written as JSON again, by the id that its number became.
fn note(kept: &Documents, metadata: &Metadata, event: &impl Serialize) {
    let number = metadata.id.parse().unwrap();
    kept.keep(number, serde_json::to_value(event).unwrap());
}

#[handler]
async fn pushed(event: &Push, metadata: Metadata, State(kept): State<Documents>) {
    note(&kept, &metadata, event);
}

#[handler]
async fn pull_request(
    event: &PullRequestChanged,
    metadata: Metadata,
    State(kept): State<Documents>,
) {
    note(&kept, &metadata, event);
}

#[handler]
async fn issue(event: &IssueChanged, metadata: Metadata, State(kept): State<Documents>) {
    note(&kept, &metadata, event);
}

#[handler]
async fn comment(event: &CommentChanged, metadata: Metadata, State(kept): State<Documents>) {
    note(&kept, &metadata, event);
}

#[handler]
async fn release(event: &ReleaseChanged, metadata: Metadata, State(kept): State<Documents>) {
    note(&kept, &metadata, event);
}

async fn publish<E: Event + DeserializeOwned>(running: &Running, number: usize, payload: &str) {
    let event: E = serde_json::from_str(payload).unwrap();
    let id = number.to_string();
    running
        .publisher()
        .publish_with_id(&id, &event)
        .await
        .unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn typed_events_lose_nothing_that_they_do_not_name() {
    let nats = TestNats::start();
    let kept = Documents::new();
    let running = App::new()
        .service("hooks")
        .environment([("EVENT_BROKER", nats.url())])
        .with_state(kept.clone())
        .only((pushed, pull_request, issue, comment, release))
        .start()
        .await
        .unwrap();
    let payloads = payloads();
    let mut counts = BTreeMap::new();
    for (number, (kind, payload)) in payloads.iter().enumerate() {
        match kind.as_str() {
            "push" => publish::<Push>(&running, number, payload.get()).await,
            "pull_request" => {
                publish::<PullRequestChanged>(&running, number, payload.get()).await;
            }
            "issues" => publish::<IssueChanged>(&running, number, payload.get()).await,
            "issue_comment" => publish::<CommentChanged>(&running, number, payload.get()).await,
            "release" => publish::<ReleaseChanged>(&running, number, payload.get()).await,
            _ => continue,
        }
        *counts.entry(kind.as_str()).or_insert(0) += 1;
    }
    settle_and_stop(running).await;
    let expected = [
        ("issue_comment", 20),
        ("issues", 50),
        ("pull_request", 46),
        ("push", 14),
        ("release", 20),
    ];
    assert_eq!(counts, BTreeMap::from(expected));
    let kept = kept.0.lock().unwrap();
    assert_eq!(kept.len(), counts.values().sum::<usize>());
    for (number, event) in &*kept {
        let (kind, payload) = &payloads[*number];
        let payload: Value = serde_json::from_str(payload.get()).unwrap();
        assert_eq!(*event, payload, "{kind}, {number}");
    }
}
