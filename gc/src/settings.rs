//! What the environment, or the program, decides about the collector.
//!
//! | variable | function | |
//! |---|---|---|
//! | `GORT_GC` | [`set_gc_percent`] | `off`, or the growth in per cent of what is alive; 100 if it is not set |
//! | `GORT_MEMLIMIT` | [`set_memory_limit`] | `off`, or bytes with a unit; no limit if it is not set |
//! | `GORT_GCWORKERS` | | how many threads of the collector mark; a quarter of the CPUs if it is not set |
//! | `GORT_GCTRACE` | | `1` for a line about each cycle |
//!
//! The environment is read when a thread first uses the heap, or one of the functions is called. A value that means nothing
//! panics there: a program that was meant to have a limit should not run without.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Once, OnceLock};

use crate::{fork, pacer};

const GC: &str = "GORT_GC";
const MEMLIMIT: &str = "GORT_MEMLIMIT";
const GCWORKERS: &str = "GORT_GCWORKERS";
const GCTRACE: &str = "GORT_GCTRACE";

/// `off`, in the words below.
const OFF: u64 = u64::MAX;

/// What is in force now.
struct Settings {
    /// `OFF`, or a percentage.
    percent: AtomicU64,
    /// `OFF`, or bytes.
    memory: AtomicU64,
    /// `OFF` for a quarter of the CPUs.
    workers: u64,
    trace: AtomicBool,
}

/// What bounds the heap.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Limits {
    /// How far the heap may grow, in per cent of what is alive.
    pub(crate) percent: Option<u32>,
    /// What it may not exceed.
    pub(crate) memory: Option<usize>,
}

/// Reads the environment, if that has not been done.
///
/// # Panics
///
/// Panics if a variable has a value that means nothing.
fn settings() -> &'static Settings {
    match read_once() {
        Ok(settings) => settings,
        Err(text) => panic!("{text}"),
    }
}

fn read_once() -> &'static Result<Settings, String> {
    static SETTINGS: OnceLock<Result<Settings, String>> = OnceLock::new();
    SETTINGS.get_or_init(|| {
        read(|name| std::env::var_os(name).map(|value| value.to_string_lossy().into_owned()))
    })
}

fn read(variable: impl Fn(&str) -> Option<String>) -> Result<Settings, String> {
    let parsed =
        |name, parse: fn(&str) -> Option<u64>, default, wanted: &str| match variable(name) {
            Some(value) => parse(value.trim())
                .ok_or_else(|| format!("{name} is {value:?}, but must be {wanted}")),
            None => Ok(default),
        };
    let percentages = "`off`, or a number of per cent such as 100";
    let sizes = "`off`, or a number of bytes with a unit such as 512MiB (B, KiB, MiB, GiB, TiB)";
    let numbers = "a number of threads from 1 to 256";
    let trace = |value: &str| matches!(value, "0" | "1").then(|| u64::from(value == "1"));
    Ok(Settings {
        percent: AtomicU64::new(parsed(GC, percent, 100, percentages)?),
        memory: AtomicU64::new(parsed(MEMLIMIT, size, OFF, sizes)?),
        workers: parsed(GCWORKERS, threads, OFF, numbers)?,
        trace: AtomicBool::new(parsed(GCTRACE, trace, 0, "0 or 1")? == 1),
    })
}

fn percent(value: &str) -> Option<u64> {
    if value == "off" {
        return Some(OFF);
    }
    value.parse::<u32>().ok().map(u64::from)
}

fn threads(value: &str) -> Option<u64> {
    value
        .parse()
        .ok()
        .filter(|number| (1..=256).contains(number))
}

fn size(value: &str) -> Option<u64> {
    if value == "off" {
        return Some(OFF);
    }
    let digits = value
        .find(|c: char| !c.is_ascii_digit())
        .unwrap_or(value.len());
    let (number, unit) = value.split_at(digits);
    let shift = match unit {
        "" | "B" => 0,
        "KiB" => 10,
        "MiB" => 20,
        "GiB" => 30,
        "TiB" => 40,
        _ => return None,
    };
    number.parse::<u64>().ok()?.checked_mul(1 << shift)
}

/// Reads the environment now, and says what is wrong with it.
pub(crate) fn check_environment() -> Result<(), String> {
    read_once().as_ref().map(drop).map_err(String::clone)
}

/// Begins to use the heap.
///
/// # Panics
///
/// Panics if the environment says what means nothing, and in a child of `fork`.
#[track_caller]
pub(crate) fn check() {
    static AIMED: Once = Once::new();
    settings();
    fork::check();
    fork::watch();
    AIMED.call_once(pacer::aim);
}

/// What bounds the heap now.
pub(crate) fn limits() -> Limits {
    // Relaxed: settings on their own.
    let get = |word: &AtomicU64| Some(word.load(Ordering::Relaxed)).filter(|&word| word != OFF);
    let settings = settings();
    Limits {
        percent: get(&settings.percent).and_then(|percent| u32::try_from(percent).ok()),
        memory: get(&settings.memory).map(|bytes| usize::try_from(bytes).unwrap_or(usize::MAX)),
    }
}

/// How many threads of the collector mark, if that has been said.
pub(crate) fn workers() -> Option<usize> {
    let number = Some(settings().workers).filter(|&number| number != OFF)?;
    usize::try_from(number).ok()
}

/// Tells whether each cycle is to print a line.
pub(crate) fn traces() -> bool {
    // Relaxed: a setting on its own.
    settings().trace.load(Ordering::Relaxed)
}

/// Sets how far the heap may grow until the next cycle has ended, in per cent of what the last one has left; `None` is as far
/// as the memory limit allows. Returns what it was.
///
/// It is 100 unless the environment variable `GORT_GC` says otherwise. More costs memory and saves time. At 100 per cent the
/// heap may grow to 4 MiB in any case, and in proportion at others.
///
/// # Panics
///
/// Panics if the value of `GORT_GC`, `GORT_MEMLIMIT`, `GORT_GCWORKERS` or `GORT_GCTRACE` means nothing.
///
/// # Examples
///
/// ```
/// let before = gort_gc::set_gc_percent(Some(400));
/// assert_eq!(gort_gc::set_gc_percent(before), Some(400));
/// ```
pub fn set_gc_percent(percent: Option<u32>) -> Option<u32> {
    check();
    let before = limits().percent;
    // Relaxed: a setting on its own.
    settings()
        .percent
        .store(percent.map_or(OFF, u64::from), Ordering::Relaxed);
    pacer::aim_anew();
    before
}

/// Sets how many bytes the heap should not exceed, with those that are [`External`](crate::External). Returns what it was.
///
/// There is no limit unless the environment variable `GORT_MEMLIMIT` sets one. The limit is soft: it lets cycles begin earlier
/// than the percentage would, and slows down threads that allocate beyond it, but no allocation fails. If more than the limit
/// is alive, the collector runs for half of the time at most.
///
/// # Panics
///
/// Panics if the value of `GORT_GC`, `GORT_MEMLIMIT`, `GORT_GCWORKERS` or `GORT_GCTRACE` means nothing.
///
/// # Examples
///
/// ```
/// let before = gort_gc::set_memory_limit(Some(1 << 30));
/// assert_eq!(gort_gc::set_memory_limit(before), Some(1 << 30));
/// ```
pub fn set_memory_limit(bytes: Option<usize>) -> Option<usize> {
    check();
    let before = limits().memory;
    // Relaxed: a setting on its own.
    settings()
        .memory
        .store(bytes.map_or(OFF, |bytes| bytes as u64), Ordering::Relaxed);
    pacer::aim_anew();
    before
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read_one(name: &str, value: &str) -> Result<(u64, u64), String> {
        let settings = read(|asked| (asked == name).then(|| value.to_owned()))?;
        Ok((settings.percent.into_inner(), settings.memory.into_inner()))
    }

    #[test]
    fn the_environment_is_read_as_the_documentation_says() {
        assert_eq!(read_one("NOTHING", ""), Ok((100, OFF)));
        assert_eq!(read_one(GC, "50"), Ok((50, OFF)));
        assert_eq!(read_one(GC, " 0 "), Ok((0, OFF)));
        assert_eq!(read_one(GC, "off"), Ok((OFF, OFF)));
        for (text, bytes) in [
            ("0", 0),
            ("1000", 1000),
            ("7B", 7),
            ("3KiB", 3 << 10),
            ("512MiB", 512 << 20),
            ("2GiB", 2 << 30),
            ("1TiB", 1 << 40),
            ("off", OFF),
        ] {
            assert_eq!(read_one(MEMLIMIT, text), Ok((100, bytes)), "{text}");
        }
    }

    #[test]
    fn a_value_that_means_nothing_is_named_with_what_would_mean_something() {
        for (name, value) in [
            (GC, ""),
            (GC, "-1"),
            (GC, "100%"),
            (GC, "5000000000"),
            (MEMLIMIT, "1GB"),
            (MEMLIMIT, "MiB"),
            (MEMLIMIT, "1.5GiB"),
            (MEMLIMIT, "-1"),
            (MEMLIMIT, "99999999999TiB"),
            (GCWORKERS, "0"),
            (GCWORKERS, "all"),
            (GCWORKERS, "257"),
            (GCTRACE, "yes"),
        ] {
            let text = read_one(name, value).expect_err(value);
            assert!(text.contains(name) && text.contains(value), "{text}");
            assert!(text.contains("must be"), "{text}");
        }
    }
}
