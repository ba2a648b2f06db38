//! The address at which a delivery is acknowledged, which says where it is stored.

use jiff::Timestamp;

/// Sequence, deliveries and time from `$JS.ACK.[domain.account.]stream.consumer.deliveries.sequence.….time.…`.
pub(super) fn parse(reply: &str, stream: &str, durable: &str) -> Option<(u64, u64, Timestamp)> {
    let [deliveries, sequence, _, nanos, _] = short(reply, stream, durable).or_else(|| {
        let rest = reply.splitn(7, '.').nth(6)?;
        numbers(rest).map(|(numbers, _)| numbers)
    })?;
    let (seconds, nanos) = (nanos / NANOS, nanos % NANOS);
    let time = Timestamp::new(seconds.try_into().ok()?, nanos.try_into().ok()?).ok()?;
    Some((sequence, deliveries, time))
}

const NANOS: u64 = 1_000_000_000;

/// The numbers in the form without domain and account, past its constant beginning.
fn short(reply: &str, stream: &str, durable: &str) -> Option<[u64; 5]> {
    let rest = reply.strip_prefix("$JS.ACK.")?;
    let rest = rest.strip_prefix(stream)?.strip_prefix('.')?;
    let rest = rest.strip_prefix(durable)?.strip_prefix('.')?;
    // A domain could have the stream's name: then there is more.
    numbers(rest)
        .filter(|(_, whole)| *whole)
        .map(|(numbers, _)| numbers)
}

/// Five numbers with points between them, and whether that is all.
fn numbers(text: &str) -> Option<([u64; 5], bool)> {
    let mut numbers = [0; 5];
    let mut rest = text.as_bytes();
    for (at, place) in numbers.iter_mut().enumerate() {
        let (number, digits) = number(rest);
        // With more digits it could have overflowed.
        if !(1..=19).contains(&digits) {
            return None;
        }
        *place = number;
        rest = match rest[digits..].split_first() {
            Some((b'.', rest)) => rest,
            None if at == 4 => return Some((numbers, true)),
            _ => return None,
        };
    }
    Some((numbers, false))
}

/// The number that the text begins with, and how many digits it has.
fn number(text: &[u8]) -> (u64, usize) {
    let mut number = 0_u64;
    for (digits, byte) in text.iter().enumerate() {
        let digit = byte.wrapping_sub(b'0');
        if digit > 9 {
            return (number, digits);
        }
        number = number.wrapping_mul(10).wrapping_add(digit.into());
    }
    (number, text.len())
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
