//! Why goroutines wait: one table of all reasons, with the words of dumps, Go's where Go has them.

use std::fmt;
use std::panic::Location;

use gort_net::WaitKind as NetKind;
use gort_sync::WaitKind as SyncKind;

use crate::g::G;
use crate::m::{self, Here};
use crate::root::{self, Root};

/// Makes [`WaitReason`] of rows `Name: "words"`, and `Name = Name` for a wait of `gort_sync`, whose words stand there.
macro_rules! wait_reasons {
    ($($(#[$doc:meta])+ $name:ident $(: $words:literal)? $(= $sync:ident)?,)+) => {
        /// Why a goroutine waits, where gort's own operations know it.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        #[non_exhaustive]
        #[repr(u8)]
        pub enum WaitReason {
            $($(#[$doc])+ $name,)+
        }

        const ALL: &[WaitReason] = &[$(WaitReason::$name),+];

        impl fmt::Display for WaitReason {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(match self {
                    $(Self::$name => { $($words)? $(SyncKind::$sync.as_str())? })+
                })
            }
        }

        impl WaitReason {
            fn of_sync(kind: SyncKind) -> Self {
                match kind {
                    $($(SyncKind::$sync => Self::$name,)?)+
                    _ => Self::Other,
                }
            }
        }
    };
}

wait_reasons! {
    /// Something that is not gort's: a channel or a lock of another crate, say.
    Other: "waiting",
    /// A timer.
    Sleep: "sleep",
    /// Data to read.
    IoRead: "IO wait, read",
    /// Room to write.
    IoWrite: "IO wait, write",
    /// A connection to come in.
    Accept: "IO wait, accept",
    /// A connection to be made.
    Connect: "IO wait, connect",
    /// The end of another goroutine.
    Join: "join",
    /// A future with a limit that says no better why it waits.
    Timeout: "timeout",
    /// A mutex.
    Mutex = Mutex,
    /// A read-write lock, to read.
    RwLockRead = RwLockRead,
    /// A read-write lock, to write.
    RwLockWrite = RwLockWrite,
    /// Permits of a semaphore.
    Semaphore = Semaphore,
    /// The end of a context.
    Context = Context,
    /// A notice.
    Notify = Notify,
    /// A condition variable.
    Cond = Cond,
    /// The others at a barrier.
    Barrier = Barrier,
    /// A latch to be opened.
    Latch = Latch,
    /// All of a wait group.
    WaitGroup = WaitGroup,
    /// A value that another makes, once.
    Once = Once,
    /// A call that another makes for all.
    Singleflight = Singleflight,
    /// The end of a child process.
    Process: "process",
    /// A value of a channel.
    ChanReceive = ChanReceive,
    /// Room in a channel, or a receiver.
    ChanSend = ChanSend,
    /// The end of a channel.
    ChanClosed = ChanClosed,
    /// One of the arms of a select.
    Select = Select,
    /// The addresses of a host name.
    Lookup: "IO wait, lookup",
    /// A call that a thread of a pool makes.
    BlockingCall: "blocking call",
    /// A task of the executor that it runs.
    Executor: "executor, idle",
}

impl WaitReason {
    pub(crate) fn from_byte(byte: u8) -> Self {
        ALL.get(usize::from(byte)).copied().unwrap_or(Self::Other)
    }

    fn of_net(kind: NetKind) -> Self {
        match kind {
            NetKind::IoRead | NetKind::Readable => Self::IoRead,
            NetKind::IoWrite | NetKind::Writable => Self::IoWrite,
            NetKind::Accept => Self::Accept,
            NetKind::Connect => Self::Connect,
            NetKind::Lookup => Self::Lookup,
            _ => Self::Other,
        }
    }
}

/// Why a future waits, and where it says so.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Note {
    pub(crate) reason: WaitReason,
    pub(crate) at: Option<&'static Location<'static>>,
}

/// Notes why the future on this thread, if it is a goroutine or one of `block_on`, is about to wait.
#[inline]
pub(crate) fn note_wait(reason: WaitReason, at: &'static Location<'static>) {
    Note {
        reason,
        at: Some(at),
    }
    .put();
}

impl Note {
    /// What the future on this thread has noted in this poll.
    pub(crate) fn current() -> Self {
        let of_root = root::with_current(|root| root.map(Root::note));
        let of_g = || m::with_here(|here| here.and_then(Here::cur).map(G::note));
        of_root.or_else(of_g).unwrap_or(Self {
            reason: WaitReason::Other,
            at: None,
        })
    }

    /// For an executor's `run()` that found nothing to do: what the future in it had noted before the tasks noted theirs.
    pub(crate) fn put_again(mut self) {
        if self.reason == WaitReason::Other {
            self.reason = WaitReason::Executor;
        }
        self.put();
    }

    #[inline]
    fn put(self) {
        // A root may be polled within a poll of a goroutine, and not the other way round.
        let of_root = root::with_current(|root| root.map(|root| root.put_note(self)));
        if of_root.is_none() {
            m::with_here(|here| {
                if let Some(g) = here.and_then(Here::cur) {
                    g.put_note(self);
                }
            });
        }
    }
}

/// Has sockets, locks and channels, which know no goroutines, tell why they wait.
pub(crate) fn hear_of_waits() {
    gort_net::set_wait_hook(|kind, at| note_wait(WaitReason::of_net(kind), at));
    gort_sync::set_wait_hook(|kind, at| note_wait(WaitReason::of_sync(kind), at));
}
