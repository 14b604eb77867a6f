//! The stream of signals.
//!
//! | the handler | the stream |
//! |---|---|
//! | 1. counts the signal | 1. takes a count; if there is one, that is the item |
//! | 2. writes a byte | 2. reads the bytes; if there are any, it begins anew |
//! | | 3. waits for a byte |
//!
//! A count that comes after the stream's 1 is followed by a byte, which is read at 2 or ends 3. A full socket refuses the byte, but then the
//! stream has some to read. So no kind of signal is lost in a storm of others, and none is counted less.

use std::array;
use std::borrow::Borrow;
use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, RawFd};
use std::os::unix::net::UnixStream;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, AtomicUsize, Ordering};
use std::task::{Context, Poll, ready};

use futures_core::Stream;
use futures_io::AsyncRead;
use gort_net::Async;
use signal_hook_registry::{FORBIDDEN, SigId};

use super::Signal;

/// A stream of the signals that come to this process.
///
/// It never ends. Signals that come while it is not polled are kept, each as often as it came; different ones may change their order.
/// Each `Signals` of a process hears of all its signals, whoever else does.
///
/// # Cancel safety
///
/// Dropping a wait for the next item loses nothing. Dropping the stream loses what it was not asked for.
///
/// # Examples
///
/// ```
/// use futures_lite::StreamExt;
/// use gort::signal::{Signal, Signals};
///
/// gort::block_on(async {
///     let mut signals = Signals::new([Signal::Hup, Signal::Usr1])?;
///     rustix::process::kill_process(rustix::process::getpid(), rustix::process::Signal::USR1)?;
///     assert_eq!(signals.next().await.transpose()?, Some(Signal::Usr1));
///     std::io::Result::Ok(())
/// })?;
/// # Ok::<(), std::io::Error>(())
/// ```
#[derive(Debug)]
pub struct Signals {
    inbox: Arc<Inbox>,
    told: Async<UnixStream>,
    watched: Vec<(Signal, SigId)>,
}

/// What the handlers write.
#[derive(Debug)]
struct Inbox {
    tell: UnixStream,
    /// How often each signal has come and was not told yet.
    counts: [AtomicU32; Signal::ALL.len()],
    /// Where the next look begins: a storm of one signal must not hide the others.
    turn: AtomicUsize,
}

impl Inbox {
    /// Runs in a signal handler.
    fn put(&self, index: usize) {
        // Release: published before the byte, to the Acquire load in `take`.
        self.counts[index].fetch_add(1, Ordering::Release);
        // A full socket has bytes to read.
        let _ = rustix::io::write(&self.tell, &[1]);
    }

    fn take(&self) -> Option<Signal> {
        // Relaxed: only fairness depends on it.
        let turn = self.turn.load(Ordering::Relaxed);
        for step in 0..Signal::ALL.len() {
            let index = (turn + step) % Signal::ALL.len();
            // Acquire: pairs with the Release of `put`, so that the byte that follows is still to be read.
            let taken =
                self.counts[index].fetch_update(Ordering::Acquire, Ordering::Acquire, |count| {
                    count.checked_sub(1)
                });
            if taken.is_ok() {
                self.turn.store(index + 1, Ordering::Relaxed);
                return Some(Signal::ALL[index]);
            }
        }
        None
    }
}

impl Signals {
    /// Watches signals.
    ///
    /// # Errors
    ///
    /// Fails with [`InvalidInput`](io::ErrorKind::InvalidInput) if one of them cannot be watched ([`Signal::Kill`], [`Signal::Stop`] and those that tell of
    /// faults of the program), or with the system's error if it has no descriptors left.
    #[track_caller]
    pub fn new<B: Borrow<Signal>>(signals: impl IntoIterator<Item = B>) -> io::Result<Self> {
        let (tell, told) = UnixStream::pair()?;
        tell.set_nonblocking(true)?;
        let mut new = Self {
            inbox: Arc::new(Inbox {
                tell,
                counts: array::from_fn(|_| AtomicU32::new(0)),
                turn: AtomicUsize::new(0),
            }),
            told: Async::new(told)?,
            watched: Vec::new(),
        };
        new.add_signals(signals)?;
        Ok(new)
    }

    /// Watches more signals. Those that are watched already make no difference.
    ///
    /// # Errors
    ///
    /// As [`new`](Self::new). What came before the signal that failed is watched.
    pub fn add_signals<B: Borrow<Signal>>(
        &mut self,
        signals: impl IntoIterator<Item = B>,
    ) -> io::Result<()> {
        for signal in signals {
            let signal = *signal.borrow();
            if self.watched.iter().all(|(watched, _)| *watched != signal) {
                let id = self.register(signal)?;
                self.watched.push((signal, id));
            }
        }
        Ok(())
    }

    /// Stops watching signals. Those that have come already are still told.
    ///
    /// # Errors
    ///
    /// None so far.
    pub fn remove_signals<B: Borrow<Signal>>(
        &mut self,
        signals: impl IntoIterator<Item = B>,
    ) -> io::Result<()> {
        for signal in signals {
            let at = self
                .watched
                .iter()
                .position(|(it, _)| it == signal.borrow());
            if let Some(at) = at {
                let (_, id) = self.watched.swap_remove(at);
                signal_hook_registry::unregister(id);
            }
        }
        Ok(())
    }

    fn register(&self, signal: Signal) -> io::Result<SigId> {
        if FORBIDDEN.contains(&signal.number()) {
            let text = format!("{signal:?} cannot be watched");
            return Err(io::Error::new(io::ErrorKind::InvalidInput, text));
        }
        let inbox = self.inbox.clone();
        let index = signal.index();
        // SAFETY: the handler adds to an atomic and makes one write to a socket it owns, both of which are safe in a signal handler.
        unsafe { signal_hook_registry::register(signal.number(), move || inbox.put(index)) }
    }

    fn poll_take(&self, cx: &mut Context<'_>) -> Poll<Option<io::Result<Signal>>> {
        loop {
            if let Some(signal) = self.inbox.take() {
                return Poll::Ready(Some(Ok(signal)));
            }
            let mut bytes = [0; 64];
            if let Err(error) = ready!(Pin::new(&mut &self.told).poll_read(cx, &mut bytes)) {
                return Poll::Ready(Some(Err(error)));
            }
        }
    }
}

impl Drop for Signals {
    fn drop(&mut self) {
        for (_, id) in self.watched.drain(..) {
            signal_hook_registry::unregister(id);
        }
    }
}

impl Stream for Signals {
    type Item = io::Result<Signal>;

    fn poll_next(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        self.poll_take(cx)
    }
}

/// For one task at a time: of several that wait the last one is woken.
impl Stream for &Signals {
    type Item = io::Result<Signal>;

    fn poll_next(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        self.poll_take(cx)
    }
}

impl AsFd for Signals {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.told.as_fd()
    }
}

impl AsRawFd for Signals {
    fn as_raw_fd(&self) -> RawFd {
        self.told.as_raw_fd()
    }
}
