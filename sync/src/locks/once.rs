//! Values that are made once.

use std::cell::UnsafeCell;
use std::convert::Infallible;
use std::error::Error;
use std::fmt;
use std::future::Future;
use std::mem::MaybeUninit;

use super::block::block_on;
use super::const_unless_loom;
use super::semaphore::{Semaphore, SemaphorePermit};
use crate::hook::{Site, WaitKind};
use crate::latch::Latch;
use crate::panics::FirstPanic;

/// A cell whose value is made once, by a future if need be, whoever comes first.
///
/// If the future that makes it fails, panics or is dropped, the next who waits makes it.
///
/// # Examples
///
/// ```
/// use gort_sync::OnceCell;
/// # futures_lite::future::block_on(async {
/// static CONFIG: OnceCell<String> = OnceCell::new();
///
/// let config = CONFIG.get_or_init(|| async { "read from somewhere".to_string() }).await;
/// assert_eq!(CONFIG.get(), Some(config));
/// # });
/// ```
pub struct OnceCell<T> {
    /// Opened, once, after the value was written.
    set: Latch,
    /// One permit, to write the value; closed when it is written.
    write: Semaphore,
    value: UnsafeCell<MaybeUninit<T>>,
}

// SAFETY: the value goes along.
unsafe impl<T: Send> Send for OnceCell<T> {}

// SAFETY: shared, it gives `&T`, and takes a T from one thread to be dropped in another.
unsafe impl<T: Send + Sync> Sync for OnceCell<T> {}

impl<T> OnceCell<T> {
    const_unless_loom! {
        /// Creates an empty cell.
        #[must_use]
        pub fn new() -> Self {
            Self {
                set: Latch::new(),
                write: Semaphore::new(1),
                value: UnsafeCell::new(MaybeUninit::uninit()),
            }
        }
    }

    /// Returns the value, if it was made.
    #[inline]
    pub fn get(&self) -> Option<&T> {
        if !self.is_set() {
            return None;
        }
        // SAFETY: once it is set nobody writes the value any more, but for who has the cell alone.
        let value = unsafe { &*self.value.get() };
        // SAFETY: `set` comes after the value was written.
        Some(unsafe { value.assume_init_ref() })
    }

    /// Returns the value, if it was made.
    pub fn get_mut(&mut self) -> Option<&mut T> {
        if !self.is_set() {
            return None;
        }
        // SAFETY: it is set.
        Some(unsafe { self.value.get_mut().assume_init_mut() })
    }

    /// Returns whether the value was made.
    #[inline]
    #[must_use]
    pub fn is_set(&self) -> bool {
        self.set.is_open()
    }

    /// Sets the value.
    ///
    /// # Errors
    ///
    /// Gives it back if there is one, or if one is being made.
    pub fn set(&self, value: T) -> Result<(), SetError<T>> {
        match self.write.try_acquire() {
            Ok(permit) => {
                self.fill(permit, value);
                Ok(())
            }
            Err(_) => Err(SetError(value)),
        }
    }

    /// Returns the value, made by `make` if it is the first. All others wait for that; so would a `make` that asks for the value of
    /// this very cell, and for ever.
    ///
    /// # Cancel safety
    ///
    /// If it is dropped while it makes the value, what it did is lost, and the next who waits begins anew.
    #[track_caller]
    pub fn get_or_init<F, Fut>(&self, make: F) -> impl Future<Output = &T>
    where
        F: FnOnce() -> Fut,
        Fut: Future<Output = T>,
    {
        self.init(Site::here(), make)
    }

    /// Waits until the value was made, by somebody else.
    ///
    /// # Cancel safety
    ///
    /// Nothing is lost.
    ///
    /// # Examples
    ///
    /// ```
    /// use gort_sync::OnceCell;
    ///
    /// static ADDRESS: OnceCell<String> = OnceCell::new();
    ///
    /// let server = std::thread::spawn(|| ADDRESS.set("127.0.0.1:8080".into()));
    /// # futures_lite::future::block_on(async {
    /// assert_eq!(ADDRESS.wait().await, "127.0.0.1:8080");
    /// # });
    /// server.join().unwrap().unwrap();
    /// ```
    #[track_caller]
    pub fn wait(&self) -> impl Future<Output = &T> {
        let set = Site::here().waits_for(WaitKind::Once, self.set.wait());
        async {
            set.await;
            self.get().expect("wait: open and not set")
        }
    }

    /// As [`wait`](Self::wait), blocking the thread.
    #[track_caller]
    pub fn wait_blocking(&self) -> &T {
        block_on(self.wait())
    }

    /// As [`get_or_init`](Self::get_or_init), with a `make` that can fail.
    ///
    /// # Errors
    ///
    /// Fails if `make` does; the cell stays empty, and the next who waits tries.
    ///
    /// # Cancel safety
    ///
    /// As [`get_or_init`](Self::get_or_init).
    #[track_caller]
    pub fn get_or_try_init<E, F, Fut>(&self, make: F) -> impl Future<Output = Result<&T, E>>
    where
        F: FnOnce() -> Fut,
        Fut: Future<Output = Result<T, E>>,
    {
        self.try_init(Site::here(), make)
    }

    /// [`get_or_init`](Self::get_or_init), called there.
    async fn init<F, Fut>(&self, site: Site, make: F) -> &T
    where
        F: FnOnce() -> Fut,
        Fut: Future<Output = T>,
    {
        let make = || async { Ok::<T, Infallible>(make().await) };
        match self.try_init(site, make).await {
            Ok(value) => value,
            Err(never) => match never {},
        }
    }

    /// [`get_or_try_init`](Self::get_or_try_init), called there.
    async fn try_init<E, F, Fut>(&self, site: Site, make: F) -> Result<&T, E>
    where
        F: FnOnce() -> Fut,
        Fut: Future<Output = Result<T, E>>,
    {
        if let Some(value) = self.get() {
            return Ok(value);
        }
        let permit = site.waits_for(WaitKind::Once, self.write.acquire());
        if let Ok(permit) = permit.await {
            let value = make().await?;
            self.fill(permit, value);
        }
        Ok(self.get().expect("get_or_init: closed and not set"))
    }

    /// Returns the value, made by `make` if it is the first. Blocks the thread while another makes it.
    #[track_caller]
    pub fn get_or_init_blocking(&self, make: impl FnOnce() -> T) -> &T {
        if self.get().is_none() {
            block_on(self.get_or_init(|| async { make() }));
        }
        self.get().expect("get_or_init_blocking: not set")
    }

    /// Takes the value out.
    pub fn into_inner(mut self) -> Option<T> {
        self.take()
    }

    /// Takes the value out, and leaves an empty cell.
    pub fn take(&mut self) -> Option<T> {
        let mut old = std::mem::take(self);
        // It is moved out, so the old cell must not drop it.
        if !std::mem::take(&mut old.set).is_open() {
            return None;
        }
        // SAFETY: it is ours alone.
        let value = unsafe { &*old.value.get() };
        // SAFETY: it was set, and it is taken once.
        Some(unsafe { value.assume_init_read() })
    }

    /// Writes the value, which only who has the permit may do.
    fn fill(&self, permit: SemaphorePermit<'_>, value: T) {
        // SAFETY: there is one permit, and it is never given back once the value is written; nobody reads before `set`.
        unsafe { (*self.value.get()).write(value) };
        permit.forget();
        let mut panic = FirstPanic::default();
        // Publishes the value to who finds it open in `is_set`.
        panic.catch(|| {
            self.set.open();
        });
        panic.catch(|| self.write.close());
        panic.resume();
    }
}

impl<T> Drop for OnceCell<T> {
    fn drop(&mut self) {
        if self.is_set() {
            // SAFETY: it is set, and nobody uses it any more.
            unsafe { self.value.get_mut().assume_init_drop() };
        }
    }
}

impl<T> Default for OnceCell<T> {
    fn default() -> Self {
        Self::new()
    }
}

impl<T> From<T> for OnceCell<T> {
    fn from(value: T) -> Self {
        let cell = Self::new();
        let set = cell.set(value);
        debug_assert!(set.is_ok());
        cell
    }
}

impl<T: fmt::Debug> fmt::Debug for OnceCell<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("OnceCell").field(&self.get()).finish()
    }
}

/// A [`OnceCell`] had a value already, or was about to get one. Gives the value back.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct SetError<T>(
    /// The value that was not set.
    pub T,
);

impl<T> fmt::Debug for SetError<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("SetError").finish_non_exhaustive()
    }
}

impl<T> fmt::Display for SetError<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the cell is set already")
    }
}

impl<T> Error for SetError<T> {}

/// Something that is done once: Go's `sync.Once`.
///
/// # Examples
///
/// ```
/// use gort_sync::Once;
/// # futures_lite::future::block_on(async {
/// static GREETED: Once = Once::new();
///
/// for _ in 0..3 {
///     GREETED.call(|| async { println!("hello") }).await;
/// }
/// # });
/// ```
#[derive(Debug, Default)]
pub struct Once {
    done: OnceCell<()>,
}

impl Once {
    const_unless_loom! {
        /// Creates one that was not called.
        #[must_use]
        pub fn new() -> Self {
            Self {
                done: OnceCell::new(),
            }
        }
    }

    /// Runs what `f` returns, unless it has run already; all return when it is done.
    ///
    /// # Cancel safety
    ///
    /// If it is dropped while it runs, or if it panics, it is not done: the next runs its own.
    #[track_caller]
    pub fn call<F, Fut>(&self, f: F) -> impl Future<Output = ()>
    where
        F: FnOnce() -> Fut,
        Fut: Future<Output = ()>,
    {
        let site = Site::here();
        async move { *self.done.init(site, f).await }
    }

    /// As [`call`](Self::call), blocking the thread.
    #[track_caller]
    pub fn call_blocking(&self, f: impl FnOnce()) {
        self.done.get_or_init_blocking(f);
    }

    /// Returns whether it is done.
    #[must_use]
    pub fn is_done(&self) -> bool {
        self.done.is_set()
    }
}

/// A value that is made by a future when it is first asked for.
///
/// # Examples
///
/// ```
/// use gort_sync::Lazy;
/// # futures_lite::future::block_on(async {
/// let answer = Lazy::new(|| async { 6 * 7 });
/// assert_eq!(*answer.get().await, 42);
/// # });
/// ```
pub struct Lazy<T, F> {
    cell: OnceCell<T>,
    make: F,
}

impl<T, F> Lazy<T, F> {
    const_unless_loom! {
        /// Creates a value that `make` will make: again if it panics, or if who runs it is dropped.
        #[must_use]
        pub fn new(make: F) -> Self {
            Self {
                cell: OnceCell::new(),
                make,
            }
        }
    }

    /// Returns the value if it was made.
    pub fn get_if_made(&self) -> Option<&T> {
        self.cell.get()
    }
}

impl<T, F, Fut> Lazy<T, F>
where
    F: Fn() -> Fut,
    Fut: Future<Output = T>,
{
    /// Returns the value, which is made now if this is the first to ask.
    ///
    /// # Cancel safety
    ///
    /// As [`OnceCell::get_or_init`].
    #[track_caller]
    pub fn get(&self) -> impl Future<Output = &T> {
        self.cell.get_or_init(&self.make)
    }
}

impl<T: fmt::Debug, F> fmt::Debug for Lazy<T, F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Lazy").field(&self.cell.get()).finish()
    }
}
