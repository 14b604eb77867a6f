//! The wait-site hook: tells a scheduler what a future is about to wait for, and where it was created.

use std::panic::Location;
use std::sync::OnceLock;

/// What a future of this crate waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum WaitKind {
    /// Bytes to read, or the end of the stream.
    IoRead,
    /// Room to write.
    IoWrite,
    /// A connection to be established.
    Connect,
    /// A connection to accept.
    Accept,
    /// The addresses of a host name.
    Lookup,
    /// A descriptor that is readable ([`Async::readable`](crate::Async::readable)).
    Readable,
    /// A descriptor that is writable ([`Async::writable`](crate::Async::writable)).
    Writable,
}

impl WaitKind {
    /// Returns the words that Go's goroutine dump would use.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::IoRead => "IO read",
            Self::IoWrite => "IO write",
            Self::Connect => "IO connect",
            Self::Accept => "IO accept",
            Self::Lookup => "IO lookup",
            Self::Readable => "IO readable",
            Self::Writable => "IO writable",
        }
    }
}

/// A function that hears of every wait, just before the future returns `Pending`.
pub type WaitHook = fn(WaitKind, &'static Location<'static>);

static HOOK: OnceLock<WaitHook> = OnceLock::new();

/// Sets the function that hears of every wait of this process, once; returns whether it was set.
///
/// It runs on the polling thread, inside the poll, with no lock held. The location is where the future was created, or, for the
/// `poll_*` functions and the I/O traits, where the descriptor was registered. While no hook is set, a wait costs one load.
pub fn set_wait_hook(hook: WaitHook) -> bool {
    HOOK.set(hook).is_ok()
}

/// A function that says whether the code that runs on this thread had better let others run.
pub type YieldHook = fn() -> bool;

static YIELD_HOOK: OnceLock<YieldHook> = OnceLock::new();

/// Sets the function that every read, write, accept and connect asks before it begins, once; returns whether it was set.
///
/// If it says true the operation wakes its task and returns `Pending`: a task whose sockets are always ready cannot keep its
/// thread for ever.
pub fn set_yield_hook(hook: YieldHook) -> bool {
    YIELD_HOOK.set(hook).is_ok()
}

#[inline]
pub(crate) fn must_yield() -> bool {
    YIELD_HOOK.get().is_some_and(|hook| hook())
}

/// A wait reason and a wait site.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Site {
    pub(crate) kind: WaitKind,
    pub(crate) location: &'static Location<'static>,
}

impl Site {
    #[track_caller]
    pub(crate) fn here(kind: WaitKind) -> Self {
        Self {
            kind,
            location: Location::caller(),
        }
    }

    #[inline]
    pub(crate) fn report(self) {
        if let Some(hook) = HOOK.get() {
            hook(self.kind, self.location);
        }
    }
}
