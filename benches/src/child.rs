//! A process that runs one case on one runtime and prints one line.
//!
//! The line is `gort-bench ok name=value ...`, `gort-bench skip <reason>` or
//! `gort-bench wrong <reason>`; the Go program prints the same.

use std::io::Write;

use crate::adapters::Runtime;
use crate::adapters::async_executor::AsyncExecutor;
use crate::adapters::gort::Gort;
use crate::adapters::smol::Smol;
use crate::adapters::tokio::Tokio;
use crate::cases::{self, Case, Cx, Failure, Family, Scale, Verdict};
use crate::figures::Figures;

/// The argument that makes this program a child.
pub(crate) const ARGUMENT: &str = "--child";

/// Every child's line begins with this word.
const MARK: &str = "gort-bench";

/// What a child is asked to do.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Order<'a> {
    /// The case.
    pub(crate) case: &'static Case,
    /// The runtime's name.
    pub(crate) runtime: &'a str,
    /// The number of workers.
    pub(crate) procs: usize,
    /// How much work.
    pub(crate) scale: Scale,
}

impl Order<'_> {
    /// Returns the arguments that carry the order to a child.
    pub(crate) fn arguments(&self) -> [String; 6] {
        let Order {
            case,
            runtime,
            procs,
            scale,
        } = self;
        [
            ARGUMENT.into(),
            case.name.into(),
            (*runtime).into(),
            procs.to_string(),
            scale.name().into(),
            case.sizes.at(*scale).to_string(),
        ]
    }
}

/// Runs the case that the arguments name (those after [`ARGUMENT`]) and ends the process.
pub(crate) fn main(arguments: &[String]) -> ! {
    let verdict = match order(arguments) {
        Some(order) => run(order),
        None => Err(Failure::Wrong(format!(
            "{ARGUMENT} does not take {arguments:?}"
        ))),
    };
    let line = line(&verdict);
    let printed = writeln!(std::io::stdout(), "{line}");
    // No teardown: the workers still run, and what ending them costs is no part of any case.
    let wrong = printed.is_err() || matches!(verdict, Err(Failure::Wrong(_)));
    std::process::exit(i32::from(wrong));
}

fn order(arguments: &[String]) -> Option<Order<'_>> {
    // The size is for the Go program, which has no catalogue.
    let [case, runtime, procs, scale, _size] = arguments else {
        return None;
    };
    let procs = procs.parse().ok()?;
    Some(Order {
        case: cases::find(case)?,
        runtime,
        procs,
        scale: Scale::from_name(scale)?,
    })
}

fn run(order: Order<'_>) -> Verdict {
    let Order {
        case,
        runtime,
        procs,
        scale,
    } = order;
    let cx = Cx {
        procs,
        size: case.sizes.at(scale),
        scale,
    };
    match case.family {
        Family::Heap => cases::heap::run(case, runtime, cx),
        Family::Local => cases::local::run(case, runtime, cx),
        _ => on_runtime(case, runtime, cx),
    }
}

fn on_runtime(case: &Case, runtime: &str, cx: Cx) -> Verdict {
    match runtime {
        Tokio::NAME => cases::run::<Tokio>(case, cx),
        Smol::NAME => cases::run::<Smol>(case, cx),
        AsyncExecutor::NAME => cases::run::<AsyncExecutor>(case, cx),
        Gort::NAME => cases::run::<Gort>(case, cx),
        heap if cases::heap::NAMES.contains(&heap) => {
            let reason = format!("`{heap}` runs no tasks");
            Err(Failure::Skip(reason))
        }
        other => Err(Failure::Wrong(format!("there is no runtime `{other}`"))),
    }
}

fn line(verdict: &Verdict) -> String {
    let on_one_line = |text: &str| text.trim().replace('\n', "; ");
    match verdict {
        Ok(figures) => format!("{MARK} ok {}", figures.to_line()),
        Err(Failure::Skip(reason)) => format!("{MARK} skip {}", on_one_line(reason)),
        Err(Failure::Wrong(reason)) => format!("{MARK} wrong {}", on_one_line(reason)),
    }
}

/// Reads a child's verdict out of what it printed.
pub(crate) fn parse(output: &str) -> Verdict {
    let line = output
        .lines()
        .find_map(|line| line.strip_prefix(MARK)?.strip_prefix(' '));
    let wrong = |reason: &str| Err(Failure::Wrong(reason.into()));
    match line.map(|line| line.split_once(' ').unwrap_or((line, ""))) {
        Some(("ok", figures)) => Figures::from_line(figures).map_err(Failure::Wrong),
        Some(("skip", reason)) => Err(Failure::Skip(reason.into())),
        Some(("wrong", reason)) => wrong(reason),
        _ => wrong("the process printed no verdict"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::figures::Figure;

    #[test]
    fn a_verdict_is_read_back_as_it_was_printed() {
        let verdicts = [
            Ok(Figures::default()
                .with(Figure::NsPerOp, 71.5)
                .with(Figure::CswVoluntary, 3.0)),
            Err(Failure::Skip("too few descriptors".into())),
            Err(Failure::Wrong("sum: 3 instead of 4".into())),
        ];
        for verdict in verdicts {
            assert_eq!(parse(&format!("noise\n{}\n", line(&verdict))), verdict);
        }
    }

    #[test]
    fn silence_is_a_failure() {
        assert!(matches!(parse(""), Err(Failure::Wrong(_))));
        assert!(matches!(
            parse("gort-bench ok speed=1"),
            Err(Failure::Wrong(_))
        ));
    }

    #[test]
    fn an_order_survives_the_command_line() {
        let case = cases::find("fib").unwrap();
        let sent = Order {
            case,
            runtime: "tokio",
            procs: 2,
            scale: Scale::Quick,
        }
        .arguments();
        let read = order(&sent[1..]).unwrap();
        assert_eq!(
            (read.case.name, read.runtime, read.procs),
            ("fib", "tokio", 2)
        );
        assert_eq!(read.scale, Scale::Quick);
    }
}
