//! Messages of other clients, with headers that this one may not write: they become dead letters like others.

use std::time::Duration;

use event_runtime::Running;
use event_runtime::dead_letters::DeadLetter;
use event_tests::nats::TestNats;
use event_tests::service::{Script, World, dead_letters, first, give, settle, task};

async fn start(world: &World) -> Running {
    let script = Script::new(|_| async { Ok(None) });
    let app = world.app().only((first,)).with_state(script);
    app.start().await.unwrap()
}

/// What becomes of a message with this header that is no event.
async fn dead_letter_of(name: &str, value: &str) -> DeadLetter {
    let nats = TestNats::start();
    // By hand: the client library would not send all of it.
    let headers = format!("NATS/1.0\r\n{name}: {value}\r\n\r\n");
    let body = "no event";
    let publish = format!(
        "CONNECT {{\"headers\":true,\"verbose\":false}}\r\nHPUB tasks.a.given {} {}\r\n{headers}{body}\r\nPING\r\n",
        headers.len(),
        headers.len() + body.len(),
    );
    let port = nats.port();
    let world = World::Nats(nats);
    let running = start(&world).await;
    send(port, &publish).await;
    // The handler goes on.
    give(&running, &[task("t1")]).await;
    settle(&running).await;
    let mut letters = dead_letters(&running).await;
    assert_eq!(letters.len(), 1, "{letters:#?}");
    running.stop().await.unwrap();
    letters.remove(0)
}

/// Sends bytes to a server, and waits until it has taken them.
async fn send(port: u16, bytes: &str) {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    let mut server = tokio::net::TcpStream::connect(("127.0.0.1", port))
        .await
        .unwrap();
    server.write_all(bytes.as_bytes()).await.unwrap();
    let answered = async {
        let mut answer = Vec::new();
        while !answer.windows(4).any(|part| part == b"PONG") {
            assert_ne!(
                server.read_buf(&mut answer).await.unwrap(),
                0,
                "the server refused it"
            );
        }
    };
    tokio::time::timeout(Duration::from_secs(10), answered)
        .await
        .unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_value_that_no_broker_may_get_is_escaped_in_the_dead_letter() {
    let letter = dead_letter_of("Foreign", "a\0b").await;
    assert_eq!(letter.payload(), Some(&b"no event"[..]));
    assert_eq!(letter.headers().get("Foreign"), Some("a\\0b"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_header_without_a_name_is_kept_in_the_dead_letter() {
    let letter = dead_letter_of("", "nameless").await;
    assert_eq!(letter.payload(), Some(&b"no event"[..]));
    assert_eq!(letter.headers().get("_"), Some("nameless"));
}

#[tokio::test(flavor = "multi_thread")]
async fn headers_too_large_for_a_dead_letter_stay_at_the_origin_and_the_body_comes() {
    let letter = dead_letter_of("Foreign", &"x".repeat(20_000)).await;
    assert_eq!(letter.payload(), Some(&b"no event"[..]));
    assert_eq!(letter.origin(), ("TASKS", 1));
    let left = letter.headers().get("Event-Headers");
    assert_eq!(left, Some("left at the origin; count=1"));
    assert_eq!(letter.headers().get("Foreign"), None);
}
