//! An echo server made of tokio's own sockets and timers, in goroutines: `cargo run --example tokio_echo --features tokio-compat`.
//!
//! It listens on the address that it is given, or on a port of its own, and stops on Ctrl-C. A client that says nothing for a minute is shown out.

use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::timeout;

const PATIENCE: Duration = Duration::from_secs(60);

#[gort::main(tokio)]
async fn main() -> std::io::Result<()> {
    let address = std::env::args().nth(1);
    let address = address.as_deref().unwrap_or("127.0.0.1:0");
    let listener = TcpListener::bind(address).await?;
    println!("listening on {}", listener.local_addr()?);
    let stop = gort::go(gort::ctrl_c());
    let serve = gort::go(async move {
        while let Ok((stream, _)) = listener.accept().await {
            // A goroutine, whose thread may block: the others go on.
            gort::go(echo(stream));
        }
    });
    stop.await.expect("it does not panic")?;
    serve.abort();
    println!("stopped");
    Ok(())
}

async fn echo(mut stream: TcpStream) -> std::io::Result<()> {
    let mut buf = [0; 4096];
    loop {
        match timeout(PATIENCE, stream.read(&mut buf)).await?? {
            0 => return Ok(()),
            n => stream.write_all(&buf[..n]).await?,
        }
    }
}
