//! Values that belong to a goroutine.

use std::cell::RefCell;
use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::thread;

use pin_project_lite::pin_project;

/// Declares keys of values that belong to a goroutine, as `thread_local!` does for threads.
///
/// A value is set for the course of a future, by [`LocalKey::scope`]; inside of it, on whatever thread it is polled, the key gives the value.
///
/// # Examples
///
/// ```
/// gort::task_local! {
///     static REQUEST: u64;
/// }
///
/// async fn log() -> String {
///     REQUEST.with(|id| format!("request {id}"))
/// }
///
/// let line = gort::block_on(REQUEST.scope(7, log()));
/// assert_eq!(line, "request 7");
/// ```
#[macro_export]
macro_rules! task_local {
    () => {};
    ($(#[$attr:meta])* $vis:vis static $name:ident: $t:ty; $($rest:tt)*) => {
        $crate::task_local!($(#[$attr])* $vis static $name: $t);
        $crate::task_local!($($rest)*);
    };
    ($(#[$attr:meta])* $vis:vis static $name:ident: $t:ty) => {
        $(#[$attr])*
        $vis static $name: $crate::task::LocalKey<$t> = {
            ::std::thread_local! {
                static VALUE: ::std::cell::RefCell<::std::option::Option<$t>> =
                    const { ::std::cell::RefCell::new(::std::option::Option::None) };
            }
            $crate::task::LocalKey::__new(&VALUE)
        };
    };
}

/// A key made by [`task_local!`](crate::task_local).
pub struct LocalKey<T: 'static> {
    value: &'static thread::LocalKey<RefCell<Option<T>>>,
}

impl<T: 'static> LocalKey<T> {
    #[doc(hidden)]
    #[must_use]
    pub const fn __new(value: &'static thread::LocalKey<RefCell<Option<T>>>) -> Self {
        Self { value }
    }

    /// Sets the value for the course of a future. Scopes nest; the innermost one counts.
    ///
    /// # Cancel safety
    ///
    /// Dropping the scope drops the future first, with the value set, and then the value.
    pub fn scope<F: Future>(&'static self, value: T, future: F) -> Scope<T, F> {
        Scope {
            future: Some(future),
            value: Some(value),
            key: self,
        }
    }

    /// Sets the value for the course of a call.
    pub fn sync_scope<R>(&'static self, value: T, f: impl FnOnce() -> R) -> R {
        let mut slot = Some(value);
        let _swap = Swap::new(self, &mut slot);
        f()
    }

    /// Calls `f` with the value.
    ///
    /// # Panics
    ///
    /// Panics outside a scope of this key.
    #[track_caller]
    pub fn with<R>(&'static self, f: impl FnOnce(&T) -> R) -> R {
        match self.try_with(f) {
            Ok(result) => result,
            Err(error) => panic!("{error}"),
        }
    }

    /// Calls `f` with the value.
    ///
    /// # Errors
    ///
    /// Fails outside a scope of this key.
    pub fn try_with<R>(&'static self, f: impl FnOnce(&T) -> R) -> Result<R, AccessError> {
        let shared = |value: &RefCell<Option<T>>| value.borrow().as_ref().map(f);
        self.value
            .try_with(shared)
            .ok()
            .flatten()
            .ok_or(AccessError(()))
    }

    /// Returns a clone of the value.
    ///
    /// # Panics
    ///
    /// Panics outside a scope of this key.
    #[track_caller]
    pub fn get(&'static self) -> T
    where
        T: Clone,
    {
        self.with(T::clone)
    }
}

impl<T> fmt::Debug for LocalKey<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LocalKey").finish_non_exhaustive()
    }
}

/// The error of [`LocalKey::try_with`]: there is no value here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AccessError(());

impl fmt::Display for AccessError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(
            "the task-local value is not set here: wrap the future in `KEY.scope(value, future)`",
        )
    }
}

impl std::error::Error for AccessError {}

/// Has the thread's value and the scope's change places, and change back when dropped.
struct Swap<'a, T: 'static> {
    key: &'static LocalKey<T>,
    slot: &'a mut Option<T>,
}

impl<'a, T: 'static> Swap<'a, T> {
    fn new(key: &'static LocalKey<T>, slot: &'a mut Option<T>) -> Self {
        let mut swap = Self { key, slot };
        swap.exchange();
        swap
    }

    fn exchange(&mut self) {
        // Neither a destroyed thread-local (the thread ends) nor a borrow (`with` spans no poll of ours) can be mended here.
        let _ = self.key.value.try_with(|value| {
            if let Ok(mut value) = value.try_borrow_mut() {
                std::mem::swap(&mut *value, self.slot);
            }
        });
    }
}

impl<T: 'static> Drop for Swap<'_, T> {
    fn drop(&mut self) {
        self.exchange();
    }
}

pin_project! {
    /// The future of [`LocalKey::scope`].
    #[must_use = "futures do nothing unless polled"]
    pub struct Scope<T: 'static, F> {
        // None only while the scope is dropped.
        #[pin]
        future: Option<F>,
        value: Option<T>,
        key: &'static LocalKey<T>,
    }

    impl<T: 'static, F> PinnedDrop for Scope<T, F> {
        fn drop(this: Pin<&mut Self>) {
            let mut this = this.project();
            let _swap = Swap::new(this.key, this.value);
            // Its destructor may ask for the value.
            this.future.set(None);
        }
    }
}

impl<T: 'static, F: Future> Future for Scope<T, F> {
    type Output = F::Output;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<F::Output> {
        let this = self.project();
        let _swap = Swap::new(this.key, this.value);
        let future = this.future.as_pin_mut();
        future
            .expect("a scope has its future until it is dropped")
            .poll(cx)
    }
}

impl<T, F> fmt::Debug for Scope<T, F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Scope").finish_non_exhaustive()
    }
}
