//! What happens without descriptors. A process of its own, because the limit is the process's; one test, because tests share it.
#![cfg(unix)]

use std::io;
use std::net::TcpListener as StdListener;

use futures_lite::future::{block_on, poll_once};
use gort_net::{Reactor, TcpListener, TcpStream};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// Sets the limit so low that no descriptor can be opened.
fn exhaust() -> Rlimit {
    let limit = getrlimit(Resource::Nofile);
    let none = Rlimit {
        current: Some(0),
        ..limit
    };
    setrlimit(Resource::Nofile, none).unwrap();
    limit
}

fn is_emfile(error: &io::Error) -> bool {
    error.raw_os_error() == Some(rustix::io::Errno::MFILE.raw_os_error())
}

#[test]
fn running_out_of_descriptors_is_an_error_and_passes() {
    let limit = exhaust();
    let error = Reactor::get().expect_err("no descriptor for epoll");
    assert!(is_emfile(&error), "{error}");
    assert!(Reactor::existing().is_none());
    setrlimit(Resource::Nofile, limit).unwrap();
    assert!(Reactor::get().is_ok(), "the next call tries again");

    block_on(async {
        let listener = TcpListener::try_from(StdListener::bind("127.0.0.1:0")?)?;
        let addr = listener.local_addr()?;
        let sources = Reactor::get()?.sources();

        let client = TcpStream::connect(addr).await?;
        let limit = exhaust();
        let refused = [
            TcpListener::bind("127.0.0.1:0").await.map(drop),
            TcpStream::connect(addr).await.map(drop),
            listener.accept().await.map(drop),
            // Not a hang, however often.
            listener.accept().await.map(drop),
        ];
        setrlimit(Resource::Nofile, limit).unwrap();
        for outcome in refused {
            let error = outcome.unwrap_err();
            assert!(is_emfile(&error), "{error}");
        }
        assert_eq!(Reactor::get()?.sources(), sources + 1);

        let (_server, peer) = listener.accept().await?;
        assert_eq!(peer, client.local_addr()?, "the connection was kept");
        assert!(poll_once(listener.accept()).await.is_none());
        io::Result::Ok(())
    })
    .unwrap();
}
