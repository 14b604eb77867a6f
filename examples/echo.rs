//! A TCP echo server: one goroutine for each connection.
//!
//! `cargo run --release --example echo [ADDRESS]`, then `nc 127.0.0.1 8080`. Ctrl-C stops it.

use std::io;
use std::process::exit;

use futures::io::{AsyncReadExt, AsyncWriteExt};
use gort::net::{TcpListener, TcpStream};

#[gort::main]
async fn main() -> io::Result<()> {
    let address = std::env::args().nth(1);
    let address = address.as_deref().unwrap_or("127.0.0.1:8080");
    let listener = TcpListener::bind(address).await.unwrap_or_else(|error| {
        eprintln!("cannot listen on {address:?}: {error}");
        exit(2)
    });
    let stop = gort::ctrl_c();
    println!("listening on {}", listener.local_addr()?);
    gort::go(async move {
        while let Ok((stream, peer)) = listener.accept().await {
            gort::task::Builder::new()
                .name(format!("echo {peer}"))
                .go(echo(stream));
        }
    });
    stop.await?;
    println!("stopped");
    Ok(())
}

async fn echo(mut stream: TcpStream) -> io::Result<()> {
    let mut buffer = [0; 4096];
    loop {
        let n = stream.read(&mut buffer).await?;
        if n == 0 {
            return Ok(());
        }
        stream.write_all(&buffer[..n]).await?;
    }
}
