//! Values that are used again: Go's `sync.Pool`.
//!
//! Each thread has a shard of its own to put to and take from, behind a lock that it shares with thieves only; who finds a shard
//! locked goes to the next, so nobody waits. A shard has two lists. A timer goes off as long as there is anything: it drops the
//! older list and makes the newer one the older (Go's victim cache, which is emptied by the garbage collector). So what nobody
//! took for one to two periods is freed, and a pool that is not used costs nothing.
//!
//! The timer runs, or is about to, whenever there is a value in the pool and nobody is in the middle of an operation:
//!
//! | who puts | the timer |
//! |---|---|
//! | 1. puts the value, under the shard's lock | 1. clears `armed` |
//! | 2. looks at `armed`, sets it if clear, and arms | 2. looks into each shard, under its lock; if there is a value it does 2. as well |
//!
//! If the put is first at the shard, the timer sees the value. If the timer is first, the lock orders its 1 before the put's 2.

use std::any::Any;
use std::cell::Cell;
use std::fmt;
use std::mem;
use std::num::NonZero;
use std::ops::{Deref, DerefMut};
use std::sync::{Arc, PoisonError, TryLockError, Weak};
use std::task::{Wake, Waker};
use std::thread;
use std::time::{Duration, Instant};

use gort_primitives::atomic::{AtomicBool, Ordering};
use gort_primitives::sync::{Mutex, MutexGuard};

use crate::panics::FirstPanic;
use crate::timers;

#[cfg(all(test, gort_loom))]
mod model;

/// How long a value stays at least, unless told otherwise. Thin air: some cycles of a garbage collector.
const IDLE: Duration = Duration::from_secs(30);

/// Keeps values for use by others, such as buffers, so that they need not be made anew. Go's `sync.Pool`.
///
/// Nothing is promised to be kept: what is not taken within a while is dropped, on the thread that serves timers. A pool holds little
/// more than were in use at one time: who finds all that is there locked by others makes one.
///
/// A thread takes what it has put last. No lock is held while values are made and dropped, so these may use the pool.
///
/// # Examples
///
/// ```
/// use gort_sync::Pool;
/// use std::fmt::Write;
///
/// static BUFFERS: std::sync::LazyLock<Pool<String>> = std::sync::LazyLock::new(|| Pool::new(String::new));
///
/// let mut line = BUFFERS.get();
/// line.clear();
/// write!(line, "a line of {}", 9).unwrap();
/// assert_eq!(&*line, "a line of 9");
/// // Goes back to the pool when it is dropped.
/// ```
pub struct Pool<T: Send + 'static> {
    make: Box<dyn Fn() -> T + Send + Sync>,
    shared: Arc<Shared<T>>,
}

struct Shared<T> {
    shards: Box<[Padded<Mutex<Shard<T>>>]>,
    idle: Duration,
    /// Whether a timer will come.
    armed: AtomicBool,
    timer: Mutex<Timer>,
}

#[derive(Default)]
struct Timer {
    /// How often it was armed.
    count: usize,
    /// Stops it when dropped.
    armed: Option<Box<dyn Any + Send>>,
}

/// What a thread has to itself, so far apart that threads do not share cache lines.
#[repr(align(128))]
struct Padded<T>(T);

struct Shard<T> {
    newer: Vec<T>,
    older: Vec<T>,
}

impl<T: Send + 'static> Pool<T> {
    /// Creates an empty pool, with a function that makes a value when there is none.
    #[must_use]
    pub fn new(make: impl Fn() -> T + Send + Sync + 'static) -> Self {
        Self::with_idle(make, IDLE)
    }

    /// As [`new`](Self::new); what is not taken for `idle` is dropped, after twice that time at the latest.
    #[must_use]
    pub fn with_idle(make: impl Fn() -> T + Send + Sync + 'static, idle: Duration) -> Self {
        let threads = thread::available_parallelism().map_or(1, NonZero::get);
        Self {
            make: Box::new(make),
            shared: Arc::new(Shared::new(threads.next_power_of_two(), idle)),
        }
    }

    /// Takes a value out, or makes one; it comes back when it is dropped. It is as it was left: clear it.
    #[inline]
    pub fn get(&self) -> Pooled<'_, T> {
        Pooled {
            value: Some(self.take()),
            pool: self,
        }
    }

    /// Takes a value out, or makes one, to keep.
    ///
    /// # Panics
    ///
    /// Panics if the function that makes one does.
    #[inline]
    pub fn take(&self) -> T {
        self.shared.take().unwrap_or_else(|| (self.make)())
    }

    /// Puts a value into the pool.
    #[inline]
    pub fn put(&self, value: T) {
        self.shared.put(value);
        // Relaxed: the lock of the shard orders, see the head of the file.
        if !self.shared.armed.load(Ordering::Relaxed) {
            self.shared.arm();
        }
    }

    /// Returns how many values are in the pool.
    #[must_use]
    pub fn idle_len(&self) -> usize {
        self.shared.len()
    }
}

impl<T: Send + 'static> fmt::Debug for Pool<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Pool")
            .field("idle_len", &self.idle_len())
            .finish_non_exhaustive()
    }
}

impl<T> Shared<T> {
    /// `shards` is a power of two.
    fn new(shards: usize, idle: Duration) -> Self {
        let shard = |_| {
            Padded(Mutex::new(Shard {
                newer: Vec::new(),
                older: Vec::new(),
            }))
        };
        Self {
            shards: (0..shards).map(shard).collect(),
            idle,
            armed: AtomicBool::new(false),
            timer: Mutex::new(Timer::default()),
        }
    }

    fn take(&self) -> Option<T> {
        self.nearest_first().find_map(|shard| {
            let mut shard = try_lock(shard)?;
            let newer = shard.newer.pop();
            newer.or_else(|| shard.older.pop())
        })
    }

    fn put(&self, value: T) {
        let free = self.nearest_first().find_map(try_lock);
        let mut shard = free.unwrap_or_else(|| lock(self.own()));
        shard.newer.push(value);
    }

    fn len(&self) -> usize {
        let len = |shard: &Padded<Mutex<Shard<T>>>| {
            let shard = lock(&shard.0);
            shard.newer.len() + shard.older.len()
        };
        self.shards.iter().map(len).sum()
    }

    fn own(&self) -> &Mutex<Shard<T>> {
        &self.shards[thread_number() & (self.shards.len() - 1)].0
    }

    /// All shards, from that of the thread on.
    fn nearest_first(&self) -> impl Iterator<Item = &Mutex<Shard<T>>> {
        let mask = self.shards.len() - 1;
        let first = thread_number();
        (0..=mask).map(move |n| &self.shards[first.wrapping_add(n) & mask].0)
    }

    /// Drops what was in the pool at the last call and is still there. Returns whether there is anything left, and what panicked.
    fn age(&self) -> (bool, FirstPanic) {
        let (mut left, mut panic) = (false, FirstPanic::default());
        for shard in &self.shards {
            let mut shard = lock(&shard.0);
            let newer = mem::take(&mut shard.newer);
            left |= !newer.is_empty();
            let old = mem::replace(&mut shard.older, newer);
            drop(shard);
            // After the lock: it is somebody else's code.
            panic.catch(|| drop(old));
        }
        (left, panic)
    }
}

impl<T: Send + 'static> Shared<T> {
    /// Arms the timer unless another has done so.
    #[cold]
    fn arm(self: &Arc<Self>) {
        // Relaxed: the locks of the shards order, see the head of the file.
        if self.armed.swap(true, Ordering::Relaxed) {
            return;
        }
        let Some(at) = Instant::now().checked_add(self.idle) else {
            // Never.
            return;
        };
        let mut timer = lock(&self.timer);
        timer.count += 1;
        let count = timer.count;
        drop(timer);
        let armed = timers::wake_at(at, &Waker::from(Arc::new(Tick(Arc::downgrade(self)))));
        let mut timer = lock(&self.timer);
        // It may have gone off already, and been armed again.
        let old = match timer.count == count {
            true => timer.armed.replace(armed),
            false => Some(armed),
        };
        drop(timer);
        drop(old);
    }

    /// What the timer does.
    fn tick(self: &Arc<Self>) {
        // Relaxed: as in `arm`.
        self.armed.store(false, Ordering::Relaxed);
        let (left, panic) = self.age();
        if left {
            self.arm();
        }
        panic.resume();
    }
}

/// What the timer wakes. It does not keep the pool.
struct Tick<T>(Weak<Shared<T>>);

impl<T: Send + 'static> Wake for Tick<T> {
    fn wake(self: Arc<Self>) {
        if let Some(shared) = self.0.upgrade() {
            shared.tick();
        }
    }
}

/// Nothing that panics runs under these locks.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

fn try_lock<T>(mutex: &Mutex<T>) -> Option<MutexGuard<'_, T>> {
    match mutex.try_lock() {
        Ok(guard) => Some(guard),
        Err(TryLockError::Poisoned(poisoned)) => Some(poisoned.into_inner()),
        Err(TryLockError::WouldBlock) => None,
    }
}

/// A number that is small, and the thread's own if there are few threads.
fn thread_number() -> usize {
    static NEXT: std::sync::atomic::AtomicUsize = std::sync::atomic::AtomicUsize::new(0);
    thread_local! {
        static NUMBER: Cell<Option<usize>> = const { Cell::new(None) };
    }
    let number = NUMBER.try_with(|number| {
        number.get().unwrap_or_else(|| {
            // Relaxed: a number of one's own is all that is asked for.
            let new = NEXT.fetch_add(1, Ordering::Relaxed);
            number.set(Some(new));
            new
        })
    });
    // The thread is ending: any shard will do.
    number.unwrap_or(0)
}

/// A value of a [`Pool`], to which it goes back when it is dropped. Made by [`Pool::get`].
pub struct Pooled<'a, T: Send + 'static> {
    /// None only while it is dropped.
    value: Option<T>,
    pool: &'a Pool<T>,
}

impl<T: Send + 'static> Pooled<'_, T> {
    /// Keeps the value from the pool.
    #[must_use]
    pub fn into_inner(mut self) -> T {
        self.value
            .take()
            .expect("it has a value until it is dropped")
    }
}

impl<T: Send + 'static> Deref for Pooled<'_, T> {
    type Target = T;

    fn deref(&self) -> &T {
        self.value
            .as_ref()
            .expect("it has a value until it is dropped")
    }
}

impl<T: Send + 'static> DerefMut for Pooled<'_, T> {
    fn deref_mut(&mut self) -> &mut T {
        self.value
            .as_mut()
            .expect("it has a value until it is dropped")
    }
}

impl<T: Send + 'static> Drop for Pooled<'_, T> {
    fn drop(&mut self) {
        if let Some(value) = self.value.take() {
            self.pool.put(value);
        }
    }
}

impl<T: Send + fmt::Debug + 'static> fmt::Debug for Pooled<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&**self, f)
    }
}
