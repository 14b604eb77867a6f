//! What smol, async-executor and gort share: async-channel, async-lock, sockets that speak futures-io.

use std::future::Future;
use std::io;
use std::ops::DerefMut;
use std::time::Duration;

use futures_lite::future::{or, race};
use futures_lite::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use smol_hyper::rt::FuturesIo;

use super::{Closed, Mutex, OnceReceiver, OnceSender, Receiver, Sender, Stream};

impl<T: Send + 'static> Sender<T> for async_channel::Sender<T> {
    async fn send(&self, message: T) -> Result<(), Closed> {
        async_channel::Sender::send(self, message)
            .await
            .map_err(|_| Closed)
    }

    fn try_send(&self, message: T) -> Result<(), Closed> {
        async_channel::Sender::try_send(self, message).map_err(|_| Closed)
    }
}

impl<T: Send + 'static> Receiver<T> for async_channel::Receiver<T> {
    async fn recv(&mut self) -> Option<T> {
        async_channel::Receiver::recv(self).await.ok()
    }
}

/// The sending half of an async-channel of capacity 1 that is used once.
pub(crate) struct Once<C>(C);

/// Makes a channel for one message out of an async-channel.
pub(super) fn oneshot<T>() -> (
    Once<async_channel::Sender<T>>,
    Once<async_channel::Receiver<T>>,
) {
    let (sender, receiver) = async_channel::bounded(1);
    (Once(sender), Once(receiver))
}

impl<T: Send + 'static> OnceSender<T> for Once<async_channel::Sender<T>> {
    fn send(self, message: T) -> Result<(), Closed> {
        self.0.try_send(message).map_err(|_| Closed)
    }
}

impl<T: Send + 'static> OnceReceiver<T> for Once<async_channel::Receiver<T>> {
    async fn recv(self) -> Result<T, Closed> {
        self.0.recv().await.map_err(|_| Closed)
    }
}

impl<T: Send + 'static> Mutex<T> for async_lock::Mutex<T> {
    fn lock(&self) -> impl Future<Output: DerefMut<Target = T> + Send> + Send {
        async_lock::Mutex::lock(self)
    }
}

/// Waits for a message on any of four receivers, fairly.
pub(super) async fn select4<T: Send + 'static>(
    receivers: &mut [async_channel::Receiver<T>; 4],
) -> T {
    let [a, b, c, d] = receivers;
    race(race(a.recv(), b.recv()), race(c.recv(), d.recv()))
        .await
        .expect("one of the four channels was closed")
}

/// Runs `future` until async-io's timer fires.
pub(super) async fn timeout<F: Future>(duration: Duration, future: F) -> Option<F::Output> {
    or(async { Some(future.await) }, async {
        async_io::Timer::after(duration).await;
        None
    })
    .await
}

/// A socket that speaks futures-io.
pub(crate) struct FuturesStream<S>(pub(super) S);

impl<S> FuturesStream<S> {
    /// Wraps the socket for hyper.
    pub(super) fn into_hyper(self) -> FuturesIo<S> {
        FuturesIo::new(self.0)
    }
}

impl<S: AsyncRead + AsyncWrite + Send + Unpin + 'static> Stream for FuturesStream<S> {
    async fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.0.read(buffer).await
    }

    async fn read_exact(&mut self, buffer: &mut [u8]) -> io::Result<()> {
        self.0.read_exact(buffer).await
    }

    async fn write_all(&mut self, buffer: &[u8]) -> io::Result<()> {
        self.0.write_all(buffer).await
    }
}
