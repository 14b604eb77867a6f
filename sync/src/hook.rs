//! What a scheduler hears of, and is asked: what a future is about to wait for and where it was created, and whether one that
//! need not wait had better let others run.

use std::future::{self, Future};
use std::panic::Location;
use std::pin::pin;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll};

/// What a future of this crate waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum WaitKind {
    /// A [`Mutex`](crate::Mutex).
    Mutex,
    /// A [`RwLock`](crate::RwLock), to read.
    RwLockRead,
    /// A [`RwLock`](crate::RwLock), to write.
    RwLockWrite,
    /// Permits of a [`Semaphore`](crate::Semaphore).
    Semaphore,
    /// A notice of a [`Notify`](crate::Notify).
    Notify,
    /// A notice of a [`Cond`](crate::Cond).
    Cond,
    /// The others at a [`Barrier`](crate::Barrier).
    Barrier,
    /// A [`Latch`](crate::Latch) to be opened.
    Latch,
    /// All of a [`WaitGroup`](crate::WaitGroup).
    WaitGroup,
    /// A value that another makes: of a [`OnceCell`](crate::OnceCell), a [`Once`](crate::Once) or a [`Lazy`](crate::Lazy).
    Once,
    /// The end of a [`Context`](crate::Context).
    Context,
    /// A call that another makes, of a [`singleflight::Group`](crate::singleflight::Group).
    Singleflight,
    /// A value of a [`chan`](crate::chan) or a [`channel`](crate::channel).
    ChanReceive,
    /// Room in a [`chan`](crate::chan) or a [`channel`](crate::channel), or a receiver.
    ChanSend,
    /// A [`chan`](crate::chan) or a [`channel`](crate::channel) to be closed, or a value of a [`oneshot`](crate::oneshot) or [`watch`](crate::watch) to be wanted by
    /// nobody any more.
    ChanClosed,
    /// One of the arms of a [`select!`](crate::select!).
    Select,
}

impl WaitKind {
    /// Returns the words that Go's goroutine dump would use, or ours in its manner.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Mutex => "sync.Mutex.Lock",
            Self::RwLockRead => "sync.RWMutex.RLock",
            Self::RwLockWrite => "sync.RWMutex.Lock",
            Self::Semaphore => "semacquire",
            Self::Notify => "sync.Notify",
            Self::Cond => "sync.Cond.Wait",
            Self::Barrier => "sync.Barrier.Wait",
            Self::Latch => "sync.Latch.Wait",
            Self::WaitGroup => "sync.WaitGroup.Wait",
            Self::Once => "sync.Once.Do",
            Self::Context => "context.Done",
            Self::Singleflight => "singleflight.Do",
            Self::ChanReceive => "chan receive",
            Self::ChanSend => "chan send",
            Self::ChanClosed => "chan closed",
            Self::Select => "select",
        }
    }
}

/// A function that hears of every wait, just before the future returns `Pending`.
pub type WaitHook = fn(WaitKind, &'static Location<'static>);

static HOOK: OnceLock<WaitHook> = OnceLock::new();

/// Sets the function that hears of every wait of this process, once; returns whether it was set.
///
/// It runs on the polling thread, inside the poll, with no lock of this crate held for it; the future may have been woken by
/// then. The location is where the operation was called. While no hook is set, a wait costs one load.
///
/// # Examples
///
/// ```
/// use gort_sync::{Semaphore, set_wait_hook};
///
/// set_wait_hook(|what, at| println!("waits for {} at {at}", what.as_str()));
///
/// let semaphore = Semaphore::new(0);
/// let mut cx = std::task::Context::from_waker(std::task::Waker::noop());
/// assert!(std::pin::pin!(semaphore.acquire()).poll(&mut cx).is_pending());
/// ```
pub fn set_wait_hook(hook: WaitHook) -> bool {
    HOOK.set(hook).is_ok()
}

/// A function that says whether the code that runs on this thread had better let others run.
pub type YieldHook = fn() -> bool;

static YIELD_HOOK: OnceLock<YieldHook> = OnceLock::new();

/// Whether the hook is asked.
static ASKS: AtomicBool = AtomicBool::new(false);

/// Sets the function that says whether to yield, once; returns whether it was set. It is asked while [`ask_yield_hook`] says so.
///
/// It runs on the polling thread, inside the poll, with no lock of this crate held for it. If it says true the operation wakes
/// its task and returns `Pending` before it has done anything: a task whose channels are never empty, or whose lock is always
/// free, cannot keep its thread for ever. So it must not say true for ever: the operation asks again when it is polled again.
///
/// Who asks: receives, sends and streams of channels, `broadcast`'s receives, a select without a default, and `Mutex`, `RwLock`
/// and `Semaphore`. What never waits (`try_*`) never asks.
///
/// # Examples
///
/// A time slice, for an executor that notes when a poll began:
///
/// ```
/// use std::cell::Cell;
/// use std::time::{Duration, Instant};
/// use gort_sync::{ask_yield_hook, set_yield_hook};
///
/// thread_local! {
///     static BEGAN: Cell<Option<Instant>> = const { Cell::new(None) };
/// }
///
/// set_yield_hook(|| BEGAN.get().is_some_and(|began| began.elapsed() > Duration::from_millis(10)));
/// ask_yield_hook(true);
/// ```
pub fn set_yield_hook(hook: YieldHook) -> bool {
    YIELD_HOOK.set(hook).is_ok()
}

/// Sets whether the operations of this process ask the function of [`set_yield_hook`]; at first they do not.
///
/// For a scheduler that knows when the time of somebody is up, so that all others pay for one load.
pub fn ask_yield_hook(ask: bool) {
    // Relaxed, here and below: sooner or later it is seen, and it orders nothing.
    if ASKS.load(Ordering::Relaxed) != ask {
        ASKS.store(ask, Ordering::Relaxed);
    }
}

/// Whether to return `Pending` so that others run; the task has been woken then. Asked by who is in no queue yet.
#[inline]
pub(crate) fn must_yield(cx: &Context<'_>) -> bool {
    ASKS.load(Ordering::Relaxed) && asked(cx)
}

#[cold]
fn asked(cx: &Context<'_>) -> bool {
    let yields = YIELD_HOOK.get().is_some_and(|hook| hook());
    if yields {
        cx.waker().wake_by_ref();
    }
    yields
}

/// Where an operation was called.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Site(&'static Location<'static>);

impl Site {
    #[inline]
    #[track_caller]
    pub(crate) fn here() -> Self {
        Self(Location::caller())
    }

    /// Awaits `future`, and says of it that it waits for `kind`, whatever it says itself.
    pub(crate) async fn waits_for<F: Future>(self, kind: WaitKind, future: F) -> F::Output {
        let mut future = pin!(future);
        future::poll_fn(|cx| self.or_waits(kind, future.as_mut().poll(cx))).await
    }

    /// Passes on the outcome of a poll, and tells the hook if that is `Pending`.
    #[inline]
    pub(crate) fn or_waits<T>(self, kind: WaitKind, poll: Poll<T>) -> Poll<T> {
        if poll.is_pending()
            && let Some(hook) = HOOK.get()
        {
            hook(kind, self.0);
        }
        poll
    }
}
