//! gort, with nothing else.

use std::future::Future;
use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::ops::DerefMut;
use std::time::Duration;

use ::gort::Task;
use ::gort::hyper::{GortIo, GortTimer};
use ::gort::net::{TcpListener, TcpStream};
use ::gort::select;
use ::gort::sync::{chan, channel, oneshot};

use super::ecosystem::FuturesStream;
use super::{Closed, Mutex, OnceReceiver, OnceSender, Receiver, Runtime, Sender};

/// gort.
pub(crate) struct Gort;

impl Runtime for Gort {
    const NAME: &'static str = "gort";

    type Join<T: Send + 'static> = Task<T>;
    type Sender<T: Send + 'static> = chan::Sender<T>;
    type Receiver<T: Send + 'static> = chan::Receiver<T>;
    type SharedSender<T: Send + 'static> = chan::Sender<T>;
    type SharedReceiver<T: Send + 'static> = chan::Receiver<T>;
    type OnceSender<T: Send + 'static> = oneshot::Sender<T>;
    type OnceReceiver<T: Send + 'static> = oneshot::Receiver<T>;
    type Mutex<T: Send + 'static> = ::gort::sync::Mutex<T>;
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

    fn channel<T: Send + 'static>(capacity: usize) -> (chan::Sender<T>, chan::Receiver<T>) {
        chan::bounded(capacity)
    }

    fn shared_channel<T: Send + 'static>(capacity: usize) -> (chan::Sender<T>, chan::Receiver<T>) {
        chan::bounded(capacity)
    }

    fn oneshot<T: Send + 'static>() -> (Self::OnceSender<T>, Self::OnceReceiver<T>) {
        oneshot::channel()
    }

    fn mutex<T: Send + 'static>(value: T) -> ::gort::sync::Mutex<T> {
        ::gort::sync::Mutex::new(value)
    }

    async fn select4<T: Send + 'static>(receivers: &mut [chan::Receiver<T>; 4]) -> T {
        let [a, b, c, d] = receivers;
        let message = select! {
            recv(a) -> message => message,
            recv(b) -> message => message,
            recv(c) -> message => message,
            recv(d) -> message => message,
        };
        message.expect("one of the four channels was closed")
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

impl<T: Send + 'static> Sender<T> for chan::Sender<T> {
    async fn send(&self, message: T) -> Result<(), Closed> {
        chan::Sender::send(self, message).await.map_err(|_| Closed)
    }

    fn try_send(&self, message: T) -> Result<(), Closed> {
        chan::Sender::try_send(self, message).map_err(|_| Closed)
    }
}

impl<T: Send + 'static> Sender<T> for channel::Sender<T> {
    async fn send(&self, message: T) -> Result<(), Closed> {
        channel::Sender::send(self, message)
            .await
            .map_err(|_| Closed)
    }

    fn try_send(&self, message: T) -> Result<(), Closed> {
        channel::Sender::try_send(self, message).map_err(|_| Closed)
    }
}

impl<T: Send + 'static> Receiver<T> for channel::Receiver<T> {
    async fn recv(&mut self) -> Option<T> {
        channel::Receiver::recv(self).await.ok()
    }
}

impl<T: Send + 'static> Receiver<T> for chan::Receiver<T> {
    async fn recv(&mut self) -> Option<T> {
        chan::Receiver::recv(self).await.ok()
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

impl<T: Send + 'static> Mutex<T> for ::gort::sync::Mutex<T> {
    fn lock(&self) -> impl Future<Output: DerefMut<Target = T> + Send> + Send {
        ::gort::sync::Mutex::lock(self)
    }
}
