//! Ctrl-C.
//!
//! A signal handler may do next to nothing, so it writes a byte to a socket, and the waiter reads readiness from the reactor. Each
//! waiter has a socket pair of its own: no waiter depends on another one being polled.

use std::future::Future;
use std::io;
use std::os::unix::net::UnixStream;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use gort_net::Async;
use rustix::process::Signal;
use signal_hook_registry::SigId;

/// Waits for the next Ctrl-C (SIGINT) after this call.
///
/// From the first call on, Ctrl-C no longer ends the process by itself, even when nobody waits for it.
///
/// # Errors
///
/// The future gives an error if the signal cannot be watched: the system has no descriptors left, say.
///
/// # Cancel safety
///
/// A signal that came before the future was dropped is not told to a later call.
///
/// # Examples
///
/// ```no_run
/// gort::block_on(async {
///     gort::ctrl_c().await.expect("cannot watch for Ctrl-C");
///     println!("stopping");
/// });
/// ```
pub fn ctrl_c() -> CtrlC {
    CtrlC {
        watch: Watch::new().map_err(Some),
    }
}

/// The future of [`ctrl_c`].
#[derive(Debug)]
#[must_use = "futures do nothing unless polled"]
pub struct CtrlC {
    /// The error is taken when it is returned.
    watch: Result<Watch, Option<io::Error>>,
}

#[derive(Debug)]
struct Watch {
    told: Async<UnixStream>,
    id: SigId,
}

impl Watch {
    fn new() -> io::Result<Self> {
        let (tell, told) = UnixStream::pair()?;
        tell.set_nonblocking(true)?;
        let told = Async::new(told)?;
        let handler = move || {
            // A full socket has been told already.
            let _ = rustix::io::write(&tell, &[1]);
        };
        // SAFETY: the handler makes one write to a socket it owns, which is safe in a signal handler.
        let id = unsafe { signal_hook_registry::register(Signal::INT.as_raw(), handler) }?;
        Ok(Self { told, id })
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        signal_hook_registry::unregister(self.id);
    }
}

impl Future for CtrlC {
    type Output = io::Result<()>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &mut self.watch {
            Ok(watch) => {
                ready!(watch.told.poll_readable(cx))?;
                Poll::Ready(Ok(()))
            }
            Err(error) => {
                let again = || io::Error::other("ctrl_c was polled after it had failed");
                Poll::Ready(Err(error.take().unwrap_or_else(again)))
            }
        }
    }
}
