//! The addresses of the heap: one range, reserved once, never given back.
//!
//! Reserving costs nothing but addresses. Memory is committed chunk by chunk from the start of the range, and what is not
//! needed any more is returned to the system, which gives zeros when it is touched again.
//!
//! Where there is no `mmap`, the range is what the allocator gives, and memory is not returned.

use std::io;
use std::ptr::NonNull;

/// What is committed at a time: 4 MiB, two large pages of x86-64. Borrowed: LuaJIT and others use chunks of this order.
pub(crate) const CHUNK: usize = 4 << 20;

/// How many bytes are reserved if the system lets us.
const MOST: usize = if cfg!(target_pointer_width = "64") {
    256 << 30
} else {
    512 << 20
};

/// With less than this there is no heap.
const LEAST: usize = if cfg!(target_pointer_width = "64") {
    1 << 30
} else {
    64 << 20
};

/// A reserved range of addresses.
#[derive(Debug)]
pub(crate) struct Range {
    start: NonNull<u8>,
    chunks: usize,
    committed: usize,
}

// SAFETY: it owns the addresses.
unsafe impl Send for Range {}

impl Range {
    /// Reserves as much as the system gives: half as much at each refusal.
    pub(crate) fn reserve() -> io::Result<Self> {
        let mut bytes = MOST;
        loop {
            match Self::of(bytes / CHUNK) {
                Err(_) if bytes / 2 >= LEAST => bytes /= 2,
                Err(error) => {
                    let text = format!(
                        "no {} MiB of addresses can be reserved: {error}",
                        bytes >> 20
                    );
                    return Err(io::Error::new(error.kind(), text));
                }
                range => return range,
            }
        }
    }

    /// Reserves a number of chunks.
    pub(crate) fn of(chunks: usize) -> io::Result<Self> {
        let start = system::reserve(chunks * CHUNK)?;
        let committed = 0;
        Ok(Self {
            start,
            chunks,
            committed,
        })
    }

    /// The first address, a multiple of `CHUNK`.
    pub(crate) fn start(&self) -> NonNull<u8> {
        self.start
    }

    /// Makes the next chunks usable; they are zero.
    pub(crate) fn commit(&mut self, chunks: usize) -> io::Result<()> {
        if crate::seeded::bug("no memory") || self.chunks - self.committed < chunks {
            let text = format!(
                "{} MiB of addresses are used up",
                (self.chunks * CHUNK) >> 20
            );
            return Err(io::Error::new(io::ErrorKind::OutOfMemory, text));
        }
        // SAFETY: within the range, as has been checked.
        let start = unsafe { self.start.add(self.committed * CHUNK) };
        // SAFETY: nobody uses these addresses yet.
        unsafe { system::commit(start, chunks * CHUNK) }?;
        self.committed += chunks;
        Ok(())
    }

    /// Has the system give memory for some bytes now, and tells whether it did. Their contents are what they were, or zero.
    ///
    /// # Safety
    ///
    /// The bytes are in committed chunks of a range, and begin and end at a block.
    pub(crate) unsafe fn populate(start: NonNull<u8>, bytes: usize) -> bool {
        // SAFETY: the caller vouches for it.
        unsafe { system::populate(start, bytes) }
    }

    /// Returns memory to the system. It stays usable, and is zero or what it was.
    ///
    /// # Safety
    ///
    /// The bytes are in committed chunks of a range, begin and end at a block, and nobody uses them.
    pub(crate) unsafe fn discard(start: NonNull<u8>, bytes: usize) {
        // SAFETY: the caller vouches for it.
        unsafe { system::discard(start, bytes) };
    }
}

#[cfg(all(unix, not(miri)))]
mod system {
    use std::io;
    use std::ptr::{self, NonNull};

    use rustix::mm::{MapFlags, MprotectFlags, ProtFlags, mmap_anonymous, mprotect, munmap};

    use super::CHUNK;

    /// Keeps the system from promising memory for mere addresses. The other systems never do.
    #[cfg(any(target_os = "linux", target_os = "android"))]
    const NO_PROMISE: MapFlags = MapFlags::NORESERVE;
    #[cfg(not(any(target_os = "linux", target_os = "android")))]
    const NO_PROMISE: MapFlags = MapFlags::empty();

    pub(super) fn reserve(bytes: usize) -> io::Result<NonNull<u8>> {
        let flags = MapFlags::PRIVATE | NO_PROMISE;
        // One chunk more, for the alignment.
        let all = bytes + CHUNK;
        // SAFETY: the system chooses addresses that nobody uses.
        let mapped = unsafe { mmap_anonymous(ptr::null_mut(), all, ProtFlags::empty(), flags) }?;
        let before = mapped.cast::<u8>().align_offset(CHUNK);
        // SAFETY: within what is mapped.
        let start = unsafe { mapped.byte_add(before) };
        if before > 0 {
            // SAFETY: ours, and not used.
            unsafe { munmap(mapped, before) }?;
        }
        // SAFETY: within what is mapped, or just behind it.
        let end = unsafe { start.byte_add(bytes) };
        // SAFETY: ours, and not used.
        unsafe { munmap(end, CHUNK - before) }?;
        Ok(NonNull::new(start.cast()).expect("nothing is mapped at 0"))
    }

    pub(super) unsafe fn commit(start: NonNull<u8>, bytes: usize) -> io::Result<()> {
        let flags = MprotectFlags::READ | MprotectFlags::WRITE;
        // SAFETY: the caller vouches for the addresses, which gain rights only.
        Ok(unsafe { mprotect(start.as_ptr().cast(), bytes, flags) }?)
    }

    #[cfg(any(target_os = "linux", target_os = "android"))]
    pub(super) unsafe fn populate(start: NonNull<u8>, bytes: usize) -> bool {
        use rustix::mm::{Advice, madvise};
        // SAFETY: it changes nothing that is in memory.
        unsafe { madvise(start.as_ptr().cast(), bytes, Advice::LinuxPopulateWrite) }.is_ok()
    }

    #[cfg(not(any(target_os = "linux", target_os = "android")))]
    pub(super) unsafe fn populate(_: NonNull<u8>, _: usize) -> bool {
        false
    }

    #[cfg(any(target_os = "linux", target_os = "android"))]
    pub(super) unsafe fn discard(start: NonNull<u8>, bytes: usize) {
        use rustix::mm::{Advice, madvise};
        // A refusal costs memory: the pages may be locked. So the result means nothing to us.
        // SAFETY: the caller vouches that nobody uses the bytes.
        let _ = unsafe { madvise(start.as_ptr().cast(), bytes, Advice::LinuxDontNeed) };
    }

    #[cfg(not(any(target_os = "linux", target_os = "android")))]
    pub(super) unsafe fn discard(start: NonNull<u8>, bytes: usize) {
        let flags = MapFlags::PRIVATE | MapFlags::FIXED;
        let rights = ProtFlags::READ | ProtFlags::WRITE;
        // SAFETY: the caller vouches that nobody uses the bytes, so new pages may stand in their place.
        let _ = unsafe { mmap_anonymous(start.as_ptr().cast(), bytes, rights, flags) };
    }
}

#[cfg(any(not(unix), miri))]
mod system {
    use std::alloc::{Layout, alloc_zeroed};
    use std::io;
    use std::ptr::NonNull;

    use super::CHUNK;

    pub(super) fn reserve(bytes: usize) -> io::Result<NonNull<u8>> {
        let layout = Layout::from_size_align(bytes, CHUNK).map_err(io::Error::other)?;
        // SAFETY: the layout has a size.
        let start = unsafe { alloc_zeroed(layout) };
        NonNull::new(start).ok_or_else(|| io::ErrorKind::OutOfMemory.into())
    }

    pub(super) unsafe fn commit(_: NonNull<u8>, _: usize) -> io::Result<()> {
        Ok(())
    }

    pub(super) unsafe fn populate(_: NonNull<u8>, _: usize) -> bool {
        false
    }

    pub(super) unsafe fn discard(_: NonNull<u8>, _: usize) {}
}
