//! Headers through the NATS adapter: what is published is read again, and what is read can be published.
//!
//! The input is headers to publish, and after `---` the bytes of headers as somebody else stored them.

#![no_main]

use std::sync::OnceLock;

use event_fuzz::server::{Server, Store};
use event_fuzz::text::{headers, sections};
use event_runtime::adapters::nats::{Nats, NatsOptions};
use event_runtime::broker::{Broker, BrokerError, Message, StoredMessage};
use event_runtime::envelope::Headers;
use libfuzzer_sys::fuzz_target;
use tokio::runtime::Runtime;

struct World {
    runtime: Runtime,
    server: Server,
    nats: Nats,
}

fn world() -> &'static World {
    static WORLD: OnceLock<World> = OnceLock::new();
    WORLD.get_or_init(|| {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .expect("a runtime");
        let (server, nats) = runtime.block_on(async {
            let server = Server::start().await;
            let options = NatsOptions::new(server.url.as_str());
            let nats = Nats::connect(options).await.expect("it connects");
            (server, nats)
        });
        World {
            runtime,
            server,
            nats,
        }
    })
}

fuzz_target!(|data: &[u8]| {
    let world = world();
    world.runtime.block_on(async {
        let end = data.windows(5).position(|bytes| bytes == b"\n---\n");
        let (ours, theirs) = match end {
            Some(end) => (&data[..end], &data[end + 5..]),
            None => (data, [].as_slice()),
        };
        round_trip(world, &headers(sections(ours).first())).await;
        foreign(world, theirs).await;
    });
});

async fn publish(world: &World, headers: &Headers) -> Result<(), BrokerError> {
    let message = Message::new("a", "body").headers(headers.clone());
    world.nats.publish(message).await?.await?;
    Ok(())
}

async fn read(world: &World) -> StoredMessage {
    let found = world.nats.read("S", ">", 1).await;
    found.expect("the server answers").expect("it is there")
}

/// By name, since the client library keeps the order of equal names only. Around a value no space counts.
fn sorted(headers: &Headers) -> Vec<(String, String)> {
    let mut sorted: Vec<(String, String)> = headers
        .iter()
        .filter(|(name, _)| !name.to_ascii_lowercase().starts_with("nats-"))
        .map(|(name, value)| (name.to_owned(), value.trim().to_owned()))
        .collect();
    sorted.sort_by(|one, other| one.0.cmp(&other.0));
    sorted
}

async fn round_trip(world: &World, headers: &Headers) {
    if publish(world, headers).await.is_err() {
        return;
    }
    let message = read(world).await;
    assert_eq!(sorted(&message.headers), sorted(headers));
    assert_eq!(message.payload, "body");
}

async fn foreign(world: &World, bytes: &[u8]) {
    let mut block = b"NATS/1.0\r\n".to_vec();
    block.extend_from_slice(bytes);
    if let Ok(mut store) = world.server.store.lock() {
        *store = Store {
            headers: block,
            payload: Vec::new(),
        };
    }
    let read = read(world).await.headers;
    let size = read.wire_size();
    // What the protocol has no form for is the only reason to refuse what was read.
    let has_form = read.iter().all(|(name, value)| {
        let is_name = !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_graphic());
        is_name && !value.contains(['\r', '\n', '\0'])
    });
    assert!(read.iter().all(|(_, value)| !value.contains('\n')));
    if size < 7000 {
        assert_eq!(publish(world, &read).await.is_ok(), has_form);
        round_trip(world, &read).await;
    }
}
