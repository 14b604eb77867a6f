//! Roots: what the program holds on to without a guard.
//!
//! A root is a bit in a block of 64 slots. Blocks are never freed. A thread takes slots from the block it has, and gets
//! another when that is full: one that has become partly free, or a new one.
//!
//! # Protocol
//!
//! 1. Create: claim a bit (`claimed`), write the slot, shade the object if the pin shades, set the bit (`occupied`, Release).
//! 2. Drop: pin, shade the object if the pin shades, clear `occupied`, clear `claimed` (Release: the slot is free).
//! 3. Scan: read `occupied` (Acquire), then the slots.
//!
//! The object is shaded *before* the bit is cleared: after that a scan may miss it, though it was a root when the cycle's
//! snapshot was taken.

use std::cell::Cell;
use std::fmt;
use std::marker::PhantomData;
use std::ptr::{self, NonNull};
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicPtr, AtomicU64, Ordering};

use crate::local::lock;
use crate::object::ObjectRef;
use crate::seeded::bug;
use crate::{Gc, Guard, Trace, pin};

/// 64 slots.
pub(crate) struct Block {
    /// Set while a root has the slot, or is about to.
    claimed: AtomicU64,
    /// Set while the slot holds a root.
    occupied: AtomicU64,
    slots: [AtomicPtr<()>; 64],
    /// Whether the block is in `Blocks::partial`.
    listed: AtomicBool,
}

struct Blocks {
    all: Vec<&'static Block>,
    /// Those that were full and are not any more.
    partial: Vec<&'static Block>,
}

static BLOCKS: Mutex<Blocks> = Mutex::new(Blocks {
    all: Vec::new(),
    partial: Vec::new(),
});

/// A handle that keeps an object in the heap alive, without a guard.
///
/// `F` is the type of the object with the brand `'static`: `Root<Node<'static>>`. A root can be kept anywhere, sent to other
/// threads, and held across an `.await`; [`get`](Root::get) gives the object under a guard. Clones are independent roots,
/// with no counter between them.
///
/// A root is no edge: an object that holds one, in a [`Static`](crate::Static), keeps the other alive as long as it lives
/// itself, so two that hold each other are never collected.
///
/// # Examples
///
/// ```
/// use gort_gc::with;
///
/// let seven = with(|g| g.alloc(7).root(g));
/// std::thread::spawn(move || with(|g| assert_eq!(*seven.get(g), 7))).join().unwrap();
/// ```
pub struct Root<F> {
    object: ObjectRef,
    block: &'static Block,
    bit: u32,
    _object: PhantomData<F>,
}

// SAFETY: it gives shared references to the object on any thread, and any thread may be the last to hold it.
unsafe impl<F: Send + Sync> Send for Root<F> {}
// SAFETY: as for `Send`.
unsafe impl<F: Send + Sync> Sync for Root<F> {}

impl<F> Root<F> {
    /// Makes a root of an object that `g` protects, whose type is `F` under another brand.
    pub(crate) fn of(object: ObjectRef, g: &Guard) -> Self {
        let (block, bit) = Block::claim(g.root_block());
        // Release: publishes the object to the Acquire in `for_each`, if that meets the bit of the slot's last root.
        block.slots[bit as usize].store(object.value().as_ptr(), Ordering::Release);
        if !bug("no shading of new roots") {
            g.barrier(|| None, Some(object));
        }
        // Release: publishes the slot to the Acquire in `for_each`.
        block.occupied.fetch_or(1 << bit, Ordering::Release);
        Self {
            object,
            block,
            bit,
            _object: PhantomData,
        }
    }
}

impl<F: Trace<'static>> Root<F> {
    /// Moves the value that `make` returns to the heap, and makes it a root.
    ///
    /// This saves spelling out the type of the value: it follows from that of the root.
    ///
    /// # Examples
    ///
    /// ```
    /// use gort_gc::collections::Stack;
    /// use gort_gc::{Root, with};
    ///
    /// struct Tasks {
    ///     waiting: Root<Stack<'static, String>>,
    /// }
    ///
    /// let tasks = Tasks { waiting: Root::new(|_| Stack::new()) };
    /// with(|g| tasks.waiting.get(g).push(g, "first".to_owned()));
    /// ```
    #[must_use]
    pub fn new(make: impl for<'g> FnOnce(&'g Guard) -> F::At<'g>) -> Self
    where
        F: Send + Sync,
    {
        let g = pin();
        let value = make(&g);
        // SAFETY: `F` says of the value under one brand what has to hold under all.
        let object = unsafe { g.alloc_unchecked(value) };
        Self::of(object.object(), &g)
    }

    /// Returns the object under a guard.
    pub fn get<'g>(&self, _g: &'g Guard) -> Gc<'g, F::At<'g>> {
        // SAFETY: the guard is pinned while the object is rooted, and a root that is dropped later shades it. Its type is `F`
        // under another brand.
        unsafe { Gc::of(self.object.value().cast()) }
    }

    /// Tells whether two roots are of the same object.
    #[must_use]
    pub fn ptr_eq(a: &Self, b: &Self) -> bool {
        a.object == b.object
    }
}

impl<F> Clone for Root<F> {
    fn clone(&self) -> Self {
        Self::of(self.object, &pin())
    }
}

impl<F> Drop for Root<F> {
    fn drop(&mut self) {
        let g = pin();
        if !bug("no shading of dropped roots") {
            g.barrier(|| Some(self.object), None);
        }
        // Release: the object is shaded, or the collector has not begun, when a scan misses the bit.
        self.block
            .occupied
            .fetch_and(!(1 << self.bit), Ordering::Release);
        self.block.give_back(self.bit);
    }
}

impl<F> fmt::Debug for Root<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // The object may hold what leads back here, and takes a guard.
        f.debug_tuple("Root").field(&self.object.value()).finish()
    }
}

impl Block {
    /// Claims a slot, if possible from the block that the thread has.
    fn claim(own: &Cell<Option<&'static Block>>) -> (&'static Block, u32) {
        loop {
            let block = own.get().unwrap_or_else(Self::next);
            // Relaxed: a guess, confirmed below.
            let free = !block.claimed.load(Ordering::Relaxed);
            if free == 0 {
                own.set(None);
                continue;
            }
            own.set(Some(block));
            let bit = free.trailing_zeros();
            // Acquire: pairs with the Release in `give_back`; the slot's last root is gone. Another thread may have been given
            // the same block, so this may fail.
            if block.claimed.fetch_or(1 << bit, Ordering::Acquire) & 1 << bit == 0 {
                return (block, bit);
            }
        }
    }

    #[cold]
    fn next() -> &'static Block {
        let mut blocks = lock(&BLOCKS);
        if let Some(block) = blocks.partial.pop() {
            // Relaxed: under the lock.
            block.listed.store(false, Ordering::Relaxed);
            return block;
        }
        let block: &'static Block = Box::leak(Box::new(Block {
            claimed: AtomicU64::new(0),
            occupied: AtomicU64::new(0),
            slots: [const { AtomicPtr::new(ptr::null_mut()) }; 64],
            listed: AtomicBool::new(false),
        }));
        blocks.all.push(block);
        block
    }

    fn give_back(&'static self, bit: u32) {
        // Release: pairs with the Acquire in `claim`.
        let claimed = self.claimed.fetch_and(!(1 << bit), Ordering::Release);
        // A full block is, or will be, left by those who have it. Relaxed: a hint; the block may be on its way out of the list,
        // and then is somebody's.
        if claimed == u64::MAX && !self.listed.load(Ordering::Relaxed) {
            let mut blocks = lock(&BLOCKS);
            // Relaxed: under the lock.
            if !self.listed.swap(true, Ordering::Relaxed) {
                blocks.partial.push(self);
            }
        }
    }
}

/// Visits the objects of all roots that there are.
pub(crate) fn for_each(mut visit: impl FnMut(ObjectRef)) {
    let blocks = lock(&BLOCKS).all.clone();
    for block in blocks {
        // Acquire: pairs with the Release in `Root::of`.
        let mut occupied = block.occupied.load(Ordering::Acquire);
        while occupied != 0 {
            let bit = occupied.trailing_zeros();
            occupied &= occupied - 1;
            // Acquire: pairs with the Release in `Root::of`. If the slot has been given to another root meanwhile, the one
            // before has shaded its object.
            if let Some(value) = NonNull::new(block.slots[bit as usize].load(Ordering::Acquire)) {
                visit(ObjectRef::of(value));
            }
        }
    }
}

impl fmt::Debug for Block {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Block")
            .field("occupied", &self.occupied)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::simulator::ALONE;
    use crate::with;

    #[test]
    fn slots_are_used_again() {
        let _alone = lock(&ALONE);
        let used = || lock(&BLOCKS).all.len();
        let roots: Vec<Root<u32>> = with(|g| (0..1_000_u32).map(|n| g.alloc(n).root(g)).collect());
        drop(roots);
        let before = used();
        for _ in 0..10 {
            let roots: Vec<Root<u32>> =
                with(|g| (0..1_000_u32).map(|n| g.alloc(n).root(g)).collect());
            with(|g| assert!(roots.iter().zip(0..).all(|(root, n)| *root.get(g) == n)));
        }
        assert_eq!(used(), before);
    }

    #[test]
    fn clones_are_roots_of_the_same_object() {
        let _alone = lock(&ALONE);
        let root = with(|g| g.alloc(String::from("seven")).root(g));
        let clone = root.clone();
        assert!(Root::ptr_eq(&root, &clone));
        drop(root);
        with(|g| assert_eq!(*clone.get(g), "seven"));
    }
}
