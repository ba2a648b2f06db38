//! The address at which a delivery is acknowledged, which says where it is stored.

use jiff::Timestamp;

/// Sequence, deliveries and time from `$JS.ACK.[domain.account.]stream.consumer.deliveries.sequence.….time.…`.
pub(super) fn parse(reply: &str) -> Option<(u64, u64, Timestamp)> {
    let words: Vec<&str> = reply.split('.').collect();
    let first = match words.len() {
        9 => 4,
        11.. => 6,
        _ => return None,
    };
    let deliveries = words[first].parse().ok()?;
    let sequence = words[first + 1].parse().ok()?;
    let nanos: i128 = words[first + 3].parse().ok()?;
    Some((
        sequence,
        deliveries,
        Timestamp::from_nanosecond(nanos).ok()?,
    ))
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
