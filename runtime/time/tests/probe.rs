//! A small driver of timers, and wakers that tell.

use std::thread::Thread;

use super::*;

pub(super) struct Unpark(pub(super) Thread);

impl Wake for Unpark {
    fn wake(self: Arc<Self>) {
        self.0.unpark();
    }
}

pub(super) fn run_overdue_and_wake() -> usize {
    let mut due = Vec::new();
    let count = run_overdue(now(), &mut due);
    wake_all(&mut due);
    count
}

pub(super) fn sleep_to_next_deadline() {
    let limit = ms(50);
    let timeout = until(next_deadline(), now()).unwrap_or(limit);
    thread::park_timeout(timeout.min(limit));
}

/// Runs a future and the timers of the process on this thread.
pub(super) fn block_on<T>(future: impl Future<Output = T>) -> T {
    let mut future = pin!(future);
    let waker = Waker::from(Arc::new(Unpark(thread::current())));
    let mut cx = Context::from_waker(&waker);
    let start = Instant::now();
    loop {
        if let Poll::Ready(output) = future.as_mut().poll(&mut cx) {
            return output;
        }
        assert!(start.elapsed() < GUARD, "hangs");
        sleep_to_next_deadline();
        run_overdue_and_wake();
    }
}

/// A waker that counts and calls back.
pub(super) struct Probe {
    wakes: AtomicUsize,
    on_wake: Box<dyn Fn() + Send + Sync>,
    on_drop: Box<dyn Fn() + Send + Sync>,
}

impl Probe {
    pub(super) fn new() -> Arc<Probe> {
        Probe::with(|| {}, || {})
    }

    pub(super) fn with(
        on_wake: impl Fn() + Send + Sync + 'static,
        on_drop: impl Fn() + Send + Sync + 'static,
    ) -> Arc<Probe> {
        Arc::new(Probe {
            wakes: AtomicUsize::new(0),
            on_wake: Box::new(on_wake),
            on_drop: Box::new(on_drop),
        })
    }

    pub(super) fn wakes(&self) -> usize {
        // SeqCst: the tests care for values, not for orders.
        self.wakes.load(Ordering::SeqCst)
    }

    /// Runs timers until this was woken `count` times.
    pub(super) fn await_wakes(&self, count: usize) {
        let start = Instant::now();
        while self.wakes() < count {
            assert!(start.elapsed() < GUARD, "never woken");
            sleep_to_next_deadline();
            run_overdue_and_wake();
        }
    }
}

impl Wake for Probe {
    fn wake(self: Arc<Self>) {
        // SeqCst: as in `wakes`.
        self.wakes.fetch_add(1, Ordering::SeqCst);
        (self.on_wake)();
    }
}

impl Drop for Probe {
    fn drop(&mut self) {
        (self.on_drop)();
    }
}

pub(super) fn poll_with<F: Future + Unpin>(future: &mut F, probe: &Arc<Probe>) -> Poll<F::Output> {
    let waker = Waker::from(probe.clone());
    Pin::new(future).poll(&mut Context::from_waker(&waker))
}
