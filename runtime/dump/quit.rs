//! A dump on request from outside: SIGQUIT, as in Go.
//!
//! The handler writes a byte to a pipe; a thread that does nothing else reads it. So the dump is written although every worker, the
//! monitor and the reactor hang. Then the signal does what it would have done without gort; a second one does so at once, in case
//! nobody reads the standard error stream.
//!
//! Who watches SIGQUIT later takes the handler's place, and has the signal for itself: libraries that chain handlers still call ours,
//! so that looks whether it is still the first.

use std::ffi::c_int;
use std::io;
use std::mem;
use std::os::fd::{AsFd, BorrowedFd, IntoRawFd, OwnedFd};
use std::ptr;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicI32, Ordering};
use std::thread;

use rustix::io::Errno;
use rustix::process::getpid;

use super::dump;

/// Where the handler writes.
static TELL: AtomicI32 = AtomicI32::new(-1);

/// The process whose thread reads it: a child of `fork` has the handler, but not the thread.
static OWNER: AtomicI32 = AtomicI32::new(0);

/// Whether the thread has been told and is not done.
static BUSY: AtomicBool = AtomicBool::new(false);

/// Has SIGQUIT (Ctrl-\ on a terminal) write a [`dump`](crate::dump) to the standard error stream before it ends the process.
///
/// `#[gort::main]` does this by itself. What the signal does after the dump is what it does by default: it ends the process, with
/// a core file where these are wanted; the first process of a container goes on. A second signal does not wait for the dump.
///
/// Does nothing if the program has arranged for something else to happen on SIGQUIT; and who watches the signal later, by
/// [`Signals`](crate::signal::Signals) say, has it for itself: no dump, no end. Such a program can write a [`dump`](crate::dump) itself.
///
/// # Errors
///
/// Fails if there are no descriptors for a pipe, or no thread can be started.
///
/// # Examples
///
/// ```
/// // In a `main` without `#[gort::main]`.
/// gort::signal::dump_on_quit()?;
/// # Ok::<(), std::io::Error>(())
/// ```
pub fn dump_on_quit() -> io::Result<()> {
    static DONE: Mutex<bool> = Mutex::new(false);
    let mut done = DONE.lock().expect("nothing panics under it");
    if *done || action()? != libc::SIG_DFL {
        return Ok(());
    }
    let (told, tell) = io::pipe()?;
    let thread = thread::Builder::new().name("gort-dump".into());
    thread.spawn(move || serve(&told))?;
    // Relaxed, here and where the handler reads them: there is no handler before the system call that follows.
    OWNER.store(pid(), Ordering::Relaxed);
    TELL.store(OwnedFd::from(tell).into_raw_fd(), Ordering::Relaxed);
    set_action(handler())?;
    *done = true;
    Ok(())
}

fn pid() -> i32 {
    getpid().as_raw_nonzero().get()
}

fn handler() -> libc::sighandler_t {
    on_quit as extern "C" fn(c_int) as libc::sighandler_t
}

/// Runs in a signal handler.
extern "C" fn on_quit(signal: c_int) {
    if !action().is_ok_and(|action| action == handler()) {
        // Called by the handler of somebody else, whose signal it is now.
        return;
    }
    // Relaxed: the word guards nothing; of two signals one finds it set.
    if OWNER.load(Ordering::Relaxed) != pid() || BUSY.swap(true, Ordering::Relaxed) {
        // The signal is blocked while its handler runs: it ends this process right after.
        let _ = set_action(libc::SIG_DFL);
        // SAFETY: the signal exists.
        unsafe { libc::raise(signal) };
        return;
    }
    // SAFETY: `dump_on_quit` opened it before it set the handler, and gave it away for good.
    let tell = unsafe { BorrowedFd::borrow_raw(TELL.load(Ordering::Relaxed)) };
    let _ = rustix::io::write(tell, &[1]);
}

/// The thread.
fn serve(told: &io::PipeReader) {
    loop {
        match rustix::io::read(told, &mut [0; 16]) {
            Ok(0) => return,
            Ok(_) => {}
            Err(Errno::INTR) => continue,
            Err(_) => return,
        }
        write_to_stderr(format!("gort: SIGQUIT: {}", dump()).as_bytes());
        quit();
        // Relaxed: as in the handler.
        BUSY.store(false, Ordering::Relaxed);
    }
}

/// Writes without the lock of the standard error stream, which a thread that hangs may have.
fn write_to_stderr(mut text: &[u8]) {
    let stderr = io::stderr();
    while !text.is_empty() {
        match rustix::io::write(stderr.as_fd(), text) {
            Ok(written) => text = &text[written..],
            Err(Errno::INTR) => {}
            Err(_) => return,
        }
    }
}

/// Does what the signal does by default. Returns only if that is nothing.
fn quit() {
    if set_action(libc::SIG_DFL).is_err() {
        return;
    }
    // SAFETY: a set of signals of ours, which the next call makes.
    let mut mask: libc::sigset_t = unsafe { mem::zeroed() };
    // SAFETY: the pointer is to a set of ours.
    unsafe { libc::sigemptyset(&raw mut mask) };
    // SAFETY: as above.
    unsafe { libc::sigaddset(&raw mut mask, libc::SIGQUIT) };
    // SAFETY: as above; the old mask is not asked for.
    unsafe { libc::pthread_sigmask(libc::SIG_UNBLOCK, &raw const mask, ptr::null_mut()) };
    // To this very thread, so that it has had its effect when the call returns.
    // SAFETY: the signal exists.
    unsafe { libc::raise(libc::SIGQUIT) };
    let _ = set_action(handler());
}

/// What happens on SIGQUIT.
fn action() -> io::Result<libc::sighandler_t> {
    // SAFETY: a plain structure, for which zeros are valid.
    let mut old: libc::sigaction = unsafe { mem::zeroed() };
    // SAFETY: the pointer is to a structure of ours; nothing is changed.
    let outcome = unsafe { libc::sigaction(libc::SIGQUIT, ptr::null(), &raw mut old) };
    match outcome {
        0 => Ok(old.sa_sigaction),
        _ => Err(io::Error::last_os_error()),
    }
}

fn set_action(action: libc::sighandler_t) -> io::Result<()> {
    // SAFETY: a plain structure, for which zeros are valid: an empty set of signals, on all systems that there are.
    let mut new: libc::sigaction = unsafe { mem::zeroed() };
    new.sa_sigaction = action;
    new.sa_flags = libc::SA_RESTART | libc::SA_ONSTACK;
    // SAFETY: the action is the default, or `on_quit`, which calls sigaction, getpid, raise and write: all may be called in a handler.
    let outcome = unsafe { libc::sigaction(libc::SIGQUIT, &raw const new, ptr::null_mut()) };
    match outcome {
        0 => Ok(()),
        _ => Err(io::Error::last_os_error()),
    }
}
