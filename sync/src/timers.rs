//! What this crate needs of a clock: to be woken at a point in time.
//!
//! A runtime lends its timers to the whole process, once. Until one does, a thread of our own serves: a sorted map and a sleep.

use std::any::Any;
use std::collections::BTreeMap;
use std::sync::{Condvar, Mutex, MutexGuard, OnceLock, PoisonError};
use std::task::Waker;
use std::thread;
use std::time::Instant;

use crate::panics::quietly;

/// Timers that a runtime lends to this crate, for deadlines.
///
/// # Examples
///
/// ```
/// use std::any::Any;
/// use std::task::Waker;
/// use std::time::Instant;
/// use gort_sync::{Timers, set_timers};
///
/// /// A thread for each deadline: for those who have few.
/// struct Threads;
///
/// impl Timers for Threads {
///     fn wake_at(&self, at: Instant, waker: &Waker) -> Box<dyn Any + Send> {
///         let (stop, stopped) = std::sync::mpsc::channel::<()>();
///         let waker = waker.clone();
///         std::thread::spawn(move || {
///             let left = at.saturating_duration_since(Instant::now());
///             if stopped.recv_timeout(left) == Err(std::sync::mpsc::RecvTimeoutError::Timeout) {
///                 waker.wake();
///             }
///         });
///         Box::new(stop)
///     }
/// }
///
/// assert!(set_timers(&Threads));
/// assert!(!set_timers(&Threads), "they are set once");
/// ```
pub trait Timers: Send + Sync {
    /// Wakes `waker` when `at` has come, never before, unless the result was dropped by then.
    ///
    /// The waker may be woken on any thread, also before this returns. The result may be dropped on any thread, also by the waker
    /// itself. To be woken may take a moment: a context runs the functions of
    /// [`after_func`](crate::Context::after_func) there.
    fn wake_at(&self, at: Instant, waker: &Waker) -> Box<dyn Any + Send>;
}

static TIMERS: OnceLock<&'static dyn Timers> = OnceLock::new();

/// Sets the timers of this process, once; returns whether they were set.
///
/// Without them a thread is started at the first deadline. Deadlines that it has already stay there.
pub fn set_timers(timers: &'static dyn Timers) -> bool {
    TIMERS.set(timers).is_ok()
}

/// [`Timers::wake_at`] of whatever timers there are.
pub(crate) fn wake_at(at: Instant, waker: &Waker) -> Box<dyn Any + Send> {
    match TIMERS.get() {
        Some(timers) => timers.wake_at(at, waker),
        None => Box::new(own().arm(at, waker)),
    }
}

/// The timers of our own.
#[derive(Debug)]
struct Own {
    queue: Mutex<Queue>,
    /// There is an earlier deadline than before.
    changed: Condvar,
}

#[derive(Debug)]
struct Queue {
    /// By deadline, and by a number that tells equal ones apart.
    wakers: BTreeMap<Key, Waker>,
    next: u64,
}

type Key = (Instant, u64);

/// A deadline of [`Own`]. Dropping it stops it.
#[derive(Debug)]
struct Armed(Key);

fn own() -> &'static Own {
    static OWN: Own = Own {
        queue: Mutex::new(Queue {
            wakers: BTreeMap::new(),
            next: 0,
        }),
        changed: Condvar::new(),
    };
    static STARTED: OnceLock<()> = OnceLock::new();
    STARTED.get_or_init(|| {
        thread::Builder::new()
            .name("gort-sync-timers".into())
            .spawn(|| OWN.run())
            .expect("the system has a thread left for timers");
    });
    &OWN
}

impl Own {
    /// Nothing that panics runs under the lock.
    fn lock(&self) -> MutexGuard<'_, Queue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn arm(&self, at: Instant, waker: &Waker) -> Armed {
        let waker = waker.clone();
        let mut queue = self.lock();
        let key = (at, queue.next);
        queue.next += 1;
        queue.wakers.insert(key, waker);
        let first = queue.wakers.first_key_value().map(|(&key, _)| key);
        drop(queue);
        if first == Some(key) {
            self.changed.notify_one();
        }
        Armed(key)
    }

    fn run(&self) {
        let mut queue = self.lock();
        loop {
            let Some(first) = queue.wakers.first_entry() else {
                queue = self
                    .changed
                    .wait(queue)
                    .unwrap_or_else(PoisonError::into_inner);
                continue;
            };
            let left = first.key().0.saturating_duration_since(Instant::now());
            if !left.is_zero() {
                let waited = self.changed.wait_timeout(queue, left);
                queue = waited.unwrap_or_else(PoisonError::into_inner).0;
                continue;
            }
            let waker = first.remove();
            drop(queue);
            // If it panics, the others must be woken all the same.
            quietly(|| waker.wake());
            queue = self.lock();
        }
    }
}

impl Drop for Armed {
    fn drop(&mut self) {
        let waker = own().lock().wakers.remove(&self.0);
        // After the lock: it is somebody else's code.
        drop(waker);
    }
}

#[cfg(all(test, not(gort_loom)))]
mod tests {
    use super::*;
    use std::panic;
    use std::sync::Arc;
    use std::sync::mpsc::{self, Sender};
    use std::task::Wake;
    use std::time::Duration;

    /// Sends the moment of the wake.
    struct Report(Sender<Instant>);

    impl Wake for Report {
        fn wake(self: Arc<Self>) {
            let _ = self.0.send(Instant::now());
        }
    }

    const GUARD: Duration = Duration::from_secs(60);

    struct Bomb;

    impl Wake for Bomb {
        fn wake(self: Arc<Self>) {
            panic::panic_any(Again);
        }
    }

    /// Panics when the panic that carries it has been caught.
    struct Again;

    impl Drop for Again {
        fn drop(&mut self) {
            panic!("a panic that panics");
        }
    }

    #[test]
    fn no_deadline_comes_early_and_an_earlier_one_comes_first() {
        let (tell, told) = mpsc::channel();
        let waker = Waker::from(Arc::new(Report(tell)));
        let late = Instant::now() + Duration::from_millis(30);
        let soon = Instant::now() + Duration::from_millis(10);
        let _late = own().arm(late, &waker);
        let _bomb = own().arm(soon, &Waker::from(Arc::new(Bomb)));
        let _soon = own().arm(soon, &waker);
        assert!(told.recv_timeout(GUARD).expect("it comes") >= soon);
        let after = told.recv_timeout(GUARD);
        assert!(after.expect("it comes, although a waker panicked") >= late);
    }

    #[test]
    fn a_dropped_deadline_frees_its_waker() {
        let (tell, told) = mpsc::channel();
        let waker = Waker::from(Arc::new(Report(tell)));
        let far = Instant::now() + Duration::from_secs(3600);
        let armed = own().arm(far, &waker);
        drop(waker);
        assert!(
            told.try_recv()
                .is_err_and(|error| error == mpsc::TryRecvError::Empty)
        );
        drop(armed);
        assert!(told.recv().is_err(), "nobody has the sender any more");
    }
}
