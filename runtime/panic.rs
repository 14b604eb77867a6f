//! What happens when a goroutine panics: the worker and all other goroutines go on, and the report names the goroutine.

use std::any::Any;
use std::fmt;
use std::io::Write;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use crate::g::G;

/// What a runtime does when the future of a goroutine panics.
///
/// In each case but [`Abort`](Self::Abort) the worker goes on, the future is dropped, and the panic goes to whoever awaits
/// the goroutine: it is raised again from a [`Task`](crate::Task), and is the error of a [`JoinHandle`](crate::JoinHandle).
/// Set by [`Builder::panic_policy`](crate::Builder::panic_policy).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum PanicPolicy {
    /// Tells the awaiter only. A goroutine whose handle was detached or dropped then fails with nothing but the message of the panic hook.
    Propagate,
    /// Tells the awaiter, and writes a line with the goroutine's id, name and spawn site to the standard error stream.
    #[default]
    Log,
    /// Writes that line and aborts the process.
    Abort,
}

/// Polls the future of a goroutine, and reports its panic.
#[inline(always)]
pub(crate) fn reported<T>(g: &'static G, poll: impl FnOnce() -> T) -> thread::Result<T> {
    // Unwind safety: after a panic the future is dropped and never polled again.
    catch_unwind(AssertUnwindSafe(poll)).inspect_err(|payload| report(g, &**payload))
}

#[cold]
fn report(g: &'static G, payload: &(dyn Any + Send)) {
    // SAFETY: the goroutine is being polled, so its runtime exists.
    let rt = unsafe { &*g.runtime() };
    // While a runtime closes, a goroutine that awaits a cancelled one panics by design.
    let policy = match rt.is_closing() {
        true => PanicPolicy::Propagate,
        false => rt.settings.panic_policy,
    };
    if policy != PanicPolicy::Propagate {
        // A standard error stream that is closed must not turn a panic into an abort.
        let _ = writeln!(std::io::stderr(), "gort: {} panicked", Described(g));
    }
    explain(payload);
    if policy == PanicPolicy::Abort {
        std::process::abort();
    }
}

/// Lets a panic pass, and says what to do about it if that is known.
#[inline]
pub(crate) fn explained<R>(run: impl FnOnce() -> R) -> R {
    // Unwind safety: the panic goes on.
    catch_unwind(AssertUnwindSafe(run)).unwrap_or_else(|payload| {
        explain(&*payload);
        resume_unwind(payload)
    })
}

/// What tokio says outside its context.
const NO_TOKIO: &str =
    "there is no reactor running, must be called from the context of a Tokio 1.x runtime";

/// Writes down what to do about a panic, if it is one that many run into and few understand. Once: the panic of a goroutine goes on in
/// whoever awaits it, and seldom is there but one such goroutine.
#[cold]
pub(crate) fn explain(payload: &(dyn Any + Send)) {
    static SAID: AtomicBool = AtomicBool::new(false);

    // Relaxed: it guards nothing.
    if is_no_tokio(payload) && !SAID.swap(true, Ordering::Relaxed) {
        let _ = writeln!(
            std::io::stderr(),
            "gort: the panic came from a crate that needs tokio: turn on gort's feature `tokio-compat`, and \
             call `Builder::enable_tokio` or write `#[gort::main(tokio)]`"
        );
    }
}

fn is_no_tokio(payload: &(dyn Any + Send)) -> bool {
    let text = payload.downcast_ref::<&str>().copied();
    let text = text.or_else(|| payload.downcast_ref::<String>().map(String::as_str));
    text.is_some_and(|text| text.contains(NO_TOKIO))
}

/// A goroutine in words: `goroutine 7 "name" (spawned at src/main.rs:3:5)`.
pub(crate) struct Described(pub(crate) &'static G);

impl fmt::Display for Described {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "goroutine {}", self.0.id())?;
        if let Some(name) = self.0.name() {
            write!(f, " {name:?}")?;
        }
        match self.0.spawned_at() {
            Some(at) => write!(f, " (spawned at {at})"),
            None => Ok(()),
        }
    }
}

#[cfg(all(test, not(gort_loom)))]
mod tests {
    use super::*;

    #[test]
    fn what_tokio_says_outside_its_context_is_recognised() {
        let said = catch_unwind(|| tokio::time::sleep(std::time::Duration::ZERO));
        assert!(is_no_tokio(&*said.expect_err("there is no context here")));
        let other = catch_unwind(|| panic!("there is no reactor running in this power plant"));
        assert!(!is_no_tokio(&*other.expect_err("it panics")));
    }
}
