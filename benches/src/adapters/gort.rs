//! gort: its own tasks, timers and sockets, with the ecosystem's channels and locks.

use std::future::Future;
use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

use ::gort::Task;
use ::gort::hyper::{GortIo, GortTimer};
use ::gort::net::{TcpListener, TcpStream};

use super::Runtime;
use super::ecosystem::{self, FuturesStream, Once};

/// gort.
pub(crate) struct Gort;

impl Runtime for Gort {
    const NAME: &'static str = "gort";

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
    type HyperIo = GortIo<TcpStream>;
    type HyperTimer = GortTimer;

    fn run<F>(procs: usize, _reactor: bool, root: F) -> F::Output
    where
        F: Future<Output: Send + 'static> + Send + 'static,
    {
        let runtime = ::gort::Builder::new()
            .procs(procs)
            .build()
            .expect("gort cannot start its workers");
        let root = runtime.spawn(root);
        let output = runtime.block_on(root);
        std::mem::forget(runtime);
        output
    }

    fn spawn<F>(future: F) -> Task<F::Output>
    where
        F: Future<Output: Send + 'static> + Send + 'static,
    {
        ::gort::spawn(future)
    }

    fn spawn_detached<F>(future: F)
    where
        F: Future<Output = ()> + Send + 'static,
    {
        ::gort::spawn(future).detach();
    }

    fn yield_now() -> impl Future<Output = ()> + Send + 'static {
        ::gort::task::yield_now()
    }

    fn sleep(duration: Duration) -> impl Future<Output = ()> + Send + 'static {
        ::gort::time::sleep(duration)
    }

    fn unblock<T, F>(call: F) -> impl Future<Output = T> + Send + 'static
    where
        F: FnOnce() -> T + Send + 'static,
        T: Send + 'static,
    {
        ::gort::unblock(call)
    }

    async fn timeout<F>(duration: Duration, future: F) -> Option<F::Output>
    where
        F: Future<Output: Send> + Send + 'static,
    {
        ::gort::time::timeout(duration, future).await.ok()
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
        GortIo::new(stream.0)
    }

    fn hyper_timer() -> Self::HyperTimer {
        GortTimer::new()
    }
}
