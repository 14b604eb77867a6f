//! Waiting on a plain thread.

use std::cell::RefCell;
use std::future::Future;
use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Poll, Wake, Waker};
use std::thread::{self, Thread};
use std::time::Instant;

struct Unpark(Thread);

impl Wake for Unpark {
    fn wake(self: Arc<Self>) {
        self.0.unpark();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        self.0.unpark();
    }
}

thread_local! {
    /// Made once per thread, so that waiting allocates nothing.
    static WAKER: RefCell<Option<Waker>> = const { RefCell::new(None) };
}

fn waker() -> Waker {
    let make = || Waker::from(Arc::new(Unpark(thread::current())));
    WAKER
        .try_with(|cached| cached.borrow_mut().get_or_insert_with(make).clone())
        // The thread is ending: its locals are gone.
        .unwrap_or_else(|_| make())
}

/// Blocks the thread until `future` is ready.
///
/// A token that another user of `park` leaves, or takes, does no harm: the future is polled again on every return, and wakes
/// that come during a poll leave a token of their own.
pub(crate) fn block_on<F: Future>(future: F) -> F::Output {
    poll_and(future, || {
        thread::park();
        true
    })
    .expect("it waits until the future is ready")
}

/// Blocks the thread until `future` is ready, or `deadline` has passed and it is not.
pub(crate) fn block_until<F: Future>(future: F, deadline: Instant) -> Option<F::Output> {
    poll_and(future, || {
        let left = deadline.saturating_duration_since(Instant::now());
        thread::park_timeout(left);
        !left.is_zero()
    })
}

/// Polls `future` again after each `wait`, until it is ready or one returned false before the last look.
fn poll_and<F: Future>(future: F, mut wait: impl FnMut() -> bool) -> Option<F::Output> {
    let mut future = pin!(future);
    let waker = waker();
    let mut cx = Context::from_waker(&waker);
    let mut over = false;
    loop {
        if let Poll::Ready(output) = future.as_mut().poll(&mut cx) {
            return Some(output);
        }
        if over {
            return None;
        }
        over = !wait();
    }
}
