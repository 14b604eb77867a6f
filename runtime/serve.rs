//! An HTTP server for any tower service, such as a router of axum. Feature `serve`.
//!
//! [`serve`] accepts connections and gives each a goroutine, in which hyper speaks HTTP/1 or HTTP/2, whichever the client begins with. A handler
//! that blocks or computes for long is a goroutine like any other: the other connections go on. No runtime of tokio is needed.
//!
//! Rejected: a service that makes services, as `axum::serve` takes besides. What it tells of a connection is in the extensions of each request
//! ([`Peer`]), and there need not be two ways. Rejected too: to let HTTP/2 be a feature of its own: hyper-util's reader of either has both.
//!
//! # Examples
//!
//! ```
//! use axum::Router;
//! use axum::routing::get;
//! use gort::io::{AsyncReadExt, AsyncWriteExt};
//! use gort::net::{TcpListener, TcpStream};
//! use gort::sync::oneshot;
//!
//! gort::block_on(async {
//!     let router = Router::new().route("/", get(async || "hello"));
//!     let listener = TcpListener::bind("127.0.0.1:0").await?;
//!     let addr = listener.local_addr()?;
//!     let (stop, stopped) = oneshot::channel::<()>();
//!     let server = gort::serve(listener, router).with_graceful_shutdown(async {
//!         let _ = stopped.await;
//!     });
//!     let server = gort::go(server);
//!
//!     let mut client = TcpStream::connect(addr).await?;
//!     client.write_all(b"GET / HTTP/1.0\r\n\r\n").await?;
//!     let mut answer = String::new();
//!     client.read_to_string(&mut answer).await?;
//!     assert!(answer.ends_with("hello"));
//!
//!     drop(stop);
//!     server.await.expect("it does not panic")
//! })
//! # .unwrap()
//! ```

use std::error::Error;
use std::fmt;
use std::future::{self, Future};
use std::io;
use std::panic::Location;
use std::pin::Pin;
use std::task::{Context, Poll};

use futures_lite::future::or;
use gort_sync::oneshot;
use hyper::body::{Body, Incoming};
use hyper::{Request, Response};
use tower_service::Service;

use connection::{Connections, HttpBody, HttpService};
use pause::Pause;

mod connection;
mod listener;
mod pause;

pub use listener::Listener;

/// The other end of a connection: an extension of each request that [`serve`] hands to the service.
///
/// In axum, `Extension(Peer(addr)): Extension<Peer<SocketAddr>>` is an argument of a handler. `A` is the [`Listener::Addr`].
///
/// # Examples
///
/// ```
/// use std::net::SocketAddr;
///
/// use axum::{Extension, Router};
/// use axum::routing::get;
/// use gort::serve::Peer;
///
/// async fn who(Extension(Peer(addr)): Extension<Peer<SocketAddr>>) -> String {
///     format!("you are {addr}")
/// }
///
/// let router: Router = Router::new().route("/", get(who));
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Peer<A>(pub A);

/// Serves HTTP on the connections of a listener, until the future is dropped or [told to stop](Serve::with_graceful_shutdown).
///
/// The service is cloned for each connection and each request, as axum's and tower's are made for; what the clones share must be behind an
/// `Arc`. Each connection is a goroutine of the runtime that polls the future, known as spawned where this was called; each request of HTTP/2 is
/// another. A handler that panics ends its connection (of HTTP/2: its request), and no other. Requests have the extension [`Peer`].
///
/// Connections to TCP listeners send at once what there is (`TCP_NODELAY`). One that brings no request within 30 seconds is closed, the first or any
/// later one; HTTP/2 ends it only for want of the first. A connection that was upgraded belongs to the handler that asked for it.
///
/// The future is `Send`: hand it to [`gort::go`](crate::go), or await it.
///
/// # Errors
///
/// The future fails if the listener does not work (any more): with what `accept` returned, if that is `EBADF`, `EINVAL`, `ENOTSOCK` or an error of
/// kind `InvalidInput`. All other errors of `accept` are said on the standard error stream, and it is tried again after a pause of 5
/// milliseconds to a second: if the process is out of descriptors, others will be closed soon. What goes wrong on a connection ends that.
///
/// # Panics
///
/// As [`gort::spawn`](crate::spawn), if it is polled outside any runtime.
///
/// # Cancel safety
///
/// Dropping the future closes the listener; connections go on to answer the requests that they have begun to read, and are closed then.
///
/// # Examples
///
/// On the [module](self), and in the program `examples/axum_hello.rs`.
#[track_caller]
pub fn serve<L, S, B>(listener: L, service: S) -> Serve
where
    L: Listener,
    S: Service<Request<Incoming>, Response = Response<B>, Future: Send> + Clone + Send + 'static,
    S::Error: Into<Box<dyn Error + Send + Sync>>,
    B: Body<Data: Send, Error: Into<Box<dyn Error + Send + Sync>>> + Send + 'static,
{
    let connections = Connections::new(Location::caller(), service);
    let (choice, chosen) = oneshot::channel();
    Serve {
        choice: Some(choice),
        running: Box::pin(run(listener, chosen, connections)),
    }
}

/// A server: the future of [`serve`].
// The types of listener and service are hidden behind the box: a server can be stored and named.
#[must_use = "futures do nothing unless you `.await` or poll them"]
pub struct Serve {
    /// Tells the future when to stop. None once that is settled.
    choice: Option<oneshot::Sender<Stop>>,
    running: Pin<Box<dyn Future<Output = io::Result<()>> + Send>>,
}

type Stop = Pin<Box<dyn Future<Output = ()> + Send>>;

impl Serve {
    /// Stops the server when `stop` is ready.
    ///
    /// The listener is closed; then connections that wait for a request are closed, and the others after the requests that they have begun to
    /// read. The future is ready when all of them are. It waits for as long as that takes; [`timeout`](crate::time::timeout) ends it earlier, and
    /// leaves the rest to themselves. Connections that were upgraded are not waited for.
    ///
    /// # Panics
    ///
    /// Panics if this was called before, or if the server has been polled.
    ///
    /// # Examples
    ///
    /// ```
    /// use std::time::Duration;
    ///
    /// use axum::Router;
    /// use gort::net::TcpListener;
    ///
    /// gort::block_on(async {
    ///     let listener = TcpListener::bind("127.0.0.1:0").await?;
    ///     let soon = async { gort::time::sleep(Duration::from_millis(1)).await };
    ///     gort::serve(listener, Router::new()).with_graceful_shutdown(soon).await
    /// })?;
    /// # Ok::<(), std::io::Error>(())
    /// ```
    #[track_caller]
    pub fn with_graceful_shutdown(
        mut self,
        stop: impl Future<Output = ()> + Send + 'static,
    ) -> Self {
        let choice = self.choice.take();
        let choice = choice.expect("a server is told once when to stop, before it runs");
        // The receiver is in the future beside it.
        let _ = choice.send(Box::pin(stop));
        self
    }
}

impl Future for Serve {
    type Output = io::Result<()>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        self.choice = None;
        self.running.as_mut().poll(cx)
    }
}

impl fmt::Debug for Serve {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Serve").finish_non_exhaustive()
    }
}

async fn run<L, S, B>(
    mut listener: L,
    chosen: oneshot::Receiver<Stop>,
    connections: Connections<S>,
) -> io::Result<()>
where
    L: Listener,
    S: HttpService<B>,
    B: HttpBody,
{
    let mut stop = chosen.await.unwrap_or_else(|_| Box::pin(future::pending()));
    let mut pause = Pause::default();
    loop {
        let stopped = async {
            stop.as_mut().await;
            None
        };
        let accepted = async {
            pause.over().await;
            Some(listener.accept().await)
        };
        match or(stopped, accepted).await {
            Some(Ok((io, peer))) => {
                pause.reset();
                connections.start(io, peer);
            }
            Some(Err(error)) if is_the_end(&error) => return Err(error),
            Some(Err(error)) => pause.lengthen(&error),
            None => break,
        }
    }
    // First, so that nobody connects to a server that does not accept.
    drop(listener);
    connections.finish().await;
    Ok(())
}

/// Whether a listener that fails in this way will accept no more.
fn is_the_end(error: &io::Error) -> bool {
    let no_socket = [Some(libc::EBADF), Some(libc::ENOTSOCK)].contains(&error.raw_os_error());
    // EINVAL: it does not listen.
    no_socket || error.kind() == io::ErrorKind::InvalidInput
}
