//! Claims about sockets and descriptors. All of them run twice: in the mode of the platform, and in oneshot mode.
#![cfg(unix)]

use std::future::{Future, poll_fn};
use std::io::{self, Read, Write};
use std::net::Shutdown;
use std::os::fd::BorrowedFd;
use std::os::unix::net::UnixStream;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::thread;
use std::time::Duration;

use futures_lite::future::{block_on, or, poll_once, zip};
use futures_lite::{AsyncRead, AsyncReadExt, AsyncWriteExt, StreamExt};
use gort_net::{Async, TcpListener, TcpStream};

#[path = "sockets/descriptors.rs"]
mod descriptors;
#[path = "sockets/names.rs"]
mod names;
#[path = "sockets/udp.rs"]
mod udp;
#[path = "sockets/unix.rs"]
mod unix;

/// Runs the future, and fails instead of hanging. The guard is a thread: nothing of this crate is needed to fail.
fn run<T>(future: impl Future<Output = T>) -> T {
    let (done, hung) = std::sync::mpsc::channel::<()>();
    let guard = thread::spawn(move || {
        if hung.recv_timeout(Duration::from_secs(60))
            == Err(std::sync::mpsc::RecvTimeoutError::Timeout)
        {
            eprintln!("a test hangs");
            std::process::abort();
        }
    });
    let out = block_on(future);
    drop(done);
    guard.join().unwrap();
    out
}

async fn pair() -> io::Result<(TcpStream, TcpStream)> {
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let client = TcpStream::connect(listener.local_addr()?).await?;
    let (server, peer) = listener.accept().await?;
    assert_eq!(peer, client.local_addr()?);
    Ok((client, server))
}

fn poll_read(mut stream: impl AsyncRead + Unpin, waker: &Waker) -> Poll<io::Result<usize>> {
    Pin::new(&mut stream).poll_read(&mut Context::from_waker(waker), &mut [0; 16])
}

async fn echo(mut stream: TcpStream) -> io::Result<()> {
    let mut buf = [0; 256];
    loop {
        match stream.read(&mut buf).await? {
            0 => return Ok(()),
            n => stream.write_all(&buf[..n]).await?,
        }
    }
}

#[test]
fn every_claim_holds_in_oneshot_mode() {
    if std::env::var_os("GORT_NET_MODE").is_some() {
        return;
    }
    let status = std::process::Command::new(std::env::current_exe().unwrap())
        .env("GORT_NET_MODE", "oneshot")
        .status()
        .unwrap();
    assert!(status.success());
}

#[test]
fn bytes_go_both_ways_and_the_end_is_seen() {
    run(async {
        let (mut client, server) = pair().await?;
        let echo = echo(server);
        let talk = async {
            for round in 0..1000u32 {
                client.write_all(&round.to_le_bytes()).await?;
                let mut word = [0; 4];
                client.read_exact(&mut word).await?;
                assert_eq!(u32::from_le_bytes(word), round);
            }
            client.close().await?;
            assert_eq!(client.read(&mut [0; 8]).await?, 0);
            io::Result::Ok(())
        };
        let (echo, talk) = zip(echo, talk).await;
        echo.and(talk)
    })
    .unwrap();
}

#[test]
fn a_stream_that_ended_before_a_short_read_ends() {
    // The bytes and the end make one edge: the read that finds the bytes is short, and no other edge comes.
    run(async {
        for _ in 0..500 {
            let (mut client, mut server) = pair().await?;
            // The first read registers an interest, so that the event comes through the reactor.
            assert!(poll_read(&mut server, Waker::noop()).is_pending());
            client.write_all(b"bye").await?;
            drop(client);
            let mut text = String::new();
            server.read_to_string(&mut text).await?;
            assert_eq!(text, "bye");
        }
        io::Result::Ok(())
    })
    .unwrap();
}

#[test]
fn a_reset_is_an_error_and_not_a_hang() {
    run(async {
        let (client, mut server) = pair().await?;
        server.write_all(b"unread").await?;
        // Closing with unread bytes resets.
        client.peek(&mut [0; 1]).await?;
        drop(client);
        let error = server.read(&mut [0; 8]).await.unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::ConnectionReset);
        io::Result::Ok(())
    })
    .unwrap();
}

#[test]
fn closing_a_connection_that_was_reset_is_no_error() {
    run(async {
        let (mut client, server) = pair().await?;
        client.write_all(b"unread").await?;
        while server.peek(&mut [0; 16]).await? < 6 {}
        // Closed with bytes that nobody read: the peer is told so by a reset.
        drop(server);
        assert!(client.read(&mut [0; 16]).await.is_err());
        client.close().await?;
        client.close().await
    })
    .unwrap();
}

#[test]
fn more_bytes_than_the_buffers_hold_go_through() {
    const SIZE: usize = 16 << 20;
    run(async {
        let (mut client, mut server) = pair().await?;
        let send = async {
            client.write_all(&vec![7; SIZE]).await?;
            client.close().await
        };
        let receive = async {
            let mut bytes = Vec::new();
            server.read_to_end(&mut bytes).await.map(|_| bytes)
        };
        let (sent, received) = zip(send, receive).await;
        sent?;
        let received = received?;
        assert!(received.len() == SIZE && received.iter().all(|&byte| byte == 7));
        io::Result::Ok(())
    })
    .unwrap();
}

#[test]
fn vectored_transfers_keep_the_order() {
    run(async {
        let (mut client, mut server) = pair().await?;
        // More slices than the system takes in one call.
        let parts: Vec<[u8; 3]> = (0..3000u32).map(|i| [i as u8, (i >> 8) as u8, 1]).collect();
        let expected: Vec<u8> = parts.concat();
        let send = async {
            let mut sent = 0;
            while sent < expected.len() {
                let rest = &expected[sent..];
                let slices: Vec<_> = rest.chunks(3).map(io::IoSlice::new).collect();
                sent += client.write_vectored(&slices).await?;
            }
            client.close().await
        };
        let receive = async {
            let mut bytes = Vec::new();
            server.read_to_end(&mut bytes).await.map(|_| bytes)
        };
        let (sent, received) = zip(send, receive).await;
        sent?;
        assert!(received? == expected);
        io::Result::Ok(())
    })
    .unwrap();
}

#[test]
fn a_refused_connection_is_an_error_and_the_next_address_is_tried() {
    run(async {
        let gone = std::net::TcpListener::bind("127.0.0.1:0")?.local_addr()?;
        let error = TcpStream::connect(gone).await.unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::ConnectionRefused);

        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let stream = TcpStream::connect(&[gone, listener.local_addr()?][..]).await?;
        assert_eq!(stream.peer_addr()?, listener.local_addr()?);

        let none: &[std::net::SocketAddr] = &[];
        let error = TcpStream::connect(none).await.unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::InvalidInput);
        let error = TcpStream::connect("no port").await.unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::InvalidInput);
        io::Result::Ok(())
    })
    .unwrap();
}

#[test]
fn two_clones_that_read_are_both_woken() {
    run(async {
        let (mut client, server) = pair().await?;
        let (mut one, mut two) = (server.clone(), server);
        let read_one = async { one.read(&mut [0; 1]).await };
        let read_two = async { two.read(&mut [0; 1]).await };
        let write = async { client.write_all(b"ab").await.map(|()| 0) };
        // Both are polled, and wait, before the bytes are sent.
        let ((first, second), sent) = zip(zip(read_one, read_two), write).await;
        assert_eq!((first?, second?, sent?), (1, 1, 0));
        io::Result::Ok(())
    })
    .unwrap();
}

#[test]
fn two_threads_that_read_one_socket_are_both_woken() {
    both_get_a_byte(|reader| run(reader.read_with(|mut stream| stream.read(&mut [0; 1]))));
}

#[test]
fn two_threads_that_read_by_reference_take_turns() {
    both_get_a_byte(|reader| run(async { (&*reader).read(&mut [0; 1]).await }));
    both_get_a_byte(|reader| {
        run(async {
            loop {
                poll_fn(|cx| reader.poll_readable(cx)).await?;
                match io::Read::read(&mut reader.get_ref(), &mut [0; 1]) {
                    Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                    outcome => return outcome,
                }
            }
        })
    });
}

fn both_get_a_byte(read: fn(Arc<Async<UnixStream>>) -> io::Result<usize>) {
    for _ in 0..50 {
        let (mut writer, reader) = UnixStream::pair().unwrap();
        let reader = Arc::new(Async::new(reader).unwrap());
        let threads: Vec<_> = (0..2)
            .map(|_| {
                let reader = Arc::clone(&reader);
                thread::spawn(move || read(reader).unwrap())
            })
            .collect();
        writer.write_all(b"ab").unwrap();
        for thread in threads {
            assert_eq!(thread.join().unwrap(), 1);
        }
    }
}

#[test]
fn a_dropped_accept_loses_no_connection() {
    run(async {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let addr = listener.local_addr()?;
        for _ in 0..100 {
            let quitter = listener.accept();
            let stayer = listener.accept();
            let (mut quitter, mut stayer) = (Box::pin(quitter), Box::pin(stayer));
            assert!(poll_once(&mut quitter).await.is_none());
            assert!(poll_once(&mut stayer).await.is_none());
            let client = TcpStream::connect(addr).await?;
            drop(quitter);
            let (_server, peer) = stayer.await?;
            assert_eq!(peer, client.local_addr()?);
        }
        io::Result::Ok(())
    })
    .unwrap();
}

#[test]
fn incoming_never_ends() {
    run(async {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let addr = listener.local_addr()?;
        let mut clients = Vec::new();
        let mut incoming = listener.incoming();
        for _ in 0..10 {
            clients.push(TcpStream::connect(addr).await?);
            let server = incoming.next().await.expect("never ends")?;
            assert_eq!(server.peer_addr()?, clients.last().unwrap().local_addr()?);
        }
        io::Result::Ok(())
    })
    .unwrap();
}

#[test]
fn a_shutdown_wakes_the_reader() {
    run(async {
        let (client, server) = pair().await?;
        let mut reader = server.clone();
        let read = async { reader.read(&mut [0; 8]).await };
        let shut = async { server.shutdown(Shutdown::Read).map(|()| 1) };
        let (read, _) = zip(read, shut).await;
        assert_eq!(read?, 0);
        drop(client);
        io::Result::Ok(())
    })
    .unwrap();
}

#[test]
fn urgent_data_does_not_hide_what_follows_it() {
    run(async {
        let (client, mut server) = pair().await?;
        assert!(poll_read(&mut server, Waker::noop()).is_pending());
        let socket = socket2::SockRef::from(&client);
        socket.send(b"before")?;
        socket.send_out_of_band(b"!")?;
        socket.send(b"after")?;
        client.shutdown(Shutdown::Write)?;
        let mut bytes = Vec::new();
        server.read_to_end(&mut bytes).await?;
        assert_eq!(bytes, b"beforeafter");
        io::Result::Ok(())
    })
    .unwrap();
}

#[test]
fn options_round_trip() {
    run(async {
        let (client, server) = pair().await?;
        client.set_nodelay(true)?;
        assert!(client.nodelay()?);
        server.set_ttl(42)?;
        assert_eq!(server.ttl()?, 42);
        io::Result::Ok(())
    })
    .unwrap();
}

#[test]
fn a_storm_of_connections_leaves_nothing_behind() {
    const CLIENTS: usize = 4;
    const CONNECTIONS: usize = 150;
    let listener = run(TcpListener::bind("127.0.0.1:0")).unwrap();
    let addr = listener.local_addr().unwrap();
    let server = thread::spawn(move || {
        block_on(async {
            for _ in 0..CLIENTS * CONNECTIONS {
                let (stream, _) = listener.accept().await.unwrap();
                thread::spawn(move || block_on(echo(stream)));
            }
        })
    });
    let clients: Vec<_> = (0..CLIENTS)
        .map(|client| {
            thread::spawn(move || {
                run(async {
                    for round in 0..CONNECTIONS {
                        let mut stream = TcpStream::connect(addr).await?;
                        let text = format!("{client} {round}");
                        for _ in 0..5 {
                            stream.write_all(text.as_bytes()).await?;
                            let mut back = vec![0; text.len()];
                            stream.read_exact(&mut back).await?;
                            assert_eq!(back, text.as_bytes());
                        }
                        if round % 3 == 0 {
                            // A wait that is given up.
                            let never = async { stream.read(&mut [0; 1]).await.map(|_| ()) };
                            or(never, async { Ok(()) }).await?;
                        }
                    }
                    io::Result::Ok(())
                })
            })
        })
        .collect();
    for client in clients {
        client.join().unwrap().unwrap();
    }
    server.join().unwrap();
}
