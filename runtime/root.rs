//! The futures that threads run themselves, by [`block_on`](crate::block_on): what each of them waits for.
//!
//! A goroutine has a [record](crate::g); a future of `block_on` has this, so that reports can tell of it too: the body of
//! `#[gort::main]` is one. A [`Root`] belongs to a thread, is made when that thread first runs a future, and serves all that
//! follow; a nested `block_on` has its own. Only its thread writes it. Anyone may read it, for reports.

use std::cell::Cell;
use std::fmt;
use std::panic::Location;
use std::ptr;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use gort_primitives::atomic::{AtomicPtr, AtomicU8, AtomicU32, AtomicU64, Ordering};

use crate::g::location;
use crate::sysmon::thread_clock::{self, current_tid};
use crate::task::{self, Note, WaitReason};

/// All that exist. A leaf lock.
static ALL: Mutex<Vec<Arc<Root>>> = Mutex::new(Vec::new());

thread_local! {
    /// The one whose future this thread is polling, the innermost if they are nested.
    static CURRENT: Cell<*const Root> = const { Cell::new(ptr::null()) };
}

/// What is known of the future that a thread runs.
#[derive(Debug)]
pub(crate) struct Root {
    /// The kernel's name of the thread, or 0.
    tid: u32,
    /// Where `block_on` was called, or null while nothing runs.
    called_at: AtomicPtr<Location<'static>>,
    /// Polls begun plus polls ended.
    polls: AtomicU32,
    /// When the last poll began, in the milliseconds of [`now`]: who waits has done so since then, but for the length of a poll.
    since: AtomicU64,
    wait: AtomicU8,
    waits_at: AtomicPtr<Location<'static>>,
}

/// The place of a thread's root among all, until it is dropped.
#[derive(Debug)]
pub(crate) struct Listed(Arc<Root>);

impl Listed {
    /// Makes a root for the calling thread.
    pub(crate) fn new() -> Self {
        task::hear_of_waits();
        let root = Arc::new(Root {
            tid: current_tid(),
            called_at: AtomicPtr::new(ptr::null_mut()),
            polls: AtomicU32::new(0),
            since: AtomicU64::new(0),
            wait: AtomicU8::new(0),
            waits_at: AtomicPtr::new(ptr::null_mut()),
        });
        all().push(root.clone());
        Self(root)
    }

    /// Notes that the thread runs a future, until the guard is dropped.
    #[inline]
    pub(crate) fn begin(&self, at: &'static Location<'static>) -> Running<'_> {
        // Release: pairs with the Acquire in `look`, as all stores of roots do.
        let at = ptr::from_ref(at).cast_mut();
        self.0.called_at.store(at, Ordering::Release);
        Running(&self.0)
    }
}

impl Drop for Listed {
    fn drop(&mut self) {
        all().retain(|root| !Arc::ptr_eq(root, &self.0));
    }
}

fn all() -> MutexGuard<'static, Vec<Arc<Root>>> {
    ALL.lock().expect("nothing panics under it")
}

/// A thread runs a future.
#[derive(Debug)]
pub(crate) struct Running<'r>(&'r Root);

impl Running<'_> {
    /// Notes a poll, until the guard is dropped.
    #[inline]
    pub(crate) fn poll(&self) -> Polling<'_> {
        self.0.step();
        self.0.since.store(now(), Ordering::Release);
        self.0.wait.store(0, Ordering::Release);
        Polling {
            root: self.0,
            _inside: Inside::of(self.0),
        }
    }
}

impl Drop for Running<'_> {
    fn drop(&mut self) {
        self.0.called_at.store(ptr::null_mut(), Ordering::Release);
    }
}

/// A thread polls its future.
#[derive(Debug)]
pub(crate) struct Polling<'r> {
    root: &'r Root,
    _inside: Inside,
}

impl Drop for Polling<'_> {
    fn drop(&mut self) {
        self.root.step();
    }
}

/// Restores what was current on this thread.
#[derive(Debug)]
pub(crate) struct Inside(*const Root);

impl Inside {
    #[inline]
    fn of(root: *const Root) -> Self {
        Self(CURRENT.replace(root))
    }

    /// No root is current: the thread is about to poll goroutines, as an M.
    pub(crate) fn none() -> Self {
        Self::of(ptr::null())
    }
}

impl Drop for Inside {
    fn drop(&mut self) {
        CURRENT.set(self.0);
    }
}

/// Calls `f` with the root whose future this thread is polling.
#[inline]
pub(crate) fn with_current<R>(f: impl FnOnce(Option<&Root>) -> R) -> R {
    // SAFETY: `Polling` borrows what is current, and takes it out before the borrow ends.
    f(unsafe { CURRENT.get().as_ref() })
}

impl Root {
    /// Notes why the future is about to wait.
    #[inline]
    pub(crate) fn put_note(&self, note: Note) {
        let at = note.at.map_or(ptr::null(), ptr::from_ref);
        self.wait.store(note.reason as u8, Ordering::Release);
        self.waits_at.store(at.cast_mut(), Ordering::Release);
    }

    /// What was noted, if anything.
    pub(crate) fn note(&self) -> Note {
        let reason = WaitReason::from_byte(self.wait.load(Ordering::Acquire));
        let at = location(&self.waits_at, Ordering::Acquire);
        Note {
            reason,
            at: at.filter(|_| reason != WaitReason::Other),
        }
    }

    #[inline]
    fn step(&self) {
        let polls = self.polls.load(Ordering::Relaxed);
        // Release: who reads what is stored from here on finds this changed.
        self.polls.store(polls.wrapping_add(1), Ordering::Release);
    }

    /// What the future does, if there is one.
    fn look(&self) -> Option<Info> {
        let mut looks = 0;
        loop {
            // Acquire: pairs with the Release of the thread, for all loads here.
            let polls = self.polls.load(Ordering::Acquire);
            let called_at = location(&self.called_at, Ordering::Acquire)?;
            let since = self.since.load(Ordering::Acquire);
            let note = self.note();
            looks += 1;
            // One that is polled all the time may spoil every look: after a few, the last is as good as any.
            if looks == 8 || self.polls.load(Ordering::Relaxed) == polls {
                return Some(Info {
                    tid: self.tid,
                    called_at,
                    polls: polls % 2 == 1,
                    age: Duration::from_millis(now().saturating_sub(since)),
                    note,
                });
            }
        }
    }
}

/// A coarse clock, in milliseconds: it is read in each poll of a root, and the monitor's stands still in a process without a runtime.
#[cfg(target_os = "linux")]
fn now() -> u64 {
    let mut now = libc::timespec {
        tv_sec: 0,
        tv_nsec: 0,
    };
    // SAFETY: the pointer is to a timespec of ours. (rustix looks for the kernel's page itself, which valgrind hides.)
    unsafe { libc::clock_gettime(libc::CLOCK_MONOTONIC_COARSE, &raw mut now) };
    now.tv_sec.cast_unsigned() * 1_000 + now.tv_nsec.cast_unsigned() / 1_000_000
}

#[cfg(not(target_os = "linux"))]
fn now() -> u64 {
    crate::time::now() / 1_000_000
}

/// What a future of `block_on` did at one moment.
#[derive(Clone, Debug)]
pub(crate) struct Info {
    tid: u32,
    called_at: &'static Location<'static>,
    polls: bool,
    age: Duration,
    note: Note,
}

/// What all of them do, those of longer standing first.
pub(crate) fn infos() -> Vec<Info> {
    let mut infos: Vec<_> = all().iter().filter_map(|root| root.look()).collect();
    infos.sort_by_key(|info| std::cmp::Reverse(info.age));
    infos
}

impl fmt::Display for Info {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { called_at, age, .. } = self;
        write!(f, "{}", thread_clock::Named(self.tid))?;
        match (self.polls, self.note.at) {
            (true, _) => write!(f, " [running, {age:?}]")?,
            (false, Some(at)) => write!(f, " [{}, {age:?}, at {at}]", self.note.reason)?,
            (false, None) => write!(f, " [{}, {age:?}]", self.note.reason)?,
        }
        write!(f, " in block_on at {called_at}")
    }
}
