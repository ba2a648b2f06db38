//! The lines of an order file.
//!
//! A line is what is left after cutting the line end (`\n` or `\r\n`); one of white space only doesn't count.
//! An order is a JSON object with `order_id` (1 to 64 of `[A-Za-z0-9_-]`), `customer` (a string), `region`
//! (`eu`, `us`, `apac`), `items` (a non-empty array of `{"sku": non-empty string, "qty": 1 to 1000}`) and either
//! `total_cents` (an integer from 0, up to 64 bits) or `total` (digits, with one or two decimals after a point
//! if any), never both, not even as `null`. A number with a point or an exponent is no integer. Other fields
//! are ignored; of a field given twice the last one counts. An object with the one field `as_is`, a string, is
//! a foreign message. All else is invalid.

use serde_json::{Map, Value};

use super::events::Item;

/// What a line says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Line {
    /// Nothing: it doesn't count.
    Blank,
    /// No order.
    Invalid,
    /// A message to publish as it is.
    Foreign(String),
    /// An order.
    Order(Order),
}

/// An order as the line gives it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Order {
    /// The order.
    pub order_id: String,
    /// Who ordered.
    pub customer: String,
    /// Where.
    pub region: String,
    /// What.
    pub items: Vec<Item>,
    /// For how much, in the words of its version.
    pub total: Total,
}

/// A total, in the words of a version.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Total {
    /// Version 1.
    Text(String),
    /// Version 2.
    Cents(u64),
}

/// Reads a line without its line feed.
pub fn parse(line: &[u8]) -> Line {
    let line = line.strip_suffix(b"\r").unwrap_or(line);
    let Ok(text) = std::str::from_utf8(line) else {
        return Line::Invalid;
    };
    if text.trim().is_empty() {
        return Line::Blank;
    }
    let Ok(Value::Object(fields)) = serde_json::from_str(text) else {
        return Line::Invalid;
    };
    if let (1, Some(Value::String(text))) = (fields.len(), fields.get("as_is")) {
        return Line::Foreign(text.clone());
    }
    order(&fields).map_or(Line::Invalid, Line::Order)
}

fn order(fields: &Map<String, Value>) -> Option<Order> {
    let text = |name| fields.get(name).and_then(Value::as_str);
    let order_id = text("order_id").filter(|id| is_order_id(id))?;
    let region = text("region").filter(|region| ["eu", "us", "apac"].contains(region))?;
    let items: Option<Vec<Item>> = fields.get("items")?.as_array()?.iter().map(item).collect();
    let total = match (fields.get("total"), fields.get("total_cents")) {
        (None, Some(number)) => Total::Cents(number.as_u64()?),
        (Some(Value::String(text)), None) if cents(text).is_some() => Total::Text(text.clone()),
        _ => return None,
    };
    Some(Order {
        order_id: order_id.to_owned(),
        customer: text("customer")?.to_owned(),
        region: region.to_owned(),
        items: items.filter(|items| !items.is_empty())?,
        total,
    })
}

fn is_order_id(id: &str) -> bool {
    (1..=64).contains(&id.len())
        && id
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-'))
}

fn item(value: &Value) -> Option<Item> {
    let sku = value.get("sku")?.as_str().filter(|sku| !sku.is_empty())?;
    let qty = value
        .get("qty")?
        .as_u64()
        .filter(|qty| (1..=1000).contains(qty))?;
    Some(Item {
        sku: sku.to_owned(),
        qty: u32::try_from(qty).ok()?,
    })
}

/// An amount of money in cents: `12`, `12.5`, `12.50`.
pub(super) fn cents(text: &str) -> Option<u64> {
    let (whole, decimals) = match text.split_once('.') {
        Some((whole, decimals)) if (1..=2).contains(&decimals.len()) => (whole, decimals),
        Some(_) => return None,
        None => (text, ""),
    };
    let digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
    if whole.is_empty() || !digits(whole) || !digits(decimals) {
        return None;
    }
    let cents = format!("{decimals:0<2}").parse::<u64>().ok()?;
    whole
        .parse::<u64>()
        .ok()?
        .checked_mul(100)?
        .checked_add(cents)
}

#[cfg(test)]
mod tests {
    use super::{Line, cents, parse};

    #[test]
    fn a_total_is_digits_with_at_most_two_decimals() {
        for (text, expected) in [
            ("12", Some(1200)),
            ("12.5", Some(1250)),
            ("12.05", Some(1205)),
            ("0", Some(0)),
        ] {
            assert_eq!(cents(text), expected, "{text}");
        }
        for text in [
            "",
            ".5",
            "12.",
            "12.345",
            "+1",
            "-1",
            "1e2",
            " 1",
            "1,5",
            "1.5.5",
            "99999999999999999999",
        ] {
            assert_eq!(cents(text), None, "{text}");
        }
    }

    #[test]
    fn line_ends_and_white_space_do_not_count() {
        assert_eq!(parse(b""), Line::Blank);
        assert_eq!(parse(b" \t\r"), Line::Blank);
        assert_eq!(parse(b"{\"as_is\":\"\"}\r"), Line::Foreign(String::new()));
        assert_eq!(parse(b"{\"as_is\":1}"), Line::Invalid);
        assert_eq!(parse(b"\xff"), Line::Invalid);
    }
}
