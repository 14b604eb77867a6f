//! The results: tables for people, JSON lines for programs.

use crate::alloc;
use crate::cases::Family;
use crate::compare::{Column, Comparison};
use crate::figures::{Better, Figure};
use crate::stats::{Summary, geometric_mean};

/// The runtime that all others are compared with.
const OURS: &str = "gort";

/// Up to this ratio a median counts as not slower.
const LEVEL: f64 = 1.05;

/// The ratio of the first runtime to the second, as cost: below 1 means that the first is better.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Ratio {
    first: &'static str,
    second: &'static str,
    value: f64,
    overlap: bool,
}

/// Returns gort's ratio to the best other runtime, or the best one's to the next without gort.
pub(crate) fn ratio(comparison: &Comparison) -> Option<Ratio> {
    let main = comparison.case.main;
    let mut ranked: Vec<(&'static str, Summary)> = comparison
        .columns
        .iter()
        .filter_map(|column| Some((column.runtime, column.summary(main)?)))
        .collect();
    ranked.sort_by(|(_, a), (_, b)| cost(main, a).total_cmp(&cost(main, b)));
    if let Some(ours) = ranked.iter().position(|(runtime, _)| *runtime == OURS) {
        let ours = ranked.remove(ours);
        ranked.insert(0, ours);
    }
    let &[(first, ours), (second, theirs), ..] = ranked.as_slice() else {
        return None;
    };
    let value = cost(main, &ours) / cost(main, &theirs);
    Some(Ratio {
        first,
        second,
        value,
        overlap: ours.overlaps(&theirs),
    })
}

/// Returns the median in a form where less is better.
fn cost(figure: Figure, summary: &Summary) -> f64 {
    match figure.better() {
        Better::Lower => summary.median,
        Better::Higher => 1.0 / summary.median,
    }
}

impl Ratio {
    fn sentence(&self) -> String {
        let Ratio {
            first,
            second,
            value,
            overlap,
        } = self;
        let verdict = match (value, overlap) {
            (value, _) if *value < 1.0 => "ahead",
            (value, overlap) if *value <= LEVEL || *overlap => "not slower",
            _ => "behind",
        };
        format!("{first} / {second} = {value:.2} ({verdict})")
    }
}

/// Returns the table of one comparison.
pub(crate) fn table(comparison: &Comparison) -> String {
    let main = comparison.case.main;
    let others: Vec<Figure> = Figure::ALL
        .into_iter()
        .filter(|figure| *figure != main)
        .filter(|figure| {
            comparison
                .columns
                .iter()
                .any(|c| c.summary(*figure).is_some())
        })
        .collect();
    let mut head = vec![
        "runtime".to_string(),
        main.heading().into(),
        "min..max".into(),
    ];
    head.extend(others.iter().map(|figure| figure.heading().to_string()));
    let mut rows = vec![head];
    rows.extend(
        comparison
            .columns
            .iter()
            .filter_map(|column| row(column, main, &others)),
    );
    let mut text = title(comparison);
    text.push_str(&aligned(&rows));
    if let Some(ratio) = ratio(comparison) {
        text.push_str(&format!("  {}\n", ratio.sentence()));
    }
    for skip in &comparison.skips {
        text.push_str(&format!("  skipped: {skip}\n"));
    }
    for failure in &comparison.failures {
        text.push_str(&format!("  FAILED: {failure}\n"));
    }
    text
}

fn title(comparison: &Comparison) -> String {
    let Comparison {
        case,
        procs,
        cpus,
        columns,
        ..
    } = comparison;
    let rounds = columns
        .iter()
        .map(|column| column.rounds.len())
        .max()
        .unwrap_or(0);
    let cpus = match Summary::of(cpus) {
        Some(cpus) => format!(
            ", {:.2} CPUs there ({:.2}..{:.2})",
            cpus.median, cpus.min, cpus.max
        ),
        None => String::new(),
    };
    let (name, summary) = (case.name, case.summary);
    format!(
        "{name} at {procs} procs: {summary}; {rounds} rounds{cpus}, {} allocator\n",
        alloc::NAME
    )
}

fn row(column: &Column, main: Figure, others: &[Figure]) -> Option<Vec<String>> {
    let Summary {
        median, min, max, ..
    } = column.summary(main)?;
    let mut row = vec![column.runtime.to_string(), number(median)];
    row.push(format!("{}..{}", number(min), number(max)));
    row.extend(others.iter().map(|figure| match column.summary(*figure) {
        Some(summary) => number(summary.median),
        None => "-".into(),
    }));
    Some(row)
}

/// Prints a number with about three significant digits, never in scientific notation.
fn number(value: f64) -> String {
    match value.abs() {
        size if size >= 100.0 => format!("{value:.0}"),
        size if size >= 10.0 => format!("{value:.1}"),
        _ => format!("{value:.2}"),
    }
}

/// Aligns the first column to the left and the others to the right.
fn aligned(rows: &[Vec<String>]) -> String {
    let widths: Vec<usize> = (0..rows.first().map_or(0, Vec::len))
        .map(|at| rows.iter().map(|row| row[at].len()).max().unwrap_or(0))
        .collect();
    let mut text = String::new();
    for row in rows {
        let mut line = format!("  {:<width$}", row[0], width = widths[0]);
        for (cell, width) in row.iter().zip(&widths).skip(1) {
            line.push_str(&format!("  {cell:>width$}"));
        }
        text.push_str(&line);
        text.push('\n');
    }
    text
}

/// Returns the overview: one line for each comparison, and the geometric means of the scheduler cases.
pub(crate) fn overview(comparisons: &[Comparison]) -> String {
    let mut runtimes: Vec<&'static str> = Vec::new();
    for column in comparisons
        .iter()
        .flat_map(|comparison| &comparison.columns)
    {
        if !runtimes.contains(&column.runtime) {
            runtimes.push(column.runtime);
        }
    }
    let mut head = vec!["case".to_string(), "procs".into(), "figure".into()];
    head.extend(runtimes.iter().map(|runtime| runtime.to_string()));
    head.push("ratio".into());
    let mut rows = vec![head];
    rows.extend(
        comparisons
            .iter()
            .map(|comparison| overview_row(comparison, &runtimes)),
    );
    let mut text = String::from("medians\n");
    text.push_str(&aligned(&rows));
    text.push_str(&means(comparisons));
    text
}

fn overview_row(comparison: &Comparison, runtimes: &[&'static str]) -> Vec<String> {
    let main = comparison.case.main;
    let mut row = vec![
        comparison.case.name.to_string(),
        comparison.procs.to_string(),
    ];
    row.push(main.heading().into());
    row.extend(runtimes.iter().map(|runtime| {
        let column = comparison
            .columns
            .iter()
            .find(|column| column.runtime == *runtime);
        column
            .and_then(|column| column.summary(main))
            .map_or("-".into(), |s| number(s.median))
    }));
    row.push(ratio(comparison).map_or("-".into(), |ratio| ratio.sentence()));
    row
}

/// Returns a line for each number of workers with the mean ratio over the scheduler cases.
fn means(comparisons: &[Comparison]) -> String {
    let mut procs: Vec<usize> = comparisons
        .iter()
        .map(|comparison| comparison.procs)
        .collect();
    procs.sort_unstable();
    procs.dedup();
    let mut text = String::new();
    for procs in procs.into_iter().rev() {
        let scheduler: Vec<Ratio> = comparisons
            .iter()
            .filter(|c| c.procs == procs && c.case.family == Family::Scheduler)
            .filter_map(ratio)
            .collect();
        let values: Vec<f64> = scheduler.iter().map(|ratio| ratio.value).collect();
        let Some(mean) = geometric_mean(&values) else {
            continue;
        };
        let who = match scheduler.iter().all(|ratio| ratio.first == OURS) {
            true => "gort / best peer",
            false => "best / second",
        };
        let count = values.len();
        text.push_str(&format!(
            "geometric mean over {count} scheduler cases at {procs} procs: {who} = {mean:.2}\n"
        ));
    }
    text
}

/// Returns one JSON object per line and figure.
pub(crate) fn json_lines(comparison: &Comparison) -> String {
    let figures = |column| Figure::ALL.into_iter().map(move |figure| (column, figure));
    let pairs = comparison.columns.iter().flat_map(figures);
    pairs
        .filter_map(|(column, figure)| json_line(comparison, column, figure))
        .collect()
}

fn json_line(comparison: &Comparison, column: &Column, figure: Figure) -> Option<String> {
    let Comparison {
        case, procs, cpus, ..
    } = comparison;
    let Summary {
        median,
        min,
        max,
        rounds,
    } = column.summary(figure)?;
    let cpus = Summary::of(cpus).map_or("null".to_string(), |cpus| cpus.median.to_string());
    Some(format!(
        "{{\"case\":{},\"figure\":{},\"main\":{},\"runtime\":{},\"procs\":{procs},\"unit\":{},\
         \"better\":{},\"median\":{median},\"min\":{min},\"max\":{max},\"rounds\":{rounds},\
         \"cpus\":{cpus},\"allocator\":{}}}\n",
        quoted(case.name),
        quoted(figure.name()),
        figure == case.main,
        quoted(column.runtime),
        quoted(figure.unit()),
        quoted(figure.better().name()),
        quoted(alloc::NAME),
    ))
}

/// Returns a JSON string.
fn quoted(text: &str) -> String {
    let mut quoted = String::from('"');
    for character in text.chars() {
        match character {
            '"' | '\\' => quoted.extend(['\\', character]),
            control if control < ' ' => quoted.push_str(&format!("\\u{:04x}", control as u32)),
            other => quoted.push(other),
        }
    }
    quoted.push('"');
    quoted
}

#[cfg(test)]
mod tests;
