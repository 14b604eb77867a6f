//! The kernel's side: registration, the wait, and the end of the wait.
//!
//! [`polling::Poller`] owns the registrations. There are two ways to use it:
//!
//! | | [`Mode::Edge`] | [`Mode::Oneshot`] |
//! |---|---|---|
//! | a descriptor is registered | once, for both directions | once, for none |
//! | a wait of a task | costs no system call | arms it: one `epoll_ctl` |
//! | used | where the poller supports it | elsewhere, and when forced |
//!
//! On Linux in edge mode ([`Epoll`]) the wait goes to the epoll descriptor itself. The poller's own wait sets a timer
//! descriptor, and modifies two registrations, for each call: 727 ns against 80 for a poll that finds nothing. Everywhere else, and
//! in oneshot mode on Linux, where the tests can see it, the wait is the poller's.
//!
//! Keys: the poller stores `key as u64` in `epoll_event.data`, and so do we. `usize::MAX` is its notifier and its timer; we
//! give [`BELL_KEY`] to our own eventfd. Neither is ever the key of a source.

use std::io;
use std::num::NonZeroUsize;
use std::time::Duration;

use polling::{Event as Polled, PollMode, Poller};
use rustix::fd::{AsFd, BorrowedFd};

use crate::source::readiness::Event;
use crate::source::waiters::Interest;

#[cfg(target_os = "linux")]
use super::epoll::Epoll;

/// How many events one wait reports (borrowed from tokio: 1024).
pub(super) const EVENTS: usize = 1024;

/// The key of the eventfd that ends a wait.
pub(super) const BELL_KEY: usize = usize::MAX - 1;

/// How descriptors are registered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Mode {
    /// Once, for both directions; the kernel reports changes.
    Edge,
    /// Armed for each wait; the kernel reports the state, once.
    Oneshot,
}

impl Mode {
    /// Reads `GORT_NET_MODE`. `None`: the best one that the poller supports.
    pub(super) fn from_env() -> io::Result<Option<Self>> {
        match std::env::var_os("GORT_NET_MODE") {
            None => Ok(None),
            Some(text) => match text.to_str() {
                Some("edge") => Ok(Some(Self::Edge)),
                Some("oneshot") => Ok(Some(Self::Oneshot)),
                _ => Err(io::Error::new(
                    io::ErrorKind::InvalidInput,
                    format!("GORT_NET_MODE must be `edge` or `oneshot`, not {text:?}"),
                )),
            },
        }
    }
}

/// The kernel's side of a reactor.
#[derive(Debug)]
pub(crate) struct Selector {
    poller: Poller,
    mode: Mode,
    #[cfg(target_os = "linux")]
    epoll: Option<Epoll>,
}

/// The events of one wait. Belongs to whoever has the baton.
pub(super) enum Buffer {
    #[cfg(target_os = "linux")]
    Epoll(Vec<rustix::event::epoll::Event>),
    Portable(polling::Events),
}

impl Selector {
    /// `mode` is a wish; `None` takes the best. A wish for edges that the poller cannot fulfil is an error.
    pub(super) fn new(mode: Option<Mode>) -> io::Result<Self> {
        let poller = Poller::new()?;
        let mode = match mode {
            Some(Mode::Edge) if !poller.supports_edge() => {
                return Err(io::Error::new(
                    io::ErrorKind::Unsupported,
                    "this platform's poller has no edge mode",
                ));
            }
            Some(mode) => mode,
            None if poller.supports_edge() => Mode::Edge,
            None => Mode::Oneshot,
        };
        Ok(Self {
            #[cfg(target_os = "linux")]
            epoll: match mode {
                Mode::Edge => Some(Epoll::new(&poller)?),
                Mode::Oneshot => None,
            },
            poller,
            mode,
        })
    }

    pub(super) fn mode(&self) -> Mode {
        self.mode
    }

    /// Whether a transfer of fewer bytes than asked for proves that the next call would block, as long as the descriptor is not
    /// broken. See [`Attempt::transferred`](crate::source::Attempt::transferred).
    pub(super) fn short_means_drained(&self) -> bool {
        // Oneshot: the next wait arms the registration, and the kernel looks at the state again.
        // Edge on Linux: we registered for EPOLLRDHUP, so the end of the stream shows in the word.
        // Edge elsewhere: the poller does not tell us of the end of the stream.
        self.mode == Mode::Oneshot || cfg!(target_os = "linux")
    }

    /// The descriptor of the wait itself. Only epoll's is known to be one: others may poll descriptor by descriptor.
    pub(super) fn poll_fd(&self) -> Option<BorrowedFd<'_>> {
        #[cfg(target_os = "linux")]
        return Some(self.poller.as_fd());
        #[cfg(not(target_os = "linux"))]
        None
    }

    pub(super) fn buffer(&self) -> Buffer {
        #[cfg(target_os = "linux")]
        if self.epoll.is_some() {
            return Buffer::Epoll(Vec::with_capacity(EVENTS));
        }
        let capacity = NonZeroUsize::new(EVENTS).expect("not zero");
        Buffer::Portable(polling::Events::with_capacity(capacity))
    }

    /// Registers `fd`. A descriptor that is registered already is an error.
    ///
    /// # Safety
    ///
    /// `fd` must stay open until [`remove`](Self::remove).
    pub(super) unsafe fn add(&self, fd: BorrowedFd<'_>, key: usize) -> io::Result<()> {
        #[cfg(target_os = "linux")]
        if self.epoll.is_some() {
            return Epoll::add(&self.poller, fd, key);
        }
        let (interest, mode) = match self.mode {
            Mode::Edge => (Polled::all(key), PollMode::Edge),
            Mode::Oneshot => (Polled::none(key), PollMode::Oneshot),
        };
        // SAFETY: the caller keeps the descriptor open until it is removed.
        unsafe { self.poller.add_with_mode(&fd, interest, mode) }
    }

    /// Arms a oneshot registration.
    pub(super) fn arm(&self, fd: BorrowedFd<'_>, key: usize, interest: Interest) -> io::Result<()> {
        debug_assert_eq!(self.mode, Mode::Oneshot);
        let interest = Polled::new(key, interest.read, interest.write);
        self.poller
            .modify_with_mode(fd, interest, PollMode::Oneshot)
    }

    pub(super) fn remove(&self, fd: BorrowedFd<'_>) -> io::Result<()> {
        self.poller.delete(fd)
    }

    /// Waits for events. `None` waits for ever, zero does not wait. A signal ends the wait without an error.
    pub(super) fn wait(&self, buffer: &mut Buffer, timeout: Option<Duration>) -> io::Result<()> {
        let outcome = match buffer {
            #[cfg(target_os = "linux")]
            Buffer::Epoll(events) => {
                let epoll = self.epoll.as_ref().expect("this buffer is for epoll");
                epoll.wait(&self.poller, events, timeout)
            }
            Buffer::Portable(events) => {
                events.clear();
                self.poller.wait(events, timeout).map(drop)
            }
        };
        match outcome {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {
                buffer.clear();
                Ok(())
            }
            outcome => outcome,
        }
    }

    /// Makes the wait of now, or else the next one, return.
    pub(super) fn end_wait(&self) -> io::Result<()> {
        #[cfg(target_os = "linux")]
        if let Some(epoll) = &self.epoll {
            return epoll.end_wait();
        }
        self.poller.notify()
    }
}

impl Buffer {
    fn clear(&mut self) {
        match self {
            #[cfg(target_os = "linux")]
            Self::Epoll(events) => events.clear(),
            Self::Portable(events) => events.clear(),
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        match self {
            #[cfg(target_os = "linux")]
            Self::Epoll(events) => events.is_empty(),
            Self::Portable(events) => events.is_empty(),
        }
    }

    /// Calls `f` with the key and the news of each source.
    pub(super) fn for_each(&self, mut f: impl FnMut(usize, Event)) {
        match self {
            #[cfg(target_os = "linux")]
            Self::Epoll(events) => {
                for event in events {
                    let (key, event) = super::epoll::decode(event);
                    if key < BELL_KEY {
                        f(key, event);
                    }
                }
            }
            Self::Portable(events) => {
                for event in events.iter() {
                    let broken =
                        event.is_interrupt() || event.is_priority() || event.is_err() == Some(true);
                    let news = Event {
                        read: event.readable,
                        write: event.writable,
                        broken,
                    };
                    f(event.key, news);
                }
            }
        }
    }
}

/// Asks the kernel whether `fd` is ready now. Hang-up and error count as ready in both directions.
pub(crate) fn is_ready_now(
    fd: BorrowedFd<'_>,
    direction: crate::source::readiness::Direction,
) -> io::Result<bool> {
    use crate::source::readiness::Direction;
    use rustix::event::{PollFd, PollFlags, Timespec, poll};

    let flags = match direction {
        Direction::Read => PollFlags::IN | PollFlags::PRI,
        Direction::Write => PollFlags::OUT,
    };
    let mut fds = [PollFd::from_borrowed_fd(fd.as_fd(), flags)];
    loop {
        match poll(&mut fds, Some(&Timespec::default())) {
            Ok(ready) => return Ok(ready != 0),
            Err(rustix::io::Errno::INTR) => {}
            Err(errno) => return Err(errno.into()),
        }
    }
}
