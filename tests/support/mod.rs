//! What several integration tests use.

#![allow(dead_code, reason = "each of them uses a part of it")]

use std::future::Future;
use std::process::Command;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, mpsc};
use std::thread;
use std::time::Duration;

use futures_lite::{AsyncReadExt, AsyncWriteExt};
use gort::net::{TcpListener, TcpStream};
use gort::{Runtime, task, time};

/// Long enough for anything but a hang.
pub(crate) const PATIENCE: Duration = Duration::from_secs(120);

/// How many times `base` rounds a stress test runs: `GORT_STRESS` multiplies.
pub(crate) fn rounds(base: usize) -> usize {
    let factor = std::env::var("GORT_STRESS").ok();
    let factor = factor.map_or(1, |f| f.parse().expect("GORT_STRESS is a whole number"));
    base * factor
}

/// An example program. `cargo test` builds them beside the tests.
pub(crate) fn example(name: &str) -> Command {
    let mut path = std::env::current_exe().expect("the test runs");
    path.pop();
    path.pop();
    let path = path.join("examples").join(name);
    assert!(
        path.exists(),
        "{path:?} is not built: run `cargo test`, or `cargo build --examples` before"
    );
    Command::new(path)
}

/// Runs `test` and fails if it does not end.
pub(crate) fn within_patience<T: Send + 'static>(test: impl FnOnce() -> T + Send + 'static) -> T {
    let (done, wait) = mpsc::channel();
    let thread = thread::spawn(move || {
        let _ = done.send(test());
    });
    match wait.recv_timeout(PATIENCE) {
        Ok(value) => {
            thread.join().expect("it has ended");
            value
        }
        Err(mpsc::RecvTimeoutError::Disconnected) => {
            std::panic::resume_unwind(thread.join().expect_err("it sent nothing"))
        }
        Err(mpsc::RecvTimeoutError::Timeout) => panic!("no progress in {PATIENCE:?}"),
    }
}

/// Proves that timers, sockets, spawns and yields all go on.
pub(crate) async fn progress() {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = listener.local_addr().expect("it is bound");
    let server = gort::go(async move {
        let (mut stream, _) = listener.accept().await?;
        let mut byte = [0];
        while stream.read(&mut byte).await? == 1 {
            stream.write_all(&byte).await?;
        }
        std::io::Result::Ok(())
    });
    let mut stream = TcpStream::connect(address).await.expect("it listens");
    for i in 0..20 {
        time::sleep(Duration::from_millis(1)).await;
        stream.write_all(&[i]).await.expect("it is open");
        let mut byte = [0];
        stream.read_exact(&mut byte).await.expect("it echoes");
        assert_eq!(byte[0], i);
        gort::go(task::yield_now()).await.expect("it ends");
    }
    drop(stream);
    server.await.expect("no panic").expect("no error");
}

/// Runs a future as a goroutine of `rt` until it ends.
pub(crate) fn run(rt: &Runtime, future: impl Future<Output = ()> + Send + 'static) {
    // As a goroutine: the thread of a `block_on` would be one that never blocks.
    rt.block_on(rt.go(future)).expect("no panic");
}

/// Counts how many of its [`Alive`] exist.
#[derive(Clone, Debug, Default)]
pub(crate) struct Census(Arc<AtomicUsize>);

/// Lives in a future, to tell when that is dropped.
#[derive(Debug)]
pub(crate) struct Alive(Arc<AtomicUsize>);

impl Census {
    pub(crate) fn born(&self) -> Alive {
        self.0.fetch_add(1, Ordering::SeqCst);
        Alive(self.0.clone())
    }

    pub(crate) fn alive(&self) -> usize {
        self.0.load(Ordering::SeqCst)
    }
}

impl Drop for Alive {
    fn drop(&mut self) {
        let before = self.0.fetch_sub(1, Ordering::SeqCst);
        assert_ne!(before, 0, "a future was dropped twice");
    }
}

/// The variable that tells a test that it is the child of itself.
const CHILD: &str = "GORT_TEST_CHILD";

/// Whether this process was started by [`child`].
pub(crate) fn is_child() -> bool {
    std::env::var_os(CHILD).is_some()
}

/// A process that runs one test of this program and nothing else, for what concerns a whole process.
pub(crate) fn child(test: &str) -> Command {
    let mut command = Command::new(std::env::current_exe().expect("it runs"));
    command
        .args([test, "--exact", "--nocapture", "--test-threads=1"])
        .env(CHILD, "1")
        .env_remove("GORT_PROCS");
    command
}
