//! What a child reports: named figures, and the clocks around the measured part.

use std::time::{Duration, Instant};

use crate::alloc::allocations;
use crate::usage::Usage;

/// Which direction of a figure is the good one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Better {
    /// Less is better.
    Lower,
    /// More is better.
    Higher,
}

impl Better {
    /// Returns the word that the JSON lines use.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Better::Lower => "lower",
            Better::Higher => "higher",
        }
    }
}

/// A figure that a case can report.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Figure {
    /// Wall time per operation.
    NsPerOp,
    /// Operations per second of wall time.
    OpsPerS,
    /// CPU time of the process per operation.
    CpuNsPerOp,
    /// CPU time of the measured part.
    CpuS,
    /// CPU time per second of wall time.
    CpuUsPerS,
    /// CPU time per wake of a periodic task.
    CpuUsPerWake,
    /// Half of the operations took at most this long.
    P50Us,
    /// All but one in a hundred operations took at most this long.
    P99Us,
    /// All but one in a thousand operations took at most this long.
    P999Us,
    /// All but one in ten thousand operations took at most this long.
    P9999Us,
    /// The longest operation took this long.
    WorstUs,
    /// Operations that took longer than 100 us.
    Over100Us,
    /// Half of the sleeps ended at most this late.
    LateP50Us,
    /// All but one in a hundred sleeps ended at most this late.
    LateP99Us,
    /// Growth of the resident set per task.
    BytesPerTask,
    /// Allocations and reallocations per operation.
    AllocsPerOp,
    /// Voluntary context switches of the measured part.
    CswVoluntary,
    /// Involuntary context switches of the measured part.
    CswInvoluntary,
    /// The threads of the process at the end.
    Threads,
    /// The largest resident set of the process.
    MaxRssKib,
}

impl Figure {
    /// Every figure, in the order of the columns.
    pub(crate) const ALL: [Figure; 20] = [
        Figure::NsPerOp,
        Figure::OpsPerS,
        Figure::BytesPerTask,
        Figure::CpuS,
        Figure::CpuUsPerS,
        Figure::CpuUsPerWake,
        Figure::CpuNsPerOp,
        Figure::P50Us,
        Figure::P99Us,
        Figure::P999Us,
        Figure::P9999Us,
        Figure::WorstUs,
        Figure::Over100Us,
        Figure::LateP50Us,
        Figure::LateP99Us,
        Figure::AllocsPerOp,
        Figure::CswVoluntary,
        Figure::CswInvoluntary,
        Figure::Threads,
        Figure::MaxRssKib,
    ];

    /// Returns the name used in a child's line and in the JSON lines.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Figure::NsPerOp => "ns_per_op",
            Figure::OpsPerS => "ops_per_s",
            Figure::CpuNsPerOp => "cpu_ns_per_op",
            Figure::CpuS => "cpu_s",
            Figure::CpuUsPerS => "cpu_us_per_s",
            Figure::CpuUsPerWake => "cpu_us_per_wake",
            Figure::P50Us => "p50_us",
            Figure::P99Us => "p99_us",
            Figure::P999Us => "p99.9_us",
            Figure::P9999Us => "p99.99_us",
            Figure::WorstUs => "worst_us",
            Figure::Over100Us => "over_100_us",
            Figure::LateP50Us => "late_p50_us",
            Figure::LateP99Us => "late_p99_us",
            Figure::BytesPerTask => "bytes_per_task",
            Figure::AllocsPerOp => "allocs_per_op",
            Figure::CswVoluntary => "csw_voluntary",
            Figure::CswInvoluntary => "csw_involuntary",
            Figure::Threads => "threads",
            Figure::MaxRssKib => "max_rss_kib",
        }
    }

    /// Returns the figure of that name.
    pub(crate) fn from_name(name: &str) -> Option<Figure> {
        Figure::ALL.into_iter().find(|figure| figure.name() == name)
    }

    /// Returns the unit.
    pub(crate) fn unit(self) -> &'static str {
        match self {
            Figure::NsPerOp | Figure::CpuNsPerOp => "ns",
            Figure::OpsPerS => "1/s",
            Figure::CpuS => "s",
            Figure::CpuUsPerS => "us/s",
            Figure::CpuUsPerWake => "us",
            Figure::P50Us | Figure::P99Us | Figure::P999Us | Figure::P9999Us | Figure::WorstUs => {
                "us"
            }
            Figure::LateP50Us | Figure::LateP99Us => "us",
            Figure::BytesPerTask => "B",
            Figure::AllocsPerOp
            | Figure::Over100Us
            | Figure::CswVoluntary
            | Figure::CswInvoluntary
            | Figure::Threads => "count",
            Figure::MaxRssKib => "KiB",
        }
    }

    /// Returns the heading of the figure's column.
    pub(crate) fn heading(self) -> &'static str {
        match self {
            Figure::NsPerOp => "ns/op",
            Figure::OpsPerS => "op/s",
            Figure::CpuNsPerOp => "cpu ns/op",
            Figure::CpuS => "cpu s",
            Figure::CpuUsPerS => "cpu us/s",
            Figure::CpuUsPerWake => "cpu us/wake",
            Figure::P50Us => "p50 us",
            Figure::P99Us => "p99 us",
            Figure::P999Us => "p99.9 us",
            Figure::P9999Us => "p99.99 us",
            Figure::WorstUs => "worst us",
            Figure::Over100Us => "> 100 us",
            Figure::LateP50Us => "late p50 us",
            Figure::LateP99Us => "late p99 us",
            Figure::BytesPerTask => "B/task",
            Figure::AllocsPerOp => "allocs/op",
            Figure::CswVoluntary => "csw vol",
            Figure::CswInvoluntary => "csw invol",
            Figure::Threads => "threads",
            Figure::MaxRssKib => "max rss KiB",
        }
    }

    /// Returns which direction is the good one.
    pub(crate) fn better(self) -> Better {
        match self {
            Figure::OpsPerS => Better::Higher,
            _ => Better::Lower,
        }
    }
}

/// The figures of one child, each at most once.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Figures(Vec<(Figure, f64)>);

impl Figures {
    /// Adds a figure.
    pub(crate) fn with(mut self, figure: Figure, value: f64) -> Figures {
        debug_assert!(self.get(figure).is_none(), "{figure:?} is reported twice");
        self.0.push((figure, value));
        self
    }

    /// Returns a figure's value.
    pub(crate) fn get(&self, figure: Figure) -> Option<f64> {
        self.0
            .iter()
            .find(|(name, _)| *name == figure)
            .map(|(_, value)| *value)
    }

    /// Prints the figures as one line of `name=value` pairs.
    pub(crate) fn to_line(&self) -> String {
        let pairs = self
            .0
            .iter()
            .map(|(figure, value)| format!("{}={value}", figure.name()));
        pairs.collect::<Vec<_>>().join(" ")
    }

    /// Reads such a line; pairs that are not figures are an error.
    pub(crate) fn from_line(line: &str) -> Result<Figures, String> {
        line.split_whitespace()
            .try_fold(Figures::default(), |figures, pair| {
                let bad = || format!("`{pair}` is not a figure");
                let (name, value) = pair.split_once('=').ok_or_else(bad)?;
                let figure = Figure::from_name(name).ok_or_else(bad)?;
                let value: f64 = value.parse().map_err(|_| bad())?;
                Ok(figures.with(figure, value))
            })
    }
}

/// The clocks at the start of the measured part.
pub(crate) struct Meter {
    allocations: u64,
    usage: Usage,
    wall: Instant,
}

impl Meter {
    /// Starts to measure.
    pub(crate) fn start() -> Meter {
        Meter {
            allocations: allocations(),
            usage: Usage::now(),
            wall: Instant::now(),
        }
    }

    /// Stops measuring.
    pub(crate) fn stop(self) -> Measured {
        let wall = self.wall.elapsed();
        let usage = Usage::now();
        Measured {
            wall,
            cpu: usage.cpu - self.usage.cpu,
            voluntary: usage.voluntary - self.usage.voluntary,
            involuntary: usage.involuntary - self.usage.involuntary,
            max_rss_kib: usage.max_rss_kib,
            allocations: allocations() - self.allocations,
        }
    }
}

/// What the measured part took.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Measured {
    /// Wall time.
    pub(crate) wall: Duration,
    /// CPU time of all threads.
    pub(crate) cpu: Duration,
    voluntary: u64,
    involuntary: u64,
    max_rss_kib: u64,
    allocations: u64,
}

impl Measured {
    /// Returns wall time, CPU and the common figures for `ops` operations.
    pub(crate) fn per_op(self, ops: u64) -> Figures {
        self.common(ops)
            .with(Figure::NsPerOp, self.wall.as_nanos() as f64 / ops as f64)
            .with(Figure::CpuNsPerOp, self.cpu.as_nanos() as f64 / ops as f64)
    }

    /// Returns the figures that mean something for every case.
    pub(crate) fn common(self, ops: u64) -> Figures {
        Figures::default()
            .with(Figure::AllocsPerOp, self.allocations as f64 / ops as f64)
            .with(Figure::CswVoluntary, self.voluntary as f64)
            .with(Figure::CswInvoluntary, self.involuntary as f64)
            .with(Figure::MaxRssKib, self.max_rss_kib as f64)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_figure_has_a_name_of_its_own() {
        for figure in Figure::ALL {
            assert_eq!(Figure::from_name(figure.name()), Some(figure));
        }
    }

    #[test]
    fn a_line_is_read_back_as_it_was_printed() {
        let figures = Figures::default()
            .with(Figure::NsPerOp, 12.5)
            .with(Figure::P99Us, 3.0);
        assert_eq!(Figures::from_line(&figures.to_line()), Ok(figures));
    }

    #[test]
    fn a_strange_pair_is_refused() {
        assert!(
            Figures::from_line("ns_per_op=1 speed=2")
                .unwrap_err()
                .contains("speed=2")
        );
        assert!(Figures::from_line("ns_per_op=fast").is_err());
    }
}
