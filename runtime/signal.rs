//! Signals of the operating system, as streams.
//!
//! A signal handler may do next to nothing, so it counts the signal, and writes a byte to a socket that the reactor watches. Each
//! [`Signals`] has counts and a socket pair of its own: no waiter depends on another one being polled.
//!
//! From the first time a signal is watched, it no longer has its effect on the process, even when nobody watches it any more.

use std::future::Future;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use futures_core::Stream;

pub use crate::dump::quit::dump_on_quit;
pub use kind::Signal;
pub use signals::Signals;

mod kind;
mod signals;

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
#[track_caller]
pub fn ctrl_c() -> CtrlC {
    CtrlC {
        signals: Signals::new([Signal::Int]).map_err(Some),
    }
}

/// The future of [`ctrl_c`].
#[derive(Debug)]
#[must_use = "futures do nothing unless polled"]
pub struct CtrlC {
    /// The error is taken when it is returned.
    signals: Result<Signals, Option<io::Error>>,
}

impl Future for CtrlC {
    type Output = io::Result<()>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &mut self.signals {
            Ok(signals) => {
                let came = ready!(Pin::new(signals).poll_next(cx));
                let came = came.expect("the stream has no end");
                Poll::Ready(came.map(drop))
            }
            Err(error) => {
                let again = || io::Error::other("ctrl_c was polled after it had failed");
                Poll::Ready(Err(error.take().unwrap_or_else(again)))
            }
        }
    }
}
