//! axum's own server on tokio's sockets, and reqwest, both unmodified, in goroutines, and tokio in the tasks of async-global-executor.

use std::future::IntoFuture;
use std::net::SocketAddr;
use std::time::Duration;

use axum::Router;
use axum::extract::Path;
use axum::routing::get;
use gort::sync::oneshot;
use gort::{JoinHandle, go};
use tokio::net::TcpListener;

/// Longer than anything here takes.
const GUARD: Duration = Duration::from_secs(60);

/// A client that does not ask the environment for a proxy.
fn client() -> reqwest::Client {
    let builder = reqwest::Client::builder().no_proxy().timeout(GUARD);
    builder.build().expect("it has no TLS to set up")
}

async fn text(client: &reqwest::Client, addr: SocketAddr, path: &str) -> String {
    let answer = client.get(format!("http://{addr}{path}")).send().await;
    let answer = answer.expect("it answers");
    assert!(answer.status().is_success(), "{}", answer.status());
    answer.text().await.expect("it answers in full")
}

async fn slowly(Path(word): Path<String>) -> String {
    tokio::time::sleep(Duration::from_millis(1)).await;
    word
}

#[gort::test(tokio)]
async fn the_server_of_axum_and_the_client_reqwest_work_in_goroutines() {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let addr = listener.local_addr().expect("it is bound");
    let router = Router::new().route("/{word}", get(slowly));
    let (stop, stopped) = oneshot::channel::<()>();
    let server = axum::serve(listener, router).with_graceful_shutdown(async {
        let _ = stopped.await;
    });
    let server = go(server.into_future());

    let client = client();
    let clients: Vec<JoinHandle<()>> = (0..20)
        .map(|n| {
            let client = client.clone();
            go(async move {
                for m in 0..3 {
                    let word = format!("{n}-{m}");
                    assert_eq!(text(&client, addr, &format!("/{word}")).await, word);
                }
            })
        })
        .collect();
    for client in clients {
        client.await.expect("no panic");
    }
    drop((client, stop));
    let ended = gort::time::timeout(GUARD, server).await;
    ended
        .expect("it ends")
        .expect("no panic")
        .expect("no error");
}

#[gort::test(tokio)]
async fn a_goroutine_that_blocks_stops_neither_of_them() {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let addr = listener.local_addr().expect("it is bound");
    go(axum::serve(listener, Router::new().route("/{word}", get(slowly))).into_future());
    // More of them than run at once. Each waits for its sender to go.
    let (senders, blocked): (Vec<_>, Vec<_>) = (0..=gort::available_procs())
        .map(|_| {
            let (sender, receiver) = std::sync::mpsc::channel::<()>();
            (sender, go(async move { receiver.recv().is_err() }))
        })
        .unzip();
    assert_eq!(text(&client(), addr, "/on").await, "on");
    drop(senders);
    for blocked in blocked {
        assert!(blocked.await.expect("no panic"));
    }
}

#[test]
fn tokio_works_in_all_tasks_of_async_global_executor() {
    use async_global_executor::{block_on, spawn, spawn_local};

    async fn nap() -> u8 {
        tokio::time::sleep(Duration::from_millis(1)).await;
        let task = tokio::spawn(async { 1 });
        task.await.expect("no panic")
    }
    let naps = block_on(async { spawn(nap()).await + spawn_local(nap()).await + nap().await });
    assert_eq!(naps, 3);
}
