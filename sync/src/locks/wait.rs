//! A queue of waiters: the one base of all locks of this crate.
//!
//! A waiter lives inside the future that waits, pinned, so that waiting allocates nothing. The queue is a doubly linked list
//! through the waiters, behind a short lock; no foreign code (a waker's clone, wake or drop) runs under it.
//!
//! ```text
//!             enter              grant
//!   Out ───────────────▶ Waiting ─────▶ Granted ──leave──▶ Out
//!    ▲                   │   ▲ │
//!    └──────leave────────┘   │ └─notify─▶ Notified      (a mutex only: still in the list, it has to come and try)
//!    └──────leave────────────┼──────────────┘ │
//!                            └────stay────────┘
//! ```
//!
//! Invariants:
//! 1. Whatever stands in a [`Linked`] is alive: `leave` or `grant_front` unlinks it before its owner may drop it, and
//!    [`Waiter::drop`] aborts if the owner forgot. A future that is leaked keeps its memory, because it is pinned.
//! 2. The fields of a waiter are touched under the lock of its queue only.
//! 3. A waiter has a waker in state Waiting and in no other; who takes a waiter out of that state takes the waker along.
//! 4. The fields of a waiter are initialised from `enter` to `leave`. Outside of a queue they are bytes that nobody writes, copies or
//!    drops, so that an operation that need not wait pays for one null pointer (a mutex that is free: 16 ns with them, 6 without).
//!
//! Rejected: `event-listener` as a base (allocates per wait, and cannot hand anything over), a lock-free queue (cancelling from
//! the middle is what locks need most, and the lock is held for a few instructions), asking for the state without the lock
//! (saves one lock per park, at the price of a second protocol).

use std::fmt;
use std::marker::PhantomPinned;
use std::mem::MaybeUninit;
use std::pin::Pin;
use std::ptr::{self, NonNull};
use std::sync::PoisonError;
use std::task::{Context, Poll, Waker};

use gort_primitives::cell::UnsafeCell;
use gort_primitives::sync::{Mutex, MutexGuard};

use super::const_unless_loom;

mod batch;

pub(crate) use batch::WakeBatch;

/// A first-in, first-out queue of [`Waiter`]s.
pub(crate) struct WaitQueue {
    list: Mutex<List>,
}

impl WaitQueue {
    const_unless_loom! {
        /// Creates an empty queue.
        pub(crate) fn new() -> Self {
            Self {
                list: Mutex::new(List {
                    head: None,
                    tail: None,
                    len: 0,
                    tickets: 0,
                }),
            }
        }
    }

    /// Locks the queue. Nothing that can block or panic may run before the result is dropped.
    pub(crate) fn lock(&self) -> Locked<'_> {
        Locked {
            list: self.list.lock().unwrap_or_else(PoisonError::into_inner),
            queue: self,
        }
    }
}

impl fmt::Debug for WaitQueue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("WaitQueue")
            .field("len", &self.lock().len())
            .finish_non_exhaustive()
    }
}

/// Where a waiter stands that has entered and not left.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum State {
    /// In the list, with a waker.
    Waiting,
    /// In the list, woken; it has to try again itself.
    Notified,
    /// Out of the list: what it waited for is its own.
    Granted,
}

/// One that waits, part of a pinned future.
pub(crate) struct Waiter {
    /// The queue it entered, as an address only; null if it is in none. The owner's alone.
    queue: *const WaitQueue,
    node: Node,
}

struct Node {
    fields: UnsafeCell<MaybeUninit<Fields>>,
    /// Others point to it.
    _pinned: PhantomPinned,
}

/// Touched under the lock of the queue only.
struct Fields {
    prev: Option<Linked>,
    next: Option<Linked>,
    waker: Option<Waker>,
    state: State,
    /// How many it wants, or any other mark of the lock that uses the queue.
    want: usize,
    ticket: u64,
}

/// What a waiter was when it left.
#[derive(Debug)]
pub(crate) struct Left {
    pub(crate) state: State,
    /// What it was granted; 0 in any state but Granted.
    pub(crate) granted: usize,
    pub(crate) ticket: u64,
    _waker: Option<Waker>,
}

/// A node that is in a list, hence alive. Made in [`Locked::enter`], gone when the node is unlinked.
#[derive(Clone, Copy, PartialEq)]
struct Linked(NonNull<Node>);

struct List {
    head: Option<Linked>,
    tail: Option<Linked>,
    len: usize,
    /// How many have ever entered.
    tickets: u64,
}

// SAFETY: a list holds pointers to nodes, which are touched under the lock around the list only; wakers are Send.
unsafe impl Send for List {}

// SAFETY: the fields are guarded by the queue's lock, and `queue` is never followed.
unsafe impl Send for Waiter {}

// SAFETY: a shared waiter gives no access to its fields but under the queue's lock.
unsafe impl Sync for Waiter {}

impl Waiter {
    const_unless_loom! {
        /// Creates a waiter that is in no queue.
        #[inline]
        pub(crate) fn new() -> Self {
            Self {
                queue: ptr::null(),
                node: Node {
                    fields: UnsafeCell::new(MaybeUninit::uninit()),
                    _pinned: PhantomPinned,
                },
            }
        }
    }

    /// Returns whether it entered a queue and has not left it, granted or not.
    #[inline]
    pub(crate) fn is_queued(&self) -> bool {
        !self.queue.is_null()
    }

    /// Enters `queue` if `decide` says so under its lock, which it does by returning what the waiter wants.
    ///
    /// Returns whether it entered. The waker is cloned before the lock is taken, and dropped after it.
    pub(crate) fn enter_if(
        mut self: Pin<&mut Self>,
        queue: &WaitQueue,
        cx: &Context<'_>,
        decide: impl FnOnce(&mut Locked<'_>) -> Option<usize>,
    ) -> bool {
        let waker = cx.waker().clone();
        let mut list = queue.lock();
        match decide(&mut list) {
            Some(want) => {
                list.enter(self.as_mut(), waker, want);
                true
            }
            None => {
                drop(list);
                false
            }
        }
    }

    /// Polls a waiter in `queue`, where nobody is notified: ready with what it was granted, and out of the queue, or waiting with the waker of `cx`.
    pub(crate) fn poll(
        mut self: Pin<&mut Self>,
        queue: &WaitQueue,
        cx: &Context<'_>,
    ) -> Poll<usize> {
        let mut list = queue.lock();
        if let Some(granted) = list.take_grant(self.as_mut()) {
            return Poll::Ready(granted);
        }
        if list.would_wake(&self, cx.waker()) {
            return Poll::Pending;
        }
        drop(list);
        let waker = cx.waker().clone();
        let mut list = queue.lock();
        // The second look: it may have been granted meanwhile. The clone is dropped after the lock, as it was made before it.
        if let Some(granted) = list.take_grant(self.as_mut()) {
            return Poll::Ready(granted);
        }
        let old = list.stay(&self, waker);
        drop(list);
        drop(old);
        Poll::Pending
    }

    /// The own node, as others know it. Pinned, as it is once it has entered.
    fn linked(&self) -> Linked {
        Linked(NonNull::from(&self.node))
    }
}

/// The fields need no drop: a waiter that is in no queue has none.
impl Drop for Waiter {
    #[inline]
    fn drop(&mut self) {
        if self.is_queued() {
            dropped_in_queue();
        }
    }
}

/// Others would follow a pointer to freed memory.
#[cold]
fn dropped_in_queue() -> ! {
    eprintln!("gort-sync: a waiter was dropped in its queue");
    std::process::abort()
}

impl fmt::Debug for Waiter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Waiter")
            .field("is_queued", &self.is_queued())
            .finish_non_exhaustive()
    }
}

/// A queue under its lock.
pub(crate) struct Locked<'q> {
    list: MutexGuard<'q, List>,
    queue: &'q WaitQueue,
}

impl Locked<'_> {
    /// Returns how many are in the list.
    pub(crate) fn len(&self) -> usize {
        self.list.len
    }

    /// Returns whether nobody is in the list.
    pub(crate) fn is_empty(&self) -> bool {
        self.list.head.is_none()
    }

    /// Returns the ticket that the next to enter will get; all that are in the list have lower ones.
    pub(crate) fn next_ticket(&self) -> u64 {
        self.list.tickets
    }

    /// Puts `waiter` at the end.
    ///
    /// # Panics
    ///
    /// Panics if it is in a queue already.
    pub(crate) fn enter(&mut self, mut waiter: Pin<&mut Waiter>, waker: Waker, want: usize) {
        assert!(!waiter.is_queued(), "enter: wrong waiter");
        // SAFETY: the address is stored, nothing is moved.
        let inner = unsafe { waiter.as_mut().get_unchecked_mut() };
        inner.queue = self.queue;
        let (prev, ticket) = (self.list.tail, self.list.tickets);
        inner.node.fields.with_mut(|fields| {
            let entered = Fields {
                prev,
                next: None,
                waker: Some(waker),
                state: State::Waiting,
                want,
                ticket,
            };
            // SAFETY: it is in no queue, so the node is its owner's alone.
            unsafe { (*fields).write(entered) };
        });
        let linked = inner.linked();
        match prev {
            None => self.list.head = Some(linked),
            Some(prev) => self.with(prev, |fields| fields.next = Some(linked)),
        }
        self.list.tail = Some(linked);
        self.list.len += 1;
        self.list.tickets += 1;
    }

    /// As [`Self::enter`], before all others. Tickets are in no order then: not for a queue that looks at them.
    pub(crate) fn enter_first(&mut self, mut waiter: Pin<&mut Waiter>, waker: Waker, want: usize) {
        self.enter(waiter.as_mut(), waker, want);
        let linked = self.own(&waiter);
        self.unlink(linked);
        let second = self.list.head.replace(linked);
        self.with(linked, |fields| fields.next = second);
        match second {
            None => self.list.tail = Some(linked),
            Some(second) => self.with(second, |fields| fields.prev = Some(linked)),
        }
        self.list.len += 1;
    }

    /// Returns where `waiter` stands, which is in this queue.
    pub(crate) fn state(&mut self, waiter: &Waiter) -> State {
        let linked = self.own(waiter);
        self.with(linked, |fields| fields.state)
    }

    /// Returns what `waiter` wants.
    pub(crate) fn want(&mut self, waiter: &Waiter) -> usize {
        let linked = self.own(waiter);
        self.with(linked, |fields| fields.want)
    }

    /// Takes `waiter` out of the queue if it was granted something, and returns what.
    fn take_grant(&mut self, waiter: Pin<&mut Waiter>) -> Option<usize> {
        if self.state(&waiter) != State::Granted {
            return None;
        }
        Some(self.leave(waiter).granted)
    }

    /// Returns whether `waiter` waits with a waker like this one.
    pub(crate) fn would_wake(&mut self, waiter: &Waiter, waker: &Waker) -> bool {
        let linked = self.own(waiter);
        self.with(linked, |fields| {
            fields
                .waker
                .as_ref()
                .is_some_and(|old| old.will_wake(waker))
        })
    }

    /// Lets a waiter of the list wait, with this waker, where it stands. The old waker is to be dropped after the lock.
    #[must_use]
    pub(crate) fn stay(&mut self, waiter: &Waiter, waker: Waker) -> Option<Waker> {
        let linked = self.own(waiter);
        self.with(linked, |fields| {
            debug_assert!(matches!(fields.state, State::Waiting | State::Notified));
            fields.state = State::Waiting;
            fields.waker.replace(waker)
        })
    }

    /// As [`Self::stay`], wanting something else.
    #[must_use]
    pub(crate) fn stay_wanting(
        &mut self,
        waiter: &Waiter,
        waker: Waker,
        want: usize,
    ) -> Option<Waker> {
        let linked = self.own(waiter);
        self.with(linked, |fields| fields.want = want);
        self.stay(waiter, waker)
    }

    /// Takes `waiter` out of the queue. What is returned holds its waker, and is to be dropped after the lock.
    pub(crate) fn leave(&mut self, mut waiter: Pin<&mut Waiter>) -> Left {
        let linked = self.own(&waiter);
        let left = self.with(linked, |fields| Left {
            state: fields.state,
            granted: if fields.state == State::Granted {
                fields.want
            } else {
                0
            },
            ticket: fields.ticket,
            _waker: fields.waker.take(),
        });
        if left.state != State::Granted {
            self.unlink(linked);
        }
        // The waker was taken, and nothing else of the fields needs a drop.
        // SAFETY: an address is overwritten, nothing is moved.
        let inner = unsafe { waiter.as_mut().get_unchecked_mut() };
        inner.queue = ptr::null();
        left
    }

    /// Returns what the first of the list wants.
    pub(crate) fn front_want(&mut self) -> Option<usize> {
        let head = self.list.head?;
        Some(self.with(head, |fields| fields.want))
    }

    /// Returns the ticket of the first of the list.
    pub(crate) fn front_ticket(&mut self) -> Option<u64> {
        let head = self.list.head?;
        Some(self.with(head, |fields| fields.ticket))
    }

    /// Takes the first out of the list and grants it what it wants. Its waker is to be woken after the lock.
    ///
    /// None if the list is empty, or if the first was notified, so that it is awake already.
    #[must_use]
    pub(crate) fn grant_front(&mut self) -> Option<Waker> {
        let head = self.list.head?;
        self.unlink(head);
        // From here on its owner may see the grant, and drop it, as soon as the lock is free.
        self.with(head, |fields| {
            fields.state = State::Granted;
            fields.waker.take()
        })
    }

    /// As [`Self::grant_front`], but the first is granted `less` than it wants.
    #[must_use]
    pub(crate) fn grant_front_only(&mut self, less: usize) -> Option<Waker> {
        let head = self.list.head?;
        self.with(head, |fields| fields.want = less);
        self.grant_front()
    }

    /// Tells the first of the list to come and try. Its waker is to be woken after the lock.
    #[must_use]
    pub(crate) fn notify_front(&mut self) -> Option<Waker> {
        let head = self.list.head?;
        self.with(head, |fields| {
            fields.state = State::Notified;
            fields.waker.take()
        })
    }

    fn unlink(&mut self, linked: Linked) {
        let (prev, next) = self.with(linked, |fields| (fields.prev.take(), fields.next.take()));
        match prev {
            None => self.list.head = next,
            Some(prev) => self.with(prev, |fields| fields.next = next),
        }
        match next {
            None => self.list.tail = prev,
            Some(next) => self.with(next, |fields| fields.prev = prev),
        }
        self.list.len -= 1;
    }

    /// The node of a waiter that is in this queue.
    fn own(&self, waiter: &Waiter) -> Linked {
        assert!(ptr::eq(waiter.queue, self.queue), "own: wrong queue");
        waiter.linked()
    }

    fn with<R>(&mut self, Linked(node): Linked, f: impl FnOnce(&mut Fields) -> R) -> R {
        // SAFETY: who is linked is alive, by invariant 1.
        let node = unsafe { node.as_ref() };
        node.fields.with_mut(|fields| {
            // SAFETY: we hold the lock of the queue, and `f` gets one node at a time.
            let fields = unsafe { &mut *fields };
            // SAFETY: it has entered and not left, so they are initialised, by invariant 4.
            f(unsafe { fields.assume_init_mut() })
        })
    }
}
