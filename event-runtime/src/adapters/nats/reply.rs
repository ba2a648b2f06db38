//! The address at which a delivery is acknowledged, which says where it is stored.

use jiff::Timestamp;

/// Sequence, deliveries and time from `$JS.ACK.[domain.account.]stream.consumer.deliveries.sequence.….time.…`.
pub(super) fn parse(reply: &str) -> Option<(u64, u64, Timestamp)> {
    let before = match reply.bytes().filter(|&byte| byte == b'.').count() {
        8 => 4,
        10.. => 6,
        _ => return None,
    };
    let mut words = reply.split('.').skip(before);
    let deliveries = words.next()?.parse().ok()?;
    let sequence = words.next()?.parse().ok()?;
    let nanos: i64 = words.nth(1)?.parse().ok()?;
    let time = Timestamp::from_nanosecond(nanos.into()).ok()?;
    Some((sequence, deliveries, time))
}

/// The address of a delivery that was not read from the connection. The server finds it by its sequence in the
/// stream; the other numbers have to be possible.
pub(super) fn build(stream: &str, durable: &str, sequence: u64, delivery: u64) -> String {
    format!("$JS.ACK.{stream}.{durable}.1.{sequence}.{delivery}.0.0")
}

#[cfg(test)]
mod tests {
    use super::parse;

    #[test]
    fn both_forms_of_the_acknowledgement_address_are_read() {
        let short = parse("$JS.ACK.ORDERS.billing-charge.2.7.5.1763870400123456789.3").unwrap();
        let long =
            parse("$JS.ACK.hub.ACC.ORDERS.billing-charge.2.7.5.1763870400123456789.3.x").unwrap();
        assert_eq!(short, long);
        assert_eq!((short.0, short.1), (7, 2));
        assert!(parse("$JS.ACK.short").is_none());
    }
}
