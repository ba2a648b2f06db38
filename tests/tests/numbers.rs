//! Numbers arrive as they were sent, to the last bit.

use event_runtime::Event;
use event_runtime::envelope::{Attributes, decode, encode};
use proptest::prelude::*;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

#[derive(Debug, Clone, PartialEq, Event, Serialize, Deserialize, JsonSchema)]
#[event(name = "price.set", version = 1, topic = "prices.set")]
struct PriceSet {
    amount: f64,
    rate: f32,
    count: u64,
    balance: i64,
}

fn attributes() -> Attributes {
    Attributes {
        id: "1".into(),
        source: "/shop".into(),
        event_type: PriceSet::WIRE_TYPE.into(),
        ..Attributes::default()
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn every_number_comes_back(
        amount in prop_oneof![
            any::<f64>().prop_filter("JSON has no infinity", |number| number.is_finite()),
            (0_u32..100_000_000).prop_map(|cents| f64::from(cents) / 100.0 * 1.19),
        ],
        rate in any::<f32>().prop_filter("JSON has no infinity", |number| number.is_finite()),
        count in any::<u64>(),
        balance in any::<i64>(),
    ) {
        let sent = PriceSet { amount, rate, count, balance };
        let message = encode(&attributes(), &sent).unwrap();
        let (_, received) = decode::<PriceSet>(&message).unwrap();
        prop_assert_eq!(received.amount.to_bits(), sent.amount.to_bits());
        prop_assert_eq!(received, sent);
    }
}
