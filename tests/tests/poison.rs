//! Headers that the client library can't read, written onto the wire as any program may: the connection that
//! one of them is delivered on breaks. Neither it nor its neighbours are lost, and the service goes on.

use std::time::{Duration, Instant};

use event_runtime::{HandlerError, Running};
use event_tests::nats::{TestNats, count};
use event_tests::service::{Call, Script, Seen, World, dead_letters, first, second, settle, task};
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::net::TcpStream;

/// Publishes by hand: nothing looks at these bytes before the server has them.
async fn publish_raw(world: &mut World, headers: &[u8], body: &str) {
    let mut stream = TcpStream::connect(("127.0.0.1", world.nats().port()))
        .await
        .unwrap();
    let connect = b"CONNECT {\"verbose\":false,\"pedantic\":false,\"headers\":true}\r\n";
    stream.write_all(connect).await.unwrap();
    let mut block = b"NATS/1.0".to_vec();
    block.extend_from_slice(headers);
    block.extend_from_slice(b"\r\n\r\n");
    let (head, total) = (block.len(), block.len() + body.len());
    let line = format!("HPUB tasks.a.given {head} {total}\r\n");
    for bytes in [line.as_bytes(), &block, body.as_bytes(), b"\r\nPING\r\n"] {
        stream.write_all(bytes).await.unwrap();
    }
    let mut lines = BufReader::new(stream).lines();
    while let Some(line) = lines.next_line().await.unwrap() {
        assert!(!line.starts_with("-ERR"), "{line}");
        if line == "PONG" {
            return;
        }
    }
    panic!("the server hung up");
}

fn body(id: &str) -> String {
    format!(
        r#"{{"specversion":"1.0","id":"{id}","source":"/s","type":"task.given.v1","data":{{"id":"{id}","kind":"a"}}}}"#
    )
}

async fn start(world: &World, seen: &Seen) -> Running {
    let script = Script::new(|call: Call| async move {
        if call.task.id.starts_with("bad") && call.metadata.attempt < 2 {
            return Err(HandlerError::retry("once more"));
        }
        if call.task.id.ends_with("reject") {
            return Err(HandlerError::reject("no"));
        }
        Ok(None)
    });
    let app = world.app().only((first, second)).with_state(script);
    app.observe(seen.clone()).start().await.unwrap()
}

/// Gives good events around each poisoned one, and returns how long all of them took.
async fn run(poisons: &[(&str, &[u8])]) {
    let mut world = World::Nats(TestNats::start());
    let seen = Seen::default();
    let running = start(&world, &seen).await;
    let publisher = running.publisher();
    let mut expected = Vec::new();
    for (number, (id, headers)) in poisons.iter().enumerate() {
        for good in 0..10 {
            let id = format!("good-{number}-{good}");
            publisher.publish_with_id(&id, &task(&id)).await.unwrap();
            expected.push(id);
        }
        publish_raw(&mut world, headers, &body(id)).await;
        expected.push((*id).to_owned());
    }
    let deadline = Instant::now() + Duration::from_mins(1);
    loop {
        let lines = seen.lines();
        let ended = |start: &str| lines.iter().any(|line| line.starts_with(start));
        let missing: Vec<String> = expected
            .iter()
            .flat_map(|id| [format!("first {id}"), format!("second {id}")])
            .filter(|run| !ended(&format!("{run} handled")) && !ended(&format!("{run} dead")))
            .collect();
        if missing.is_empty() {
            break;
        }
        assert!(Instant::now() < deadline, "still missing: {missing:?}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    settle(&running).await;
    let rejected: Vec<_> = expected
        .iter()
        .filter(|id| id.ends_with("reject"))
        .collect();
    assert_eq!(dead_letters(&running).await.len(), 2 * rejected.len());
    let client = async_nats::connect(world.nats().url()).await.unwrap();
    assert_eq!(count(&client, "TASKS", ">").await, expected.len() as u64);
    running.stop().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn headers_that_cost_the_connection_stop_nobody() {
    run(&[
        ("bad-line-feed", b"\r\nX: a\nb"),
        ("bad-no-colon", b"\r\nno colon at all"),
        ("bad-not-utf8", b"\r\nX: \xff\xfe"),
        ("bad-name", b"\r\nX Y: a"),
        ("bad-status", b" fine\r\nX: a"),
        ("bad-no-name-reject", b"\r\n: a"),
    ])
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn headers_that_end_the_client_stop_nobody() {
    run(&[
        ("bad-return", b"\r\nX: a\rb"),
        ("bad-returns-reject", b"\r\nX: \r\r\rb"),
    ])
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn headers_that_can_be_read_but_not_written_stop_nobody() {
    run(&[
        ("bad-nul", b"\r\nX: a\0b"),
        ("bad-nul-reject", b"\r\nX: a\0b"),
    ])
    .await;
}
