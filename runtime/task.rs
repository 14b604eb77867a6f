//! Goroutines: names, handles, and what they tell of themselves.
//!
//! | | on drop | a panic | output |
//! |---|---|---|---|
//! | [`gort::spawn`](crate::spawn) -> [`Task`](crate::Task) | cancels; `detach` to let it run | raised again at the awaiter | `T` |
//! | [`gort::go`](crate::go) -> [`JoinHandle`] | lets it run | an error for the joiner | `Result<T, JoinError>` |
//!
//! The first is the contract of smol, the second that of Go's `go` statement, of tokio and of `std::thread`.
//!
//! Several at once: a [`JoinSet`] is joined in the order in which its goroutines end, an [`ErrGroup`] fails with the first error, a
//! [`WaitGroup`](gort_sync::WaitGroup) [counts](WaitGroupExt), those of a [`Pipeline`] pass values on, and those of a [`scope`] may borrow. A
//! [`context`] is inherited.

use std::fmt;
use std::future::Future;
use std::panic::Location;
use std::time::Duration;

use crate::context;
use crate::g::{G, RECORDS};
use crate::spawn::{self, Origin};
use crate::{m, sysmon};

mod err_group;
mod group;
mod inherit;
mod join;
mod join_set;
mod local_key;
mod pipeline;
mod scoped;
mod wait_reason;
mod yields;

pub use crate::g::State;
pub use crate::pool::{BlockingPool, BlockingPoolBuilder, set_max_blocking_threads};
pub use err_group::{ErrGroup, Go};
pub use group::WaitGroupExt;
pub use inherit::{context, with_context};
pub(crate) use inherit::{heir, inherited};
pub use join::{AbortHandle, JoinError, JoinHandle};
pub use join_set::{JoinNext, JoinSet};
pub use local_key::{AccessError, LocalKey, Scope};
pub use pipeline::Pipeline;
pub use scoped::{GoScope, ScopedJoinHandle, scope};
pub use wait_reason::WaitReason;
pub(crate) use wait_reason::{Note, hear_of_waits, note_wait};
pub(crate) use yields::must_yield;
pub use yields::{YieldNow, should_yield, yield_now};

/// Runs `f`, which may block, on a thread of the default pool: [`unblock`](crate::unblock) with the handle of [`go`](crate::go).
///
/// It runs whether or not the handle is kept. A panic of `f` is an error for the joiner. Aborting stops a call that has not begun.
///
/// # Panics
///
/// As [`unblock`](crate::unblock) and [`gort::spawn`](crate::spawn).
///
/// # Examples
///
/// ```
/// gort::block_on(async {
///     let sum = gort::task::spawn_blocking(|| (1..=10).sum::<i32>());
///     assert_eq!(sum.await.unwrap(), 55);
/// });
/// ```
#[track_caller]
pub fn spawn_blocking<T, F>(f: F) -> JoinHandle<T>
where
    F: FnOnce() -> T + Send + 'static,
    T: Send + 'static,
{
    crate::go(crate::unblock(f))
}

/// The number of a goroutine, unique in the process.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TaskId(u64);

impl TaskId {
    pub(crate) fn new(id: u64) -> Self {
        Self(id)
    }
}

impl fmt::Display for TaskId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// What is known of a goroutine, as it was at one moment.
///
/// Its `Display` is one line in the manner of Go's dumps:
/// `goroutine 7 "name" [sleep, 4 s, at src/main.rs:9:5] spawned at src/main.rs:8:5`.
#[derive(Clone, Debug)]
pub struct Info {
    id: TaskId,
    parent: Option<TaskId>,
    name: Option<String>,
    state: State,
    spawned_at: Option<&'static Location<'static>>,
    wait: WaitReason,
    waits_at: Option<&'static Location<'static>>,
    waiting_for: Duration,
    polls: u32,
    frame: usize,
}

impl Info {
    /// Describes all goroutines that pass `filter`. Those without a record are not among them.
    pub(crate) fn all(filter: impl Fn(&'static G) -> bool) -> Vec<Self> {
        sysmon::set_clock();
        let mut all = Vec::new();
        RECORDS.for_each(|g| {
            if g.is_alive() && filter(g) {
                all.push(Self::of(g));
            }
        });
        all
    }

    pub(crate) fn of(g: &'static G) -> Self {
        let (state, wait, waits_at) = g.doing();
        // The clock is set by several threads, and may go back by a step.
        let age = sysmon::tick().wrapping_sub(g.since()).cast_signed().max(0);
        Self {
            id: TaskId(g.id()),
            parent: Some(g.parent()).filter(|&id| id != 0).map(TaskId),
            name: g.name(),
            state,
            spawned_at: g.spawned_at(),
            wait: WaitReason::from_byte(wait),
            waits_at,
            waiting_for: match state {
                State::Waiting => Duration::from_millis(age.unsigned_abs().into()),
                _ => Duration::ZERO,
            },
            polls: g.polls(),
            frame: g.frame(),
        }
    }

    /// Returns the goroutine's number.
    #[must_use]
    pub fn id(&self) -> TaskId {
        self.id
    }

    /// Returns the number of the goroutine that spawned it, if one did.
    #[must_use]
    pub fn parent(&self) -> Option<TaskId> {
        self.parent
    }

    /// Returns the name that [`Builder::name`] gave it.
    #[must_use]
    pub fn name(&self) -> Option<&str> {
        self.name.as_deref()
    }

    /// Returns what it was doing.
    #[must_use]
    pub fn state(&self) -> State {
        self.state
    }

    /// Returns where it was spawned.
    #[must_use]
    pub fn spawned_at(&self) -> Option<&'static Location<'static>> {
        self.spawned_at
    }

    /// Returns why it waits, as far as gort's own operations know; [`WaitReason::Other`] while it runs.
    #[must_use]
    pub fn wait_reason(&self) -> WaitReason {
        self.wait
    }

    /// Returns where that operation was called.
    #[must_use]
    pub fn waits_at(&self) -> Option<&'static Location<'static>> {
        self.waits_at
    }

    /// Returns for how long it has waited, to the resolution of the monitor's clock: 1 ms, or 10 ms while nothing happens.
    #[must_use]
    pub fn waiting_for(&self) -> Duration {
        self.waiting_for
    }

    /// Returns how often it was polled.
    #[must_use]
    pub fn polls(&self) -> u32 {
        self.polls
    }

    /// Returns the size of its future in bytes: what it keeps from one poll to the next, but for what that has on the heap.
    #[must_use]
    pub fn frame_bytes(&self) -> usize {
        self.frame
    }
}

impl fmt::Display for Info {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "goroutine {}", self.id)?;
        if let Some(name) = &self.name {
            write!(f, " {name:?}")?;
        }
        match self.state {
            State::Waiting => {
                write!(f, " [{}, {:?}", self.wait, self.waiting_for)?;
                if let Some(at) = self.waits_at {
                    write!(f, ", at {at}")?;
                }
                f.write_str("]")?;
            }
            State::Running => f.write_str(" [running]")?,
            State::Runnable => f.write_str(" [runnable]")?,
            State::Free | State::Dead => f.write_str(" [dead]")?,
        }
        match self.spawned_at {
            Some(at) => write!(f, " spawned at {at}"),
            None => Ok(()),
        }
    }
}

/// Returns what is known of the goroutine that runs this code, or None outside any.
///
/// # Examples
///
/// ```
/// let name = gort::block_on(gort::task::Builder::new().name("worker").go(async {
///     gort::task::current().expect("in a goroutine").name().map(String::from)
/// }));
/// assert_eq!(name.unwrap().as_deref(), Some("worker"));
/// ```
#[must_use]
pub fn current() -> Option<Info> {
    m::with_here(|here| here.and_then(|here| here.cur()).map(Info::of))
}

/// Returns the number of the goroutine that runs this code, or None outside any. Cheaper than [`current`].
#[must_use]
pub fn try_id() -> Option<TaskId> {
    m::with_here(|here| here.and_then(|here| here.cur()).map(|g| TaskId(g.id())))
}

/// Returns how many goroutines of this process were found waiting for nothing: parked, with every waker gone.
///
/// Each of them was reported on the standard error stream, the first sixteen in full.
#[must_use]
pub fn lost_count() -> u64 {
    crate::lost::count()
}

/// Spawns goroutines with a name.
///
/// # Examples
///
/// ```
/// let task = gort::task::Builder::new().name("adder").spawn(async { 1 + 1 });
/// assert_eq!(gort::block_on(task), 2);
/// ```
#[derive(Clone, Debug, Default)]
#[must_use]
pub struct Builder {
    name: Option<Box<str>>,
}

impl Builder {
    /// Creates a builder that sets nothing.
    pub fn new() -> Self {
        Self::default()
    }

    /// Names the goroutine, for reports.
    pub fn name(mut self, name: impl Into<String>) -> Self {
        self.name = Some(name.into().into_boxed_str());
        self
    }

    /// Spawns as [`gort::spawn`](crate::spawn) does.
    #[track_caller]
    pub fn spawn<F>(self, future: F) -> async_task::Task<F::Output>
    where
        F: Future + Send + 'static,
        F::Output: Send + 'static,
    {
        let origin = self.origin(Location::caller());
        context::with_current(|rt| spawn::plain(rt, origin, future))
    }

    /// Spawns as [`gort::go`](crate::go) does.
    #[track_caller]
    pub fn go<F>(self, future: F) -> JoinHandle<F::Output>
    where
        F: Future + Send + 'static,
        F::Output: Send + 'static,
    {
        let origin = self.origin(Location::caller());
        context::with_current(|rt| spawn::joinable(rt, origin, future))
    }

    fn origin(self, at: &'static Location<'static>) -> Origin {
        Origin {
            at,
            name: self.name,
        }
    }
}
