//! The shop's rules, once more and in other words: what the figures have to be for a file.

use std::collections::HashSet;
use std::path::Path;

use serde_json::{Value, json};

/// What a file of orders comes to.
#[derive(Default)]
pub(crate) struct Oracle {
    lines: u64,
    invalid: u64,
    duplicates: u64,
    foreign: u64,
    published: u64,
    out_of_stock: u64,
    reserved: u64,
    gateway_retries: u64,
    stolen: u64,
    too_expensive: u64,
    paid: u64,
    panics: u64,
    /// Orders for which the gateway asked to come back later.
    pub(crate) asked_to_come_back: u64,
}

impl Oracle {
    pub(crate) fn of(file: &Path) -> Self {
        let bytes = std::fs::read(file).expect("the orders file");
        let mut this = Self::default();
        let mut seen = HashSet::new();
        for raw in bytes.split(|byte| *byte == b'\n') {
            let raw = if raw.ends_with(b"\r") {
                &raw[..raw.len() - 1]
            } else {
                raw
            };
            if String::from_utf8_lossy(raw).trim().is_empty() && std::str::from_utf8(raw).is_ok() {
                continue;
            }
            this.lines += 1;
            this.line(raw, &mut seen);
        }
        this
    }

    fn line(&mut self, raw: &[u8], seen: &mut HashSet<String>) {
        let parsed = std::str::from_utf8(raw)
            .ok()
            .and_then(|text| serde_json::from_str::<Value>(text).ok());
        let Some(Value::Object(map)) = &parsed else {
            self.invalid += 1;
            return;
        };
        if map.len() == 1 && map.get("as_is").is_some_and(Value::is_string) {
            self.foreign += 1;
            return;
        }
        let Some(cents) = parsed.as_ref().and_then(valid) else {
            self.invalid += 1;
            return;
        };
        let id = map["order_id"].as_str().unwrap_or_default();
        if !seen.insert(id.to_owned()) {
            self.duplicates += 1;
            return;
        }
        self.published += 1;
        let skus: Vec<&str> = map["items"]
            .as_array()
            .into_iter()
            .flatten()
            .filter_map(|item| item["sku"].as_str())
            .collect();
        if skus.iter().any(|sku| sku.starts_with("none-")) {
            self.out_of_stock += 1;
            return;
        }
        self.reserved += 1;
        self.gateway_retries += u64::from(id.ends_with('7'));
        self.asked_to_come_back += u64::from(id.ends_with("777"));
        if map["customer"] == "card-thief" {
            self.stolen += 1;
        } else if cents > 1_000_000 {
            self.too_expensive += 1;
        } else {
            self.paid += 1;
            self.panics += u64::from(skus.contains(&"panic"));
        }
    }

    /// The figures in the shape that the shop prints.
    pub(crate) fn figures(&self) -> Value {
        let refused = self.out_of_stock + self.too_expensive;
        let shipped = self.paid - self.panics;
        let handler = |received: u64, handled: u64, retried: u64, dead: Value| json!({ "received": received, "handled": handled, "retried": retried, "dead_lettered": dead });
        let reason = |name: &str, count: u64| {
            if count == 0 {
                json!({})
            } else {
                json!({ name: count })
            }
        };
        json!({
            "lines": self.lines,
            "invalid_lines": self.invalid,
            "duplicates": self.duplicates,
            "foreign": self.foreign,
            "published": self.published,
            "handlers": {
                "reserve_stock": handler(
                    self.published + self.foreign, self.published, 0, reason("undecodable", self.foreign)),
                "charge_payment": handler(
                    self.reserved, self.reserved - self.stolen, self.gateway_retries, reason("rejected", self.stolen)),
                "ship_order": handler(self.paid, shipped, self.panics, reason("attempts", self.panics)),
                "notify_shipped": handler(shipped, shipped, 0, json!({})),
                "notify_refused": handler(refused, refused, 0, json!({})),
            },
        })
    }
}

/// The total in cents of an order that keeps all rules.
fn valid(order: &Value) -> Option<u128> {
    let id = order["order_id"].as_str()?;
    let plain = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '-';
    let regions = ["eu", "us", "apac"];
    let items = order["items"].as_array()?;
    let good_item = |item: &Value| {
        let sku = item["sku"].as_str().is_some_and(|sku| !sku.is_empty());
        let qty = item["qty"].is_u64() && (1..=1000).contains(&item["qty"].as_u64().unwrap_or(0));
        item.is_object() && sku && qty
    };
    let good = !id.is_empty()
        && id.chars().count() <= 64
        && id.chars().all(plain)
        && order["customer"].is_string()
        && order["region"]
            .as_str()
            .is_some_and(|region| regions.contains(&region))
        && !items.is_empty()
        && items.iter().all(good_item);
    if !good {
        return None;
    }
    match (order.get("total"), order.get("total_cents")) {
        (Some(Value::String(total)), None) => {
            let mut parts = total.splitn(2, '.');
            let whole = parts.next()?;
            let decimals = parts.next();
            let digits = |text: &str| !text.is_empty() && text.chars().all(|c| c.is_ascii_digit());
            if !digits(whole)
                || decimals.is_some_and(|decimals| !digits(decimals) || decimals.len() > 2)
            {
                return None;
            }
            let scale = [100, 10, 1][decimals.map_or(0, str::len)];
            let all: u128 = format!("{whole}{}", decimals.unwrap_or_default())
                .parse()
                .ok()?;
            Some(all * scale).filter(|cents| *cents <= u128::from(u64::MAX))
        }
        (None, Some(cents)) => cents.as_u64().map(u128::from),
        _ => None,
    }
}
