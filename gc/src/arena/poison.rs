//! Free slots are not to be touched: who does so is to notice.
//!
//! In debug builds they are filled with a pattern, so a use after free crashes or shows a strange number, and a write after
//! free is found when the slot is used again. With `--cfg gort_asan`, to be set along with `-Zsanitizer=address`, the
//! address sanitizer is told, and reports every access. Otherwise nothing is done.

use std::ptr::NonNull;

use crate::seeded::is_broken;

const PATTERN: u8 = 0xDD;

/// Whether anything is done.
pub(super) const IS_ON: bool = cfg!(any(debug_assertions, gort_asan));

/// Forbids to touch some bytes.
///
/// # Safety
///
/// They are the caller's.
#[inline]
pub(super) unsafe fn set(start: NonNull<u8>, bytes: usize) {
    // The simulator reads on in objects that a bug on purpose has freed.
    if is_broken() {
        return;
    }
    if cfg!(debug_assertions) {
        // SAFETY: the caller vouches for the bytes.
        unsafe { clear(start, bytes) };
        // SAFETY: the same.
        unsafe { start.write_bytes(PATTERN, bytes) };
    }
    #[cfg(gort_asan)]
    // SAFETY: the same.
    unsafe {
        sanitizer::__asan_poison_memory_region(start.as_ptr().cast(), bytes)
    };
}

/// Allows to touch some bytes.
///
/// # Safety
///
/// They are the caller's.
#[inline]
pub(super) unsafe fn clear(start: NonNull<u8>, bytes: usize) {
    #[cfg(gort_asan)]
    // SAFETY: the caller vouches for the bytes.
    unsafe {
        sanitizer::__asan_unpoison_memory_region(start.as_ptr().cast(), bytes)
    };
    let _ = (start, bytes);
}

/// Allows to touch bytes that have been forbidden, and looks whether somebody has.
///
/// # Safety
///
/// They are the caller's.
#[inline]
pub(super) unsafe fn take(start: NonNull<u8>, bytes: usize) {
    // SAFETY: the caller vouches for the bytes.
    unsafe { clear(start, bytes) };
    if cfg!(debug_assertions) && !is_broken() {
        // SAFETY: ours, and initialised by `set`.
        let bytes = unsafe { std::slice::from_raw_parts(start.as_ptr(), bytes) };
        assert!(
            bytes.iter().all(|byte| *byte == PATTERN),
            "somebody has written to a freed object"
        );
    }
}

#[cfg(gort_asan)]
mod sanitizer {
    use std::ffi::c_void;

    // The runtime of the address sanitizer is linked to the program.
    unsafe extern "C" {
        pub(super) fn __asan_poison_memory_region(start: *const c_void, bytes: usize);
        pub(super) fn __asan_unpoison_memory_region(start: *const c_void, bytes: usize);
    }
}
