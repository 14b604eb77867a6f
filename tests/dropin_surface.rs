//! What programs written for async-executor, async-io, blocking, async-process, async-signal, async-channel, async-net, async-fs and smol
//! rely on when they are compiled, beyond the names: how many type arguments a function takes, what a future borrows, where it may go. Most of it
//! is never run: that it compiles is the claim.

#![allow(
    dead_code,
    clippy::drop_non_drop,
    clippy::let_underscore_future,
    clippy::needless_borrows_for_generic_args,
    reason = "that it compiles is the claim"
)]

use std::borrow::Cow;
use std::cell::Cell;
use std::future::Future;
use std::io;
use std::net::{SocketAddr, TcpStream, UdpSocket};
use std::panic::{RefUnwindSafe, UnwindSafe};
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use futures_lite::{AsyncRead, AsyncSeek, AsyncWrite, Stream};
use gort::process::{Child, Command};
use gort::signal::{Signal, Signals};
use gort::{
    Async, Executor, LocalExecutor, StaticExecutor, StaticLocalExecutor, Task, Timer, Unblock,
};
use gort::{fs, net};
use gort_net::{IoSafe, Readable, ReadableOwned, Writable, WritableOwned};

static EXECUTOR: Executor<'static> = Executor::new();
static LEAKED: StaticExecutor = StaticExecutor::new();
thread_local! {
    static LOCAL: LocalExecutor<'static> = const { LocalExecutor::new() };
}

/// Functions as values, with every lifetime in its place.
mod pointers {
    use super::*;

    const _: fn() -> Timer = Timer::never;
    const _: fn(Duration) -> Timer = Timer::after;
    const _: fn(&Timer) -> bool = Timer::will_fire;
    const _: fn(TcpStream) -> io::Result<Async<TcpStream>> = Async::new;
    const _: fn(Async<TcpStream>) -> io::Result<TcpStream> = Async::into_inner;
    const _: for<'a> fn(&'a Async<TcpStream>) -> Readable<'a, TcpStream> = Async::readable;
    const _: for<'a> fn(&'a Async<TcpStream>) -> Writable<'a, TcpStream> = Async::writable;
    const _: fn(Arc<Async<TcpStream>>) -> ReadableOwned<TcpStream> = Async::readable_owned;
    const _: fn(Arc<Async<TcpStream>>) -> WritableOwned<TcpStream> = Async::writable_owned;
    const _: for<'a> fn(&'a net::TcpListener) -> net::Incoming<'a> = net::TcpListener::incoming;
    const _: for<'a> fn(&'a net::unix::UnixListener) -> net::unix::Incoming<'a> =
        net::unix::UnixListener::incoming;
    const _: fn(Pin<Box<dyn Future<Output = u8>>>) -> u8 = gort::block_on;
    const _: fn() -> StaticLocalExecutor = StaticLocalExecutor::new;
}

/// async-channel, whose names differ from those of the prelude.
mod channels {
    use std::error::Error;

    use gort::channel::{self, Receiver, RecvError, SendError, Sender, TryRecvError, TrySendError};

    const _: fn(usize) -> (Sender<u8>, Receiver<u8>) = channel::bounded;
    const _: fn() -> (Sender<u8>, Receiver<u8>) = channel::unbounded;
    const _: for<'a> fn(&'a Sender<u8>, u8) -> channel::Send<'a, u8> = Sender::send;
    const _: for<'a> fn(&'a Sender<u8>) -> channel::Closed<'a, u8> = Sender::closed;
    const _: for<'a> fn(&'a Receiver<u8>) -> channel::Recv<'a, u8> = Receiver::recv;
    const _: fn(&Sender<u8>, u8) -> Result<(), TrySendError<u8>> = Sender::try_send;
    type Displaced = Result<Option<u8>, SendError<u8>>;
    const _: fn(&Sender<u8>, u8) -> Displaced = Sender::force_send;
    const _: fn(&Sender<u8>, u8) -> Result<(), SendError<u8>> = Sender::send_blocking;
    const _: fn(&Receiver<u8>) -> Result<u8, TryRecvError> = Receiver::try_recv;
    const _: fn(&Receiver<u8>) -> Result<u8, RecvError> = Receiver::recv_blocking;
    const _: fn(&Sender<u8>) -> channel::WeakSender<u8> = Sender::downgrade;
    const _: fn(&Receiver<u8>) -> channel::WeakReceiver<u8> = Receiver::downgrade;
    const _: fn(&channel::WeakSender<u8>) -> Option<Sender<u8>> = channel::WeakSender::upgrade;
    const _: fn(&channel::WeakReceiver<u8>) -> Option<Receiver<u8>> =
        channel::WeakReceiver::upgrade;

    /// Errors of what cannot be compared, printed or copied too.
    fn errors<T>(send: SendError<T>, try_send: TrySendError<T>) -> [T; 2] {
        fn error<E: Error>(_: &E) {}
        error(&send);
        error(&try_send);
        [send.into_inner(), try_send.into_inner()]
    }

    fn values<E: Copy + Eq + std::fmt::Debug>() {}

    fn all() {
        values::<SendError<u8>>();
        values::<TrySendError<u8>>();
        values::<RecvError>();
        values::<TryRecvError>();
    }
}

/// As many type arguments as those of the originals.
async fn type_arguments(
    io: &mut Async<TcpStream>,
    udp: &net::UdpSocket,
    std_udp: &Async<UdpSocket>,
    unblock: &mut Unblock<Vec<u8>>,
) -> io::Result<()> {
    let _: u8 = gort::block_on::<u8>(async { 1 });
    let _: Task<u8> = gort::spawn::<u8>(async { 1 });
    let _: Task<u8> = gort::unblock::<u8, _>(|| 1);
    let _: Task<u8> = EXECUTOR.spawn::<u8>(async { 1 });
    let _: u8 = EXECUTOR.run::<u8>(async { 1 }).await;
    let _: Task<u8> = LEAKED.spawn::<u8>(async { 1 });
    let _ = io.read_with::<u8>(|_| Ok(1)).await?;
    let _ = io.write_with::<u8>(|_| Ok(1)).await?;
    // SAFETY: the closure does nothing.
    let _ = unsafe { io.read_with_mut::<u8>(|_| Ok(1)) }.await?;
    // SAFETY: as above.
    let _ = unsafe { io.write_with_mut::<u8>(|_| Ok(1)) }.await?;
    let _ = net::resolve::<&str>("").await?;
    let _ = net::TcpStream::connect::<(&str, u16)>(("", 1)).await?;
    udp.connect::<String>(String::new()).await?;
    udp.send_to::<&str>(&[], "").await?;
    std_udp
        .send_to::<SocketAddr>(&[], udp.local_addr()?)
        .await?;
    let _ = unblock.with_mut::<u8, _>(|_| 1).await;
    let _ = fs::copy::<&str, String>("", String::new()).await?;
    fs::write::<&str, &[u8]>("", &[]).await?;
    let signals = [Signal::Term];
    Signals::new::<Signal>(signals)?.add_signals::<&Signal>(&signals)
}

/// Closures of every kind, and functions, are operations.
fn operations(io: &Async<UdpSocket>) {
    fn receive(socket: &UdpSocket) -> io::Result<usize> {
        socket.recv(&mut [])
    }
    fn sent<T: Future<Output = io::Result<usize>> + Send>(_: T) {}
    async fn generic<T: Sync, R: Send>(
        io: &Async<T>,
        op: impl FnMut(&T) -> io::Result<R> + Send,
    ) -> io::Result<R> {
        io.read_with(op).await
    }

    let (mut calls, mut buf) = (0, [0]);
    drop(io.read_with(|socket| {
        calls += 1;
        socket.recv(&mut buf)
    }));
    assert_eq!((calls, buf), (0, [0]), "both are free again");
    sent(io.read_with(receive));
    sent(generic(io, receive));
    drop(io.read_with(UdpSocket::local_addr));
}

/// These borrow nothing but what their types say.
fn borrows(mut child: Child, mut command: Command, make: fs::DirBuilder, open: fs::OpenOptions) {
    fn kept<T: Future + 'static>(future: T) -> T {
        future
    }
    let (one, two) = (kept(child.status()), kept(child.status()));
    let _ = child.kill();
    drop((one, two, kept(child.output())));

    let (status, output) = (kept(command.status()), kept(command.output()));
    let _ = command.arg("more");
    drop(command);
    drop((status, output));

    let (made, opened) = (kept(make.create("")), kept(open.open("")));
    drop((make, open));
    drop((made, opened));
}

/// What may be an address.
fn addresses<A: net::AsyncToSocketAddrs, B: net::AsyncToSocketAddrs + ?Sized>(a: &A, b: &B) {
    drop(net::TcpStream::connect(a));
    drop(net::UdpSocket::bind(&&b));
    drop(net::resolve(b));
}

fn all_addresses() {
    addresses(&("localhost", 1), "localhost:1");
    addresses(&String::new(), &(String::new(), 1));
    addresses(&&[SocketAddr::from(([127, 0, 0, 1], 1))][..], &"[::1]:1");
}

/// `Signal` can be matched without a last arm.
fn is_terminal(signal: Signal) -> bool {
    use Signal::*;
    match signal {
        Hup | Int | Quit | Tstp | Ttin | Ttou | Winch => true,
        Ill | Trap | Abort | Bus | Fpe | Kill | Usr1 | Segv | Usr2 | Pipe | Alarm | Term
        | Child | Cont | Stop | Urg | Xcpu | Xfsz | Vtalarm | Prof | Io | Sys => false,
    }
}

/// Like a `Cell`: it can be sent, and neither shared nor printed.
struct Plain(Cell<u8>);

#[derive(Clone)]
struct Foreign;

// SAFETY: it neither reads nor writes.
unsafe impl IoSafe for Foreign {}

#[test]
fn adapters_read_and_write_whatever_reads_and_writes() {
    fn both<T: AsyncRead + AsyncWrite>() {}
    fn shared<T>()
    where
        for<'a> &'a Async<T>: AsyncRead + AsyncWrite,
    {
    }
    fn safe<T: IoSafe + ?Sized>() {}
    both::<Async<TcpStream>>();
    both::<Async<&TcpStream>>();
    both::<Async<Box<TcpStream>>>();
    shared::<TcpStream>();
    shared::<std::os::unix::net::UnixStream>();
    shared::<std::fs::File>();
    safe::<Cow<'static, Foreign>>();
    safe::<&Plain>();
    both::<net::TcpStream>();
    both::<net::unix::UnixStream>();
    both::<fs::File>();
    both::<Unblock<std::fs::File>>();

    fn seek<T: AsyncSeek>() {}
    seek::<fs::File>();
    seek::<Unblock<std::fs::File>>();

    fn stream<T: Stream>() {}
    stream::<Timer>();
    stream::<Signals>();
    stream::<&Signals>();
    stream::<fs::ReadDir>();
    stream::<Unblock<std::vec::IntoIter<u8>>>();
    stream::<net::Incoming<'static>>();
    stream::<net::unix::Incoming<'static>>();
}

#[test]
fn types_and_futures_go_where_those_of_the_originals_go() {
    fn moves<T: Send>(_: T) {}
    fn anywhere<T: Send + Sync + UnwindSafe + RefUnwindSafe>() {}
    fn printed<T: std::fmt::Debug>() {}
    fn same<T: Send + Sync + UnwindSafe + RefUnwindSafe>(_: impl FnOnce() -> T) {}
    fn shared<T: Send + Sync>(_: impl FnOnce(&'static fs::File) -> T) {}
    fn watched<T: RefUnwindSafe>(_: T) {}

    moves(StaticLocalExecutor::new());
    anywhere::<fs::ReadDir>();
    printed::<Readable<'static, Plain>>();
    printed::<ReadableOwned<Plain>>();
    printed::<Writable<'static, Plain>>();
    printed::<WritableOwned<Plain>>();

    same(|| fs::read(""));
    same(|| fs::read_dir(""));
    same(|| fs::write("", vec![1]));
    same(|| fs::File::open(""));
    same(|| fs::OpenOptions::new().open(""));
    same(|| fs::DirBuilder::new().create(""));
    shared(|file| file.sync_all());
    shared(|file| file.set_len(1));
    shared(|file| file.metadata());

    watched(EXECUTOR.run(async {}));
    watched(EXECUTOR.tick());
    let local = LocalExecutor::new();
    watched(local.run(async {}));
    watched(local.tick());
}
