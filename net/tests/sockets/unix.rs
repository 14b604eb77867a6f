//! Claims about Unix sockets.

use std::io::IoSlice;
use std::mem::MaybeUninit;
use std::os::fd::AsFd;
use std::panic::{RefUnwindSafe, UnwindSafe};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};

use gort_net::UdpSocket;
use gort_net::unix::{UnixDatagram, UnixListener, UnixStream};
use rustix::net::{SendAncillaryBuffer, SendAncillaryMessage, SendFlags, sendmsg};
use socket2::{Domain, SockAddr, Socket, Type};

use super::*;

/// A path that exists once, and whose file goes with it.
struct Place(PathBuf);

impl Place {
    fn new() -> Self {
        static NEXT: AtomicUsize = AtomicUsize::new(0);
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let name = format!("gort-net-{}-{number}", std::process::id());
        Self(std::env::temp_dir().join(name))
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.0);
    }
}

impl AsRef<Path> for Place {
    fn as_ref(&self) -> &Path {
        &self.0
    }
}

#[test]
fn streams_meet_at_a_path() {
    run(async {
        let place = Place::new();
        let listener = UnixListener::bind(&place)?;
        assert_eq!(listener.local_addr()?.as_pathname(), Some(place.as_ref()));
        let mut client = UnixStream::connect(&place).await?;
        assert_eq!(client.peer_addr()?.as_pathname(), Some(place.as_ref()));
        let (mut server, peer) = listener.accept().await?;
        assert!(peer.is_unnamed());

        client.write_all(b"hello").await?;
        client.close().await?;
        let mut text = String::new();
        server.read_to_string(&mut text).await?;
        assert_eq!(text, "hello");
        server.write_all(b"still open").await?;
        drop(server);
        text.clear();
        client.read_to_string(&mut text).await?;
        assert_eq!(text, "still open");
        assert!(client.write(b"x").await.is_err());

        let mut incoming = listener.incoming();
        for _ in 0..3 {
            let _client = UnixStream::connect(&place).await?;
            assert!(incoming.next().await.expect("no end").is_ok());
        }
        io::Result::Ok(())
    })
    .unwrap();
}

#[test]
fn a_path_without_a_listener_refuses() {
    run(async {
        let place = Place::new();
        let error = UnixStream::connect(&place).await.unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::NotFound);
        drop(UnixListener::bind(&place)?);
        let error = UnixStream::connect(&place).await.unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::ConnectionRefused);
        let error = UnixListener::bind(&place).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::AddrInUse);
        io::Result::Ok(())
    })
    .unwrap();
}

#[test]
fn a_full_backlog_is_an_error_and_not_a_hang() {
    run(async {
        let place = Place::new();
        let listener = Socket::new(Domain::UNIX, Type::STREAM, None)?;
        listener.bind(&SockAddr::unix(&place)?)?;
        listener.listen(1)?;
        let mut clients = Vec::new();
        let error = loop {
            match UnixStream::connect(&place).await {
                Ok(client) => clients.push(client),
                Err(error) => break error,
            }
            assert!(clients.len() < 100, "the backlog is not that long");
        };
        assert_eq!(error.kind(), io::ErrorKind::WouldBlock);
        io::Result::Ok(())
    })
    .unwrap();
}

#[cfg(target_os = "linux")]
#[test]
fn names_of_the_abstract_namespace_begin_with_a_nul() {
    run(async {
        let name = format!(
            "\0gort-net-{}-{:?}",
            std::process::id(),
            thread::current().id()
        );
        let listener = UnixListener::bind(&name)?;
        let mut client = UnixStream::connect(&name).await?;
        let (mut server, _) = listener.accept().await?;
        client.write_all(b"x").await?;
        assert_eq!(server.read(&mut [0; 2]).await?, 1);

        let name = name + " datagrams";
        let (bound, unbound) = (UnixDatagram::bind(&name)?, UnixDatagram::unbound()?);
        unbound.send_to(b"one", &name).await?;
        unbound.connect(&name)?;
        unbound.send(b"two").await?;
        let mut buf = [0; 16];
        assert_eq!(bound.recv(&mut buf).await?, 3);
        assert_eq!(bound.recv(&mut buf).await?, 3);
        io::Result::Ok(())
    })
    .unwrap();
}

#[test]
fn a_path_with_a_nul_inside_is_refused() {
    fn refused<T>(outcome: io::Result<T>) {
        let error = outcome.err().expect("the path has no end");
        assert_eq!(error.kind(), io::ErrorKind::InvalidInput);
    }
    let place = Place::new();
    let mut path = place.as_ref().as_os_str().to_owned();
    path.push("\0 and more");
    run(async {
        refused(UnixListener::bind(&path));
        refused(UnixStream::connect(&path).await);
        refused(UnixDatagram::bind(&path));
        let socket = UnixDatagram::unbound()?;
        refused(socket.connect(&path));
        refused(socket.send_to(b"x", &path).await);
        io::Result::Ok(())
    })
    .unwrap();
    assert!(!place.as_ref().exists());
}

#[test]
fn two_clones_that_read_are_both_woken() {
    run(async {
        let (mut one, other) = UnixStream::pair()?;
        let read = |mut stream: UnixStream| async move { stream.read(&mut [0; 1]).await };
        let write = async {
            one.write_all(b"xy").await?;
            io::Result::Ok(0)
        };
        let readers = zip(read(other.clone()), read(other));
        let ((first, second), written) = zip(readers, write).await;
        assert_eq!((first?, second?, written?), (1, 1, 0));
        io::Result::Ok(())
    })
    .unwrap();
}

#[test]
fn more_bytes_than_the_buffers_hold_go_through() {
    run(async {
        let (mut one, mut other) = UnixStream::pair()?;
        let bytes: Vec<u8> = (0..3_000_000u32).map(|n| n as u8).collect();
        let write = async {
            one.write_all(&bytes).await?;
            one.close().await
        };
        let mut read = Vec::new();
        let (written, _) = zip(write, other.read_to_end(&mut read)).await;
        written?;
        assert!(read == bytes);
        io::Result::Ok(())
    })
    .unwrap();
}

#[test]
fn a_read_that_ends_at_a_passed_descriptor_hides_nothing_behind_it() {
    run(async {
        let (sender, mut receiver) = UnixStream::pair()?;
        assert!(poll_once(receiver.read(&mut [0; 8])).await.is_none());
        // The kernel ends a read after the bytes that a descriptor came with, and no edge tells of what follows.
        let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
        let mut ancillary = SendAncillaryBuffer::new(&mut space);
        let fds = [sender.as_fd()];
        assert!(ancillary.push(SendAncillaryMessage::ScmRights(&fds)));
        sendmsg(
            &sender,
            &[IoSlice::new(b"one")],
            &mut ancillary,
            SendFlags::empty(),
        )?;
        (&sender).write_all(b"two").await?;

        let mut text = [0; 6];
        let mut done = 0;
        while done < text.len() {
            // More room than there are bytes: each of these reads is short.
            let mut buf = [0; 64];
            let n = receiver.read(&mut buf).await?;
            text[done..done + n].copy_from_slice(&buf[..n]);
            done += n;
        }
        assert_eq!(&text, b"onetwo");
        io::Result::Ok(())
    })
    .unwrap();
}

#[test]
fn a_datagram_to_a_socket_that_others_filled_arrives_when_there_is_room() {
    run(async {
        let place = Place::new();
        let receiver = UnixDatagram::bind(&place)?;
        // Nothing of theirs is on the way: whether an event tells them of room at the other end is up to the kernel.
        let stranger = UnixDatagram::unbound()?;
        let friend = UnixDatagram::unbound()?;
        friend.connect(&place)?;
        for connected in [false, true] {
            let filler = UnixDatagram::unbound()?;
            let mut sent = 1;
            while let Some(outcome) = poll_once(filler.send_to(b"filler", &place)).await {
                assert_eq!(outcome?, 6);
                sent += 1;
            }
            let send = async {
                match connected {
                    true => friend.send(b"datagram").await,
                    false => stranger.send_to(b"datagram", &place).await,
                }
            };
            let mut send = pin!(send);
            assert!(poll_once(&mut send).await.is_none());
            let drain = async {
                for _ in 0..sent {
                    receiver.recv(&mut [0; 16]).await?;
                }
                io::Result::Ok(())
            };
            let (last, drained) = zip(send, drain).await;
            assert_eq!(last?, 8);
            drained?;
        }
        io::Result::Ok(())
    })
    .unwrap();
}

#[test]
fn datagrams_tell_their_sender() {
    run(async {
        let (here, there) = (Place::new(), Place::new());
        let (one, other) = (UnixDatagram::bind(&here)?, UnixDatagram::bind(&there)?);
        one.send_to(b"hello", &there).await?;
        let mut buf = [0; 16];
        let (n, from) = other.recv_from(&mut buf).await?;
        assert_eq!((n, from.as_pathname()), (5, Some(here.as_ref())));
        assert_eq!(one.local_addr()?.as_pathname(), Some(here.as_ref()));
        other.connect(&here)?;
        assert_eq!(other.peer_addr()?.as_pathname(), Some(here.as_ref()));
        other.shutdown(Shutdown::Write)?;
        assert!(other.send(b"closed").await.is_err());
        io::Result::Ok(())
    })
    .unwrap();
}

#[test]
fn handles_go_to_other_threads_and_survive_panics() {
    fn is<T: Send + Sync + Unpin + UnwindSafe + RefUnwindSafe>() {}
    is::<TcpListener>();
    is::<TcpStream>();
    is::<UdpSocket>();
    is::<UnixListener>();
    is::<UnixStream>();
    is::<UnixDatagram>();
}
