//! An HTTP server that says hello: hyper 1 on gort.
//!
//! `cargo run --release --example hello_http [ADDRESS]`, then `curl http://127.0.0.1:8080`. Ctrl-C stops it.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::process::exit;
use std::time::{Duration, SystemTime};

use gort::hyper::{GortIo, GortTimer};
use gort::net::{TcpListener, TcpStream};
use http_body_util::Full;
use hyper::body::{Bytes, Incoming};
use hyper::header::{CONTENT_TYPE, DATE};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Request, Response};

#[gort::main]
async fn main() -> std::io::Result<()> {
    let listener = TcpListener::bind(address()).await?;
    let stop = gort::ctrl_c();
    println!("listening on http://{}", listener.local_addr()?);
    let serving = gort::go(async move {
        loop {
            match listener.accept().await {
                Ok((stream, _)) => {
                    gort::go(serve(stream));
                }
                Err(error) => {
                    // Out of descriptors, most likely: others will be closed soon.
                    eprintln!("cannot accept a connection: {error}");
                    gort::time::sleep(Duration::from_millis(100)).await;
                }
            }
        }
    });
    stop.await?;
    serving.abort();
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

async fn serve(stream: TcpStream) {
    let _ = stream.set_nodelay(true);
    let mut http = http1::Builder::new();
    let served = http
        .timer(GortTimer::new())
        .serve_connection(GortIo::new(stream), service_fn(hello))
        .await;
    if let Err(error) = served {
        eprintln!("a connection failed: {error}");
    }
}

async fn hello(_: Request<Incoming>) -> Result<Response<Full<Bytes>>, Infallible> {
    let body = Full::new(Bytes::from_static(b"Hello, world!\n"));
    let mut response = Response::new(body);
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, "text/plain".parse().expect("a valid value"));
    let now = httpdate::fmt_http_date(SystemTime::now());
    headers.insert(DATE, now.parse().expect("a valid value"));
    Ok(response)
}
