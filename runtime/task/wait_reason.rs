//! Why goroutines wait: one table of all reasons, with the words of dumps, Go's where Go has them.

use std::fmt;
use std::panic::Location;

use gort_net::WaitKind as NetKind;
use gort_sync::WaitKind as SyncKind;

use crate::m;

/// Makes [`WaitReason`] of rows `Name: "words"`, and `Name = Name` for a wait of `gort_sync`, whose words stand there.
macro_rules! wait_reasons {
    ($($(#[$doc:meta])+ $name:ident $(: $words:literal)? $(= $sync:ident)?,)+) => {
        /// Why a goroutine waits, where gort's own operations know it.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
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
}

impl WaitReason {
    pub(super) fn from_byte(byte: u8) -> Self {
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

/// Notes why the goroutine on this thread, if there is one, is about to wait.
#[inline]
pub(crate) fn note_wait(reason: WaitReason, at: &'static Location<'static>) {
    m::with_here(|here| {
        if let Some(g) = here.and_then(|here| here.cur()) {
            g.note_wait(reason as u8, at);
        }
    });
}

/// [`note_wait`] for the sockets, which know no goroutines.
pub(crate) fn note_io_wait(kind: NetKind, at: &'static Location<'static>) {
    note_wait(WaitReason::of_net(kind), at);
}

/// [`note_wait`] for the locks and channels, which know no goroutines either.
pub(crate) fn note_sync_wait(kind: SyncKind, at: &'static Location<'static>) {
    note_wait(WaitReason::of_sync(kind), at);
}
