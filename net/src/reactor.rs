//! The reactor: one per process, owned by nobody, driven by whoever has nothing better to do.
//!
//! A thread that is about to park takes the *baton* ([`Reactor::try_driver`]), waits in the kernel, and gives the wakers of what happened to its
//! caller, who drops the [`Driver`] and then wakes. No thread is the reactor's own, except the [backstop], which
//! drives when nobody else does; so "no reactor running" does not exist.
//!
//! # Parts
//!
//! * [`baton`]: who may wait. A try-lock that counts turns.
//! * [`bell`]: ends a wait from outside, at the price of a system call only if somebody waits.
//! * [`selector`], [`epoll`]: the kernel's side.
//! * [`backstop`]: the thread of last resort.
//! * the registry, here: from the key in an event to the [`Source`].
//!
//! # Invariants
//!
//! 1. The event buffer belongs to the holder of the baton.
//! 2. A key is `[generation | index]`. An index is used again, a key only after 2^32 registrations of one index (2^10 on 32-bit
//!    machines): an event of a closed descriptor never reaches the source that took its place.
//! 3. A source is in the registry before the kernel knows its key, and leaves it after the kernel has forgotten it.
//! 4. Nothing here calls a waker; only the backstop does, without the baton.
//!
//! # Lock ranks
//!
//! 1 registry (held for a push or a removal, and by the driver while it delivers one batch, never during the wait), 2 the
//! lists of one source. The backstop's lock stands alone: it is never held with another.
//!
//! # Rejected
//!
//! * A pointer to the source in the event (tokio): no lookup, but a source must then outlive the batch that may name it, which needs a graveyard and
//!   trust in every `AsFd`. The lookup is one uncontended lock for each batch.
//! * A reactor for each P: sockets would have to move with their goroutines.

use std::fmt;
use std::io;
use std::marker::PhantomData;
use std::panic::{Location, RefUnwindSafe, UnwindSafe};
use std::sync::{Arc, Mutex, OnceLock};
use std::task::Waker;
use std::time::Duration;

use gort_primitives::atomic::{AtomicUsize, Ordering};
use gort_primitives::cell::UnsafeCell;
use rustix::fd::{AsRawFd, BorrowedFd};
use slab::Slab;

use crate::source::Source;
use crate::source::waiters::Interest;
use backstop::Backstop;
use baton::Baton;
use bell::{Bell, MayBlock, MustWrite};
use selector::{Buffer, Mode, Selector};

pub use backstop::DriverIntent;

pub(crate) mod backstop;
mod baton;
mod bell;
#[cfg(target_os = "linux")]
mod epoll;
pub(crate) mod selector;
#[cfg(all(test, not(gort_loom)))]
mod tests;

/// The process-wide I/O reactor.
///
/// Futures of this crate register with it by themselves. Schedulers drive it: see [`try_driver`](Self::try_driver).
///
/// The environment variable `GORT_NET_MODE`, read when the reactor is created, chooses how descriptors are registered: `edge`
/// (once; the default where the platform has it) or `oneshot` (armed for each wait).
pub struct Reactor {
    baton: Baton,
    bell: Bell,
    selector: Selector,
    /// Belongs to the holder of the baton.
    events: UnsafeCell<Buffer>,
    registry: Mutex<Slab<Arc<Source>>>,
    /// How many sources the registry has, to be read without its lock.
    sources: AtomicUsize,
    /// The generation of the next key.
    generation: AtomicUsize,
    backstop: Backstop,
}

// SAFETY: `events` is touched by the holder of the baton only, and the baton is a lock: see `Baton::try_take`.
unsafe impl Sync for Reactor {}

// SAFETY: the buffer alone is not `Send` by itself, because epoll's data may be a pointer; ours is a number.
unsafe impl Send for Reactor {}

const INDEX_BITS: u32 = if usize::BITS == 64 { 32 } else { 22 };
const INDEX: usize = (1 << INDEX_BITS) - 1;
const GENERATIONS: usize = 1 << (usize::BITS - INDEX_BITS);

static REACTOR: OnceLock<Reactor> = OnceLock::new();
static CREATION: Mutex<()> = Mutex::new(());

impl Reactor {
    /// Returns the reactor of this process, and creates it on first use.
    ///
    /// # Errors
    ///
    /// Fails if the kernel has no descriptors left for it, or if `GORT_NET_MODE` has an unknown value. The next call tries again.
    pub fn get() -> io::Result<&'static Self> {
        if let Some(reactor) = REACTOR.get() {
            return Ok(reactor);
        }
        let _one_at_a_time = CREATION.lock().unwrap_or_else(|poison| poison.into_inner());
        if let Some(reactor) = REACTOR.get() {
            return Ok(reactor);
        }
        let reactor = Self::new(Mode::from_env()?)?;
        Ok(REACTOR.get_or_init(|| reactor))
    }

    /// Returns the reactor of this process if it has been created.
    #[inline]
    pub fn existing() -> Option<&'static Self> {
        REACTOR.get()
    }

    pub(crate) fn new(mode: Option<Mode>) -> io::Result<Self> {
        let selector = Selector::new(mode)?;
        Ok(Self {
            baton: Baton::new(),
            bell: Bell::new(),
            events: UnsafeCell::new(selector.buffer()),
            selector,
            registry: Mutex::new(Slab::new()),
            sources: AtomicUsize::new(0),
            generation: AtomicUsize::new(0),
            backstop: Backstop::new(),
        })
    }

    /// Returns the number of registered descriptors.
    ///
    /// One relaxed load. A busy thread may skip a poll that does not wait when there are none.
    #[inline]
    pub fn sources(&self) -> usize {
        // Relaxed: a hint. A source that the caller does not see yet was registered by a thread that has not waited for it yet, or
        // whose wait the next look finds.
        self.sources.load(Ordering::Relaxed)
    }

    /// Takes the right to wait in the reactor, unless some thread has it.
    ///
    /// Dropping the [`Driver`] gives it back and wakes nobody.
    #[inline]
    #[must_use]
    pub fn try_driver(&self) -> Option<Driver<'_>> {
        // Lazily: a `Driver` that is made and not wanted gives back what it never took.
        self.baton.try_take().then(|| Driver {
            reactor: self,
            _stays_on_its_thread: PhantomData,
        })
    }

    /// Returns whether some thread has the right to wait, at this moment.
    #[inline]
    pub fn is_driven(&self) -> bool {
        self.baton.is_taken()
    }

    /// Returns a number that changes each time a driver is taken.
    ///
    /// A monitor that sees the same number twice, and the reactor not driven the second time, knows that nobody polled in between. The number
    /// wraps.
    #[inline]
    pub fn turns(&self) -> u32 {
        self.baton.turns()
    }

    /// Returns the descriptor that a driver waits for, if the system's way to wait has one, for another event loop to watch.
    ///
    /// It becomes readable when there are events. Whoever drives takes them, so the other loop may find none left.
    pub fn poll_fd(&self) -> Option<BorrowedFd<'_>> {
        self.selector.poll_fd()
    }

    /// Ends the [`Driver::wait`] that blocks now, or keeps the next one from blocking.
    ///
    /// What the caller did before is visible to the driver when its wait returns. Many calls for one wait cost one system call, and calls while nobody waits
    /// cost none.
    #[inline]
    pub fn notify(&self) {
        if self.bell.ring() == MustWrite(true) {
            self.end_wait();
        }
    }

    #[cold]
    fn end_wait(&self) {
        // A write to an open eventfd fails for no reason that we could do anything about; the driver's timeout is the way out.
        let outcome = self.selector.end_wait();
        debug_assert!(outcome.is_ok(), "notify: {outcome:?}");
    }

    /// Registers a descriptor; `ready` says whether the first call in each direction is worth a try.
    ///
    /// # Safety
    ///
    /// `fd` must stay open until [`deregister`](Self::deregister).
    pub(crate) unsafe fn register(
        &'static self,
        fd: BorrowedFd<'_>,
        ready: bool,
        location: &'static Location<'static>,
    ) -> io::Result<Arc<Source>> {
        let source = self.enter(fd, ready, location)?;
        // SAFETY: the caller keeps the descriptor open until it is deregistered.
        let added = unsafe { self.selector.add(fd, source.key()) };
        let outcome = added.and_then(|()| {
            self.backstop
                .source_added(self)
                .inspect_err(|_| drop(self.selector.remove(fd)))
        });
        match outcome {
            Ok(()) => Ok(source),
            Err(error) => {
                self.leave(&source);
                Err(error)
            }
        }
    }

    pub(crate) fn deregister(&self, source: &Source) -> io::Result<()> {
        let outcome = self.selector.remove(source.fd());
        self.leave(source);
        outcome
    }

    fn enter(
        &'static self,
        fd: BorrowedFd<'_>,
        ready: bool,
        location: &'static Location<'static>,
    ) -> io::Result<Arc<Source>> {
        // Relaxed: only the numbers matter. The registry's lock publishes the source.
        let generation = self.generation.fetch_add(1, Ordering::Relaxed) % GENERATIONS;
        let mut registry = self.registry();
        let vacant = registry.vacant_entry();
        let key = generation << INDEX_BITS | vacant.key();
        if vacant.key() > INDEX || key >= selector::BELL_KEY {
            return Err(io::Error::other("too many registered descriptors"));
        }
        let source = Source::new(self, fd.as_raw_fd(), key, ready, location);
        let source = Arc::new(source);
        vacant.insert(Arc::clone(&source));
        // SeqCst: the backstop stores `asleep` and then reads this; see `Backstop::source_added`.
        self.sources.fetch_add(1, Ordering::SeqCst);
        Ok(source)
    }

    fn leave(&self, source: &Source) {
        let removed = self.registry().remove(source.key() & INDEX);
        // Relaxed: a number that is too high costs one needless look.
        self.sources.fetch_sub(1, Ordering::Relaxed);
        debug_assert_eq!(removed.key(), source.key(), "deregister: wrong source");
        // The registry's reference is never the last: the caller has one.
        drop(removed);
    }

    fn registry(&self) -> std::sync::MutexGuard<'_, Slab<Arc<Source>>> {
        self.registry
            .lock()
            .expect("nothing panics under this lock")
    }

    pub(crate) fn mode(&self) -> Mode {
        self.selector.mode()
    }

    pub(crate) fn short_means_drained(&self) -> bool {
        self.selector.short_means_drained()
    }

    pub(crate) fn arm(&self, source: &Source, interest: Interest) -> io::Result<()> {
        self.selector.arm(source.fd(), source.key(), interest)
    }

    /// Enters the events of the last wait and collects the wakers. Returns the number of events.
    fn deliver(&self, events: &Buffer, wakers: &mut Vec<Waker>) -> usize {
        let mut count = 0;
        let registry = self.registry();
        events.for_each(|key, news| {
            if let Some(source) = registry.get(key & INDEX)
                && source.key() == key
            {
                count += 1;
                source.deliver(news, wakers);
            }
        });
        count
    }
}

// A panic while the events are used leaves a list of events, which the next wait overwrites.
impl UnwindSafe for Reactor {}
impl RefUnwindSafe for Reactor {}

impl fmt::Debug for Reactor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Reactor")
            .field("mode", &self.mode())
            .field("sources", &self.sources())
            .field("is_driven", &self.is_driven())
            .field("turns", &self.turns())
            .finish_non_exhaustive()
    }
}

/// The right to wait in the reactor; one thread of the process has it at a time.
///
/// Drop it *before* calling the wakers that [`wait`](Self::wait) collected: a waker is foreign code and may block, or wait for the reactor itself.
#[derive(Debug)]
pub struct Driver<'a> {
    reactor: &'a Reactor,
    /// The thread that took the baton gives it back.
    _stays_on_its_thread: PhantomData<*mut ()>,
}

impl Driver<'_> {
    /// Waits until some descriptor is ready, the timeout is over, or [`Reactor::notify`] is called.
    ///
    /// Appends the wakers of the tasks to wake to `wakers`, calls none of them, and returns the number of events. A timeout of zero never
    /// blocks, `None` blocks without end. The wait may end early without a reason, and a signal ends it with `Ok(0)`.
    ///
    /// A notification that came while nobody waited is used up by the next wait that would block.
    ///
    /// # Errors
    ///
    /// Returns the error of the kernel's call. None is expected in normal operation.
    pub fn wait(
        &mut self,
        timeout: Option<Duration>,
        wakers: &mut Vec<Waker>,
    ) -> io::Result<usize> {
        let reactor = self.reactor;
        reactor.events.with_mut(|events| {
            // SAFETY: we have the baton, and `&mut self` keeps this thread from taking a second reference.
            let events = unsafe { &mut *events };
            reactor.wait_kernel(events, timeout)?;
            Ok(match events.is_empty() {
                true => 0,
                false => reactor.deliver(events, wakers),
            })
        })
    }
}

impl Reactor {
    /// Only for the holder of the baton.
    fn wait_kernel(&self, events: &mut Buffer, timeout: Option<Duration>) -> io::Result<()> {
        if timeout == Some(Duration::ZERO) {
            // No bell: nobody needs to end a wait that does not block, and a ring is kept for one that does.
            return self.selector.wait(events, timeout);
        }
        match self.bell.about_to_wait() {
            MayBlock(true) => {
                let outcome = self.selector.wait(events, timeout);
                self.bell.back();
                outcome
            }
            MayBlock(false) => self.selector.wait(events, Some(Duration::ZERO)),
        }
    }
}

impl Drop for Driver<'_> {
    #[inline]
    fn drop(&mut self) {
        self.reactor.baton.give_back();
    }
}
