//! Programs written for smol, with only the name of the crate changed.
//!
//! The import below stands for the line `smol = { package = "gort", .. }` in a `Cargo.toml`.

use std::cell::Cell;
use std::rc::Rc;
use std::sync::Arc;
use std::time::{Duration, Instant};

use gort as smol;

use smol::prelude::*;
use smol::{Async, Executor, LocalExecutor, Timer, Unblock, channel, future, io, lock, stream};

/// What smol re-exports, by the paths under which programs name it.
#[allow(unused_imports, reason = "that they resolve is the claim")]
mod paths {
    use super::smol;

    use smol::channel::{Receiver, RecvError, SendError, Sender, TryRecvError, TrySendError};
    use smol::channel::{WeakReceiver, WeakSender, bounded, unbounded};
    use smol::fs::unix::{DirBuilderExt, DirEntryExt, OpenOptionsExt, symlink};
    use smol::fs::{
        DirBuilder, DirEntry, File, FileType, Metadata, OpenOptions, Permissions, ReadDir,
    };
    use smol::fs::{
        canonicalize, copy, create_dir, create_dir_all, hard_link, metadata, read, read_dir,
    };
    use smol::fs::{read_link, read_to_string, remove_dir, remove_dir_all, remove_file, rename};
    use smol::fs::{set_permissions, symlink_metadata, write};
    use smol::future::{Boxed, FutureExt, block_on as block_on_one, poll_once, yield_now, zip};
    use smol::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, BufReader, Cursor, split};
    use smol::lock::{Barrier, Mutex, MutexGuard, OnceCell, RwLock, Semaphore, futures};
    use smol::net::unix::{UnixDatagram, UnixListener, UnixStream};
    use smol::net::{AsyncToSocketAddrs, Incoming, TcpListener, TcpStream, UdpSocket, resolve};
    use smol::net::{IpAddr, Ipv4Addr, Ipv6Addr, Shutdown, SocketAddr, SocketAddrV4, SocketAddrV6};
    use smol::process::unix::CommandExt;
    use smol::process::{
        Child, ChildStderr, ChildStdin, ChildStdout, Command, ExitStatus, Output, Stdio,
    };
    use smol::stream::{Stream, StreamExt, iter, once, unfold};
    use smol::{Async, Executor, LocalExecutor, Task, Timer, Unblock};
    use smol::{block_on, pin, prelude, ready, spawn, unblock};
    use smol::{channel, fs, future, io, lock, net, process, stream};
}

#[test]
fn futures_are_combined_and_pinned() {
    let out = smol::block_on(async {
        let one = async { 1 };
        smol::pin!(one);
        future::zip(one, future::or(future::pending(), future::ready(2))).await
    });
    assert_eq!(out, (1, 2));
}

#[test]
fn a_poll_function_uses_ready() {
    let mut left = 3;
    let mut count = stream::poll_fn(move |cx| {
        left -= 1;
        let n = smol::ready!(std::pin::pin!(future::ready(left)).poll(cx));
        std::task::Poll::Ready((n > 0).then_some(n))
    });
    let all = smol::block_on(async {
        let mut all = Vec::new();
        while let Some(n) = count.next().await {
            all.push(n);
        }
        all
    });
    assert_eq!(all, [2, 1]);
}

#[test]
fn tasks_talk_over_a_channel_and_share_a_lock() {
    smol::block_on(async {
        let (send, recv) = channel::bounded(1);
        let sum = Arc::new(lock::Mutex::new(0));
        let adder = smol::spawn({
            let sum = sum.clone();
            async move {
                while let Ok(n) = recv.recv().await {
                    *sum.lock().await += n;
                }
            }
        });
        for n in 1..=10 {
            send.send(n).await.unwrap();
        }
        drop(send);
        adder.await;
        assert_eq!(*sum.lock().await, 55);
    });
}

#[test]
fn an_executor_runs_in_a_local_one() {
    let ex = Executor::new();
    let local = LocalExecutor::new();
    let seen = Rc::new(Cell::new(0));
    future::block_on(local.run(ex.run(async {
        let task = local.spawn({
            let seen = seen.clone();
            async move { seen.set(seen.get() + 1) }
        });
        task.await;
        ex.spawn(async {}).await;
    })));
    assert_eq!(seen.get(), 1);
}

#[test]
fn a_timer_is_a_future_and_a_stream() {
    let start = Instant::now();
    smol::block_on(async {
        assert!(Timer::after(Duration::from_millis(2)).await >= start);
        let ticks = Timer::interval(Duration::from_millis(1)).take(2);
        assert_eq!(ticks.count().await, 2);
    });
    assert!(start.elapsed() >= Duration::from_millis(4));
}

#[test]
fn names_and_sockets_of_every_kind_are_at_hand() -> io::Result<()> {
    use smol::net::unix::UnixStream;
    use smol::net::{TcpListener, TcpStream, UdpSocket, resolve};

    smol::block_on(async {
        let listener = TcpListener::bind("localhost:0").await?;
        let port = listener.local_addr()?.port();
        let client = smol::spawn(async move {
            let mut stream = TcpStream::connect(("localhost", port)).await?;
            stream.write_all(b"hello").await
        });
        let mut stream = listener.incoming().next().await.expect("no end")?;
        let mut text = String::new();
        stream.read_to_string(&mut text).await?;
        client.await?;
        assert_eq!(text, "hello");
        assert!(!resolve("localhost:80").await?.is_empty());

        let socket = UdpSocket::bind(("127.0.0.1", 0)).await?;
        socket.connect(socket.local_addr()?).await?;
        socket.send(b"to myself").await?;
        assert_eq!(socket.recv(&mut [0; 16]).await?, 9);

        let (mut one, mut other) = UnixStream::pair()?;
        one.write_all(b"x").await?;
        assert_eq!(other.read(&mut [0; 16]).await?, 1);
        Ok(())
    })
}

#[test]
fn files_are_streams_of_bytes_and_directories_of_entries() -> io::Result<()> {
    use smol::fs;

    let dir = std::env::temp_dir().join(format!("gort-smol-paths-{}", std::process::id()));
    let names = smol::block_on(async {
        fs::create_dir(&dir).await?;
        let source = io::Cursor::new(b"one\ntwo\n".to_vec());
        let mut file = fs::File::create(dir.join("lines")).await?;
        io::copy(source, &mut file).await?;
        file.sync_all().await?;

        let lines = io::BufReader::new(fs::File::open(dir.join("lines")).await?).lines();
        let lines: Vec<String> = lines.try_collect().await?;
        assert_eq!(lines, ["one", "two"]);
        let entries: Vec<_> = fs::read_dir(&dir).await?.try_collect().await?;
        io::Result::Ok(
            entries
                .iter()
                .map(fs::DirEntry::file_name)
                .collect::<Vec<_>>(),
        )
    });
    std::fs::remove_dir_all(&dir)?;
    assert_eq!(names?, ["lines"]);
    Ok(())
}

#[test]
fn blocking_input_is_copied_to_a_socket() -> io::Result<()> {
    smol::block_on(async {
        let listener = Async::<std::net::TcpListener>::bind(([127, 0, 0, 1], 0))?;
        let to = listener.get_ref().local_addr()?;
        let server = smol::spawn(async move {
            let (mut stream, _) = listener.accept().await?;
            let mut text = String::new();
            stream.read_to_string(&mut text).await?;
            io::Result::Ok(text)
        });
        let mut client = Async::<std::net::TcpStream>::connect(to).await?;
        let file = Unblock::new(std::io::Cursor::new(b"as it came".to_vec()));
        io::copy(file, &mut client).await?;
        // As in async-io, closing only flushes: the end is seen once the socket is dropped.
        drop(client);
        assert_eq!(server.await?, "as it came");
        assert_eq!(smol::unblock(|| 6 * 7).await, 42);
        Ok(())
    })
}
