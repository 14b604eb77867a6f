//! Roots: what the program holds on to without a guard.
//!
//! A root is a slot in a block of 62. Blocks are never freed. A block has one owner at most, a thread that takes slots from
//! it; any thread may give one back. So neither takes a locked instruction.
//!
//! # Protocol
//!
//! 1. Create: pin, shade the object if the pin shades, take a free slot of one's own block, write the object to it (Release).
//! 2. Drop: pin, shade the object if the pin shades, write null (Release): the slot is free. The owner also notes it in
//!    `free`; slots that others have given back are found when `free` is empty.
//! 3. Scan: read the slots (Acquire).
//!
//! The object is shaded *before* the slot is cleared: after that a scan may miss it, though it was a root when the cycle's
//! snapshot was taken.
//!
//! # How many blocks there are
//!
//! A thread that finds less than [`ENOUGH`] free slots in its block leaves it, looks at the [`LOOKS`] blocks without an owner
//! that were looked at the longest time ago, and makes a new block if those are as full. The cost is bounded for each block
//! that is used up, and all blocks are looked at before their number has grown by half: if the number of roots is at rest, so
//! is the number of blocks, at most 1.5 times of what holds all roots with 46 in each.
//!
//! Rejected: a bit mask per block that all threads change (two locked instructions for a root, and its cache line goes from
//! hand to hand), and a counter per object, as in `Arc` (the same for threads that share an object).

use std::collections::VecDeque;
use std::fmt;
use std::marker::PhantomData;
use std::mem::offset_of;
use std::ptr::{self, NonNull};
use std::sync::Mutex;
use std::sync::atomic::{AtomicPtr, AtomicU64, Ordering};

use crate::local::{Local, lock};
use crate::object::ObjectRef;
use crate::pointee::Branded;
use crate::seeded::bug;
use crate::{Gc, Guard, Trace, WeakRoot, fork, pin};

/// Slots in a block, so that it has 512 bytes.
const SLOTS: usize = 62;

/// All bits of [`Block::free`].
const ALL: u64 = (1 << SLOTS) - 1;

/// Free slots for which a block is worth having. Thin air: a quarter.
const ENOUGH: u32 = 16;

/// Blocks that are looked at before one is made. Thin air.
const LOOKS: usize = 2;

/// The object of a root, or null.
type Slot = AtomicPtr<()>;

/// See the head of the file. It is aligned to its size: the address of a slot gives that of its block.
#[derive(Debug)]
#[repr(C, align(512))]
pub(crate) struct Block {
    /// The thread that takes slots from here; null if none does. Only compared.
    owner: AtomicPtr<Local>,
    /// Slots that the owner knows to be free. Written by the owner.
    free: AtomicU64,
    slots: [Slot; SLOTS],
}

const _: () = assert!(size_of::<Block>() == align_of::<Block>());

/// Where the slots begin in a block, in slots.
const FIRST: usize = offset_of!(Block, slots) / size_of::<Slot>();

struct Blocks {
    all: Vec<&'static Block>,
    /// Those without an owner; the first has been looked at the longest time ago.
    idle: VecDeque<&'static Block>,
}

static BLOCKS: Mutex<Blocks> = Mutex::new(Blocks {
    all: Vec::new(),
    idle: VecDeque::new(),
});

/// A handle that keeps an object in the heap alive, without a guard.
///
/// `F` is the type of the object with the brand `'static`: `Root<Node<'static>>`, `Root<[u8]>`. A root can be kept anywhere, sent to other
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
pub struct Root<F: ?Sized> {
    object: ObjectRef,
    slot: SlotRef,
    _object: PhantomData<F>,
}

// SAFETY: it gives shared references to the object on any thread, and any thread may be the last to hold it.
unsafe impl<F: ?Sized + Send + Sync> Send for Root<F> {}
// SAFETY: as for `Send`.
unsafe impl<F: ?Sized + Send + Sync> Sync for Root<F> {}

impl<F: ?Sized> Root<F> {
    /// Makes a root of an object that `g` protects, whose type is `F` under another brand.
    #[inline]
    pub(crate) fn of(object: ObjectRef, g: &Guard) -> Self {
        if !bug("no shading of new roots") {
            g.barrier(|| None, || Some(object));
        }
        let slot = SlotRef::take(g.local());
        // Release: publishes the object to the Acquire in `for_each`.
        slot.get().store(object.value().as_ptr(), Ordering::Release);
        Self {
            object,
            slot,
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
}

impl<F: ?Sized + Branded<'static>> Root<F> {
    /// Returns the object under a guard.
    pub fn get<'g>(&self, _g: &'g Guard) -> Gc<'g, F::At<'g>> {
        // SAFETY: the guard is pinned while the object is rooted, and a root that is dropped later shades it. Its type is `F`
        // under another brand.
        unsafe { Gc::of(self.object.value()) }
    }

    /// Makes a handle that does not keep the object alive.
    #[must_use]
    pub fn downgrade(&self) -> WeakRoot<F> {
        let g = pin();
        let weak = self.get(&g).downgrade(&g);
        WeakRoot::of(weak, &g)
    }

    /// Tells whether two roots are of the same object.
    #[must_use]
    pub fn ptr_eq(a: &Self, b: &Self) -> bool {
        a.object == b.object
    }
}

impl<F: ?Sized> Clone for Root<F> {
    #[inline]
    fn clone(&self) -> Self {
        Self::of(self.object, &pin())
    }
}

impl<F: ?Sized> Drop for Root<F> {
    #[inline]
    fn drop(&mut self) {
        // In a child of `fork` a root is nobody's business.
        let Some(g) = Guard::try_pin() else { return };
        if !bug("no shading of dropped roots") {
            g.barrier(|| Some(self.object), || None);
        }
        self.slot.give_back(g.local());
    }
}

impl<F: ?Sized> fmt::Debug for Root<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // The object may hold what leads back here, and takes a guard.
        f.debug_tuple("Root").field(&self.object.value()).finish()
    }
}

/// A slot that belongs to a root.
///
/// The pointer is derived from the block that the slot is in.
#[derive(Clone, Copy)]
struct SlotRef(NonNull<Slot>);

impl SlotRef {
    /// Takes a free slot for the thread with the record `local`.
    #[inline]
    fn take(local: &'static Local) -> Self {
        if let Some(block) = local.root_block.get()
            && let Some(slot) = block.take()
        {
            return slot;
        }
        let block = Block::with_free_slots(local);
        local.root_block.set(Some(block));
        block.take().expect("the block has free slots")
    }

    #[inline]
    fn get(&self) -> &Slot {
        // SAFETY: it is a slot of a block, and blocks are never freed.
        unsafe { self.0.as_ref() }
    }

    /// Frees the slot, on the thread with the record `local`.
    #[inline]
    fn give_back(self, local: &'static Local) {
        // Release: pairs with the Acquire in `for_each`, for which the object is shaded if it has to be, and with that in
        // `look_for_free`.
        self.get().store(ptr::null_mut(), Ordering::Release);
        let block = self
            .0
            .as_ptr()
            .map_addr(|addr| addr & !(align_of::<Block>() - 1))
            .cast::<Block>();
        // SAFETY: the slot is in a block, which is aligned to its size, and never freed.
        let block = unsafe { &*block };
        if block.is_owned_by(local) {
            let index = self.0.addr().get() % align_of::<Block>() / size_of::<Slot>() - FIRST;
            block.set_free(block.free() | 1 << index);
        }
    }
}

impl Block {
    fn new() -> &'static Self {
        Box::leak(Box::new(Self {
            owner: AtomicPtr::new(ptr::null_mut()),
            free: AtomicU64::new(ALL),
            slots: [const { AtomicPtr::new(ptr::null_mut()) }; SLOTS],
        }))
    }

    /// Takes a slot of which the owner knows that it is free. The caller is the owner.
    #[inline]
    fn take(&'static self) -> Option<SlotRef> {
        let free = self.free();
        let index = free.trailing_zeros() as usize;
        if free == 0 {
            return None;
        }
        self.set_free(free & (free - 1));
        let slots = NonNull::from(self).cast::<Slot>();
        // SAFETY: the bit says that there is such a slot; they begin where `FIRST` says.
        Some(SlotRef(unsafe { slots.add(FIRST + index) }))
    }

    /// Returns a block with free slots for the owner of `local`, who is left without any of its own.
    #[cold]
    fn with_free_slots(local: &'static Local) -> &'static Self {
        fork::check();
        if let Some(block) = local.root_block.take() {
            if block.look_for_free() {
                return block;
            }
            // Relaxed: only this thread looks for its own address.
            block.owner.store(ptr::null_mut(), Ordering::Relaxed);
            // It is another thread's to look at from here on, which the lock hands it to.
            lock(&BLOCKS).idle.push_back(block);
        }
        let block = Self::unowned();
        // Relaxed: as above.
        block
            .owner
            .store(ptr::from_ref(local).cast_mut(), Ordering::Relaxed);
        block
    }

    /// Returns a block with free slots that has no owner.
    fn unowned() -> &'static Self {
        let mut blocks = lock(&BLOCKS);
        for _ in 0..LOOKS {
            let Some(block) = blocks.idle.pop_front() else {
                break;
            };
            if block.look_for_free() {
                return block;
            }
            blocks.idle.push_back(block);
        }
        let block = Self::new();
        blocks.all.push(block);
        block
    }

    /// Looks for slots that are free, and tells whether they are enough. The caller is the owner, or holds the lock and the
    /// block has none.
    fn look_for_free(&self) -> bool {
        let mut free = 0;
        for (index, slot) in self.slots.iter().enumerate() {
            // Acquire: pairs with the Release in `give_back`: what is written next comes after the null.
            free |= u64::from(slot.load(Ordering::Acquire).is_null()) << index;
        }
        self.set_free(free);
        free.count_ones() >= ENOUGH
    }

    #[inline]
    fn is_owned_by(&self, local: &'static Local) -> bool {
        // Relaxed: a thread finds its own address only if it has written it, and not written null since.
        ptr::eq(self.owner.load(Ordering::Relaxed), local)
    }

    #[inline]
    fn free(&self) -> u64 {
        // Relaxed: written by this thread, or by the owner before it, who has been under the lock since.
        self.free.load(Ordering::Relaxed)
    }

    #[inline]
    fn set_free(&self, free: u64) {
        // Relaxed: as in `free`.
        self.free.store(free, Ordering::Relaxed);
    }
}

/// Visits the objects of all roots that there are.
pub(crate) fn for_each(mut visit: impl FnMut(ObjectRef)) {
    let blocks = lock(&BLOCKS).all.clone();
    for slot in blocks.into_iter().flat_map(|block| &block.slots) {
        // Acquire: pairs with the Release in `Root::of`, and with that in `give_back`: what is not a root any more is shaded if
        // it was one at the snapshot.
        if let Some(value) = NonNull::new(slot.load(Ordering::Acquire)) {
            // SAFETY: the object of a root, or of one that shades it before it lets go.
            visit(unsafe { ObjectRef::of(value) });
        }
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
    fn slots_that_other_threads_give_back_are_used_again() {
        let _alone = lock(&ALONE);
        let used = || lock(&BLOCKS).all.len();
        let root = with(|g| g.alloc(7_u32).root(g));
        let others_drop = |n: usize| {
            let clones = vec![root.clone(); n];
            std::thread::scope(|s| drop(s.spawn(move || drop(clones)).join()));
        };
        others_drop(10 * SLOTS);
        let before = used();
        for _ in 0..100 {
            others_drop(10 * SLOTS);
        }
        // Those that it has got at first were as full as they are found now; half of them more are allowed.
        assert!(used() <= before + before / 2 + 1);
    }

    #[test]
    fn the_roots_of_a_heap_at_rest_are_in_few_blocks() {
        let _alone = lock(&ALONE);
        let root = with(|g| g.alloc(7_u32).root(g));
        let before = lock(&BLOCKS).all.len();
        let live = 100 * SLOTS;
        let mut roots = std::collections::VecDeque::from(vec![root.clone(); live]);
        // Every other root is young, so that blocks become free in parts.
        for i in 0..100 * live {
            let older = roots.pop_front().expect("there are many");
            if i % 2 == 0 {
                roots.push_back(older);
            } else {
                roots.push_back(root.clone());
                drop(older);
            }
        }
        let enough = live / (SLOTS - ENOUGH as usize) * 3 / 2;
        assert!(lock(&BLOCKS).all.len() <= before + enough + 2);
    }

    #[test]
    fn a_root_is_two_words() {
        assert_eq!(size_of::<Option<Root<u32>>>(), 2 * size_of::<usize>());
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
