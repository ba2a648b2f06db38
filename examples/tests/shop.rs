//! The shop against figures that are worked out here from the file alone, with nothing of `examples`.
#![allow(
    clippy::unwrap_used,
    reason = "a failure here is the test's own message"
)]

mod oracle;

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use event_tests::nats::{TestNats, api, count};
use serde_json::{Value, json};

use oracle::Oracle;

fn orders() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("data/orders.jsonl")
}

fn shop(broker: &str) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_shop"));
    command
        .env("EVENT_BROKER", broker)
        .env("RUST_BACKTRACE", "0")
        .stdin(Stdio::null())
        .stderr(Stdio::null());
    command
}

fn json_of(command: &mut Command) -> Value {
    let output = command.output().unwrap();
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stdout)
    );
    serde_json::from_slice(&output.stdout).unwrap()
}

#[test]
fn in_memory_every_figure_is_as_worked_out() {
    let figures = json_of(shop("memory://").arg("--json"));
    assert_eq!(figures, Oracle::of(&orders()).figures());
}

#[test]
fn the_shipped_file_holds_every_case() {
    let oracle = Oracle::of(&orders());
    let figures = oracle.figures();
    assert_eq!(figures["lines"], 3000);
    for (what, found) in [
        ("invalid lines", &figures["invalid_lines"]),
        ("duplicates", &figures["duplicates"]),
        ("foreign messages", &figures["foreign"]),
        ("retries", &figures["handlers"]["charge_payment"]["retried"]),
        (
            "stolen cards",
            &figures["handlers"]["charge_payment"]["dead_lettered"]["rejected"],
        ),
        (
            "panics",
            &figures["handlers"]["ship_order"]["dead_lettered"]["attempts"],
        ),
        (
            "refusals",
            &figures["handlers"]["notify_refused"]["handled"],
        ),
        (
            "shipments",
            &figures["handlers"]["notify_shipped"]["handled"],
        ),
    ] {
        assert!(found.as_u64().unwrap() > 0, "{what}: {found}");
    }
    assert!(oracle.asked_to_come_back > 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn on_nats_every_figure_is_as_worked_out_and_so_are_the_streams() {
    let nats = TestNats::start();
    let figures = json_of(shop(&nats.url()).arg("--json"));
    let oracle = Oracle::of(&orders());
    assert_eq!(figures, oracle.figures());
    check_streams(&nats, &oracle).await;
}

/// The messages on the server, counted by itself.
async fn check_streams(nats: &TestNats, oracle: &Oracle) {
    let client = async_nats::connect(nats.url()).await.unwrap();
    let figures = oracle.figures();
    let number = |path: &str| figures.pointer(path).and_then(Value::as_u64).unwrap_or(0);
    for (stream, filter, expected) in [
        (
            "ORDERS",
            "orders.*.placed",
            number("/published") + number("/foreign"),
        ),
        (
            "ORDERS",
            "orders.*.refused",
            number("/handlers/notify_refused/received"),
        ),
        (
            "ORDERS",
            "orders.*.shipped",
            number("/handlers/notify_shipped/received"),
        ),
        (
            "STOCK",
            "stock.>",
            number("/handlers/charge_payment/received"),
        ),
        (
            "PAYMENTS",
            "payments.>",
            number("/handlers/ship_order/received"),
        ),
        ("shop_RETRY", ">", 0),
        (
            "shop_DEAD",
            "lane.dead.shop.reserve_stock.>",
            number("/foreign"),
        ),
        (
            "shop_DEAD",
            "lane.dead.shop.charge_payment.>",
            number("/handlers/charge_payment/dead_lettered/rejected"),
        ),
        (
            "shop_DEAD",
            "lane.dead.shop.ship_order.>",
            number("/handlers/ship_order/dead_lettered/attempts"),
        ),
        ("shop_DEAD", "lane.dead.shop.notify_shipped.>", 0),
        ("shop_DEAD", "lane.dead.shop.notify_refused.>", 0),
    ] {
        assert_eq!(
            count(&client, stream, filter).await,
            expected,
            "{filter} in {stream}"
        );
    }
}

/// A worker process; dropped, it is killed by its pid.
struct Worker(Child);

impl Worker {
    fn start(broker: &str, ledger: &Path) -> Self {
        Self(
            shop(broker)
                .arg("work")
                .arg("--ledger")
                .arg(ledger)
                .stdout(Stdio::null())
                .spawn()
                .unwrap(),
        )
    }

    fn kill(mut self) {
        self.0.kill().unwrap();
        self.0.wait().unwrap();
    }

    /// SIGTERM: the end that an operator asks for.
    fn stop(mut self) -> bool {
        Command::new("kill")
            .arg(self.0.id().to_string())
            .status()
            .unwrap();
        self.0.wait().unwrap().success()
    }
}

impl Drop for Worker {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn workers_killed_while_acknowledgements_are_pending_lose_and_double_nothing() {
    const SEED: u64 = 20_261_124;
    println!("seed {SEED}");
    let nats = TestNats::start();
    let folder = tempfile::tempdir().unwrap();
    let oracle = Oracle::of(&orders());
    let mut feeder = shop(&nats.url());
    assert!(
        feeder
            .arg("feed")
            .arg("--ledger")
            .arg(folder.path())
            .stdout(Stdio::null())
            .status()
            .unwrap()
            .success()
    );
    let client = async_nats::connect(nats.url()).await.unwrap();
    let mut workers: Vec<Worker> = (0..2)
        .map(|_| Worker::start(&nats.url(), folder.path()))
        .collect();
    // Five moments, spread over the work by a small generator; each once acknowledgements are pending.
    let mut random = SEED;
    for round in 0..5_u64 {
        random = random
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        let moment = round * 400 + (random >> 33) % 400;
        wait(Duration::from_mins(1), || async {
            let [stock, charge] = [
                ("ORDERS", "shop-reserve_stock"),
                ("STOCK", "shop-charge_payment"),
            ];
            let stock = api(
                &client,
                &format!("CONSUMER.INFO.{}.{}", stock.0, stock.1),
                Value::Null,
            )
            .await;
            let charge = api(
                &client,
                &format!("CONSUMER.INFO.{}.{}", charge.0, charge.1),
                Value::Null,
            )
            .await;
            let done = stock["ack_floor"]["consumer_seq"].as_u64().unwrap_or(0);
            let pending = |info: &Value| info["num_ack_pending"].as_u64().unwrap_or(0);
            // Where the work was quicker than the moments, any pending acknowledgement is moment enough.
            let all_in = stock["num_pending"].as_u64() == Some(0);
            (done >= moment || all_in) && pending(&stock) + pending(&charge) > 0
        })
        .await;
        let which = usize::try_from((random >> 20) % 2).unwrap();
        workers.swap_remove(which).kill();
        workers.push(Worker::start(&nats.url(), folder.path()));
    }
    wait(Duration::from_mins(1), || async {
        is_quiet(&client).await && is_quiet(&client).await
    })
    .await;
    for worker in workers {
        assert!(worker.stop(), "a worker told to stop ends cleanly");
    }
    let mut figures = json_of(
        shop("memory://")
            .args(["report", "--json", "--ledger"])
            .arg(folder.path()),
    );
    let mut expected = oracle.figures();
    for figures in [&mut figures, &mut expected] {
        for handler in figures["handlers"].as_object_mut().unwrap().values_mut() {
            handler["retried"] = json!("aside");
        }
    }
    assert_eq!(figures, expected);
    check_streams(&nats, &oracle).await;
    assert!(
        redeliveries(folder.path()) > 0,
        "nothing was delivered twice: the kills proved nothing"
    );
}

/// Whether no handler has anything pending, unsettled or in the retry lane.
async fn is_quiet(client: &async_nats::Client) -> bool {
    for stream in ["ORDERS", "STOCK", "PAYMENTS", "shop_RETRY"] {
        let list = api(client, &format!("CONSUMER.LIST.{stream}"), json!({})).await;
        for consumer in list["consumers"].as_array().unwrap_or(&Vec::new()) {
            if consumer["num_pending"].as_u64() != Some(0)
                || consumer["num_ack_pending"].as_u64() != Some(0)
            {
                return false;
            }
        }
    }
    count(client, "shop_RETRY", ">").await == 0
}

async fn wait<F: Future<Output = bool>>(limit: Duration, mut condition: impl FnMut() -> F) {
    let deadline = Instant::now() + limit;
    while !condition().await {
        assert!(
            Instant::now() < deadline,
            "the condition was not met within {limit:?}"
        );
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

/// Entries that say that the same attempt of an event arrived once more.
fn redeliveries(folder: &Path) -> usize {
    let mut seen = std::collections::HashMap::new();
    for file in std::fs::read_dir(folder).unwrap() {
        for line in std::fs::read_to_string(file.unwrap().path())
            .unwrap()
            .lines()
        {
            let Ok(entry) = serde_json::from_str::<Value>(line) else {
                continue;
            };
            if entry["what"] == "received" {
                let key = (
                    entry["handler"].to_string(),
                    entry["event"].to_string(),
                    entry["attempt"].to_string(),
                );
                *seen.entry(key).or_insert(0_usize) += 1;
            }
        }
    }
    seen.values().filter(|count| **count > 1).count()
}
