//! The in-memory broker where it differs from a server in how it works: many messages, who is woken and when, and a
//! publisher on the same thread as its handlers.

use std::future::Future;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use event_runtime::adapters::memory::Memory;
use event_runtime::broker::{
    Broker, Delivery, DurableSpec, Message, Start, StreamKind, StreamSpec, Subscription, lanes,
};
use event_runtime::{App, Event, State, handler};
use futures_util::FutureExt;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use tokio::sync::Notify;
use tokio::time::Instant;

const STREAM: &str = "WORK";
const ACK_WAIT: Duration = Duration::from_secs(30);

/// A broker with a stream of events.
async fn events() -> Memory {
    let broker = Memory::new();
    let stream = StreamSpec {
        name: STREAM.to_owned(),
        subjects: vec!["work.>".to_owned()],
        kind: StreamKind::Events {
            topic: "work.>".to_owned(),
            named: false,
        },
    };
    broker.create_stream(&stream).await.unwrap();
    broker
}

/// A broker with the retries of a service.
async fn retries() -> (Memory, String) {
    let broker = Memory::new();
    let stream = StreamSpec {
        name: lanes::retry_stream("test"),
        subjects: lanes::retry_subjects("test"),
        kind: StreamKind::Retry {
            service: "test".to_owned(),
        },
    };
    broker.create_stream(&stream).await.unwrap();
    (broker, stream.name)
}

/// A durable of what matches the filter, and so many subscriptions to it.
async fn consume(
    broker: &Memory,
    (stream, filter): (&str, &str),
    max_ack_pending: usize,
    subscriptions: usize,
) -> Vec<Box<dyn Subscription>> {
    let spec = DurableSpec {
        name: lanes::durable("test", "work"),
        service: "test".to_owned(),
        handler: "work".to_owned(),
        filter: filter.to_owned(),
        start: Some(Start::All),
        ack_wait: ACK_WAIT,
        max_ack_pending,
    };
    broker.create_durable(stream, &spec).await.unwrap();
    let mut all = Vec::new();
    for _ in 0..subscriptions {
        all.push(broker.subscribe(stream, &spec.name).await.unwrap());
    }
    all
}

async fn publish(broker: &Memory, message: Message) -> (u64, bool) {
    let stored = broker.publish(message).await.unwrap().await.unwrap();
    (stored.sequence, stored.duplicate)
}

fn numbered(number: u64) -> Message {
    let message = Message::new(format!("work.{}", number % 7), number.to_string());
    message.id(format!("id-{number}"))
}

fn number(payload: &[u8]) -> u64 {
    std::str::from_utf8(payload).unwrap().parse().unwrap()
}

/// What one subscription gets next, while something else happens; and how long that took.
async fn next_while(
    subscription: &mut Box<dyn Subscription>,
    happens: impl Future<Output = ()>,
) -> (Vec<Delivery>, Duration) {
    let start = Instant::now();
    let mut next = subscription.next(10);
    assert!((&mut next).now_or_never().is_none(), "it waits");
    happens.await;
    (next.await.unwrap(), start.elapsed())
}

#[tokio::test(start_paused = true)]
async fn of_many_messages_those_that_stay_are_found_in_order() {
    let broker = events().await;
    for number in 1..=1000_u64 {
        let body = if number.is_multiple_of(100) {
            // Too large to lie beside others.
            format!("{number:010000}")
        } else {
            number.to_string()
        };
        let stored = publish(&broker, Message::new(format!("work.{}", number % 7), body)).await;
        assert_eq!(stored, (number, false));
    }
    let stays =
        |number: &u64| !(200..=450).contains(number) && !number.is_multiple_of(5) && *number != 1;
    for number in (1..=1000_u64).filter(|number| !stays(number)) {
        broker.remove(STREAM, number).await.unwrap();
        broker.remove(STREAM, number).await.unwrap();
    }
    let stayed: Vec<u64> = (1..=1000).filter(stays).collect();
    let count = broker.count(STREAM, "work.>").await.unwrap();
    assert_eq!(count, stayed.len() as u64);
    for from in [0, 1, 2, 199, 200, 300, 451, 996, 999, 1000, 1001] {
        let found = broker.read(STREAM, "work.>", from).await.unwrap();
        let found = found.map(|found| (found.sequence, number(&found.payload)));
        let wanted = stayed.iter().copied().find(|number| *number >= from);
        assert_eq!(found, wanted.map(|number| (number, number)), "from {from}");
    }
    let [subscription] = &mut consume(&broker, (STREAM, "work.3"), 10_000, 1).await[..] else {
        unreachable!("one was asked for")
    };
    let mut delivered = Vec::new();
    let wanted: Vec<u64> = stayed
        .into_iter()
        .filter(|number| number % 7 == 3)
        .collect();
    while delivered.len() < wanted.len() {
        for delivery in subscription.next(9).await.unwrap() {
            assert_eq!(delivery.origin.sequence, number(&delivery.payload));
            delivered.push(delivery.origin.sequence);
            delivery.settle.done().await.unwrap();
        }
    }
    assert_eq!(delivered, wanted);
}

#[tokio::test(start_paused = true)]
async fn who_waits_for_room_hears_of_it_after_a_late_settlement_that_makes_none() {
    let broker = events().await;
    let [subscription] = &mut consume(&broker, (STREAM, "work.>"), 1, 1).await[..] else {
        unreachable!("one was asked for")
    };
    for number in 1..=3 {
        publish(&broker, numbered(number)).await;
    }
    let late = subscription.next(10).await.unwrap().remove(0);
    // Its ack wait ends, and it comes again.
    let again = subscription.next(10).await.unwrap().remove(0);
    assert_eq!(again.origin.sequence, 1);
    again.settle.done().await.unwrap();
    let second = subscription.next(10).await.unwrap().remove(0);
    let (third, waited) = next_while(subscription, async {
        late.settle.done().await.unwrap();
        second.settle.done().await.unwrap();
    })
    .await;
    assert_eq!((third[0].origin.sequence, waited), (3, Duration::ZERO));
}

#[tokio::test(start_paused = true)]
async fn a_work_queue_goes_on_where_one_message_stays() {
    let (broker, stream) = retries().await;
    let subject = lanes::retry_subject("test", "work");
    let mut subscriptions = consume(&broker, (&stream, &subject), 10_000, 1).await;
    publish(&broker, Message::new(&subject, "0")).await;
    let stays = subscriptions[0].next(1).await.unwrap();
    for number in 1..500_u64 {
        publish(&broker, Message::new(&subject, number.to_string())).await;
        for delivery in subscriptions[0].next(10).await.unwrap() {
            assert_eq!(delivery.payload, number.to_string());
            delivery.settle.done().await.unwrap();
        }
        assert_eq!(broker.count(&stream, ">").await.unwrap(), 1);
    }
    assert_eq!(stays.len(), 1);
    let again = subscriptions[0].next(10).await.unwrap();
    let again: Vec<_> = again
        .iter()
        .map(|delivery| (&delivery.payload[..], delivery.origin.deliveries))
        .collect();
    assert_eq!(again, [(&b"0"[..], 2)]);
}

#[tokio::test(start_paused = true)]
async fn ids_are_known_for_ten_minutes_however_many_there_are() {
    let broker = events().await;
    for number in 0..3000 {
        assert_eq!(
            publish(&broker, numbered(number)).await,
            (number + 1, false)
        );
        tokio::time::advance(Duration::from_millis(100)).await;
    }
    for number in 0..3000 {
        assert_eq!(publish(&broker, numbered(number)).await, (number + 1, true));
    }
    // The first thousand came more than ten minutes ago.
    tokio::time::advance(Duration::from_secs(400)).await;
    for number in 0..1000 {
        let again = publish(&broker, numbered(number)).await;
        assert_eq!(again, (3001 + number, false));
    }
    for number in 1001..3000 {
        assert_eq!(publish(&broker, numbered(number)).await, (number + 1, true));
    }
}

#[tokio::test(start_paused = true)]
async fn who_waits_is_woken_by_what_it_waits_for_alone() {
    let broker = events().await;
    let mut subscriptions = consume(&broker, (STREAM, "work.1"), 10_000, 2).await;
    let [one, other] = &mut subscriptions[..] else {
        unreachable!("two were asked for")
    };
    // Both wait, and one of them gets it.
    let (first, second) = {
        let (mut one, mut other) = (one.next(10), other.next(10));
        assert!((&mut one).now_or_never().is_none());
        assert!((&mut other).now_or_never().is_none());
        publish(&broker, numbered(2)).await;
        assert!((&mut one).now_or_never().is_none(), "not in the filter");
        publish(&broker, numbered(1)).await;
        ((&mut one).now_or_never(), (&mut other).now_or_never())
    };
    let mut taken = first.unwrap().unwrap();
    assert!(second.is_none());
    // What is handed back goes to the other one.
    let delivery = taken.pop().unwrap();
    let (mut again, took) = next_while(other, async {
        delivery.settle.hand_back(None).await.unwrap();
    })
    .await;
    assert_eq!((again.len(), took), (1, Duration::ZERO));
    // So does what is handed back for a shorter time than it would have been waited for.
    let delivery = again.pop().unwrap();
    let soon = Duration::from_secs(2);
    let (again, took) = next_while(one, async {
        delivery.settle.hand_back(Some(soon)).await.unwrap();
    })
    .await;
    assert_eq!((again.len(), took), (1, soon));
    assert_eq!(again[0].origin.deliveries, 3);
}

#[tokio::test(start_paused = true)]
async fn settling_makes_room_for_who_waits() {
    let broker = events().await;
    for number in 0..4 {
        publish(&broker, numbered(number)).await;
    }
    let mut subscriptions = consume(&broker, (STREAM, "work.>"), 2, 1).await;
    let mut full = subscriptions[0].next(10).await.unwrap();
    assert_eq!(full.len(), 2);
    let settle = full.pop().unwrap().settle;
    let (next, took) = next_while(&mut subscriptions[0], async {
        settle.done().await.unwrap();
    })
    .await;
    assert_eq!((next.len(), took), (1, Duration::ZERO));
    // A message that is removed makes room as well.
    let (next, took) = next_while(&mut subscriptions[0], async {
        broker.remove(STREAM, 1).await.unwrap();
    })
    .await;
    assert_eq!((next.len(), took), (1, Duration::ZERO));
}

/// On threads that run at the same time: whoever finds the durable full is woken by the one that settles meanwhile.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn nobody_waits_for_ever_where_there_is_room() {
    const ALL: u64 = 30_000;
    let broker = events().await;
    for number in 0..ALL {
        publish(&broker, numbered(number)).await;
    }
    let settled = Arc::new(AtomicU64::new(0));
    let all = Arc::new(Notify::new());
    for mut subscription in consume(&broker, (STREAM, "work.>"), 2, 3).await {
        let (settled, all) = (Arc::clone(&settled), Arc::clone(&all));
        tokio::spawn(async move {
            loop {
                for delivery in subscription.next(10).await.unwrap() {
                    let (settled, all) = (Arc::clone(&settled), Arc::clone(&all));
                    // Not by the task that asks for more: it waits, and has to be woken.
                    tokio::spawn(async move {
                        delivery.settle.done().await.unwrap();
                        if settled.fetch_add(1, Ordering::SeqCst) + 1 == ALL {
                            all.notify_one();
                        }
                    });
                }
            }
        });
    }
    // Far less than an ack wait, after which they would look again by themselves.
    let ended = tokio::time::timeout(ACK_WAIT * 2 / 3, all.notified()).await;
    let settled = settled.load(Ordering::SeqCst);
    assert!(ended.is_ok(), "{settled} of {ALL} were settled");
}

#[tokio::test(start_paused = true)]
async fn who_waits_hears_of_a_delayed_message_and_of_the_end() {
    let (broker, stream) = retries().await;
    let subject = lanes::retry_subject("test", "work");
    let mut subscriptions = consume(&broker, (&stream, &subject), 10_000, 1).await;
    let delay = Duration::from_secs(7);
    let (next, took) = next_while(&mut subscriptions[0], async {
        let message = Message::new(&subject, "1").id("1").delay(delay);
        publish(&broker, message).await;
    })
    .await;
    assert_eq!((next.len(), took), (1, delay));
    let mut next = subscriptions[0].next(10);
    assert!((&mut next).now_or_never().is_none());
    assert!(broker.delete_durable(&stream, &lanes::durable("test", "work")));
    let ended = next.now_or_never().expect("it does not wait for ever");
    assert!(ended.unwrap_err().to_string().contains("is gone"));
}

/// Something to handle.
#[derive(Debug, Clone, Event, Serialize, Deserialize, JsonSchema)]
#[event(name = "work.given", version = 1, topic = "work.given")]
struct WorkGiven {
    number: u64,
}

#[handler]
async fn work(given: WorkGiven, State(handled): State<Arc<AtomicU64>>) {
    handled.fetch_max(given.number + 1, Ordering::SeqCst);
}

/// On one thread: a publisher that never has to wait lets handlers run all the same.
#[tokio::test]
async fn handlers_run_while_a_publisher_on_their_thread_goes_on() {
    let handled = Arc::new(AtomicU64::new(0));
    let running = App::new()
        .service("test")
        .broker(Memory::new())
        .with_state(Arc::clone(&handled))
        .only((work,))
        .start()
        .await
        .unwrap();
    let publisher = running.publisher();
    for number in 0..10_000 {
        publisher.publish(&WorkGiven { number }).await.unwrap();
    }
    let meanwhile = handled.load(Ordering::SeqCst);
    // How many depends on the machine; where nobody lets others run, it is none.
    assert!(meanwhile > 0, "none was handled meanwhile");
    running.stop().await.unwrap();
}
