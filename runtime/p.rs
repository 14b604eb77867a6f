//! P: the right to run goroutines, what goes with it, and the table of the Ps that a runtime has made.
//!
//! The table only grows: a P that [retires](crate::idle) keeps its place, and its timers, which others run meanwhile. So a
//! reference to a P is good for as long as the runtime is, and finding one takes no lock.
//!
//! Rejected: a table of fixed size, which makes `set_procs` fail where `Builder::procs` would not, or every runtime pay for the
//! largest one.

use std::sync::OnceLock;

use crossbeam_utils::CachePadded;
use gort_primitives::atomic::{AtomicPtr, Ordering};

use crate::lease::MAX_PROCS;
use crate::m::M;
use crate::time::{self, Shard};

/// A P. See the [module](self).
#[derive(Debug, Default)]
pub(crate) struct P {
    /// The M that holds it, or held it last: whose ring thieves look at. Null before the first.
    m: AtomicPtr<M>,
    timers: OnceLock<&'static Shard>,
}

impl P {
    /// The M whose ring goes with this P.
    pub(crate) fn m(&self) -> Option<&M> {
        // Acquire: pairs with the Release in `set_m`, so that the M is initialised.
        let m = self.m.load(Ordering::Acquire);
        // SAFETY: Ms are never freed while the runtime exists, and `self` is part of it.
        unsafe { m.as_ref() }
    }

    pub(crate) fn set_m(&self, m: &M) {
        // Release: pairs with the Acquire in `m`.
        self.m
            .store(std::ptr::from_ref(m).cast_mut(), Ordering::Release);
    }

    /// The timers that goroutines arm while they run on this P.
    pub(crate) fn timers(&self) -> &'static Shard {
        self.timers.get_or_init(time::acquire)
    }
}

impl Drop for P {
    fn drop(&mut self) {
        if let Some(timers) = self.timers.take() {
            // What is still armed there belongs to timers that left the runtime. Somebody else watches them from now on.
            time::release(timers);
        }
    }
}

/// Segment 0 holds P 0; segment k holds as many as all before it together.
const SEGMENTS: usize = place(MAX_PROCS - 1).0 + 1;

/// The segment of a P, and its place there.
const fn place(p: usize) -> (usize, usize) {
    let segment = (usize::BITS - p.leading_zeros()) as usize;
    (segment, p - (1 << segment >> 1))
}

/// The Ps of a runtime.
#[derive(Debug, Default)]
pub(crate) struct Ps {
    segments: [OnceLock<Box<[CachePadded<P>]>>; SEGMENTS],
}

impl Ps {
    pub(crate) fn new(procs: usize) -> Self {
        let ps = Self::default();
        ps.reserve(procs);
        ps
    }

    /// Makes sure that the first `procs` exist.
    pub(crate) fn reserve(&self, procs: usize) {
        let (last, _) = place(procs - 1);
        for (i, segment) in self.segments.iter().enumerate().take(last + 1) {
            let size = (1 << i >> 1).max(1);
            segment.get_or_init(|| (0..size).map(|_| CachePadded::default()).collect());
        }
    }

    /// The P of that index.
    ///
    /// # Panics
    ///
    /// Panics if there is none.
    #[inline]
    pub(crate) fn get(&self, p: usize) -> &P {
        let (segment, at) = place(p);
        let segment = self.segments[segment].get().expect("get: no such P");
        &segment[at]
    }

    /// The first `bound` Ps.
    pub(crate) fn first(&self, bound: usize) -> impl Iterator<Item = &P> {
        let segments = self.segments.iter().map_while(OnceLock::get);
        segments.flat_map(|ps| ps.iter().map(|p| &**p)).take(bound)
    }
}

#[cfg(all(test, not(gort_loom)))]
mod tests {
    use super::*;

    #[test]
    fn every_p_has_a_place_of_its_own_and_keeps_it() {
        let ps = Ps::new(1);
        let first = std::ptr::from_ref(ps.get(0));
        ps.reserve(100);
        ps.reserve(7);
        assert_eq!(first, std::ptr::from_ref(ps.get(0)));
        let all: Vec<_> = ps.first(100).map(std::ptr::from_ref).collect();
        assert_eq!(all.len(), 100);
        for (i, &p) in all.iter().enumerate() {
            assert_eq!(p, std::ptr::from_ref(ps.get(i)));
            assert!(!all[..i].contains(&p));
        }
        assert_eq!(place(MAX_PROCS - 1), (16, (1 << 15) - 2));
    }
}
