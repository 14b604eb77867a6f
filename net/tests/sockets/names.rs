//! Claims about host names.

use super::*;

#[test]
fn a_host_name_is_looked_up_and_every_address_is_tried() {
    run(async {
        let listener = TcpListener::bind("localhost:0").await?;
        let port = listener.local_addr()?.port();
        for stream in [
            TcpStream::connect(("localhost", port)).await?,
            TcpStream::connect(format!("localhost:{port}")).await?,
        ] {
            assert_eq!(stream.peer_addr()?, listener.local_addr()?);
        }
        let addrs = gort_net::resolve((String::from("localhost"), port)).await?;
        assert!(addrs.contains(&listener.local_addr()?), "{addrs:?}");
        io::Result::Ok(())
    })
    .unwrap();
}

#[test]
fn a_lookup_that_is_given_up_harms_nobody() {
    run(async {
        for _ in 0..20 {
            drop(poll_once(gort_net::resolve("localhost:80")).await);
        }
        gort_net::resolve("localhost:80").await.map(drop)
    })
    .unwrap();
}

#[test]
fn a_text_without_a_port_is_no_address() {
    let error = run(gort_net::resolve("localhost")).unwrap_err();
    assert_eq!(error.kind(), io::ErrorKind::InvalidInput);
}
