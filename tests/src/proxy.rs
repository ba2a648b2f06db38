//! A TCP proxy that loses what it is told to lose: for cut and frozen connections.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Notify;

/// A proxy in front of a server; gone when it is dropped.
#[derive(Debug)]
pub struct Proxy {
    port: u16,
    shared: Arc<Shared>,
    accept: tokio::task::JoinHandle<()>,
}

#[derive(Debug, Default)]
struct Shared {
    /// What clients send goes nowhere.
    deaf: AtomicBool,
    /// All connections are closed.
    cut: Notify,
}

impl Proxy {
    /// Listens on a free port, and passes everything on to `port`.
    ///
    /// # Panics
    ///
    /// When no port is free.
    pub async fn start(port: u16) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
        let own = listener.local_addr().unwrap().port();
        let shared = Arc::new(Shared::default());
        let state = Arc::clone(&shared);
        let accept = tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                tokio::spawn(connection(client, port, Arc::clone(&state)));
            }
        });
        Self {
            port: own,
            shared,
            accept,
        }
    }

    /// Where clients connect.
    pub fn url(&self) -> String {
        format!("nats://127.0.0.1:{}", self.port)
    }

    /// What makes it deaf, from anywhere.
    pub fn switch(&self) -> Switch {
        Switch(Arc::clone(&self.shared))
    }

    /// Closes all connections; new ones work again.
    pub fn cut(&self) {
        self.shared.deaf.store(false, Ordering::SeqCst);
        self.shared.cut.notify_waiters();
    }
}

/// Makes a proxy deaf.
#[derive(Debug)]
pub struct Switch(Arc<Shared>);

impl Switch {
    /// From now on what clients send goes nowhere, though their connections stay open.
    pub fn lose_what_clients_send(&self) {
        self.0.deaf.store(true, Ordering::SeqCst);
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.accept.abort();
        self.shared.cut.notify_waiters();
    }
}

async fn connection(client: TcpStream, port: u16, shared: Arc<Shared>) {
    let cut = shared.cut.notified();
    let Ok(server) = TcpStream::connect(("127.0.0.1", port)).await else {
        return;
    };
    let (mut from_client, mut to_client) = client.into_split();
    let (mut from_server, mut to_server) = server.into_split();
    let up = async {
        let mut buffer = vec![0; 64 * 1024];
        while let Ok(read @ 1..) = from_client.read(&mut buffer).await {
            if !shared.deaf.load(Ordering::SeqCst)
                && to_server.write_all(&buffer[..read]).await.is_err()
            {
                return;
            }
        }
    };
    let down = async {
        let _ = tokio::io::copy(&mut from_server, &mut to_client).await;
    };
    tokio::select! {
        () = up => {}
        () = down => {}
        () = cut => {}
    }
}
