//! What a case may ask of a runtime: the trait [`Runtime`], and one adapter per runtime.
//!
//! A case is written once, generic over `R: Runtime`, and compiled for each runtime apart: no call
//! of an adapter is dynamic and none allocates on its own account. An adapter does what the users of
//! that runtime would write, with the channels, locks, sockets and timers they would take:
//!
//! | runtime | tasks | channels, one-shots, locks | sockets, timers |
//! |---|---|---|---|
//! | tokio | multi-thread runtime, root spawned | `tokio::sync`; mpmc: async-channel, tokio has none | tokio |
//! | smol | `smol::spawn`, `SMOL_THREADS` | async-channel, async-lock | smol |
//! | async-executor | `StaticExecutor` on plain threads | async-channel, async-lock | async-io |
//! | gort | `gort::spawn` | `gort::sync`; on one thread: `gort::channel` | gort |
//!
//! The smol family has no one-shot of its own: there it is an async-channel of capacity 1.
//!
//! The functions have no receiver: each runtime is process-wide here, found as its users find it.

use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::ops::DerefMut;
use std::time::Duration;

pub(crate) mod async_executor;
mod ecosystem;
pub(crate) mod gort;
pub(crate) mod smol;
pub(crate) mod tokio;

/// The runtimes compiled into this program, in the order of the tables.
pub(crate) const NAMES: &[&str] = &[
    gort::Gort::NAME,
    tokio::Tokio::NAME,
    smol::Smol::NAME,
    async_executor::AsyncExecutor::NAME,
];

/// One runtime, as the cases see it.
pub(crate) trait Runtime: Sized + Send + Sync + 'static {
    /// The name on the command line and in the tables.
    const NAME: &'static str;

    /// A spawned task; awaiting it gives its result and dropping it is no longer of interest.
    type Join<T: Send + 'static>: Future<Output = T> + Send + Unpin + 'static;
    /// The sending half of a bounded channel with one receiver.
    type Sender<T: Send + 'static>: Sender<T>;
    /// The receiving half of such a channel.
    type Receiver<T: Send + 'static>: Receiver<T>;
    /// The sending half of a bounded channel with many receivers.
    type SharedSender<T: Send + 'static>: Sender<T>;
    /// The receiving half of such a channel; clones compete for the messages.
    type SharedReceiver<T: Send + 'static>: Receiver<T> + Clone;
    /// The sending half of a channel for one message.
    type OnceSender<T: Send + 'static>: OnceSender<T>;
    /// The receiving half of a channel for one message.
    type OnceReceiver<T: Send + 'static>: OnceReceiver<T>;
    /// A lock that tasks wait for without blocking their thread.
    type Mutex<T: Send + 'static>: Mutex<T>;
    /// A listening TCP socket.
    type Listener: Send + Sync + 'static;
    /// A connected TCP socket with Nagle's algorithm switched off.
    type Stream: Stream;
    /// A socket as hyper wants it.
    type HyperIo: hyper::rt::Read + hyper::rt::Write + Send + Unpin + 'static;
    /// The runtime's timer as hyper wants it.
    type HyperTimer: hyper::rt::Timer + Send + Sync + 'static;

    /// Starts the runtime with `procs` workers, runs `root` as a task on one of them and returns
    /// its result; the calling thread only parks, and the runtime is left running.
    ///
    /// `reactor` tells whether the case uses sockets or timers, for runtimes whose users choose
    /// the loop that drives their workers.
    fn run<F>(procs: usize, reactor: bool, root: F) -> F::Output
    where
        F: Future<Output: Send + 'static> + Send + 'static;

    /// Spawns a task that will be awaited.
    fn spawn<F>(future: F) -> Self::Join<F::Output>
    where
        F: Future<Output: Send + 'static> + Send + 'static;

    /// Spawns a task that nobody awaits.
    fn spawn_detached<F>(future: F)
    where
        F: Future<Output = ()> + Send + 'static;

    /// Lets other tasks run.
    fn yield_now() -> impl Future<Output = ()> + Send + 'static;

    /// Waits for `duration`.
    fn sleep(duration: Duration) -> impl Future<Output = ()> + Send + 'static;

    /// Runs `call` on a thread for calls that block.
    fn unblock<T, F>(call: F) -> impl Future<Output = T> + Send + 'static
    where
        F: FnOnce() -> T + Send + 'static,
        T: Send + 'static;

    /// Runs `future` for at most `duration`; `None` means that the time was up.
    fn timeout<F>(
        duration: Duration,
        future: F,
    ) -> impl Future<Output = Option<F::Output>> + Send + 'static
    where
        F: Future<Output: Send> + Send + 'static;

    /// Makes a bounded channel with one receiver.
    fn channel<T: Send + 'static>(capacity: usize) -> (Self::Sender<T>, Self::Receiver<T>);

    /// Makes a bounded channel with many receivers.
    fn shared_channel<T: Send + 'static>(
        capacity: usize,
    ) -> (Self::SharedSender<T>, Self::SharedReceiver<T>);

    /// Makes a channel for one message.
    fn oneshot<T: Send + 'static>() -> (Self::OnceSender<T>, Self::OnceReceiver<T>);

    /// Makes a lock.
    fn mutex<T: Send + 'static>(value: T) -> Self::Mutex<T>;

    /// Waits for a message on any of four receivers; none of the four channels may be closed.
    fn select4<T: Send + 'static>(
        receivers: &mut [Self::Receiver<T>; 4],
    ) -> impl Future<Output = T> + Send;

    /// Listens on a free port of the loopback interface.
    fn listen() -> impl Future<Output = io::Result<(Self::Listener, SocketAddr)>> + Send;

    /// Accepts one connection.
    fn accept(listener: &Self::Listener) -> impl Future<Output = io::Result<Self::Stream>> + Send;

    /// Connects to a listener.
    fn connect(address: SocketAddr) -> impl Future<Output = io::Result<Self::Stream>> + Send;

    /// Wraps a socket for hyper.
    fn hyper_io(stream: Self::Stream) -> Self::HyperIo;

    /// Makes a timer for hyper.
    fn hyper_timer() -> Self::HyperTimer;
}

/// The other half of a channel is gone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Closed;

/// The sending half of a bounded channel.
pub(crate) trait Sender<T>: Clone + Send + Sync + 'static {
    /// Waits for room and sends.
    fn send(&self, message: T) -> impl Future<Output = Result<(), Closed>> + Send;

    /// Sends if there is room; usable from any thread.
    fn try_send(&self, message: T) -> Result<(), Closed>;
}

/// The receiving half of a bounded channel.
pub(crate) trait Receiver<T>: Send + 'static {
    /// Waits for a message; `None` means that the channel is empty and all senders are gone.
    fn recv(&mut self) -> impl Future<Output = Option<T>> + Send;
}

/// The sending half of a channel for one message.
pub(crate) trait OnceSender<T>: Send + 'static {
    /// Sends the message.
    fn send(self, message: T) -> Result<(), Closed>;
}

/// The receiving half of a channel for one message.
pub(crate) trait OnceReceiver<T>: Send + 'static {
    /// Waits for the message.
    fn recv(self) -> impl Future<Output = Result<T, Closed>> + Send;
}

/// A lock that tasks wait for.
pub(crate) trait Mutex<T>: Send + Sync + 'static {
    /// Waits for the lock; the guard may be held across an `await`.
    fn lock(&self) -> impl Future<Output: DerefMut<Target = T> + Send> + Send;
}

/// A connected TCP socket.
pub(crate) trait Stream: Send + 'static {
    /// Reads what is there, at least one byte unless the peer has closed.
    fn read(&mut self, buffer: &mut [u8]) -> impl Future<Output = io::Result<usize>> + Send;

    /// Fills the buffer.
    fn read_exact(&mut self, buffer: &mut [u8]) -> impl Future<Output = io::Result<()>> + Send;

    /// Writes the whole buffer.
    fn write_all(&mut self, buffer: &[u8]) -> impl Future<Output = io::Result<()>> + Send;
}
