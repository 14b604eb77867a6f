//! Claims about UDP.

use std::net::Ipv4Addr;

use gort_net::UdpSocket;

use super::*;

async fn bound() -> io::Result<UdpSocket> {
    UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).await
}

#[test]
fn datagrams_keep_their_bounds_and_their_senders() {
    run(async {
        let (one, other) = (bound().await?, bound().await?);
        let (one_addr, other_addr) = (one.local_addr()?, other.local_addr()?);
        let mut buf = [0; 16];
        assert_eq!(one.send_to(b"first", other_addr).await?, 5);
        assert_eq!(one.send_to(b"second", other_addr.to_string()).await?, 6);
        assert_eq!(other.peek_from(&mut buf).await?, (5, one_addr));
        assert_eq!(other.recv_from(&mut buf).await?, (5, one_addr));
        assert_eq!(&buf[..5], b"first");
        assert_eq!(other.recv(&mut buf[..3]).await?, 3, "the rest is lost");
        assert_eq!(&buf[..3], b"sec");

        other.connect(one_addr).await?;
        assert_eq!(other.peer_addr()?, one_addr);
        assert_eq!(other.send(b"third").await?, 5);
        assert_eq!(one.peek(&mut buf).await?, 5);
        assert_eq!(one.recv_from(&mut buf).await?, (5, other_addr));
        let error = one.send(b"to nobody").await.unwrap_err();
        assert!(one.peer_addr().is_err(), "{error}");
        io::Result::Ok(())
    })
    .unwrap();
}

#[test]
fn a_dropped_receive_loses_no_datagram() {
    run(async {
        let (one, other) = (bound().await?, bound().await?);
        let mut buf = [0; 16];
        for round in 0..100u8 {
            assert!(poll_once(other.recv(&mut buf)).await.is_none());
            one.send_to(&[round], other.local_addr()?).await?;
            assert_eq!(other.recv(&mut buf).await?, 1);
            assert_eq!(buf[0], round);
        }
        io::Result::Ok(())
    })
    .unwrap();
}

#[test]
fn an_error_of_the_network_is_reported_and_the_socket_goes_on() {
    run(async {
        let (one, other) = (bound().await?, bound().await?);
        // This socket never receives: what was sent to it is refused once it is gone.
        let gone = bound().await?.local_addr()?;
        one.connect(gone).await?;
        one.send(b"hello").await?;
        let error = one.recv(&mut [0; 1]).await.unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::ConnectionRefused);

        one.connect(other.local_addr()?).await?;
        let mut buf = [0; 16];
        for _ in 0..3 {
            one.send(b"hello").await?;
            assert_eq!(other.recv(&mut buf).await?, 5);
            let back = other.send_to(&buf[..5], one.local_addr()?);
            let (sent, received) = zip(back, one.recv(&mut [0; 16])).await;
            assert_eq!((sent?, received?), (5, 5));
        }
        io::Result::Ok(())
    })
    .unwrap();
}

#[test]
fn tasks_that_receive_from_one_socket_get_a_datagram_each() {
    const TASKS: u8 = 4;
    let socket = run(bound()).unwrap();
    let threads: Vec<_> = (0..TASKS)
        .map(|_| {
            let socket = socket.clone();
            thread::spawn(move || {
                let mut buf = [0];
                run(socket.recv(&mut buf)).map(|_| buf[0])
            })
        })
        .collect();
    run(async {
        let sender = bound().await?;
        for number in 0..TASKS {
            sender.send_to(&[number], socket.local_addr()?).await?;
        }
        io::Result::Ok(())
    })
    .unwrap();
    let got = threads.into_iter().map(|thread| thread.join().unwrap());
    let mut got: Vec<_> = got.map(|number| number.unwrap()).collect();
    got.sort_unstable();
    assert_eq!(got, [0, 1, 2, 3]);
}

#[test]
fn options_round_trip() {
    run(async {
        let socket = bound().await?;
        socket.set_broadcast(true)?;
        assert!(socket.broadcast()?);
        socket.set_multicast_loop_v4(false)?;
        assert!(!socket.multicast_loop_v4()?);
        socket.set_multicast_ttl_v4(3)?;
        assert_eq!(socket.multicast_ttl_v4()?, 3);
        socket.set_ttl(42)?;
        assert_eq!(socket.ttl()?, 42);
        let address = Ipv4Addr::LOCALHOST;
        let error = socket.join_multicast_v4(address, address).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::InvalidInput);
        io::Result::Ok(())
    })
    .unwrap();
}

#[test]
fn a_socket_is_taken_from_std_and_shared_with_its_adapter() {
    run(async {
        let socket = UdpSocket::try_from(std::net::UdpSocket::bind("127.0.0.1:0")?)?;
        let adapter: Arc<Async<std::net::UdpSocket>> = socket.clone().into();
        adapter.send_to(b"hello", socket.local_addr()?).await?;
        assert_eq!(socket.recv(&mut [0; 16]).await?, 5);
        io::Result::Ok(())
    })
    .unwrap();
}
