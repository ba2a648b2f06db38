//! The address at which a delivery is acknowledged, which says where it is stored.

use jiff::Timestamp;

/// Sequence, deliveries and time from `$JS.ACK.[domain.account.]stream.consumer.deliveries.sequence.….time.…`.
pub(super) fn parse(reply: &str) -> Option<(u64, u64, Timestamp)> {
    let words = || reply.as_bytes().split(|&byte| byte == b'.');
    let before = match words().count() {
        9 => 4,
        11.. => 6,
        _ => return None,
    };
    let mut words = words().skip(before);
    let deliveries = number(words.next()?)?;
    let sequence = number(words.next()?)?;
    let nanos = number(words.nth(1)?)?;
    let time = Timestamp::from_nanosecond(nanos.into()).ok()?;
    Some((sequence, deliveries, time))
}

fn number(digits: &[u8]) -> Option<u64> {
    let shown = |number: u64, digit: &u8| {
        let value = digit.is_ascii_digit().then(|| u64::from(digit - b'0'))?;
        number.checked_mul(10)?.checked_add(value)
    };
    let some = !digits.is_empty();
    some.then(|| digits.iter().try_fold(0, shown)).flatten()
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
