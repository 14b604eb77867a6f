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
