//! A cell that is written once and may hold gc pointers.

use std::fmt;
use std::sync::OnceLock;

use crate::guard::Guard;
use crate::{Trace, Tracer};

/// A cell that can be written once, with contents that may hold gc pointers.
///
/// Reading it takes one load and no lock. It costs the collector nothing extra: contents never leave it while others can
/// see it, so there is no snapshot to take.
///
/// # Examples
///
/// ```
/// use gort_gc::{Gc, OnceCell, Trace, with};
///
/// #[derive(Trace)]
/// struct Lazy<'g> {
///     parsed: OnceCell<Gc<'g, u32>>,
/// }
///
/// with(|g| {
///     let lazy = g.alloc(Lazy { parsed: OnceCell::new() });
///     assert!(lazy.parsed.get().is_none());
///     assert_eq!(**lazy.parsed.get_or_init(g, || g.alloc(7)), 7);
/// });
/// ```
pub struct OnceCell<T>(OnceLock<T>);

impl<T> OnceCell<T> {
    /// Creates an empty cell.
    #[must_use]
    pub const fn new() -> Self {
        Self(OnceLock::new())
    }

    /// Returns the contents, if there are any.
    pub fn get(&self) -> Option<&T> {
        self.0.get()
    }

    /// Writes the contents.
    ///
    /// # Errors
    ///
    /// Gives `contents` back if there are some already.
    pub fn set<'g>(&self, g: &Guard, contents: T) -> Result<(), T>
    where
        T: Trace<'g>,
    {
        shade_new(g, &contents);
        self.0.set(contents)
    }

    /// Returns the contents; writes those that `init` returns first if there are none.
    ///
    /// Other threads that want to do the same wait until `init` has returned, and the collector waits for their pins.
    ///
    /// # Panics
    ///
    /// Panics if `init` does, and leaves the cell empty. May panic, or block for ever, if `init` uses this cell.
    pub fn get_or_init<'g>(&self, g: &Guard, init: impl FnOnce() -> T) -> &T
    where
        T: Trace<'g>,
    {
        self.0.get_or_init(|| {
            let contents = init();
            shade_new(g, &contents);
            contents
        })
    }

    /// Returns the contents of a cell that nobody else can reach.
    pub fn get_mut(&mut self) -> Option<&mut T> {
        self.0.get_mut()
    }

    /// Takes the contents out of a cell that nobody else can reach.
    pub fn take(&mut self) -> Option<T> {
        self.0.take()
    }

    /// Returns the contents.
    pub fn into_inner(self) -> Option<T> {
        self.0.into_inner()
    }
}

/// The barrier of an insertion, before anybody can see it.
fn shade_new<'g, T: Trace<'g>>(g: &Guard, contents: &T) {
    if T::NEEDS_TRACE && g.shades_new() {
        g.shade(contents);
    }
}

// SAFETY: `At` replaces the brand in the only parameter. Contents that are published are visited; those that are not yet
// are shaded by the guard that is about to, as long as that matters. They change and go through `&mut` only.
unsafe impl<'g, T: Trace<'g>> Trace<'g> for OnceCell<T> {
    type At<'h> = OnceCell<T::At<'h>>;
    const NEEDS_TRACE: bool = T::NEEDS_TRACE;

    fn trace(&self, tracer: &mut Tracer<'_>) {
        if Self::NEEDS_TRACE
            && let Some(contents) = self.get()
        {
            contents.trace(tracer);
        }
    }
}

impl<T> Default for OnceCell<T> {
    fn default() -> Self {
        Self::new()
    }
}

impl<T> From<T> for OnceCell<T> {
    fn from(contents: T) -> Self {
        Self(OnceLock::from(contents))
    }
}

impl<T: fmt::Debug> fmt::Debug for OnceCell<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("OnceCell").field(&self.get()).finish()
    }
}
