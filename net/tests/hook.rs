//! The wait hook. A process of its own, because the hook is the process's.
#![cfg(unix)]

use std::panic::Location;
use std::sync::Mutex;

use futures_lite::AsyncReadExt;
use futures_lite::future::{block_on, poll_once};
use gort_net::{Async, TcpListener, TcpStream, WaitKind, set_wait_hook};

static WAITS: Mutex<Vec<(WaitKind, u32)>> = Mutex::new(Vec::new());

fn note(kind: WaitKind, location: &'static Location<'static>) {
    assert_eq!(location.file(), file!());
    WAITS.lock().unwrap().push((kind, location.line()));
}

fn last() -> (WaitKind, u32) {
    *WAITS.lock().unwrap().last().expect("a wait was reported")
}

#[test]
fn every_wait_is_reported_with_its_reason_and_its_site() {
    assert!(set_wait_hook(note));
    assert!(!set_wait_hook(note), "once");
    block_on(async {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        assert!(poll_once(listener.accept()).await.is_none());
        assert_eq!(last(), (WaitKind::Accept, line!() - 1));

        let born = line!() + 1;
        let mut stream = TcpStream::connect(listener.local_addr()?).await?;
        assert!(poll_once(stream.read(&mut [0; 1])).await.is_none());
        assert_eq!(last(), (WaitKind::IoRead, born));
        assert!(poll_once(stream.peek(&mut [0; 1])).await.is_none());
        assert_eq!(last(), (WaitKind::IoRead, line!() - 1));

        let (reader, _writer) = std::io::pipe()?;
        let reader = Async::new(reader)?;
        assert!(poll_once(reader.readable()).await.is_none());
        assert_eq!(last(), (WaitKind::Readable, line!() - 1));
        std::io::Result::Ok(())
    })
    .unwrap();
}
