//! The word that the two halves of a one-shot channel share.
//!
//! Each half leaves once: the sender with a value or without one, the receiver when it is closed or has its value. Each may wait
//! for the other to leave. The last one to let go frees the memory, so there is no count of references.
//!
//! Who may touch what:
//! * the value: the sender until it has left, the receiver from then on;
//! * the waker of a half: that half while its `WAITS` is not set; the other, if it finds `WAITS` when it leaves;
//! * all of it: the half that finds the other's `DONE` when it sets its own.
//!
//! A half that leaves while the other waits must fetch the waker before it lets go, so leaving is one step, `LEFT`, and letting go
//! another, `DONE`.

use std::mem;
use std::ptr::NonNull;
use std::task::{Context, Poll, Waker};

use gort_primitives::atomic::{AtomicU8, Ordering};
use gort_primitives::cell::UnsafeCell;

use crate::chan::wake;

/// Set if a half has left for good; nobody waits for it any more, and it waits for nobody.
const LEFT: u8 = 1;
/// Set if a half will not touch the memory any more.
const DONE: u8 = 2;
/// Set if a half's waker is to be woken when the other leaves; only before either has left.
const WAITS: u8 = 4;
/// The receiver's bits stand this far to the left of the sender's.
const SHIFT: u32 = 4;

/// One of the two halves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Side {
    Sender,
    Receiver,
}

impl Side {
    fn other(self) -> Self {
        match self {
            Self::Sender => Self::Receiver,
            Self::Receiver => Self::Sender,
        }
    }

    /// `bits` as they stand in the word for this half.
    fn of(self, bits: u8) -> u8 {
        match self {
            Self::Sender => bits,
            Self::Receiver => bits << SHIFT,
        }
    }
}

struct Shared<T> {
    word: AtomicU8,
    value: UnsafeCell<Option<T>>,
    /// The sender's waker and the receiver's.
    wakers: [UnsafeCell<Option<Waker>>; 2],
}

/// The other half had left before.
struct OtherLeft;

/// One half: its share in the memory.
pub(super) struct Half<T> {
    shared: NonNull<Shared<T>>,
    side: Side,
}

// SAFETY: a half gives access to the value and to wakers, in turns with the other half; both may move between threads.
unsafe impl<T: Send> Send for Half<T> {}

// SAFETY: a shared half only reads the word, and only a receiver that nobody shares touches the value.
unsafe impl<T: Send> Sync for Half<T> {}

/// Makes a channel; the sender is the first.
pub(super) fn halves<T>() -> (Half<T>, Half<T>) {
    let shared = NonNull::from(Box::leak(Box::new(Shared {
        word: AtomicU8::new(0),
        value: UnsafeCell::new(None),
        wakers: [const { None }; 2].map(UnsafeCell::new),
    })));
    let half = |side| Half { shared, side };
    (half(Side::Sender), half(Side::Receiver))
}

impl<T> Half<T> {
    fn shared(&self) -> &Shared<T> {
        // SAFETY: the memory is there until both halves are done, and we are not while we exist.
        unsafe { self.shared.as_ref() }
    }

    /// Whether a half has left.
    pub(super) fn is_left(&self, side: Side) -> bool {
        // Acquire: pairs with the Release in `leave`: what a half left behind is seen by who sees that it has left.
        self.shared().word.load(Ordering::Acquire) & side.of(LEFT) != 0
    }

    /// Leaves a value, unless the receiver has left.
    pub(super) fn send(self, value: T) -> Result<(), T> {
        if self.is_left(Side::Receiver) {
            return Err(value);
        }
        // SAFETY: we have not left: the value is ours.
        self.shared()
            .value
            .with_mut(|slot| unsafe { *slot = Some(value) });
        if let Ok(waker) = self.leave() {
            wake(waker);
            return Ok(());
        }
        let slot = &self.shared().value;
        // SAFETY: the receiver had left before us, and touches the value only if we had left before it.
        let back = slot.with_mut(|slot| unsafe { (*slot).take() });
        match back {
            Some(value) => Err(value),
            None => unreachable!("the receiver of a one-shot took what was not sent"),
        }
    }

    /// Takes the value that the sender has left behind, if it did.
    pub(super) fn into_value(self) -> Option<T> {
        debug_assert_eq!(self.side, Side::Receiver);
        if !self.is_left(Side::Sender) {
            return None;
        }
        let value = &self.shared().value;
        // SAFETY: the sender has left: the value is ours.
        value.with_mut(|slot| unsafe { (*slot).take() })
    }

    /// Leaves, but keeps the memory.
    pub(super) fn close(&self) {
        wake(self.leave().unwrap_or_default());
    }

    /// Sets `LEFT`, and returns the waker of the other half if it waits, to be woken last: it is foreign code.
    fn leave(&self) -> Result<Option<Waker>, OtherLeft> {
        let shared = self.shared();
        let (ours, theirs) = (self.side, self.side.other());
        // Relaxed: the exchange has the last word.
        let mut word = shared.word.load(Ordering::Relaxed);
        loop {
            if word & theirs.of(LEFT) != 0 {
                return Err(OtherLeft);
            }
            if word & ours.of(LEFT) != 0 {
                return Ok(None);
            }
            let left = word | ours.of(LEFT);
            // Release: publishes the value to the Acquire in `is_left`. Acquire: pairs with the Release in `poll_left`: the
            // waker is there.
            match shared
                .word
                .compare_exchange_weak(word, left, Ordering::AcqRel, Ordering::Relaxed)
            {
                Ok(_) => break,
                Err(now) => word = now,
            }
        }
        if word & theirs.of(WAITS) == 0 {
            return Ok(None);
        }
        let waker = shared.waker(theirs);
        // SAFETY: we have left, and found `WAITS`: the other half leaves its waker to us.
        Ok(waker.with_mut(|slot| unsafe { (*slot).take() }))
    }

    /// Waits for the other half to leave; a half that has left itself waits no more.
    pub(super) fn poll_left(&self, cx: &Context<'_>) -> Poll<()> {
        let shared = self.shared();
        let (ours, theirs) = (self.side, self.side.other());
        let over = |word: u8| word & (ours.of(LEFT) | theirs.of(LEFT)) != 0;
        // Acquire, in all three: pairs with the Release of the other half in `leave`, if we find that it has left.
        let word = shared.word.load(Ordering::Acquire);
        if over(word) {
            return Poll::Ready(());
        }
        let waits = word & ours.of(WAITS) != 0;
        if waits && over(shared.word.fetch_and(!ours.of(WAITS), Ordering::Acquire)) {
            return Poll::Ready(());
        }
        shared.waker(ours).with_mut(|slot| {
            // SAFETY: `WAITS` is not set, and whoever leaves without finding it leaves the waker alone.
            let slot = unsafe { &mut *slot };
            match slot {
                Some(old) if old.will_wake(cx.waker()) => {}
                _ => *slot = Some(cx.waker().clone()),
            }
        });
        // Release: publishes the waker to the Acquire in `leave`.
        if over(shared.word.fetch_or(ours.of(WAITS), Ordering::AcqRel)) {
            return Poll::Ready(());
        }
        Poll::Pending
    }
}

impl<T> Shared<T> {
    fn waker(&self, side: Side) -> &UnsafeCell<Option<Waker>> {
        &self.wakers[side as usize]
    }
}

impl<T> Drop for Half<T> {
    fn drop(&mut self) {
        let waker = self.leave().unwrap_or_default();
        let shared = self.shared();
        let (ours, theirs) = (self.side, self.side.other());
        // Acquire: if the other is done, all it did happened before. Release: and all we did, if it is not.
        let done = |word: u8| word & theirs.of(DONE) != 0;
        let last = done(shared.word.load(Ordering::Acquire))
            || done(shared.word.fetch_or(ours.of(DONE), Ordering::AcqRel));
        if last {
            // SAFETY: it came out of a box in `halves`, and both halves are done with it.
            drop(unsafe { Box::from_raw(self.shared.as_ptr()) });
        }
        wake(waker);
    }
}

const _: () = assert!(mem::size_of::<Option<Half<u8>>>() == 2 * mem::size_of::<usize>());
