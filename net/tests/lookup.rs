//! The blocking hook. A process of its own, because the hook is the process's.
#![cfg(unix)]

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;

use futures_lite::future::block_on;
use gort_net::{TcpListener, TcpStream, resolve, set_blocking_hook};

static CALLS: AtomicUsize = AtomicUsize::new(0);
static REFUSE: AtomicBool = AtomicBool::new(false);

fn hook(job: Box<dyn FnOnce() + Send>) {
    CALLS.fetch_add(1, Ordering::Relaxed);
    if !REFUSE.load(Ordering::Relaxed) {
        thread::spawn(job);
    }
}

fn calls() -> usize {
    CALLS.load(Ordering::Relaxed)
}

#[test]
fn names_go_to_the_hook_and_addresses_do_not() {
    assert!(set_blocking_hook(hook));
    assert!(!set_blocking_hook(hook), "once");
    block_on(async {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let port = listener.local_addr()?.port();
        TcpStream::connect(("127.0.0.1", port)).await?;
        resolve("[::1]:80").await?;
        assert_eq!(calls(), 0);

        drop(resolve("localhost:80"));
        assert_eq!(calls(), 0, "a future that is not polled does nothing");
        resolve("localhost:80").await?;
        assert_eq!(calls(), 1);

        REFUSE.store(true, Ordering::Relaxed);
        let error = resolve("localhost:80").await.unwrap_err();
        assert!(error.to_string().contains("given up"), "{error}");
        std::io::Result::Ok(())
    })
    .unwrap();
}
