//! The command line.

use crate::adapters;
use crate::cases::{CASES, Case, Family, Scale, find, heap};
use crate::go;

/// What `--help` prints.
pub(crate) const HELP: &str = "\
gort-bench: the same cases on gort and other runtimes, each round in a fresh process

usage: gort-bench [case or family ...] [options]

  --peers A,B    only these runtimes (see --list)
  --procs N,M    numbers of workers (default: 2,1; with --quick: 2)
  --runs R       rounds (default: 5; with --quick: at most 3)
  --scale S      amount of work: full, normal, quick or tiny (default: normal)
  --quick        a selection of cases at quick scale, about two minutes in all
  --json         one JSON object per line and figure instead of tables
  --list         list cases, families and runtimes
  --help         print this

Without a case, all are run. The progress goes to standard error, the result to standard output.
The exit status is 1 if a case failed, and 2 if the command line is wrong.
";

/// Everything that the command line decides.
#[derive(Debug)]
pub(crate) struct Args {
    /// What to run, in the order of the catalogue.
    pub(crate) cases: Vec<&'static Case>,
    /// The runtimes asked for by name; `None` means all that are there.
    pub(crate) peers: Option<Vec<&'static str>>,
    /// The numbers of workers.
    pub(crate) procs: Vec<usize>,
    /// The number of rounds.
    pub(crate) rounds: usize,
    /// How much work each child does.
    pub(crate) scale: Scale,
    /// Print JSON lines instead of tables.
    pub(crate) json: bool,
    /// End within about two minutes.
    pub(crate) quick: bool,
}

/// What the command line asks for.
#[derive(Debug)]
pub(crate) enum Request {
    /// The help text.
    Help,
    /// The lists of cases, families and runtimes.
    List,
    /// A comparison.
    Compare(Args),
}

/// Returns the names that `--peers` accepts.
pub(crate) fn peer_names() -> Vec<&'static str> {
    let names = adapters::NAMES.iter().chain(heap::NAMES).copied();
    names.chain([go::NAME]).collect()
}

/// The options as given, before defaults.
#[derive(Default)]
struct Given {
    cases: Vec<&'static Case>,
    peers: Option<Vec<&'static str>>,
    procs: Option<Vec<usize>>,
    rounds: Option<usize>,
    scale: Option<Scale>,
    json: bool,
    quick: bool,
}

/// Reads the command line.
///
/// # Errors
///
/// A text that names the mistake and what would be accepted.
pub(crate) fn parse(arguments: &[String]) -> Result<Request, String> {
    let mut given = Given::default();
    let mut words = arguments
        .iter()
        .flat_map(|word| match word.split_once('=') {
            Some((option, value)) if option.starts_with("--") => vec![option, value],
            _ => vec![word.as_str()],
        });
    while let Some(word) = words.next() {
        let mut value = || {
            words
                .next()
                .ok_or(format!("{word} wants a value; see --help"))
        };
        match word {
            "--help" | "-h" => return Ok(Request::Help),
            "--list" => return Ok(Request::List),
            "--json" => given.json = true,
            "--quick" => given.quick = true,
            "--peers" => given.peers = Some(peers(value()?)?),
            "--procs" => given.procs = Some(numbers(word, value()?)?),
            "--runs" => given.rounds = Some(number(word, value()?)?),
            "--scale" => given.scale = Some(scale(value()?)?),
            option if option.starts_with('-') => return Err(unknown_option(option)),
            name => given.cases.extend(cases(name)?),
        }
    }
    Ok(Request::Compare(given.complete()))
}

impl Given {
    fn complete(self) -> Args {
        let wanted = |case: &Case| match self.cases.is_empty() {
            true => case.quick || !self.quick,
            false => self.cases.iter().any(|named| named.name == case.name),
        };
        let by_mode = |quick, normal| if self.quick { quick } else { normal };
        Args {
            cases: CASES.iter().filter(|case| wanted(case)).collect(),
            peers: self.peers,
            procs: self
                .procs
                .unwrap_or_else(|| if self.quick { vec![2] } else { vec![2, 1] }),
            rounds: self.rounds.unwrap_or(by_mode(3, 5)),
            scale: self.scale.unwrap_or(if self.quick {
                Scale::Quick
            } else {
                Scale::Normal
            }),
            json: self.json,
            quick: self.quick,
        }
    }
}

fn unknown_option(option: &str) -> String {
    let known = "--peers, --procs, --runs, --scale, --quick, --json, --list, --help";
    format!("unknown option `{option}`; the options are {known}")
}

/// Returns the case of that name, or all cases of the family of that name.
fn cases(name: &str) -> Result<Vec<&'static Case>, String> {
    if let Some(case) = find(name) {
        return Ok(vec![case]);
    }
    let in_family: Vec<_> = CASES
        .iter()
        .filter(|case| case.family.name() == name)
        .collect();
    if !in_family.is_empty() {
        return Ok(in_family);
    }
    let families: Vec<_> = Family::ALL.iter().map(|family| family.name()).collect();
    let names: Vec<_> = CASES.iter().map(|case| case.name).collect();
    let (names, families) = (names.join(", "), families.join(", "));
    Err(format!(
        "unknown case `{name}`; the cases are {names}; the families are {families}"
    ))
}

fn peers(list: &str) -> Result<Vec<&'static str>, String> {
    let known = peer_names();
    let mut chosen = Vec::new();
    for name in list.split(',').filter(|name| !name.is_empty()) {
        let unknown = || {
            format!(
                "unknown runtime `{name}`; the runtimes are {}",
                known.join(", ")
            )
        };
        let name = *known
            .iter()
            .find(|known| **known == name)
            .ok_or_else(unknown)?;
        if !chosen.contains(&name) {
            chosen.push(name);
        }
    }
    match chosen.is_empty() {
        true => Err(format!(
            "--peers names no runtime; the runtimes are {}",
            known.join(", ")
        )),
        false => Ok(chosen),
    }
}

fn scale(name: &str) -> Result<Scale, String> {
    let known = Scale::ALL.map(Scale::name).join(", ");
    Scale::from_name(name).ok_or(format!("unknown scale `{name}`; the scales are {known}"))
}

fn numbers(option: &str, list: &str) -> Result<Vec<usize>, String> {
    list.split(',').map(|word| number(option, word)).collect()
}

fn number(option: &str, word: &str) -> Result<usize, String> {
    match word.parse() {
        Ok(number @ 1..=1024) => Ok(number),
        _ => Err(format!(
            "{option} wants a number from 1 to 1024, not `{word}`"
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(line: &str) -> Result<Request, String> {
        let words: Vec<_> = line.split_whitespace().map(String::from).collect();
        parse(&words)
    }

    fn compare(line: &str) -> Args {
        match parsed(line) {
            Ok(Request::Compare(args)) => args,
            other => panic!("{line}: {other:?}"),
        }
    }

    fn names(args: &Args) -> Vec<&'static str> {
        args.cases.iter().map(|case| case.name).collect()
    }

    #[test]
    fn nothing_means_everything() {
        let args = compare("");
        assert_eq!(args.cases.len(), CASES.len());
        assert_eq!(
            (args.procs.as_slice(), args.rounds, args.peers),
            (&[2, 1][..], 5, None)
        );
        assert_eq!(args.scale, Scale::Normal);
    }

    #[test]
    fn quick_selects_cases_only_when_none_is_named() {
        assert!(compare("--quick").cases.iter().all(|case| case.quick));
        assert_eq!(names(&compare("--quick spsc_1")), ["spsc_1"]);
        assert_eq!(compare("--quick --runs 7 --procs 1").rounds, 7);
        assert_eq!(compare("--quick --scale tiny").scale, Scale::Tiny);
    }

    #[test]
    fn a_case_named_twice_runs_once_and_in_the_order_of_the_catalogue() {
        assert_eq!(names(&compare("fib spawn_join fib")), ["spawn_join", "fib"]);
        assert_eq!(
            names(&compare("memory mem_parked")),
            ["mem_parked", "mem_sleep"]
        );
    }

    #[test]
    fn values_may_follow_an_equals_sign() {
        let args = compare("--procs=1,2 --runs=3 --peers=smol,tokio,smol");
        assert_eq!((args.procs.as_slice(), args.rounds), (&[1, 2][..], 3));
        assert_eq!(args.peers, Some(vec!["smol", "tokio"]));
    }

    #[test]
    fn a_mistake_is_answered_with_what_would_be_right() {
        for (line, hint) in [
            ("spawnjoin", "spawn_join"),
            ("--peers rayon", "async-executor"),
            ("--peers ,", "tokio"),
            ("--fast", "--quick"),
            ("--scale big", "normal"),
            ("--procs 0", "1 to 1024"),
            ("--procs 1,x", "`x`"),
            ("--runs", "wants a value"),
        ] {
            let error = parsed(line).unwrap_err();
            assert!(error.contains(hint), "{line}: {error}");
        }
    }

    #[test]
    fn help_and_list_win_over_the_rest() {
        assert!(matches!(parsed("fib --help"), Ok(Request::Help)));
        assert!(matches!(parsed("--json --list"), Ok(Request::List)));
    }
}
