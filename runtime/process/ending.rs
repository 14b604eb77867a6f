//! Being told that a child has ended.
//!
//! | | [`Ending::Pidfd`] | [`Ending::Sigchld`] |
//! |---|---|---|
//! | who is woken | those who wait for this child | all who wait for any child |
//! | used | where the kernel has it | elsewhere, when forced, and for a child whose descriptor was refused |
//!
//! Neither says more than "look again": the truth is what `waitpid` says, and a wait begins before the look that it follows.
//! So an end that comes before the wait, or with the SIGCHLD of another child, is not missed.
//!
//! A child that nobody waits for is looked at by whoever drives the reactor, in its waker. That is no place to wait for an [`Event`],
//! which calls wakers under its lock: those children stand in a list that each SIGCHLD goes through.

use std::future::Future;
use std::io;
use std::os::fd::OwnedFd;
use std::pin::Pin;
use std::process::Child;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock};
use std::task::{Context, Poll};

use async_task::Runnable;
use event_listener::{Event, EventListener};
use futures_lite::StreamExt;
use gort_net::{Async, ReadableOwned};

use crate::signal::{Signal, Signals};

/// The environment variable that forces one way.
const MODE_VAR: &str = "GORT_PROCESS_MODE";

/// Notified of each SIGCHLD.
static SIGCHLD: Event = Event::new();

/// The children that nobody waits for, where there are no pidfds.
static UNWANTED: Mutex<Vec<Child>> = Mutex::new(Vec::new());

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Mode {
    Pidfd,
    Sigchld,
}

/// How the end of one child is told.
#[derive(Clone, Debug)]
pub(super) enum Ending {
    Pidfd(Arc<Async<OwnedFd>>),
    Sigchld,
}

/// One wait for a reason to look at a child again.
#[derive(Debug)]
pub(super) enum Told {
    Pidfd(ReadableOwned<OwnedFd>),
    Sigchld(EventListener),
}

impl Mode {
    /// The way of this process. It is chosen once.
    pub(super) fn get() -> io::Result<Self> {
        static MODE: OnceLock<Mode> = OnceLock::new();
        if let Some(mode) = MODE.get() {
            return Ok(*mode);
        }
        let mode = Self::from_env()?;
        Ok(*MODE.get_or_init(|| mode))
    }

    fn from_env() -> io::Result<Self> {
        match std::env::var_os(MODE_VAR) {
            None if pidfd::is_known() => Ok(Self::Pidfd),
            None => Ok(Self::Sigchld),
            Some(text) => match text.to_str() {
                Some("pidfd") => Ok(Self::Pidfd),
                Some("sigchld") => Ok(Self::Sigchld),
                _ => Err(io::Error::new(
                    io::ErrorKind::InvalidInput,
                    format!("{MODE_VAR} must be `pidfd` or `sigchld`, not {text:?}"),
                )),
            },
        }
    }

    /// Prepares for the end of a child that was spawned and not reaped.
    pub(super) fn watch(self, child: &Child) -> io::Result<Ending> {
        if self == Self::Pidfd
            && let Ok(fd) = pidfd::open(child)
            && let Ok(fd) = Async::new(fd)
        {
            return Ok(Ending::Pidfd(Arc::new(fd)));
        }
        listen_for_sigchld()?;
        Ok(Ending::Sigchld)
    }
}

impl Ending {
    /// Begins to wait. Look at the child after this, and then await it.
    pub(super) fn told(&self) -> Told {
        match self {
            Self::Pidfd(fd) => Told::Pidfd(fd.clone().readable_owned()),
            Self::Sigchld => Told::Sigchld(SIGCHLD.listen()),
        }
    }

    /// Waits, in the background, until the process has ended, which frees what the system keeps of it.
    pub(super) fn reap(&self, child: Child) {
        match self {
            Self::Pidfd(fd) => detach(reap(child, fd.clone())),
            Self::Sigchld => {
                unwanted().push(child);
                // Its signal may have come before.
                reap_unwanted();
            }
        }
    }
}

fn is_running(child: &mut Child) -> bool {
    // An error says that there is no such child: somebody else has waited for it.
    matches!(child.try_wait(), Ok(None))
}

async fn reap(mut child: Child, fd: Arc<Async<OwnedFd>>) {
    while is_running(&mut child) && fd.readable().await.is_ok() {}
}

fn unwanted() -> MutexGuard<'static, Vec<Child>> {
    UNWANTED.lock().unwrap_or_else(|poison| poison.into_inner())
}

fn reap_unwanted() {
    unwanted().retain_mut(is_running);
}

impl Future for Told {
    type Output = io::Result<()>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &mut *self {
            Self::Pidfd(readable) => Pin::new(readable).poll(cx),
            Self::Sigchld(listener) => Pin::new(listener).poll(cx).map(Ok),
        }
    }
}

/// Has [`SIGCHLD`] notified from now on.
fn listen_for_sigchld() -> io::Result<()> {
    static LISTENING: Mutex<bool> = Mutex::new(false);
    let mut listening = LISTENING
        .lock()
        .unwrap_or_else(|poison| poison.into_inner());
    if !*listening {
        let mut signals = Signals::new([Signal::Child])?;
        *listening = true;
        detach(async move {
            // An error of the socket has no remedy, and there is none to expect.
            while let Some(Ok(_)) = signals.next().await {
                SIGCHLD.notify(usize::MAX);
                reap_unwanted();
            }
        });
    }
    Ok(())
}

/// Runs a future that hardly computes, and waits for descriptors only: here and now, and then in its waker, where the reactor is driven.
fn detach(future: impl Future<Output = ()> + Send + 'static) {
    let (runnable, task) = async_task::spawn(future, |runnable: Runnable| {
        runnable.run();
    });
    task.detach();
    runnable.run();
}

#[cfg(target_os = "linux")]
mod pidfd {
    use std::io;
    use std::os::fd::OwnedFd;

    use rustix::process::{Pid, PidfdFlags, getpid, pidfd_open};

    /// Whether the kernel knows such descriptors, and lets us have them.
    pub(super) fn is_known() -> bool {
        pidfd_open(getpid(), PidfdFlags::empty()).is_ok()
    }

    pub(super) fn open(child: &std::process::Child) -> io::Result<OwnedFd> {
        Ok(pidfd_open(Pid::from_child(child), PidfdFlags::empty())?)
    }
}

#[cfg(not(target_os = "linux"))]
mod pidfd {
    use std::io;
    use std::os::fd::OwnedFd;

    pub(super) fn is_known() -> bool {
        false
    }

    pub(super) fn open(_child: &std::process::Child) -> io::Result<OwnedFd> {
        Err(io::ErrorKind::Unsupported.into())
    }
}
