//! A counting semaphore: fair, for any number at once.

use std::error::Error;
use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use pin_project_lite::pin_project;

use crate::hook::{Site, WaitKind};

use super::block::block_on;
use super::const_unless_loom;
use super::raw_semaphore::{MAX_PERMITS, RawAcquire, RawSemaphore, Refused};

/// Counts permits, which tasks take and give back; who finds too few waits.
///
/// Fair: permits go to those who wait in the order in which they came, and a request for many is not passed by requests for
/// few. What bounds concurrency (so many connections, so many open files) is a semaphore.
///
/// A permit is given back when it is dropped. A permit that is leaked is never given back, and no more than that.
///
/// # Examples
///
/// ```
/// use gort_sync::Semaphore;
/// # futures_lite::future::block_on(async {
/// let at_once = Semaphore::new(2);
/// let first = at_once.acquire().await.unwrap();
/// let second = at_once.acquire().await.unwrap();
/// assert!(at_once.try_acquire().is_err());
/// drop(first);
/// assert!(at_once.try_acquire().is_ok());
/// # drop(second);
/// # });
/// ```
pub struct Semaphore {
    raw: RawSemaphore,
}

impl Semaphore {
    /// The most permits that a semaphore can hold.
    pub const MAX_PERMITS: usize = MAX_PERMITS;

    const_unless_loom! {
        /// Creates a semaphore with so many permits.
        ///
        /// # Panics
        ///
        /// Panics if there are more than [`Self::MAX_PERMITS`].
        #[must_use]
        pub fn new(permits: usize) -> Self {
            Self {
                raw: RawSemaphore::new(permits),
            }
        }
    }

    /// Returns how many permits are free.
    #[must_use]
    pub fn available_permits(&self) -> usize {
        self.raw.available()
    }

    /// Takes a permit, waiting for it if need be.
    ///
    /// # Errors
    ///
    /// Fails if the semaphore is closed, before or meanwhile.
    ///
    /// # Cancel safety
    ///
    /// No permit is lost when it is dropped, but the place in the queue is.
    #[inline]
    #[track_caller]
    pub fn acquire(&self) -> Acquire<'_> {
        self.acquire_many(1)
    }

    /// Takes `n` permits at once, waiting until so many are free.
    ///
    /// Waits for ever if there never are so many.
    ///
    /// # Errors
    ///
    /// Fails if the semaphore is closed, before or meanwhile.
    ///
    /// # Cancel safety
    ///
    /// No permit is lost when it is dropped, but the place in the queue is.
    #[inline]
    #[track_caller]
    pub fn acquire_many(&self, n: usize) -> Acquire<'_> {
        Acquire {
            site: Site::here(),
            semaphore: self,
            raw: RawAcquire::new(n),
        }
    }

    /// Takes a permit that borrows nothing, waiting for it if need be: for a task that is to end before the next begins.
    ///
    /// # Examples
    ///
    /// ```
    /// use std::sync::Arc;
    /// use gort_sync::Semaphore;
    ///
    /// # futures_lite::future::block_on(async {
    /// let at_once = Arc::new(Semaphore::new(2));
    /// for n in 0..8 {
    ///     let permit = at_once.clone().acquire_owned().await.unwrap();
    ///     std::thread::spawn(move || {
    ///         println!("{n}, with no more than one other");
    ///         drop(permit);
    ///     });
    /// }
    /// // All of them have ended.
    /// at_once.acquire_many(2).await.unwrap();
    /// # });
    /// ```
    ///
    /// # Errors
    ///
    /// Fails if the semaphore is closed, before or meanwhile.
    ///
    /// # Cancel safety
    ///
    /// No permit is lost when it is dropped, but the place in the queue is.
    #[track_caller]
    pub fn acquire_owned(self: Arc<Self>) -> AcquireOwned {
        self.acquire_many_owned(1)
    }

    /// Takes `n` permits at once, which borrow nothing, waiting until so many are free.
    ///
    /// # Errors
    ///
    /// Fails if the semaphore is closed, before or meanwhile.
    ///
    /// # Cancel safety
    ///
    /// No permit is lost when it is dropped, but the place in the queue is.
    #[track_caller]
    pub fn acquire_many_owned(self: Arc<Self>, n: usize) -> AcquireOwned {
        AcquireOwned {
            site: Site::here(),
            semaphore: self,
            raw: RawAcquire::new(n),
        }
    }

    /// Takes a permit, blocking the thread until there is one.
    ///
    /// # Errors
    ///
    /// Fails if the semaphore is closed, before or meanwhile.
    #[track_caller]
    pub fn acquire_blocking(&self) -> Result<SemaphorePermit<'_>, Closed> {
        block_on(self.acquire())
    }

    /// Takes a permit if one is free and nobody waits.
    ///
    /// # Errors
    ///
    /// Says whether the semaphore is closed, or has no permit now.
    #[inline]
    pub fn try_acquire(&self) -> Result<SemaphorePermit<'_>, TryAcquireError> {
        self.try_acquire_many(1)
    }

    /// Takes `n` permits if so many are free and nobody waits.
    ///
    /// # Errors
    ///
    /// Says whether the semaphore is closed, or has too few permits now.
    pub fn try_acquire_many(&self, n: usize) -> Result<SemaphorePermit<'_>, TryAcquireError> {
        self.raw.try_acquire(n)?;
        Ok(SemaphorePermit { semaphore: self, n })
    }

    /// Takes a permit, which borrows nothing, if one is free and nobody waits.
    ///
    /// # Errors
    ///
    /// Says whether the semaphore is closed, or has no permit now.
    pub fn try_acquire_owned(self: Arc<Self>) -> Result<OwnedSemaphorePermit, TryAcquireError> {
        self.try_acquire_many_owned(1)
    }

    /// Takes `n` permits, which borrow nothing, if so many are free and nobody waits.
    ///
    /// # Errors
    ///
    /// Says whether the semaphore is closed, or has too few permits now.
    pub fn try_acquire_many_owned(
        self: Arc<Self>,
        n: usize,
    ) -> Result<OwnedSemaphorePermit, TryAcquireError> {
        self.raw.try_acquire(n)?;
        Ok(OwnedSemaphorePermit { semaphore: self, n })
    }

    /// Adds `n` permits.
    ///
    /// # Panics
    ///
    /// Panics if more than [`Self::MAX_PERMITS`] were free then; none is added.
    #[track_caller]
    pub fn add_permits(&self, n: usize) {
        assert!(
            self.raw.release(n).is_ok(),
            "a semaphore holds at most {MAX_PERMITS} permits"
        );
    }

    /// Takes up to `n` free permits away for good. Returns how many.
    pub fn forget_permits(&self, n: usize) -> usize {
        self.raw.forget(n)
    }

    /// Closes the semaphore: it gives out no permit any more, and those who wait get [`Closed`]. Permits that are out stay good.
    pub fn close(&self) {
        self.raw.close();
    }

    /// Returns whether the semaphore is closed.
    #[must_use]
    pub fn is_closed(&self) -> bool {
        self.raw.is_closed()
    }

    /// Gives back permits of a guard. What would be too many, after `add_permits` near the limit, is dropped: a destructor
    /// does not panic.
    #[inline]
    fn give_back(&self, n: usize) {
        let _ = self.raw.release(n);
    }
}

impl fmt::Debug for Semaphore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Semaphore")
            .field("available", &self.raw.available())
            .field("closed", &self.raw.is_closed())
            .finish_non_exhaustive()
    }
}

/// A semaphore was closed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Closed;

impl fmt::Display for Closed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the semaphore is closed")
    }
}

impl Error for Closed {}

/// Why [`Semaphore::try_acquire`] failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TryAcquireError {
    /// The semaphore is closed.
    Closed,
    /// There are too few permits now, or others wait for them.
    NoPermits,
}

impl fmt::Display for TryAcquireError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Closed => "the semaphore is closed",
            Self::NoPermits => "no permits are free",
        })
    }
}

impl Error for TryAcquireError {}

impl From<Refused> for TryAcquireError {
    fn from(refused: Refused) -> Self {
        match refused {
            Refused::NoPermits => Self::NoPermits,
            Refused::Closed => Self::Closed,
        }
    }
}

/// Permits of a [`Semaphore`], given back when they are dropped.
#[derive(Debug)]
#[must_use = "a permit that is not kept is given back at once"]
pub struct SemaphorePermit<'a> {
    semaphore: &'a Semaphore,
    n: usize,
}

/// Permits of a [`Semaphore`] that borrow nothing, given back when they are dropped.
#[derive(Debug)]
#[must_use = "a permit that is not kept is given back at once"]
pub struct OwnedSemaphorePermit {
    semaphore: Arc<Semaphore>,
    n: usize,
}

impl SemaphorePermit<'_> {
    /// Returns how many permits these are.
    #[must_use]
    pub fn num_permits(&self) -> usize {
        self.n
    }

    /// Never gives them back.
    pub fn forget(mut self) {
        self.n = 0;
    }

    /// Takes `n` of these permits apart; none if there are fewer.
    pub fn split(&mut self, n: usize) -> Option<Self> {
        self.n = self.n.checked_sub(n)?;
        Some(Self {
            semaphore: self.semaphore,
            n,
        })
    }

    /// Joins `other` to these permits.
    ///
    /// # Panics
    ///
    /// Panics if they are of different semaphores.
    #[track_caller]
    pub fn merge(&mut self, mut other: Self) {
        assert!(
            std::ptr::eq(self.semaphore, other.semaphore),
            "permits of different semaphores"
        );
        self.n += std::mem::take(&mut other.n);
    }
}

impl OwnedSemaphorePermit {
    /// Returns how many permits these are.
    #[must_use]
    pub fn num_permits(&self) -> usize {
        self.n
    }

    /// Never gives them back.
    pub fn forget(mut self) {
        self.n = 0;
    }

    /// Takes `n` of these permits apart; none if there are fewer.
    pub fn split(&mut self, n: usize) -> Option<Self> {
        self.n = self.n.checked_sub(n)?;
        Some(Self {
            semaphore: self.semaphore.clone(),
            n,
        })
    }

    /// Joins `other` to these permits.
    ///
    /// # Panics
    ///
    /// Panics if they are of different semaphores.
    #[track_caller]
    pub fn merge(&mut self, mut other: Self) {
        assert!(
            Arc::ptr_eq(&self.semaphore, &other.semaphore),
            "permits of different semaphores"
        );
        self.n += std::mem::take(&mut other.n);
    }

    /// Returns the semaphore that they are of.
    #[must_use]
    pub fn semaphore(&self) -> &Arc<Semaphore> {
        &self.semaphore
    }
}

impl Drop for SemaphorePermit<'_> {
    #[inline]
    fn drop(&mut self) {
        self.semaphore.give_back(self.n);
    }
}

impl Drop for OwnedSemaphorePermit {
    fn drop(&mut self) {
        self.semaphore.give_back(self.n);
    }
}

pin_project! {
    /// The future of [`Semaphore::acquire`] and [`Semaphore::acquire_many`].
    #[derive(Debug)]
    #[must_use = "futures do nothing unless polled"]
    pub struct Acquire<'a> {
        site: Site,
        semaphore: &'a Semaphore,
        #[pin]
        raw: RawAcquire,
    }

    impl PinnedDrop for Acquire<'_> {
        fn drop(this: Pin<&mut Self>) {
            let this = this.project();
            this.raw.cancel(&this.semaphore.raw);
        }
    }
}

impl<'a> Future for Acquire<'a> {
    type Output = Result<SemaphorePermit<'a>, Closed>;

    #[inline]
    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let mut this = self.project();
        let semaphore: &'a Semaphore = this.semaphore;
        let done = ready!(this.site.or_waits(
            WaitKind::Semaphore,
            this.raw.as_mut().poll(&semaphore.raw, cx)
        ));
        let n = this.raw.n();
        Poll::Ready(match done {
            Ok(()) => Ok(SemaphorePermit { semaphore, n }),
            Err(_) => Err(Closed),
        })
    }
}

pin_project! {
    /// The future of [`Semaphore::acquire_owned`] and [`Semaphore::acquire_many_owned`].
    #[derive(Debug)]
    #[must_use = "futures do nothing unless polled"]
    pub struct AcquireOwned {
        site: Site,
        semaphore: Arc<Semaphore>,
        #[pin]
        raw: RawAcquire,
    }

    impl PinnedDrop for AcquireOwned {
        fn drop(this: Pin<&mut Self>) {
            let this = this.project();
            this.raw.cancel(&this.semaphore.raw);
        }
    }
}

impl Future for AcquireOwned {
    type Output = Result<OwnedSemaphorePermit, Closed>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let mut this = self.project();
        let done = ready!(this.site.or_waits(
            WaitKind::Semaphore,
            this.raw.as_mut().poll(&this.semaphore.raw, cx)
        ));
        let n = this.raw.n();
        Poll::Ready(match done {
            Ok(()) => Ok(OwnedSemaphorePermit {
                semaphore: Arc::clone(this.semaphore),
                n,
            }),
            Err(_) => Err(Closed),
        })
    }
}
