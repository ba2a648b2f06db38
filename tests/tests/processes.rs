//! A service as a process: killed, told to stop, stuck; on a real server.

use std::io::{BufRead, BufReader};
use std::process::{Child, ChildStdout, Command, Stdio};
use std::time::{Duration, Instant};

use event_runtime::{App, Running};
use event_tests::nats::{TestNats, api, count};
use event_tests::service::Task;
use serde_json::Value;

/// A worker process; dropped, it is killed by its pid.
struct Worker {
    child: Child,
    lines: BufReader<ChildStdout>,
    folder: tempfile::TempDir,
}

impl Worker {
    fn start(nats: &TestNats, variables: &[(&str, &str)]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let mut child = Command::new(env!("CARGO_BIN_EXE_worker"))
            .env("EVENT_BROKER", nats.url())
            .env("WORKER_DIED", folder.path().join("died"))
            .envs(variables.iter().copied())
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap());
        Self {
            child,
            lines,
            folder,
        }
    }

    /// The next line; empty at the end.
    fn line(&mut self) -> String {
        let mut line = String::new();
        self.lines.read_line(&mut line).unwrap();
        line.trim_end().to_owned()
    }

    fn terminate(&self) {
        let pid = self.child.id().to_string();
        assert!(Command::new("kill").arg(pid).status().unwrap().success());
    }

    /// Exit code, what else was printed, and the log.
    fn end(mut self) -> (Option<i32>, String, String) {
        use std::io::Read;
        let mut rest = String::new();
        self.lines.read_to_string(&mut rest).unwrap();
        let mut log = String::new();
        let mut stderr = self.child.stderr.take().unwrap();
        stderr.read_to_string(&mut log).unwrap();
        (self.child.wait().unwrap().code(), rest, log)
    }
}

impl Drop for Worker {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

async fn publisher(nats: &TestNats) -> Running {
    let app = App::new().service("feeder").only(()).publish_only();
    let app = app.environment([("EVENT_BROKER", nats.url())]);
    app.start().await.unwrap()
}

async fn publish(running: &Running, kind: &str, id: &str) {
    let task = Task {
        id: id.to_owned(),
        kind: kind.to_owned(),
    };
    let published = running.publisher().publish_with_id(id, &task).await;
    published.unwrap();
}

async fn until_acknowledged(client: &async_nats::Client, id: u64) {
    let deadline = Instant::now() + Duration::from_secs(40);
    while Instant::now() < deadline {
        let info = api(client, "CONSUMER.INFO.TASKS.test-answer", Value::Null).await;
        if info["ack_floor"]["stream_seq"].as_u64() == Some(id) {
            return;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    panic!("event {id} was not acknowledged within 40 s");
}

#[tokio::test(flavor = "multi_thread")]
async fn killed_between_answer_and_acknowledgement_it_gives_the_answer_once() {
    let nats = TestNats::start();
    let client = async_nats::connect(nats.url()).await.unwrap();
    let feeder = publisher(&nats).await;
    let mut worker = Worker::start(&nats, &[]);
    publish(&feeder, "die", "t1").await;
    assert_eq!(worker.line(), "t1 received");
    assert_eq!(worker.line(), "t1 handled");
    assert_eq!(worker.line(), "", "killed");
    assert_eq!(count(&client, "DONE", ">").await, 1, "the answer is stored");
    let info = api(&client, "CONSUMER.INFO.TASKS.test-answer", Value::Null).await;
    assert_eq!(info["num_ack_pending"], 1, "the event is not acknowledged");
    let folder = worker.folder.path().join("died");
    let died = folder.display().to_string();
    let mut again = Worker::start(&nats, &[("WORKER_DIED", &died)]);
    assert_eq!(again.line(), "t1 received", "the event is delivered again");
    assert_eq!(again.line(), "t1 handled");
    until_acknowledged(&client, 1).await;
    assert_eq!(
        count(&client, "DONE", ">").await,
        1,
        "and its answer is stored once"
    );
    feeder.stop().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn told_to_stop_it_finishes_what_it_has_begun() {
    let nats = TestNats::start();
    let client = async_nats::connect(nats.url()).await.unwrap();
    let feeder = publisher(&nats).await;
    let one = [("EVENT_HANDLER_ANSWER_CONCURRENCY", "1")];
    let mut worker = Worker::start(&nats, &one);
    for id in ["t1", "t2", "t3"] {
        publish(&feeder, "slow", id).await;
    }
    assert_eq!(worker.line(), "t1 received");
    worker.terminate();
    let (code, rest, log) = worker.end();
    assert_eq!((code, rest.as_str()), (Some(0), "t1 handled\n"), "{log}");
    let info = api(&client, "CONSUMER.INFO.TASKS.test-answer", Value::Null).await;
    assert_eq!(info["ack_floor"]["stream_seq"], 1, "it is acknowledged");
    // The others were handed back: they come at once, and not after the ack wait.
    let since = Instant::now();
    let mut worker = Worker::start(&nats, &[]);
    let mut next = [worker.line(), worker.line()];
    next.sort();
    assert_eq!(next, ["t2 received", "t3 received"]);
    assert!(since.elapsed() < Duration::from_secs(8), "at once");
    feeder.stop().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn told_to_stop_while_stuck_it_ends_after_the_grace_and_says_so() {
    let nats = TestNats::start();
    let feeder = publisher(&nats).await;
    let mut worker = Worker::start(&nats, &[("EVENT_GRACE", "500ms")]);
    publish(&feeder, "stuck", "t1").await;
    assert_eq!(worker.line(), "t1 received");
    worker.terminate();
    let (code, rest, log) = worker.end();
    assert_eq!((code, rest.as_str()), (Some(1), ""), "{log}");
    assert!(
        log.contains("stopped before all was done: handlers still ran after the grace of 500ms"),
        "{log}"
    );
    feeder.stop().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn its_log_is_json_lines_with_stable_fields() {
    let nats = TestNats::start();
    let client = async_nats::connect(nats.url()).await.unwrap();
    let feeder = publisher(&nats).await;
    let worker = Worker::start(&nats, &[]);
    let bad = br#"{"specversion":"1.0","id":"b-1","source":"/x","type":"task.given.v1","data":{}}"#;
    let subject = "tasks.a.given";
    publish(&feeder, "a", "t1").await;
    client.publish(subject, bad.to_vec().into()).await.unwrap();
    until_acknowledged(&client, 2).await;
    worker.terminate();
    let (code, _, log) = worker.end();
    assert_eq!(code, Some(0), "{log}");
    let line = log.lines().find(|line| line.contains("b-1")).unwrap();
    let mut line: Value = serde_json::from_str(line).unwrap();
    assert!(line["timestamp"].take().is_string());
    expect_test::expect![[r#"
        {
          "attempt": 1,
          "error": "the event's data does not fit its type: missing field `id` at line 1 column 2",
          "event_id": "b-1",
          "event_type": "task.given.v1",
          "handler": "answer",
          "level": "ERROR",
          "message": "kept as a dead letter; see `dead-letters list`, and `dead-letters redrive` once the cause is gone",
          "reason": "undecodable",
          "target": "event_runtime::consume::report",
          "timestamp": null,
          "topic": "tasks.a.given"
        }"#]].assert_eq(&format!("{line:#}"));
    for line in log.lines() {
        let line: Value = serde_json::from_str(line).expect("each line is JSON");
        assert!(line["level"].is_string() && line["message"].is_string());
    }
    feeder.stop().await.unwrap();
}
