//! One line of the table: a figure of two programs, how they compare, and whether that is good enough.

use std::collections::BTreeMap;

use crate::child::Side;
use crate::figure::{Figure, Middle};
use crate::instructions::Counted;
use crate::meter::Sample;

/// What is compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Metric {
    /// Instructions an event.
    Instructions,
    /// CPU of the client, an event.
    Cpu,
    /// Events a second.
    Throughput,
    /// Half of the events are handled sooner after they were published.
    P50,
    /// All but one in a hundred.
    P99,
    /// Time of the whole run.
    Wall,
    /// The most memory.
    Peak,
}

impl Metric {
    fn unit(self) -> &'static str {
        match self {
            Self::Instructions => "instructions/event",
            Self::Cpu => "µs/event",
            Self::Throughput => "1,000 events/s",
            Self::P50 | Self::P99 => "µs",
            Self::Wall => "ms",
            Self::Peak => "MiB",
        }
    }

    /// `None` where such a run does not measure it.
    fn of(self, sample: &Sample) -> Option<f64> {
        #[allow(clippy::cast_precision_loss, reason = "far below 2^52")]
        let (events, peak) = (sample.events as f64, sample.peak_kib as f64);
        match self {
            Self::Instructions => None,
            Self::Cpu => Some(sample.cpu * 1e6 / events),
            Self::Throughput => Some(events / sample.wall / 1e3),
            Self::P50 => Some(sample.latency?.p50),
            Self::P99 => Some(sample.latency?.p99),
            Self::Wall => Some(sample.wall * 1e3),
            Self::Peak => Some(peak / 1024.0),
        }
    }
}

/// A limit of what is compared.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Bound {
    AtMost(f64),
    AtLeast(f64),
}

impl Bound {
    fn holds(self, value: f64) -> bool {
        match self {
            Self::AtMost(limit) => value <= limit,
            Self::AtLeast(limit) => value >= limit,
        }
    }
}

/// What a figure should be, and what it must be.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Bounds {
    pub(crate) goal: Option<Bound>,
    pub(crate) fails_at: Option<Bound>,
}

/// How two figures become one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Comparison {
    /// Ours divided by the baseline's.
    Ratio,
    /// Ours less the baseline's.
    Difference,
    /// Ours alone.
    Alone,
}

/// One line of the table.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Row {
    name: &'static str,
    metric: Metric,
    ours: Side,
    baseline: Side,
    comparison: Comparison,
    bounds: Bounds,
}

impl Row {
    /// Ours divided by what is done by hand.
    pub(crate) const fn new(name: &'static str, metric: Metric, bounds: Bounds) -> Self {
        Self {
            name,
            metric,
            ours: Side::Ours,
            baseline: Side::ByHand,
            comparison: Comparison::Ratio,
            bounds,
        }
    }

    /// Between two others.
    pub(crate) const fn between(mut self, ours: Side, baseline: Side) -> Self {
        self.ours = ours;
        self.baseline = baseline;
        self
    }

    /// Bounds are of the difference.
    pub(crate) const fn difference(mut self) -> Self {
        self.comparison = Comparison::Difference;
        self
    }

    /// There is no baseline.
    pub(crate) const fn alone(mut self) -> Self {
        self.comparison = Comparison::Alone;
        self
    }

    /// Whether callgrind measures it, and not the rounds.
    pub(crate) fn is_counted(&self) -> bool {
        self.metric == Metric::Instructions
    }

    /// Whose figures are compared.
    pub(crate) fn sides(&self) -> [Side; 2] {
        [self.ours, self.baseline]
    }

    /// Compares what the rounds measured.
    pub(crate) fn compare(
        &self,
        experiment: &str,
        rounds: &[BTreeMap<Side, Sample>],
    ) -> Option<Figure> {
        let figure = |round: &BTreeMap<Side, Sample>, side| self.metric.of(round.get(&side)?);
        let pairs: Vec<(f64, f64)> = rounds
            .iter()
            .filter_map(|round| {
                let ours = figure(round, self.ours)?;
                let baseline = match self.comparison {
                    Comparison::Alone => ours,
                    _ => figure(round, self.baseline)?,
                };
                Some((ours, baseline))
            })
            .collect();
        self.figure(experiment, &pairs)
    }

    /// Compares counted instructions.
    pub(crate) fn compare_counted(&self, experiment: &str, counted: Counted) -> Option<Figure> {
        self.figure(experiment, &[(counted.ours, counted.baseline)])
    }

    fn figure(&self, experiment: &str, pairs: &[(f64, f64)]) -> Option<Figure> {
        let all = |of: fn(&(f64, f64)) -> f64| Middle::of(pairs.iter().map(of).collect());
        let ours = all(|(ours, _)| *ours)?;
        let baseline = all(|(_, baseline)| *baseline)?;
        let ratio = all(|(ours, baseline)| ours / baseline)?;
        let judged = match self.comparison {
            Comparison::Ratio => ratio,
            Comparison::Difference => all(|(ours, baseline)| ours - baseline)?,
            Comparison::Alone => ours,
        };
        let unit = self.metric.unit();
        let limit = |limit: f64| match self.comparison {
            Comparison::Ratio => format!("{limit:.2}"),
            Comparison::Difference => format!("baseline + {limit:.0} {unit}"),
            Comparison::Alone => format!("{limit:.0} {unit}"),
        };
        let baseline_counts = self.comparison != Comparison::Alone;
        let Bounds { goal, fails_at } = self.bounds;
        Some(Figure {
            name: format!("{experiment}: {}", self.name),
            unit,
            ours: ours.median,
            baseline: baseline_counts.then_some(baseline.median),
            ratio: baseline_counts.then_some(ratio.median),
            spread: [judged.low, judged.high],
            pairs: pairs.len(),
            goal: goal.map(|goal| match goal {
                Bound::AtMost(most) => format!("<= {}", limit(most)),
                Bound::AtLeast(least) => format!(">= {}", limit(least)),
            }),
            fails_at: fails_at.map(|fails_at| match fails_at {
                Bound::AtMost(most) => format!("> {}", limit(most)),
                Bound::AtLeast(least) => format!("< {}", limit(least)),
            }),
            ok: fails_at.is_none_or(|bound| bound.holds(judged.median)),
            met: goal.is_none_or(|bound| bound.holds(judged.median)),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::{Bound, Bounds, Metric, Row};
    use crate::instructions::Counted;

    #[test]
    fn a_row_is_judged_by_its_ratio() {
        let bounds = Bounds {
            goal: Some(Bound::AtMost(1.1)),
            fails_at: Some(Bound::AtMost(1.25)),
        };
        let row = Row::new("instructions", Metric::Instructions, bounds);
        let judge = |ours| {
            let baseline = 100.0;
            let figure = row.compare_counted("consume", Counted { ours, baseline });
            figure.map(|figure| (figure.met, figure.ok))
        };
        assert_eq!(judge(110.0), Some((true, true)));
        assert_eq!(judge(120.0), Some((false, true)));
        assert_eq!(judge(130.0), Some((false, false)));
    }
}
