//! The attributes `#[gort::main]` and `#[gort::test]`.
//!
//! Use them through the crate `gort`, which re-exports them: what they expand to calls its
//! runtime. Here is only the reading and rewriting of functions: `args` reads the settings,
//! `entry` checks and rewrites the function, `executor` knows which executor it takes, `error`
//! collects what is wrong.

mod args;
mod entry;
mod error;
mod executor;

use proc_macro::TokenStream;

use crate::entry::{Entry, expand};

/// Runs an `async fn` on a runtime of its own, as a plain function.
///
/// The function below the attribute loses its `async`. Calling it starts a runtime, runs the body
/// on the calling thread to its end, and returns what the body returns. The body need not be
/// `Send`. The attribute is meant for `main`, which may return what it always may: nothing, a
/// `Result`, an `ExitCode`, or `!` if it never ends. Any other function can have it too, and return
/// what it likes.
///
/// ```
/// #[gort::main]
/// async fn main() {
///     let task = gort::spawn(async { 6 * 7 });
///     assert_eq!(task.await, 42);
/// }
/// ```
///
/// # Settings
///
/// They stand in parentheses, separated by commas, each at most once.
///
/// | key | value | without it |
/// |---|---|---|
/// | `procs` | how many goroutines may run at the same time, an integer literal of at least 1 | `GORT_PROCS`, or what the machine allows |
/// | `flavor` | `"multi"`: goroutines run on several threads; `"local"`: everything runs on the calling thread, and `procs` cannot be given | `"multi"` |
/// | `tokio` | none: its presence calls `Builder::enable_tokio`, which lets crates that need tokio work; gort's feature `tokio-compat` has it | no tokio context |
/// | `crate` | the path of the crate gort, with or without quotes, where it has another name or is reached through another crate | `::gort` |
///
/// ```
/// use std::num::ParseIntError;
///
/// #[gort::main(procs = 2)]
/// async fn main() -> Result<(), ParseIntError> {
///     let answer: u32 = "42".parse()?;
///     assert_eq!(answer, 42);
///     Ok(())
/// }
/// ```
///
/// A program that knows gort by another name, as one does that says `smol = { package = "gort" }`
/// in its `Cargo.toml`:
///
/// ```
/// extern crate gort as smol;
///
/// #[smol::main(crate = smol, flavor = "local")]
/// async fn main() {
///     // On one thread, so what is not `Send` may live as long as it likes.
///     let shared = std::rc::Rc::new(42);
///     std::future::ready(()).await;
///     assert_eq!(*shared, 42);
/// }
/// ```
///
/// # An executor as the argument
///
/// The function may take one argument: `&Executor`, `Arc<Executor>`, `&LocalExecutor` or
/// `Rc<LocalExecutor>`, known by these names. The body then runs inside the executor, and an
/// `Executor` is driven by goroutines too, on all of the runtime's threads. At the end of the body
/// the tasks that have not ended are cancelled.
///
/// ```
/// use gort::Executor;
///
/// #[gort::main]
/// async fn main(ex: &Executor<'_>) {
///     assert_eq!(ex.spawn(async { 6 * 7 }).await, 42);
/// }
/// ```
///
/// # Errors
///
/// If the runtime cannot start, because `GORT_PROCS` is not a number for example, the program
/// prints the reason to standard error and exits with status 2.
///
/// These do not compile, each with a message that says what to change: a function that is not
/// `async`, or is `const`, `unsafe` or `extern`; other arguments, and generic parameters; settings that
/// do not exist or have the wrong type; a second such attribute on the same function.
///
/// ```compile_fail
/// #[gort::main]
/// fn main() {} // the keyword `async` is missing
/// ```
///
/// # Limits
///
/// The function becomes a function inside another. In an `impl` block it must therefore spell out
/// the name of the type in place of `Self`.
#[proc_macro_attribute]
pub fn main(args: TokenStream, item: TokenStream) -> TokenStream {
    expand(Entry::Main, args.into(), item.into()).into()
}

/// Makes a test of an `async fn`, which runs on a runtime of its own.
///
/// The function gets the standard `#[test]` attribute, so there is no need to write it, and keeps
/// all others: `#[should_panic]` and `#[ignore]` work as ever. The test passes if its body ends
/// without a panic, and returns `Ok` if it returns a `Result`.
///
/// ```
/// # // The test harness is not at work here: the attributes are expanded, and then left out.
/// #[gort::test]
/// async fn a_task_returns_its_value() {
///     assert_eq!(gort::spawn(async { 6 * 7 }).await, 42);
/// }
///
/// #[gort::test(flavor = "local")]
/// #[should_panic(expected = "boom")]
/// async fn a_panic_fails_the_test() {
///     panic!("boom");
/// }
///
/// #[gort::test(procs = 1)]
/// async fn errors_fail_it_too() -> Result<(), std::num::ParseIntError> {
///     let _: u32 = "42".parse()?;
///     Ok(())
/// }
/// ```
///
/// # Settings
///
/// They are those of `#[gort::main]`: `procs`, `flavor`, `tokio` and `crate`, and so are the executors that
/// the function may take. Only one default differs:
/// without `procs`, and unless `flavor = "local"`, a test gets `procs = 2`, on every machine. That
/// is enough for goroutines to run truly at the same time, and little enough for a harness that
/// runs many tests at once.
///
/// # Panics
///
/// The test panics, and so fails, if its runtime cannot start.
///
/// # Errors
///
/// What `#[gort::main]` refuses to compile is refused here as well, and so is a second attribute
/// that makes a test of the same function.
#[proc_macro_attribute]
pub fn test(args: TokenStream, item: TokenStream) -> TokenStream {
    expand(Entry::Test, args.into(), item.into()).into()
}
