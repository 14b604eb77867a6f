//! async-executor: one `StaticExecutor`, run by plain threads, with async-io's sockets and timers.
//!
//! `StaticExecutor` and not `Executor`, because it is the faster of the two and keeps no list of its
//! tasks. Cases with sockets or timers drive it through `async_io::block_on`, which runs the reactor on
//! the workers; the others through the plain `block_on` of futures-lite.

use std::future::{Future, pending};
use std::io;
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::thread;
use std::time::Duration;

use ::async_executor::{StaticExecutor, Task};
use async_io::{Async, Timer};
use futures_lite::future::{block_on, yield_now};
use smol_hyper::rt::{FuturesIo, SmolTimer};

use super::Runtime;
use super::ecosystem::{self, FuturesStream, Once};

static EXECUTOR: StaticExecutor = StaticExecutor::new();

/// A static executor of async-executor.
pub(crate) struct AsyncExecutor;

impl Runtime for AsyncExecutor {
    const NAME: &'static str = "async-executor";

    type Join<T: Send + 'static> = Task<T>;
    type Sender<T: Send + 'static> = async_channel::Sender<T>;
    type Receiver<T: Send + 'static> = async_channel::Receiver<T>;
    type SharedSender<T: Send + 'static> = async_channel::Sender<T>;
    type SharedReceiver<T: Send + 'static> = async_channel::Receiver<T>;
    type OnceSender<T: Send + 'static> = Once<async_channel::Sender<T>>;
    type OnceReceiver<T: Send + 'static> = Once<async_channel::Receiver<T>>;
    type Mutex<T: Send + 'static> = async_lock::Mutex<T>;
    type Listener = Async<TcpListener>;
    type Stream = FuturesStream<Async<TcpStream>>;
    type HyperIo = FuturesIo<Async<TcpStream>>;
    type HyperTimer = SmolTimer;

    fn run<F>(procs: usize, reactor: bool, root: F) -> F::Output
    where
        F: Future<Output: Send + 'static> + Send + 'static,
    {
        for worker in 0..procs {
            thread::Builder::new()
                .name(format!("worker-{worker}"))
                .spawn(move || match reactor {
                    true => async_io::block_on(EXECUTOR.run(pending::<()>())),
                    false => block_on(EXECUTOR.run(pending::<()>())),
                })
                .expect("async-executor's threads cannot start");
        }
        block_on(EXECUTOR.spawn(root))
    }

    fn spawn<F>(future: F) -> Task<F::Output>
    where
        F: Future<Output: Send + 'static> + Send + 'static,
    {
        EXECUTOR.spawn(future)
    }

    fn spawn_detached<F>(future: F)
    where
        F: Future<Output = ()> + Send + 'static,
    {
        EXECUTOR.spawn(future).detach();
    }

    fn yield_now() -> impl Future<Output = ()> + Send + 'static {
        yield_now()
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

    async fn listen() -> io::Result<(Async<TcpListener>, SocketAddr)> {
        let listener = Async::<TcpListener>::bind((Ipv4Addr::LOCALHOST, 0))?;
        let address = listener.get_ref().local_addr()?;
        Ok((listener, address))
    }

    async fn accept(listener: &Async<TcpListener>) -> io::Result<Self::Stream> {
        let (stream, _) = listener.accept().await?;
        stream.get_ref().set_nodelay(true)?;
        Ok(FuturesStream(stream))
    }

    async fn connect(address: SocketAddr) -> io::Result<Self::Stream> {
        let stream = Async::<TcpStream>::connect(address).await?;
        stream.get_ref().set_nodelay(true)?;
        Ok(FuturesStream(stream))
    }

    fn hyper_io(stream: Self::Stream) -> Self::HyperIo {
        stream.into_hyper()
    }

    fn hyper_timer() -> Self::HyperTimer {
        SmolTimer::new()
    }
}
