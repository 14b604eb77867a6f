//! Order statistics of small samples.

/// The middle and the ends of a sample.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Summary {
    /// The median; between the two middle values of an even sample.
    pub(crate) median: f64,
    /// The smallest value.
    pub(crate) min: f64,
    /// The largest value.
    pub(crate) max: f64,
    /// The number of values.
    pub(crate) rounds: usize,
}

impl Summary {
    /// Summarises a sample, or returns `None` if it is empty.
    pub(crate) fn of(sample: &[f64]) -> Option<Summary> {
        let mut sorted = sample.to_vec();
        sorted.sort_by(f64::total_cmp);
        let middle = sorted.len() / 2;
        let (&min, &max) = (sorted.first()?, sorted.last()?);
        let median = match sorted.len() % 2 {
            1 => sorted[middle],
            _ => (sorted[middle - 1] + sorted[middle]) / 2.0,
        };
        Some(Summary {
            median,
            min,
            max,
            rounds: sorted.len(),
        })
    }

    /// Tells whether the ranges of two samples share a value.
    pub(crate) fn overlaps(&self, other: &Summary) -> bool {
        self.min <= other.max && other.min <= self.max
    }
}

/// Sorts the values and returns the one that `percent` per cent of them do not exceed (nearest rank).
///
/// An empty sample gives 0.
pub(crate) fn percentile(values: &mut [u32], percent: f64) -> u32 {
    values.sort_unstable();
    let rank = (values.len() as f64 * percent / 100.0).ceil() as usize;
    values.get(rank.saturating_sub(1)).copied().unwrap_or(0)
}

/// Counts of values by size, exact to three per cent, in a memory that does not grow.
pub(crate) struct Histogram {
    counts: Vec<u64>,
    len: u64,
    max: u64,
}

impl Histogram {
    /// Values below twice this have a bucket of their own; above, each doubling is divided into so many.
    const PARTS: u64 = 32;

    /// Creates an empty histogram.
    pub(crate) fn new() -> Histogram {
        let buckets = Self::bucket(u64::MAX) + 1;
        Histogram {
            counts: vec![0; buckets],
            len: 0,
            max: 0,
        }
    }

    fn bucket(value: u64) -> usize {
        let doublings = (value / Self::PARTS).max(1).ilog2();
        (u64::from(doublings) * Self::PARTS + (value >> doublings)) as usize
    }

    /// Adds a value.
    pub(crate) fn add(&mut self, value: u64) {
        self.counts[Self::bucket(value)] += 1;
        self.len += 1;
        self.max = self.max.max(value);
    }

    /// Adds the values of another one.
    pub(crate) fn merge(&mut self, other: &Histogram) {
        let pairs = self.counts.iter_mut().zip(&other.counts);
        pairs.for_each(|(count, other)| *count += other);
        self.len += other.len;
        self.max = self.max.max(other.max);
    }

    /// Returns how many values there are.
    pub(crate) fn len(&self) -> u64 {
        self.len
    }

    /// Returns how many values are in buckets above that of `value`.
    pub(crate) fn above(&self, value: u64) -> u64 {
        self.counts[Self::bucket(value) + 1..].iter().sum()
    }

    /// Returns the value that `percent` per cent of the values do not exceed: the largest of its bucket, or of all.
    pub(crate) fn percentile(&self, percent: f64) -> u64 {
        let rank = (self.len as f64 * percent / 100.0).ceil() as u64;
        let mut seen = 0;
        let reached = self.counts.iter().position(|count| {
            seen += count;
            seen >= rank
        });
        let bucket = reached.unwrap_or(0) as u64;
        let doublings = (bucket / Self::PARTS).saturating_sub(1);
        let parts = u128::from(bucket - doublings * Self::PARTS + 1);
        let largest = (parts << doublings) - 1;
        u64::try_from(largest).unwrap_or(u64::MAX).min(self.max)
    }
}

/// Returns the geometric mean, or `None` of nothing.
pub(crate) fn geometric_mean(values: &[f64]) -> Option<f64> {
    let logs: f64 = values.iter().map(|value| value.ln()).sum();
    (!values.is_empty()).then(|| (logs / values.len() as f64).exp())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_median_of_an_odd_sample_is_its_middle() {
        let summary = Summary::of(&[3.0, 1.0, 2.0]).unwrap();
        assert_eq!(
            summary,
            Summary {
                median: 2.0,
                min: 1.0,
                max: 3.0,
                rounds: 3
            }
        );
    }

    #[test]
    fn the_median_of_an_even_sample_lies_between_the_middle_two() {
        assert_eq!(Summary::of(&[4.0, 1.0, 2.0, 8.0]).unwrap().median, 3.0);
    }

    #[test]
    fn a_histogram_is_exact_for_small_values_and_close_for_large_ones() {
        let mut histogram = Histogram::new();
        (1..=50).for_each(|value| histogram.add(value));
        assert_eq!(histogram.percentile(50.0), 25);
        assert_eq!((histogram.above(40), histogram.len()), (10, 50));
        for value in [64, 65, 1_000, 123_456_789, u64::MAX] {
            let mut one = Histogram::new();
            one.add(value / 2);
            one.add(value);
            assert_eq!(one.percentile(100.0), value);
            let half = one.percentile(50.0);
            assert!(
                half >= value / 2 && half - value / 2 <= value / 2 / 32,
                "{value}: {half}"
            );
        }
        let mut all = Histogram::new();
        all.add(7);
        all.merge(&histogram);
        assert_eq!((all.len(), all.percentile(100.0)), (51, 50));
    }

    #[test]
    fn an_empty_sample_has_no_summary() {
        assert_eq!(Summary::of(&[]), None);
        assert_eq!(geometric_mean(&[]), None);
        assert_eq!(percentile(&mut [], 99.0), 0);
    }

    #[test]
    fn percentiles_are_values_of_the_sample() {
        let mut values: Vec<u32> = (1..=100).rev().collect();
        assert_eq!(percentile(&mut values, 50.0), 50);
        assert_eq!(percentile(&mut values, 99.0), 99);
        assert_eq!(percentile(&mut values, 100.0), 100);
        assert_eq!(percentile(&mut values, 0.0), 1);
        assert_eq!(percentile(&mut [7], 99.0), 7);
    }

    #[test]
    fn the_geometric_mean_of_a_ratio_and_its_inverse_is_one() {
        assert!((geometric_mean(&[4.0, 0.25]).unwrap() - 1.0).abs() < 1e-12);
    }

    #[test]
    fn ranges_that_touch_overlap() {
        let at = |min, max| Summary {
            median: min,
            min,
            max,
            rounds: 2,
        };
        assert!(at(1.0, 2.0).overlaps(&at(2.0, 3.0)));
        assert!(!at(1.0, 2.0).overlaps(&at(2.5, 3.0)));
    }
}
