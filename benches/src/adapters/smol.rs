//! smol: its global executor with as many threads as `SMOL_THREADS` says.
//!
//! The parent sets `SMOL_THREADS` for the process. The calling thread waits for the root task without
//! driving smol's reactor: the workers do that.

use std::future::Future;
use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

use ::smol::net::{TcpListener, TcpStream};
use ::smol::{Task, Timer};
use smol_hyper::rt::{FuturesIo, SmolTimer};

use super::Runtime;
use super::ecosystem::{self, FuturesStream, Once};

/// The variable that sets smol's number of threads.
pub(crate) const THREADS_VARIABLE: &str = "SMOL_THREADS";

/// smol's global executor.
pub(crate) struct Smol;

impl Runtime for Smol {
    const NAME: &'static str = "smol";

    type Join<T: Send + 'static> = Task<T>;
    type Sender<T: Send + 'static> = async_channel::Sender<T>;
    type Receiver<T: Send + 'static> = async_channel::Receiver<T>;
    type SharedSender<T: Send + 'static> = async_channel::Sender<T>;
    type SharedReceiver<T: Send + 'static> = async_channel::Receiver<T>;
    type OnceSender<T: Send + 'static> = Once<async_channel::Sender<T>>;
    type OnceReceiver<T: Send + 'static> = Once<async_channel::Receiver<T>>;
    type Mutex<T: Send + 'static> = async_lock::Mutex<T>;
    type Listener = TcpListener;
    type Stream = FuturesStream<TcpStream>;
    type HyperIo = FuturesIo<TcpStream>;
    type HyperTimer = SmolTimer;

    fn run<F>(procs: usize, _reactor: bool, root: F) -> F::Output
    where
        F: Future<Output: Send + 'static> + Send + 'static,
    {
        let threads = std::env::var(THREADS_VARIABLE).unwrap_or_default();
        assert_eq!(
            threads,
            procs.to_string(),
            "{THREADS_VARIABLE} has to name the workers"
        );
        futures_lite::future::block_on(::smol::spawn(root))
    }

    fn spawn<F>(future: F) -> Task<F::Output>
    where
        F: Future<Output: Send + 'static> + Send + 'static,
    {
        ::smol::spawn(future)
    }

    fn spawn_detached<F>(future: F)
    where
        F: Future<Output = ()> + Send + 'static,
    {
        ::smol::spawn(future).detach();
    }

    fn yield_now() -> impl Future<Output = ()> + Send + 'static {
        ::smol::future::yield_now()
    }

    async fn sleep(duration: Duration) {
        Timer::after(duration).await;
    }

    fn unblock<T, F>(call: F) -> impl Future<Output = T> + Send + 'static
    where
        F: FnOnce() -> T + Send + 'static,
        T: Send + 'static,
    {
        ::smol::unblock(call)
    }

    fn timeout<F>(
        duration: Duration,
        future: F,
    ) -> impl Future<Output = Option<F::Output>> + Send + 'static
    where
        F: Future<Output: Send> + Send + 'static,
    {
        ecosystem::timeout(duration, future)
    }

    fn channel<T: Send + 'static>(
        capacity: usize,
    ) -> (async_channel::Sender<T>, async_channel::Receiver<T>) {
        async_channel::bounded(capacity)
    }

    fn shared_channel<T: Send + 'static>(
        capacity: usize,
    ) -> (async_channel::Sender<T>, async_channel::Receiver<T>) {
        async_channel::bounded(capacity)
    }

    fn oneshot<T: Send + 'static>() -> (Self::OnceSender<T>, Self::OnceReceiver<T>) {
        ecosystem::oneshot()
    }

    fn mutex<T: Send + 'static>(value: T) -> async_lock::Mutex<T> {
        async_lock::Mutex::new(value)
    }

    fn select4<T: Send + 'static>(
        receivers: &mut [async_channel::Receiver<T>; 4],
    ) -> impl Future<Output = T> + Send {
        ecosystem::select4(receivers)
    }

    async fn listen() -> io::Result<(TcpListener, SocketAddr)> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
        let address = listener.local_addr()?;
        Ok((listener, address))
    }

    async fn accept(listener: &TcpListener) -> io::Result<Self::Stream> {
        let (stream, _) = listener.accept().await?;
        stream.set_nodelay(true)?;
        Ok(FuturesStream(stream))
    }

    async fn connect(address: SocketAddr) -> io::Result<Self::Stream> {
        let stream = TcpStream::connect(address).await?;
        stream.set_nodelay(true)?;
        Ok(FuturesStream(stream))
    }

    fn hyper_io(stream: Self::Stream) -> Self::HyperIo {
        stream.into_hyper()
    }

    fn hyper_timer() -> Self::HyperTimer {
        SmolTimer::new()
    }
}
