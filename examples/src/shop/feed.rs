//! From lines to published events.

use std::collections::{HashSet, VecDeque};

use event_runtime::broker::{Message, Receipt};
use event_runtime::{Publisher, Running};
use serde::{Deserialize, Serialize};

use super::events::{OrderPlaced, OrderPlacedV1};
use super::lines::{Line, Order, Total, parse};

/// Events on their way at once.
const WINDOW: usize = 512;

/// What became of the lines.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Feed {
    /// Lines that count.
    pub lines: u64,
    /// Those that are no order.
    pub invalid_lines: u64,
    /// Orders whose id was on an earlier line.
    pub duplicates: u64,
    /// Messages published as they are.
    pub foreign: u64,
    /// Orders published.
    pub published: u64,
}

/// Publishes the orders of a file. Doing it again publishes nothing twice: ids are made from orders and lines.
pub async fn feed(running: &Running, orders: &[u8]) -> anyhow::Result<Feed> {
    let publisher = running.publisher();
    let broker = running.broker();
    let mut feed = Feed::default();
    let mut seen = HashSet::new();
    let mut on_their_way: VecDeque<Receipt> = VecDeque::new();
    let lines = orders
        .strip_suffix(b"\n")
        .unwrap_or(orders)
        .split(|byte| *byte == b'\n');
    for (number, line) in lines.enumerate() {
        let line = parse(line);
        if line == Line::Blank {
            continue;
        }
        feed.lines += 1;
        let receipt = match line {
            Line::Blank => continue,
            Line::Invalid => {
                feed.invalid_lines += 1;
                continue;
            }
            Line::Foreign(text) => {
                feed.foreign += 1;
                let id = format!("as-is-{number}");
                broker
                    .publish(Message::new("orders.eu.placed", text.into_bytes()).id(id))
                    .await?
            }
            Line::Order(order) => {
                if !seen.insert(order.order_id.clone()) {
                    feed.duplicates += 1;
                    continue;
                }
                feed.published += 1;
                publish(&publisher, order).await?
            }
        };
        on_their_way.push_back(receipt);
        if on_their_way.len() == WINDOW
            && let Some(oldest) = on_their_way.pop_front()
        {
            oldest.await?;
        }
    }
    for receipt in on_their_way {
        receipt.await?;
    }
    Ok(feed)
}

async fn publish(publisher: &Publisher, order: Order) -> anyhow::Result<Receipt> {
    let Order {
        order_id,
        customer,
        region,
        items,
        total,
    } = order;
    let id = format!("order-{order_id}");
    Ok(match total {
        Total::Text(total) => {
            publisher
                .send_with_id(
                    &id,
                    &OrderPlacedV1 {
                        order_id,
                        customer,
                        region,
                        items,
                        total,
                    },
                )
                .await?
        }
        Total::Cents(total_cents) => {
            publisher
                .send_with_id(
                    &id,
                    &OrderPlaced {
                        order_id,
                        customer,
                        region,
                        items,
                        total_cents,
                    },
                )
                .await?
        }
    })
}
