//! A cache in front of slow work, served over HTTP, with exact LRU eviction and no lock.
//!
//! `cargo run --release --example gc_lru [ADDRESS]`, then `curl http://127.0.0.1:8080/fibonacci/90`. The answer says whether
//! it was in the cache, which holds 100 of them. Ctrl-C stops it.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::process::exit;
use std::time::Duration;

use gort::gc::collections::Lru;
use gort::gc::{self, Root};
use gort::hyper::{GortIo, GortTimer};
use gort::net::{TcpListener, TcpStream};
use http_body_util::Full;
use hyper::body::{Bytes, Incoming};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Request, Response, StatusCode};

/// All connections share it. What it returns stays readable while the guard lives, even if it is evicted meanwhile.
type Cache = Root<Lru<'static, u64, u128>>;

#[gort::main]
async fn main() -> std::io::Result<()> {
    let listener = TcpListener::bind(address()).await?;
    let stop = gort::ctrl_c();
    let cache: Cache = Root::new(|g| Lru::new(g, 100));
    println!("listening on http://{}", listener.local_addr()?);
    let serving = gort::go(async move {
        loop {
            match listener.accept().await {
                Ok((stream, _)) => {
                    gort::go(serve(stream, cache.clone()));
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

async fn serve(stream: TcpStream, cache: Cache) {
    let _ = stream.set_nodelay(true);
    let answer = service_fn(|request| {
        let cache = cache.clone();
        async move { Ok::<_, Infallible>(answer(&request, &cache).await) }
    });
    let mut http = http1::Builder::new();
    let served = http
        .timer(GortTimer::new())
        .serve_connection(GortIo::new(stream), answer)
        .await;
    if let Err(error) = served {
        eprintln!("a connection failed: {error}");
    }
}

async fn answer(request: &Request<Incoming>, cache: &Cache) -> Response<Full<Bytes>> {
    let number = request
        .uri()
        .path()
        .strip_prefix("/fibonacci/")
        .and_then(|n| n.parse::<u64>().ok());
    let Some(n) = number.filter(|n| *n <= 180) else {
        return respond(
            StatusCode::NOT_FOUND,
            "ask for /fibonacci/0 to /fibonacci/180\n".to_owned(),
        );
    };
    let cached = gc::with(|g| cache.get(g).get(g, &n).copied());
    let (value, from) = match cached {
        Some(value) => (value, "from the cache"),
        None => {
            // The root is held meanwhile, and no guard.
            let value = slow_fibonacci(n).await;
            gc::with(|g| {
                cache.get(g).insert(g, n, value);
            });
            (value, "computed")
        }
    };
    respond(StatusCode::OK, format!("{value} {from}\n"))
}

async fn slow_fibonacci(n: u64) -> u128 {
    gort::time::sleep(Duration::from_millis(10)).await;
    let (mut a, mut b) = (0_u128, 1_u128);
    for _ in 0..n {
        (a, b) = (b, a + b);
    }
    a
}

fn respond(status: StatusCode, text: String) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(Bytes::from(text)));
    *response.status_mut() = status;
    response
}
