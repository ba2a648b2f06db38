//! What the table says of one row.

use serde::Serialize;

/// What the table says of one row; `target/bench.json` holds an array of them.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Figure {
    /// The experiment, and what of it is compared.
    pub(crate) name: String,
    pub(crate) unit: &'static str,
    /// Medians of all pairs.
    pub(crate) ours: f64,
    pub(crate) baseline: Option<f64>,
    /// The median of the pairs' ratios.
    pub(crate) ratio: Option<f64>,
    /// Half of the pairs are between these two, by what is judged.
    pub(crate) spread: [f64; 2],
    /// Pairs that count.
    pub(crate) pairs: usize,
    pub(crate) goal: Option<String>,
    pub(crate) fails_at: Option<String>,
    /// Whether it does not fail.
    pub(crate) ok: bool,
    /// Whether the goal is met.
    pub(crate) met: bool,
}

/// The median, and the quartiles around it.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Middle {
    pub(crate) low: f64,
    pub(crate) median: f64,
    pub(crate) high: f64,
}

impl Middle {
    /// `None` for no values at all.
    pub(crate) fn of(mut values: Vec<f64>) -> Option<Self> {
        values.sort_unstable_by(f64::total_cmp);
        Some(Self {
            low: quantile(&values, 1)?,
            median: quantile(&values, 2)?,
            high: quantile(&values, 3)?,
        })
    }
}

/// The value below which so many quarters of sorted values are, between two of them by their distance.
fn quantile(sorted: &[f64], quarters: usize) -> Option<f64> {
    let place = sorted.len().checked_sub(1)? * quarters;
    let (below, rest) = (place / 4, place % 4);
    let low = sorted[below];
    let high = sorted.get(below + 1).copied().unwrap_or(low);
    #[allow(clippy::cast_precision_loss, reason = "below 4")]
    let part = rest as f64 / 4.0;
    Some(low + (high - low) * part)
}

#[cfg(test)]
mod tests {
    use super::Middle;

    #[test]
    fn the_middle_of_values_lies_between_them() {
        let middle =
            |values: &[f64]| Middle::of(values.to_vec()).map(|m| (m.low, m.median, m.high));
        assert_eq!(middle(&[]), None);
        assert_eq!(middle(&[7.0]), Some((7.0, 7.0, 7.0)));
        assert_eq!(middle(&[4.0, 1.0, 3.0, 2.0]), Some((1.75, 2.5, 3.25)));
        assert_eq!(middle(&[5.0, 1.0, 2.0, 4.0, 3.0]), Some((2.0, 3.0, 4.0)));
    }
}
