//! gort's `block_on` inside executors: those of tokio and smol, gort's own, and several deep.

use std::io;
use std::time::Duration;

use gort::net::{TcpListener, TcpStream};
use smol::io::{AsyncReadExt, AsyncWriteExt};

/// Needs goroutines, timers and sockets of gort's to go on.
async fn progress() -> io::Result<u8> {
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let addr = listener.local_addr()?;
    let server = gort::go(async move {
        let (mut stream, _) = listener.accept().await?;
        gort::time::sleep(Duration::from_millis(1)).await;
        stream.write_all(&[7]).await
    });
    let mut byte = [0];
    TcpStream::connect(addr)
        .await?
        .read_exact(&mut byte)
        .await?;
    server.await?.map(|()| byte[0])
}

fn works() {
    assert_eq!(gort::block_on(progress()).expect("loopback"), 7);
}

#[test]
fn block_on_works_inside_that_of_tokio() {
    let one = tokio::runtime::Builder::new_current_thread().build();
    one.expect("a runtime").block_on(async { works() });
    let workers = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .build();
    let workers = workers.expect("threads");
    // On each of its workers, and more, at once.
    let tasks: Vec<_> = (0..8).map(|_| workers.spawn(async { works() })).collect();
    for task in tasks {
        workers.block_on(task).expect("no panic");
    }
}

#[test]
fn block_on_works_inside_that_of_smol() {
    smol::block_on(async { works() });
    let tasks: Vec<_> = (0..8).map(|_| smol::spawn(async { works() })).collect();
    for task in tasks {
        smol::block_on(task);
    }
}

#[test]
fn block_on_works_inside_local_executors() {
    let ours = gort::LocalExecutor::new();
    gort::block_on(ours.run(ours.spawn(async { works() })));
    let theirs = smol::LocalExecutor::new();
    gort::block_on(theirs.run(theirs.spawn(async { works() })));
    // On a worker of gort's, where the poll of the outer one is all that the goroutine does.
    let inside = gort::go(async {
        let ours = gort::LocalExecutor::new();
        gort::block_on(ours.run(ours.spawn(async { works() })));
    });
    gort::block_on(inside).expect("no panic");
}

#[test]
fn block_on_works_several_deep_in_others() {
    let inside = gort::go(async {
        smol::block_on(async {
            gort::block_on(async { gort::blocking(|| smol::block_on(async { works() })) });
        });
    });
    gort::block_on(inside).expect("no panic");
}
