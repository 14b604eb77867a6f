//! Tests of the report.

use super::*;
use crate::cases::find;
use crate::figures::Figures;

fn column(runtime: &'static str, values: &[f64]) -> Column {
    let round = |value: &f64| {
        Figures::default()
            .with(Figure::NsPerOp, *value)
            .with(Figure::AllocsPerOp, 1.0)
    };
    Column {
        runtime,
        rounds: values.iter().map(round).collect(),
    }
}

fn comparison(columns: Vec<Column>) -> Comparison {
    let case = find("spawn_join").unwrap();
    let (failures, skips) = (Vec::new(), Vec::new());
    Comparison {
        case,
        procs: 2,
        columns,
        cpus: vec![1.75],
        failures,
        skips,
    }
}

#[test]
fn gort_is_compared_with_the_best_peer() {
    let columns = vec![
        column("gort", &[80.0]),
        column("tokio", &[200.0]),
        column("smol", &[100.0]),
    ];
    let ratio = ratio(&comparison(columns)).unwrap();
    assert_eq!(
        (ratio.first, ratio.second, ratio.value),
        ("gort", "smol", 0.8)
    );
}

#[test]
fn without_gort_the_best_is_compared_with_the_second() {
    let columns = vec![column("tokio", &[200.0]), column("smol", &[100.0])];
    let ratio = ratio(&comparison(columns)).unwrap();
    assert_eq!(
        (ratio.first, ratio.second, ratio.value),
        ("smol", "tokio", 0.5)
    );
}

#[test]
fn one_runtime_alone_has_no_ratio() {
    assert_eq!(
        ratio(&comparison(vec![
            column("gort", &[1.0]),
            column("smol", &[])
        ])),
        None
    );
}

#[test]
fn behind_means_more_than_five_per_cent_and_apart() {
    let against = |theirs: &[f64]| {
        let columns = vec![column("gort", &[110.0, 111.0]), column("smol", theirs)];
        ratio(&comparison(columns)).unwrap().sentence()
    };
    assert!(against(&[100.0, 101.0]).ends_with("(behind)"));
    assert!(against(&[90.0, 110.5]).ends_with("(not slower)"));
    assert!(against(&[107.0, 108.0]).ends_with("(not slower)"));
    assert!(against(&[120.0, 121.0]).ends_with("(ahead)"));
}

#[test]
fn a_table_has_a_row_for_each_runtime_that_ran() {
    let mut comparison = comparison(vec![column("gort", &[80.0, 90.0]), column("smol", &[])]);
    comparison.failures.push("smol: sum: 3 instead of 4".into());
    let table = table(&comparison);
    let lines: Vec<&str> = table.lines().collect();
    assert!(lines[0].contains("spawn_join at 2 procs") && lines[0].contains("1.75 CPUs"));
    assert_eq!(lines[1], "  runtime  ns/op    min..max  allocs/op");
    assert_eq!(lines[2], "  gort      85.0  80.0..90.0       1.00");
    assert_eq!(lines[3], "  FAILED: smol: sum: 3 instead of 4");
}

#[test]
fn the_overview_ends_with_the_geometric_mean() {
    let columns = || vec![column("gort", &[50.0]), column("smol", &[100.0])];
    let text = overview(&[comparison(columns()), comparison(columns())]);
    assert!(
        text.ends_with("over 2 scheduler cases at 2 procs: gort / best peer = 0.50\n"),
        "{text}"
    );
}

#[test]
fn a_json_line_carries_every_key() {
    let lines = json_lines(&comparison(vec![column("gort", &[80.0, 90.0])]));
    let expected = "{\"case\":\"spawn_join\",\"figure\":\"ns_per_op\",\"main\":true,\
        \"runtime\":\"gort\",\"procs\":2,\"unit\":\"ns\",\"better\":\"lower\",\"median\":85,\
        \"min\":80,\"max\":90,\"rounds\":2,\"cpus\":1.75,\"allocator\":\"system\"}";
    let expected = expected.replace("system", alloc::NAME);
    assert_eq!(lines.lines().next(), Some(expected.as_str()));
    assert_eq!(
        lines
            .lines()
            .filter(|line| line.contains("\"main\":true"))
            .count(),
        1
    );
}

#[test]
fn json_strings_are_escaped() {
    assert_eq!(quoted("a\"b\\c\n\u{1}é"), "\"a\\\"b\\\\c\\u000a\\u0001é\"");
}
