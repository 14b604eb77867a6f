//! The connections of a server, each a goroutine.
//!
//! A connection ends when its conversation does, when it has brought no request in time, or, once the server has stopped, with the requests that it
//! has begun to read.

use std::error::Error;
use std::future;
use std::panic::Location;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use futures_lite::future::or;
use gort_sync::{Cancel, Context, WaitGroup};
use hyper::body::{Body, Incoming};
use hyper::rt::{Read, Write};
use hyper::{Request, Response};
use hyper_util::server::conn::auto;
use hyper_util::service::{TowerToHyperService, TowerToHyperServiceFuture};
use tower_service::Service;

use super::Peer;
use crate::context;
use crate::hyper::{GortExecutor, GortTimer};
use crate::spawn::{self, Origin};
use crate::time::sleep;

/// How long a connection may bring no request. From hyper, whose limit for the header it is.
const SILENCE: Duration = Duration::from_secs(30);

/// The services that hyper can call from any thread.
pub(super) trait HttpService<B>:
    Service<
        Request<Incoming>,
        Response = Response<B>,
        Future: Send,
        Error: Into<Box<dyn Error + Send + Sync>>,
    > + Clone
    + Send
    + 'static
{
}

impl<S, B> HttpService<B> for S where
    S: Service<
            Request<Incoming>,
            Response = Response<B>,
            Future: Send,
            Error: Into<Box<dyn Error + Send + Sync>>,
        > + Clone
        + Send
        + 'static
{
}

/// The bodies that hyper can send from any thread.
pub(super) trait HttpBody:
    Body<Data: Send, Error: Into<Box<dyn Error + Send + Sync>>> + Send + 'static
{
}

impl<B> HttpBody for B where
    B: Body<Data: Send, Error: Into<Box<dyn Error + Send + Sync>>> + Send + 'static
{
}

/// All connections of a server. They stop when this is dropped, in their own time.
pub(super) struct Connections<S> {
    service: S,
    http: Arc<auto::Builder<GortExecutor>>,
    /// Where the server was made, by which their goroutines are known.
    at: &'static Location<'static>,
    /// [`SILENCE`], but in tests.
    silence: Duration,
    alive: WaitGroup,
    stop: Context,
    stopper: Cancel,
}

impl<S> Connections<S> {
    pub(super) fn new(at: &'static Location<'static>, service: S) -> Self {
        let mut http = auto::Builder::new(GortExecutor::new());
        http.http1()
            .timer(GortTimer::new())
            .header_read_timeout(SILENCE);
        http.http2().timer(GortTimer::new());
        let (stop, stopper) = Context::background().with_cancel();
        Self {
            service,
            http: Arc::new(http),
            at,
            silence: SILENCE,
            alive: WaitGroup::new(),
            stop,
            stopper,
        }
    }

    /// Starts the goroutine of a connection.
    pub(super) fn start<I, A, B>(&self, io: I, peer: A)
    where
        I: Read + Write + Unpin + Send + 'static,
        A: Clone + Send + Sync + 'static,
        S: HttpService<B>,
        B: HttpBody,
    {
        let attendant = Attendant {
            service: TowerToHyperService::new(self.service.clone()),
            peer: Peer(peer),
            asked: Arc::default(),
        };
        let connection = converse(
            Arc::clone(&self.http),
            io,
            attendant,
            self.silence,
            self.stop.clone(),
        );
        let origin = Origin {
            at: self.at,
            name: None,
        };
        // Nobody joins it: a panic is told by the runtime.
        let connection = self.alive.track(connection);
        context::with_current(|rt| drop(spawn::joinable(rt, origin, connection)));
    }

    /// Lets the connections end, and waits for them.
    pub(super) async fn finish(self) {
        self.stopper.cancel();
        self.alive.wait().await;
    }
}

/// Serves one connection to its end.
async fn converse<I, S, A, B>(
    http: Arc<auto::Builder<GortExecutor>>,
    io: I,
    attendant: Attendant<S, A>,
    silence: Duration,
    stop: Context,
) where
    I: Read + Write + Unpin + Send + 'static,
    A: Clone + Send + Sync + 'static,
    S: HttpService<B>,
    B: HttpBody,
{
    let asked = attendant.asked.clone();
    let mut conversation = pin!(http.serve_connection_with_upgrades(io, attendant));
    let talk = async {
        // What goes wrong is the peer's doing, or known to the service.
        let _ = conversation.as_mut().await;
    };
    let silence = async {
        sleep(silence).await;
        // Relaxed: it is set by this goroutine, in a poll of the conversation.
        if asked.load(Ordering::Relaxed) {
            future::pending().await
        }
    };
    if stop.run(or(talk, silence)).await.is_err() {
        conversation.as_mut().graceful_shutdown();
        let _ = conversation.await;
    }
}

/// The service, as one connection sees it.
struct Attendant<S, A> {
    service: TowerToHyperService<S>,
    peer: Peer<A>,
    /// Whether there was a request. hyper's limit for the header begins after the first bytes, by which it knows HTTP/1 from HTTP/2.
    asked: Arc<AtomicBool>,
}

impl<S, A> hyper::service::Service<Request<Incoming>> for Attendant<S, A>
where
    S: Service<Request<Incoming>> + Clone,
    A: Clone + Send + Sync + 'static,
{
    type Response = S::Response;
    type Error = S::Error;
    type Future = TowerToHyperServiceFuture<S, Request<Incoming>>;

    fn call(&self, mut request: Request<Incoming>) -> Self::Future {
        // Relaxed: read by the goroutine that sets it.
        self.asked.store(true, Ordering::Relaxed);
        request.extensions_mut().insert(self.peer.clone());
        self.service.call(request)
    }
}

#[cfg(all(test, not(gort_loom)))]
mod tests {
    use axum::Router;
    use axum::routing::get;
    use futures_lite::{AsyncReadExt, AsyncWriteExt};

    use super::*;
    use crate::hyper::GortIo;
    use crate::net::unix::UnixStream;
    use crate::time::timeout;

    /// Longer than anything here takes.
    const GUARD: Duration = Duration::from_secs(60);

    /// What the peer reads until the end, after `request` was written, from a server that is as patient as told.
    fn answer(request: &str, silence: Duration) -> String {
        let slow = async move || {
            sleep(silence * 2).await;
            "slow"
        };
        let mut connections =
            Connections::new(Location::caller(), Router::new().route("/", get(slow)));
        connections.silence = silence;
        crate::block_on(async {
            let (mut peer, io) = UnixStream::pair().expect("two ends");
            peer.write_all(request.as_bytes())
                .await
                .expect("it is open");
            connections.start(GortIo::new(io), ());
            let mut answer = String::new();
            let read = timeout(GUARD, peer.read_to_string(&mut answer)).await;
            read.expect("it ends").expect("it was not reset");
            answer
        })
    }

    #[test]
    fn a_connection_that_brings_no_request_is_closed() {
        let silence = Duration::from_millis(20);
        assert_eq!(answer("", silence), "");
        // It might become the beginning of HTTP/2.
        assert_eq!(answer("PRI * HT", silence), "");
    }

    #[test]
    fn an_answer_may_take_longer_than_a_request() {
        let request = "GET / HTTP/1.0\r\n\r\n";
        let answer = answer(request, Duration::from_secs(1));
        assert!(answer.ends_with("slow"), "{answer}");
    }
}
