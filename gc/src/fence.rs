//! A fence in two halves of unequal price.
//!
//! Pins are frequent and cycles are rare. So the side of the pin has a fence for the compiler only, [`light`], and the side
//! of the collector has one that makes every other processor that runs a thread of this process execute a real one: on
//! Linux, `membarrier` with `PRIVATE_EXPEDITED`. Between the two halves the guarantee is the same as between two SeqCst
//! fences: of two threads that each write, fence and read, at least one sees what the other has written.
//!
//! Where there is no such call, because of another system, an old kernel or a filter of system calls, both halves are SeqCst
//! fences. The choice is made once, before any thread has a record to pin with. A build with `--cfg gort_fences` and a model
//! choose fences as well, and so does a process with `GORT_FENCES` in its environment: for sandboxes that end a process for a
//! call that they do not know.
//!
//! Rejected: a choice at each pin (it costs a load and a branch; pins have one branch for all that is unusual), and
//! `PRIVATE_EXPEDITED` without registration (the kernel refuses it).

use std::sync::atomic::compiler_fence;

use gort_primitives::atomic::{Ordering, fence};

/// The collector's half.
pub(crate) fn heavy() {
    // SeqCst: one of the two halves. With `membarrier` it orders this thread's own accesses for compilers and readers.
    fence(Ordering::SeqCst);
    if are_light() {
        kernel::fence_everybody();
    }
}

/// The half of a pin, if [`are_light`] has said yes.
#[inline(always)]
pub(crate) fn light() {
    // SeqCst: the processor's part of it is done by `heavy`. A model has no such call, and takes the fence that it stands for.
    if cfg!(gort_loom) {
        fence(Ordering::SeqCst);
    } else {
        compiler_fence(Ordering::SeqCst);
    }
}

/// The half of a pin otherwise.
#[inline(always)]
pub(crate) fn full() {
    // SeqCst: pairs with that in `heavy`.
    fence(Ordering::SeqCst);
}

/// Tells which half pins need: the same answer for as long as the process lives.
pub(crate) fn are_light() -> bool {
    kernel::answers()
}

#[cfg(all(target_os = "linux", not(any(gort_fences, gort_loom))))]
mod kernel {
    use std::sync::OnceLock;

    use rustix::io;
    use rustix::thread::{MembarrierCommand, membarrier};

    pub(super) fn answers() -> bool {
        static ANSWERS: OnceLock<bool> = OnceLock::new();
        *ANSWERS.get_or_init(|| std::env::var_os("GORT_FENCES").is_none() && register().is_ok())
    }

    fn register() -> io::Result<()> {
        membarrier(MembarrierCommand::RegisterPrivateExpedited)?;
        // A filter may allow the one and not the other.
        membarrier(MembarrierCommand::PrivateExpedited)
    }

    pub(super) fn fence_everybody() {
        if let Err(error) = membarrier(MembarrierCommand::PrivateExpedited) {
            // A filter of system calls was set up after the first pin. Pins have no other fence.
            eprintln!(
                "gort-gc: membarrier worked and does not any more ({error}); set GORT_FENCES=1"
            );
            std::process::abort();
        }
    }
}

#[cfg(not(all(target_os = "linux", not(any(gort_fences, gort_loom)))))]
mod kernel {
    pub(super) const fn answers() -> bool {
        false
    }

    pub(super) fn fence_everybody() {}
}

#[cfg(all(test, not(gort_loom)))]
mod tests {
    use std::process::Command;

    use super::*;

    const VARIABLE: &str = "GORT_FENCES";

    #[test]
    fn the_choice_is_what_build_kernel_and_environment_allow() {
        let refused = cfg!(gort_fences) || std::env::var_os(VARIABLE).is_some();
        assert!(!(refused && are_light()));
        assert_eq!(are_light(), are_light());
        heavy();
    }

    /// The same test, and the simulator, in a process that is told to use fences.
    #[test]
    fn a_process_can_be_told_to_use_fences() {
        if std::env::var_os(VARIABLE).is_some() {
            return;
        }
        let tests = std::env::current_exe().expect("a test is a program");
        let output = Command::new(tests)
            .env(VARIABLE, "1")
            .args(["the_choice_is", "no_order_of_steps"])
            .output()
            .expect("it can be started again");
        let text = String::from_utf8_lossy(&output.stdout);
        assert!(output.status.success(), "{text}");
        assert!(text.contains("2 passed"), "{text}");
    }
}
