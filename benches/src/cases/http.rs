//! An HTTP hello server on hyper, loaded from another process.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::thread;

use http_body_util::Full;
use hyper::body::{Bytes, Incoming};
use hyper::header::{CONTENT_TYPE, HeaderValue};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Request, Response};

use super::{Cx, Failure, Verdict};
use crate::adapters::{OnceReceiver, OnceSender, Runtime};
use crate::figures::{Figure, Meter};
use crate::load;

const BODY: &str = "Hello, World!";

/// Serves hello to the load generator and reports what that one saw.
pub(super) async fn http<R: Runtime>(cx: Cx) -> Verdict {
    let address = serve::<R>().await?;
    let (sender, receiver) = R::oneshot();
    let meter = Meter::start();
    thread::spawn(move || {
        // If the root is gone, the process is about to end with its error.
        let _ = sender.send(load::run_process(address, cx.duration()));
    });
    let seen = receiver.recv().await;
    let measured = meter.stop();
    let seen = seen
        .map_err(|_| Failure::Wrong("the load generator's thread panicked".into()))?
        .map_err(Failure::Wrong)?;
    let cpu = measured.cpu.as_nanos() as f64 / seen.requests as f64;
    Ok(measured
        .common(seen.requests)
        .with(Figure::NsPerOp, 1e9 / seen.per_second)
        .with(Figure::OpsPerS, seen.per_second)
        .with(Figure::CpuNsPerOp, cpu)
        .with(Figure::P50Us, seen.p50_us)
        .with(Figure::P99Us, seen.p99_us))
}

/// Starts the server as a task.
async fn serve<R: Runtime>() -> Result<SocketAddr, Failure> {
    let (listener, address) = R::listen().await?;
    R::spawn_detached(async move {
        loop {
            let stream = R::accept(&listener)
                .await
                .expect("the server cannot accept");
            R::spawn_detached(connection::<R>(stream));
        }
    });
    Ok(address)
}

async fn connection<R: Runtime>(stream: R::Stream) {
    let served = http1::Builder::new()
        .timer(R::hyper_timer())
        .serve_connection(R::hyper_io(stream), service_fn(hello))
        .await;
    // The load generator closes its connections when its time is up, in the middle of a request;
    // a server that failed earlier shows as a failure on the other side.
    drop(served);
}

/// Answers with a content type and a length; hyper adds the date.
async fn hello(_request: Request<Incoming>) -> Result<Response<Full<Bytes>>, Infallible> {
    let mut response = Response::new(Full::new(Bytes::from_static(BODY.as_bytes())));
    response
        .headers_mut()
        .insert(CONTENT_TYPE, HeaderValue::from_static("text/plain"));
    Ok(response)
}
