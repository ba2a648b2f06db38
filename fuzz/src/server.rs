//! As much of a NATS server as one client needs that publishes messages and reads them again.

use std::sync::{Arc, Mutex};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use event_runtime::broker::subject;
use serde_json::json;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};

/// The last message that was published, or whatever is put here to be read.
#[derive(Debug, Clone, Default)]
pub struct Store {
    /// Its headers, as they are on the wire.
    pub headers: Vec<u8>,
    /// Its body.
    pub payload: Vec<u8>,
}

/// A server on a free port, as long as the runtime lives.
#[derive(Debug, Clone)]
pub struct Server {
    /// Where clients connect.
    pub url: String,
    /// What it holds.
    pub store: Arc<Mutex<Store>>,
}

impl Server {
    /// Starts it on the current runtime.
    pub async fn start() -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.expect("a port");
        let port = listener.local_addr().expect("an address").port();
        let store = Arc::<Mutex<Store>>::default();
        let shared = Arc::clone(&store);
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(serve(stream, Arc::clone(&shared)));
            }
        });
        Self {
            url: format!("nats://127.0.0.1:{port}"),
            store,
        }
    }
}

async fn serve(stream: TcpStream, store: Arc<Mutex<Store>>) -> std::io::Result<()> {
    stream.set_nodelay(true)?;
    let (from, mut to) = stream.into_split();
    let mut from = BufReader::new(from);
    let info = json!({
        "server_id": "x", "server_name": "x", "version": "2.15.0", "go": "x", "host": "127.0.0.1",
        "port": 4222, "headers": true, "max_payload": 1_048_576, "proto": 1,
    });
    to.write_all(format!("INFO {info}\r\n").as_bytes()).await?;
    let mut subscriptions: Vec<(String, String)> = Vec::new();
    let mut line = String::new();
    while from.read_line(&mut line).await? > 0 {
        let words: Vec<String> = line.split_whitespace().map(str::to_owned).collect();
        line.clear();
        let words: Vec<&str> = words.iter().map(String::as_str).collect();
        match words.as_slice() {
            ["PING"] => to.write_all(b"PONG\r\n").await?,
            ["SUB", filter, .., sid] => {
                subscriptions.push(((*filter).to_owned(), (*sid).to_owned()));
            }
            ["PUB" | "HPUB", name, reply, sizes @ ..] => {
                let number = |word: Option<&&str>| word.map_or(0, |word| word.parse().unwrap_or(0));
                let total: usize = number(sizes.last());
                let head = if sizes.len() == 2 {
                    number(sizes.first())
                } else {
                    0
                };
                let mut bytes = vec![0; total + 2];
                from.read_exact(&mut bytes).await?;
                bytes.truncate(total);
                let payload = bytes.split_off(head);
                let answer = answer(name, &store, bytes, payload);
                for (_, sid) in subscriptions
                    .iter()
                    .filter(|(filter, _)| subject::matches(filter, reply))
                {
                    let message = format!("MSG {reply} {sid} {}\r\n{answer}\r\n", answer.len());
                    to.write_all(message.as_bytes()).await?;
                }
            }
            _ => {}
        }
    }
    Ok(())
}

fn answer(name: &str, store: &Mutex<Store>, headers: Vec<u8>, payload: Vec<u8>) -> String {
    let mut store = store.lock().expect("no holder panics");
    let answer = if name == "$JS.API.INFO" {
        json!({})
    } else if name.starts_with("$JS.API.STREAM.MSG.GET.") {
        json!({ "message": {
            "subject": "a", "seq": 1, "time": "2026-01-01T00:00:00Z",
            "hdrs": STANDARD.encode(&store.headers), "data": STANDARD.encode(&store.payload),
        }})
    } else {
        *store = Store { headers, payload };
        json!({ "stream": "S", "seq": 1 })
    };
    answer.to_string()
}
