//! The address at which a delivery is acknowledged, which says where it is stored.

use jiff::Timestamp;

/// Sequence, deliveries and time from `$JS.ACK.[domain.account.]stream.consumer.deliveries.sequence.….time.…`.
pub(super) fn parse(reply: &str, stream: &str, durable: &str) -> Option<(u64, u64, Timestamp)> {
    let mut words = places(reply, stream, durable)?.split('.');
    let deliveries = number(words.next()?)?;
    let sequence = number(words.next()?)?;
    let nanos = number(words.nth(1)?)?;
    let time = Timestamp::from_nanosecond(nanos.into()).ok()?;
    Some((sequence, deliveries, time))
}

/// What follows the name of the consumer, by its constant beginning if it is of the short form.
fn places<'a>(reply: &'a str, stream: &str, durable: &str) -> Option<&'a str> {
    let after = |text: &'a str, word: &str| text.strip_prefix(word)?.strip_prefix('.');
    let short = after(reply, "$JS.ACK").and_then(|rest| after(after(rest, stream)?, durable));
    // A domain could have the stream's name.
    if let Some(rest) = short
        && rest.bytes().filter(|&byte| byte == b'.').count() == 4
    {
        return Some(rest);
    }
    let mut words = reply.splitn(7, '.');
    (reply.split('.').count() >= 11).then(|| words.nth(6))?
}

/// A number of digits alone. Without the care for signs and bases that the standard library takes.
fn number(digits: &str) -> Option<u64> {
    let add = |number: u64, digit: u8| {
        let value = digit.wrapping_sub(b'0');
        let tens = number.checked_mul(10).filter(|_| value < 10)?;
        tens.checked_add(value.into())
    };
    let some = !digits.is_empty();
    some.then(|| digits.bytes().try_fold(0, add)).flatten()
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
        let parse = |reply| parse(reply, "ORDERS", "billing-charge");
        let short = parse("$JS.ACK.ORDERS.billing-charge.2.7.5.1763870400123456789.3").unwrap();
        for long in [
            "$JS.ACK.hub.ACC.ORDERS.billing-charge.2.7.5.1763870400123456789.3.x",
            "$JS.ACK.ORDERS.billing-charge.ORDERS.billing-charge.2.7.5.1763870400123456789.3.x",
        ] {
            assert_eq!(parse(long).unwrap(), short);
        }
        assert_eq!((short.0, short.1), (7, 2));
        for broken in [
            "$JS.ACK.short",
            "$JS.ACK.ORDERS.billing-charge.2.7.5.1763870400123456789",
            "$JS.ACK.ORDERS.billing-charge.2..5.1763870400123456789.3",
            "$JS.ACK.ORDERS.billing-charge.2.+7.5.1763870400123456789.3",
            "$JS.ACK.ORDERS.billing-charge.2.99999999999999999999.5.1763870400123456789.3",
        ] {
            assert!(parse(broken).is_none(), "{broken}");
        }
    }
}
