//! `#[gort::main]` and `#[gort::test]`: what they run, with which settings, and what they refuse.
//!
//! The expansion is looked at in three ways: functions here run on the real runtime; [`probe`]
//! stands in for the runtime and remembers what the expansion asked of it; `tests/ui` holds
//! programs that must compile and run (`pass`) or must be refused with the message beside them
//! (`fail`). After a wanted change of messages write them anew with
//! `TRYBUILD=overwrite cargo test --test macros`, and read the difference.

extern crate gort as renamed;

use std::cell::Cell;
use std::future::{Future, poll_fn, ready};
use std::num::ParseIntError;
use std::pin::Pin;
use std::rc::Rc;
use std::task::Poll;

use probe::Settings;

#[test]
fn programs_compile_or_are_refused_as_their_files_say() {
    let programs = trybuild::TestCases::new();
    programs.pass("tests/ui/pass/*.rs");
    programs.compile_fail("tests/ui/fail/*.rs");
}

/// What the macros see of the crate gort, with a runtime that polls once and keeps the settings.
mod probe {
    use std::cell::Cell;
    use std::future::Future;
    use std::panic::Location;
    use std::pin::pin;
    use std::task::{Context, Poll, Waker};

    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    pub(crate) struct Settings {
        pub(crate) entry: &'static str,
        pub(crate) procs: Option<usize>,
        pub(crate) local: bool,
        pub(crate) line: u32,
    }

    thread_local! {
        static LAST: Cell<Option<Settings>> = const { Cell::new(None) };
    }

    /// Takes what the last call on this thread asked for.
    pub(crate) fn asked() -> Settings {
        LAST.take().expect("nothing has been run")
    }

    pub(crate) struct Builder {
        procs: Option<usize>,
        local: bool,
    }

    impl Builder {
        pub(crate) fn new() -> Self {
            let (procs, local) = (None, false);
            Self { procs, local }
        }

        pub(crate) fn procs(self, procs: usize) -> Self {
            let procs = Some(procs);
            Self { procs, ..self }
        }

        pub(crate) fn local(self) -> Self {
            let local = true;
            Self { local, ..self }
        }

        #[track_caller]
        fn run<F: Future>(self, entry: &'static str, body: F) -> F::Output {
            let Self { procs, local } = self;
            let line = Location::caller().line();
            LAST.set(Some(Settings {
                entry,
                procs,
                local,
                line,
            }));
            match pin!(body).poll(&mut Context::from_waker(Waker::noop())) {
                Poll::Ready(output) => output,
                Poll::Pending => panic!("the probe can only run what never waits"),
            }
        }
    }

    pub(crate) mod __private {
        use std::future::Future;

        use super::Builder;

        #[track_caller]
        pub(crate) fn main<F: Future>(builder: Builder, body: F) -> F::Output {
            builder.run("main", body)
        }

        #[track_caller]
        pub(crate) fn test<F: Future>(builder: Builder, body: F) -> F::Output {
            builder.run("test", body)
        }
    }
}

/// Pending once, and woken at once.
async fn yield_once() {
    let mut yielded = false;
    poll_fn(|cx| {
        if std::mem::replace(&mut yielded, true) {
            return Poll::Ready(());
        }
        cx.waker().wake_by_ref();
        Poll::Pending
    })
    .await;
}

// The settings, as the runtime gets them.

#[test]
fn main_leaves_all_defaults_to_the_runtime() {
    #[gort::main(crate = crate::probe)]
    async fn probed() {}

    probed();
    let Settings {
        entry,
        procs,
        local,
        ..
    } = probe::asked();
    assert_eq!((entry, procs, local), ("main", None, false));
}

#[test]
fn main_passes_its_procs_on() {
    #[gort::main(crate = "crate::probe", flavor = "multi", procs = 3)]
    async fn probed() {}

    probed();
    let Settings {
        entry,
        procs,
        local,
        ..
    } = probe::asked();
    assert_eq!((entry, procs, local), ("main", Some(3), false));
}

#[test]
fn local_says_nothing_of_procs() {
    #[gort::main(crate = crate::probe, flavor = "local")]
    async fn probed() {}

    probed();
    let Settings { procs, local, .. } = probe::asked();
    assert_eq!((procs, local), (None, true));
}

/// Tests for the harness, and called again below. That nothing is awaited in them, and that only
/// the expansion calls them, is not for clippy to find fault with.
#[deny(clippy::single_call_fn, clippy::unused_async)]
mod probed {
    #[gort::test(crate = crate::probe)]
    pub(super) async fn default() {}

    #[gort::test(crate = crate::probe, procs = 1)]
    pub(super) async fn one_proc() {}

    #[gort::test(crate = crate::probe, flavor = "local")]
    pub(super) async fn local() {}
}

#[test]
fn a_test_has_two_procs_unless_it_says_otherwise() {
    for (test, wanted) in [
        (probed::default as fn(), ("test", Some(2), false)),
        (probed::one_proc, ("test", Some(1), false)),
        (probed::local, ("test", None, true)),
    ] {
        test();
        let Settings {
            entry,
            procs,
            local,
            ..
        } = probe::asked();
        assert_eq!((entry, procs, local), wanted);
    }
}

#[test]
fn the_runtime_is_called_from_the_line_of_the_attribute() {
    let above = line!();
    #[gort::main(crate = crate::probe)]
    async fn probed() {}

    probed();
    assert_eq!(probe::asked().line, above + 1);
}

#[test]
fn settings_may_come_from_a_macro_by_example() {
    macro_rules! define {
        ($name:ident, $procs:expr, $flavor:literal) => {
            #[gort::main(procs = $procs, flavor = $flavor, crate = $crate::probe)]
            async fn $name() {}
        };
    }
    define!(probed, 5, "multi");

    probed();
    assert_eq!(probe::asked().procs, Some(5));
}

#[test]
fn the_crate_may_be_any_module_in_reach() {
    mod inner {
        use super::probe::*;

        pub(super) mod deeper {
            #[gort::main(crate = super)]
            pub(in super::super) async fn probed() {}
        }
    }

    inner::deeper::probed();
    assert_eq!(probe::asked().entry, "main");
}

// The functions, as the rest of the program sees them.

#[test]
fn any_function_may_be_an_entry_and_returns_its_value() {
    #[gort::main]
    async fn answer() -> Result<u32, ParseIntError> {
        yield_once().await;
        let answer = "42".parse()?;
        if answer == 0 {
            return Ok(1);
        }
        Ok(answer)
    }

    assert_eq!(answer(), Ok(42));
    assert_eq!(answer(), Ok(42), "a second call runs a second runtime");
}

#[test]
fn the_result_may_be_an_unnamed_type() {
    #[gort::main]
    async fn squares() -> impl Iterator<Item = u32> {
        (1..=3).map(|n| n * n)
    }

    assert!(squares().eq([1, 4, 9]));
}

#[test]
#[should_panic(expected = "out of a body that never returns")]
fn a_body_may_diverge() {
    #[gort::main]
    async fn forever() -> ! {
        yield_once().await;
        panic!("out of a body that never returns")
    }

    forever()
}

#[test]
fn inside_its_body_a_function_is_still_async() {
    thread_local!(static CALLS: Cell<u32> = const { Cell::new(0) });

    #[gort::main]
    async fn countdown() -> &'static str {
        CALLS.set(CALLS.get() + 1);
        if CALLS.get() == 3 {
            return "lift-off";
        }
        let rest: Pin<Box<dyn Future<Output = &'static str>>> = Box::pin(countdown());
        rest.await
    }

    assert_eq!(countdown(), "lift-off");
}

#[test]
fn associated_functions_and_visibility_are_kept() {
    mod server {
        pub(super) struct Server;

        impl Server {
            #[gort::main]
            pub(super) async fn port() -> u16 {
                8080
            }
        }
    }

    assert_eq!(server::Server::port(), 8080);
}

#[renamed::main(crate = renamed)]
async fn under_another_name() -> u32 {
    ready(7).await
}

#[test]
fn the_crate_may_have_another_name() {
    assert_eq!(under_another_name(), 7);
}

// Tests that run as the harness runs them.

#[renamed::test(crate = "renamed")]
async fn a_test_may_name_the_crate_too() {
    yield_once().await;
}

#[gort::test]
async fn a_test_may_return_a_result() -> Result<(), ParseIntError> {
    yield_once().await;
    let answer: u32 = "42".parse()?;
    assert_eq!(answer, 42);
    Ok(())
}

#[gort::test]
#[should_panic(expected = "boom")]
async fn a_panic_reaches_the_harness() {
    yield_once().await;
    panic!("boom");
}

#[should_panic(expected = "boom")]
#[gort::test(flavor = "local")]
async fn attributes_above_are_kept_too() {
    panic!("boom");
}

#[gort::test(procs = 1)]
async fn one_proc_is_enough() {
    yield_once().await;
    assert_eq!(gort::spawn(async { 6 * 7 }).await, 42);
}

#[gort::test]
async fn the_body_of_a_test_need_not_be_send() {
    let shared = Rc::new(42);
    yield_once().await;
    assert_eq!(*shared, 42);
}

#[gort::test(flavor = "local")]
async fn a_local_test_stays_on_its_thread() {
    let thread = std::thread::current().id();
    yield_once().await;
    assert_eq!(std::thread::current().id(), thread);
}

#[gort::test]
#[expect(unused_variables, reason = "set on the function, meant for its body")]
async fn lint_levels_reach_the_body() {
    let unused = ();
}
