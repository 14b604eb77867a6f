//! A router of axum on gort's sockets and goroutines, without a runtime of tokio.
//!
//! `cargo run --release --example axum_hello --features serve [ADDRESS]`, then `curl http://127.0.0.1:8080/hello/you`. Ctrl-C stops it: requests in
//! progress are answered.

use std::net::SocketAddr;
use std::process::exit;

use axum::extract::Path;
use axum::routing::get;
use axum::{Extension, Router};
use gort::net::TcpListener;
use gort::serve::Peer;

#[gort::main]
async fn main() -> std::io::Result<()> {
    let listener = TcpListener::bind(address()).await?;
    let stop = gort::ctrl_c();
    println!("listening on http://{}", listener.local_addr()?);
    let router = Router::new()
        .route("/", get(async || "Hello, world!\n"))
        .route("/hello/{name}", get(hello))
        .route("/whoami", get(whoami));
    let server = gort::serve(listener, router).with_graceful_shutdown(async {
        let _ = stop.await;
    });
    server.await?;
    println!("stopped");
    Ok(())
}

fn address() -> SocketAddr {
    let address = std::env::args().nth(1);
    let address = address.as_deref().unwrap_or("127.0.0.1:8080");
    address.parse().unwrap_or_else(|error| {
        eprintln!("{address:?} is no address to listen on ({error}); give one like 127.0.0.1:8080");
        exit(2)
    })
}

async fn hello(Path(name): Path<String>) -> String {
    format!("Hello, {name}!\n")
}

async fn whoami(Extension(Peer(peer)): Extension<Peer<SocketAddr>>) -> String {
    format!("{peer}\n")
}
