//! tokio: the multi-thread runtime with its own channels, locks, sockets and timers.
//!
//! The root future is spawned, as `#[tokio::main]` programs do with work that matters: a future in
//! `block_on` itself runs on the calling thread, beside the workers, and would be a different case.

use std::future::{Future, poll_fn};
use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::ops::DerefMut;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use ::tokio::io::{AsyncReadExt, AsyncWriteExt};
use ::tokio::net::{TcpListener, TcpStream};
use ::tokio::sync::{mpsc, oneshot};
use ::tokio::task::JoinHandle;
use hyper_util::rt::{TokioIo, TokioTimer};

use super::{Closed, Mutex, OnceReceiver, OnceSender, Receiver, Runtime, Sender, Stream};

/// tokio's multi-thread runtime.
pub(crate) struct Tokio;

/// A `JoinHandle` whose panics and cancellations are passed on as panics.
pub(crate) struct Join<T>(JoinHandle<T>);

impl<T> Future for Join<T> {
    type Output = T;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<T> {
        let result = ready!(Pin::new(&mut self.0).poll(context));
        Poll::Ready(result.expect("a task of the case panicked"))
    }
}

impl Runtime for Tokio {
    const NAME: &'static str = "tokio";

    type Join<T: Send + 'static> = Join<T>;
    type Sender<T: Send + 'static> = mpsc::Sender<T>;
    type Receiver<T: Send + 'static> = mpsc::Receiver<T>;
    type SharedSender<T: Send + 'static> = async_channel::Sender<T>;
    type SharedReceiver<T: Send + 'static> = async_channel::Receiver<T>;
    type OnceSender<T: Send + 'static> = oneshot::Sender<T>;
    type OnceReceiver<T: Send + 'static> = oneshot::Receiver<T>;
    type Mutex<T: Send + 'static> = ::tokio::sync::Mutex<T>;
    type Listener = TcpListener;
    type Stream = TcpStream;
    type HyperIo = TokioIo<TcpStream>;
    type HyperTimer = TokioTimer;

    fn run<F>(procs: usize, _reactor: bool, root: F) -> F::Output
    where
        F: Future<Output: Send + 'static> + Send + 'static,
    {
        let runtime = ::tokio::runtime::Builder::new_multi_thread()
            .worker_threads(procs)
            .enable_all()
            .build()
            .expect("tokio cannot start its workers");
        let root = runtime.spawn(root);
        let output = runtime.block_on(root).expect("the root task panicked");
        std::mem::forget(runtime);
        output
    }

    fn spawn<F>(future: F) -> Join<F::Output>
    where
        F: Future<Output: Send + 'static> + Send + 'static,
    {
        Join(::tokio::spawn(future))
    }

    fn spawn_detached<F>(future: F)
    where
        F: Future<Output = ()> + Send + 'static,
    {
        drop(::tokio::spawn(future));
    }

    fn yield_now() -> impl Future<Output = ()> + Send + 'static {
        ::tokio::task::yield_now()
    }

    fn sleep(duration: Duration) -> impl Future<Output = ()> + Send + 'static {
        ::tokio::time::sleep(duration)
    }

    fn unblock<T, F>(call: F) -> impl Future<Output = T> + Send + 'static
    where
        F: FnOnce() -> T + Send + 'static,
        T: Send + 'static,
    {
        let running = ::tokio::task::spawn_blocking(call);
        async { running.await.expect("the call does not panic") }
    }

    async fn timeout<F>(duration: Duration, future: F) -> Option<F::Output>
    where
        F: Future<Output: Send> + Send + 'static,
    {
        ::tokio::time::timeout(duration, future).await.ok()
    }

    fn channel<T: Send + 'static>(capacity: usize) -> (mpsc::Sender<T>, mpsc::Receiver<T>) {
        mpsc::channel(capacity)
    }

    fn shared_channel<T: Send + 'static>(
        capacity: usize,
    ) -> (async_channel::Sender<T>, async_channel::Receiver<T>) {
        async_channel::bounded(capacity)
    }

    fn oneshot<T: Send + 'static>() -> (oneshot::Sender<T>, oneshot::Receiver<T>) {
        oneshot::channel()
    }

    fn mutex<T: Send + 'static>(value: T) -> ::tokio::sync::Mutex<T> {
        ::tokio::sync::Mutex::new(value)
    }

    async fn select4<T: Send + 'static>(receivers: &mut [mpsc::Receiver<T>; 4]) -> T {
        let [a, b, c, d] = receivers;
        ::tokio::select! {
            Some(message) = a.recv() => message,
            Some(message) = b.recv() => message,
            Some(message) = c.recv() => message,
            Some(message) = d.recv() => message,
            else => panic!("the four channels were closed"),
        }
    }

    async fn listen() -> io::Result<(TcpListener, SocketAddr)> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
        let address = listener.local_addr()?;
        Ok((listener, address))
    }

    async fn accept(listener: &TcpListener) -> io::Result<TcpStream> {
        let (stream, _) = listener.accept().await?;
        stream.set_nodelay(true)?;
        Ok(stream)
    }

    async fn connect(address: SocketAddr) -> io::Result<TcpStream> {
        let stream = TcpStream::connect(address).await?;
        stream.set_nodelay(true)?;
        Ok(stream)
    }

    fn hyper_io(stream: TcpStream) -> TokioIo<TcpStream> {
        TokioIo::new(stream)
    }

    fn hyper_timer() -> TokioTimer {
        TokioTimer::new()
    }
}

impl<T: Send + 'static> Sender<T> for mpsc::Sender<T> {
    async fn send(&self, message: T) -> Result<(), Closed> {
        mpsc::Sender::send(self, message).await.map_err(|_| Closed)
    }

    fn try_send(&self, message: T) -> Result<(), Closed> {
        mpsc::Sender::try_send(self, message).map_err(|_| Closed)
    }
}

impl<T: Send + 'static> Receiver<T> for mpsc::Receiver<T> {
    fn recv(&mut self) -> impl Future<Output = Option<T>> + Send {
        poll_fn(|context| self.poll_recv(context))
    }
}

impl<T: Send + 'static> OnceSender<T> for oneshot::Sender<T> {
    fn send(self, message: T) -> Result<(), Closed> {
        oneshot::Sender::send(self, message).map_err(|_| Closed)
    }
}

impl<T: Send + 'static> OnceReceiver<T> for oneshot::Receiver<T> {
    async fn recv(self) -> Result<T, Closed> {
        self.await.map_err(|_| Closed)
    }
}

impl<T: Send + 'static> Mutex<T> for ::tokio::sync::Mutex<T> {
    fn lock(&self) -> impl Future<Output: DerefMut<Target = T> + Send> + Send {
        ::tokio::sync::Mutex::lock(self)
    }
}

impl Stream for TcpStream {
    async fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        AsyncReadExt::read(self, buffer).await
    }

    async fn read_exact(&mut self, buffer: &mut [u8]) -> io::Result<()> {
        AsyncReadExt::read_exact(self, buffer).await.map(drop)
    }

    async fn write_all(&mut self, buffer: &[u8]) -> io::Result<()> {
        AsyncWriteExt::write_all(self, buffer).await
    }
}
