//! `gort::serve`: a router of axum on gort's sockets.

use std::future;
use std::io::{self, ErrorKind};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::extract::Request;
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Extension, Router};
use gort::hyper::{FuturesIo, GortExecutor, GortIo, HyperIo};
use gort::io::{AsyncBufReadExt, AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, BufReader};
use gort::net::unix::{UnixListener, UnixStream};
use gort::net::{TcpListener, TcpStream};
use gort::serve::{Listener, Peer};
use gort::sync::{Notify, oneshot};
use gort::time::timeout;
use gort::{JoinHandle, go};
use http_body_util::{BodyExt, Empty};
use hyper::StatusCode;
use hyper::body::Bytes;
use hyper::client::conn::http2;

/// Longer than anything here takes.
const GUARD: Duration = Duration::from_secs(60);

/// Serves on a port of its own, until the runtime ends.
async fn serve(router: Router) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let addr = listener.local_addr().expect("it is bound");
    go(gort::serve(listener, router));
    addr
}

/// Asks on a connection of its own, and returns the whole answer.
async fn ask(mut stream: impl AsyncRead + AsyncWrite + Unpin, path: &str) -> String {
    let request = format!("GET {path} HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n");
    let mut answer = String::new();
    let asked = async {
        stream.write_all(request.as_bytes()).await?;
        stream.read_to_string(&mut answer).await
    };
    let asked = timeout(GUARD, asked).await.expect("it answers in time");
    asked.expect("it answers");
    answer
}

async fn connect(addr: SocketAddr) -> TcpStream {
    TcpStream::connect(addr).await.expect("it listens")
}

/// A path for a Unix socket, which no other test has.
fn path(name: &str) -> PathBuf {
    let path = std::env::temp_dir().join(format!("gort-serve-{}-{name}", std::process::id()));
    let _ = std::fs::remove_file(&path);
    path
}

#[gort::test]
async fn a_router_answers_each_of_many_connections() {
    let router = Router::new()
        .route("/hello", get(async || "hello"))
        .route("/echo", post(async |body: Bytes| body));
    let addr = serve(router).await;
    let clients: Vec<JoinHandle<()>> = (0..50)
        .map(|_| {
            go(async move {
                let answer = ask(connect(addr).await, "/hello").await;
                assert!(answer.starts_with("HTTP/1.1 200 OK\r\n"), "{answer}");
                assert!(answer.ends_with("\r\n\r\nhello"), "{answer}");
                let answer = ask(connect(addr).await, "/nowhere").await;
                assert!(answer.starts_with("HTTP/1.1 404"), "{answer}");
            })
        })
        .collect();
    for client in clients {
        client.await.expect("no panic");
    }
    let mut stream = connect(addr).await;
    let request = "POST /echo HTTP/1.0\r\ncontent-length: 4\r\n\r\nping";
    stream
        .write_all(request.as_bytes())
        .await
        .expect("it reads");
    let mut answer = String::new();
    stream
        .read_to_string(&mut answer)
        .await
        .expect("it answers");
    assert!(answer.ends_with("\r\n\r\nping"), "{answer}");
}

#[gort::test]
async fn a_connection_is_kept_for_the_next_request() {
    let addr = serve(Router::new().route("/", get(async || "again"))).await;
    let mut stream = BufReader::new(connect(addr).await);
    for _ in 0..3 {
        let request = "GET / HTTP/1.1\r\nhost: localhost\r\n\r\n";
        stream
            .get_mut()
            .write_all(request.as_bytes())
            .await
            .expect("it reads");
        let mut line = String::new();
        while line != "\r\n" {
            line.clear();
            stream.read_line(&mut line).await.expect("it answers");
        }
        let mut body = [0; 5];
        stream.read_exact(&mut body).await.expect("it answers");
        assert_eq!(&body, b"again");
    }
}

#[gort::test]
async fn the_other_end_is_an_extension_of_the_request() {
    async fn who(Extension(Peer(peer)): Extension<Peer<SocketAddr>>) -> String {
        peer.to_string()
    }
    let addr = serve(Router::new().route("/", get(who))).await;
    let stream = connect(addr).await;
    let me = stream.local_addr().expect("it is connected").to_string();
    let answer = ask(stream, "/").await;
    assert!(answer.ends_with(&me), "{me}: {answer}");
}

#[gort::test]
async fn a_service_speaks_http_2_to_who_begins_with_it() {
    async fn version(request: Request) -> String {
        format!("{:?}", request.version())
    }
    let addr = serve(Router::new().route("/", get(version))).await;
    let stream = GortIo::new(connect(addr).await);
    let shaken = http2::handshake(GortExecutor::new(), stream).await;
    let (mut client, connection) = shaken.expect("it speaks HTTP/2");
    go(connection);
    for _ in 0..3 {
        let request = Request::get("http://localhost/").body(Empty::<Bytes>::new());
        let answer = client.send_request(request.expect("it is valid")).await;
        let body = answer.expect("it answers").into_body().collect().await;
        assert_eq!(body.expect("it ends").to_bytes(), "HTTP/2.0");
    }
}

#[gort::test]
async fn a_handler_that_panics_ends_its_connection_and_no_other() {
    async fn fail() {
        panic!("this handler panics by design");
    }
    let router = Router::new()
        .route("/", get(async || "fine"))
        .route("/panic", get(fail));
    let addr = serve(router).await;
    let before = connect(addr).await;
    assert_eq!(ask(connect(addr).await, "/panic").await, "");
    assert!(ask(before, "/").await.ends_with("fine"));
    assert!(ask(connect(addr).await, "/").await.ends_with("fine"));
}

#[gort::test]
async fn a_handler_may_take_the_connection_over() {
    async fn shout(mut request: Request) -> Response {
        go(async move {
            let upgraded = hyper::upgrade::on(&mut request).await.expect("it may");
            let mut stream = BufReader::new(HyperIo::new(upgraded));
            let mut line = String::new();
            stream.read_line(&mut line).await?;
            stream.write_all(line.to_uppercase().as_bytes()).await
        });
        (
            StatusCode::SWITCHING_PROTOCOLS,
            [("connection", "upgrade"), ("upgrade", "shout")],
        )
            .into_response()
    }
    let addr = serve(Router::new().route("/", get(shout))).await;
    let mut stream = BufReader::new(connect(addr).await);
    let request =
        "GET / HTTP/1.1\r\nhost: localhost\r\nconnection: upgrade\r\nupgrade: shout\r\n\r\n";
    stream
        .get_mut()
        .write_all(request.as_bytes())
        .await
        .expect("it reads");
    let mut line = String::new();
    stream.read_line(&mut line).await.expect("it answers");
    assert!(line.starts_with("HTTP/1.1 101"), "{line}");
    while line != "\r\n" {
        line.clear();
        stream.read_line(&mut line).await.expect("it answers");
    }
    stream
        .get_mut()
        .write_all(b"hello\n")
        .await
        .expect("it reads");
    line.clear();
    stream.read_line(&mut line).await.expect("it answers");
    assert_eq!(line, "HELLO\n");
}

/// A service that answers when it is told to, and tells when it was asked.
#[derive(Clone, Default)]
struct Slow {
    asked: Arc<Notify>,
    go_on: Arc<Notify>,
}

impl Slow {
    fn router(&self) -> Router {
        let Self { asked, go_on } = self.clone();
        let slow = async move || {
            asked.notify_one();
            go_on.notified().await;
            "slow"
        };
        Router::new()
            .route("/slow", get(slow))
            .route("/", get(async || "fast"))
    }
}

/// Reads the answer `fast` on a connection that is kept.
async fn ask_fast(stream: &mut UnixStream) {
    let request = "GET / HTTP/1.1\r\nhost: localhost\r\n\r\n";
    stream
        .write_all(request.as_bytes())
        .await
        .expect("it reads");
    let mut answer = Vec::new();
    while !answer.ends_with(b"fast") {
        let mut byte = [0];
        stream.read_exact(&mut byte).await.expect("it answers");
        answer.extend(byte);
    }
}

/// Waits for the end of a connection.
async fn end_of(stream: &mut UnixStream) {
    let mut byte = [0];
    let end = timeout(GUARD, stream.read(&mut byte)).await;
    assert_eq!(end.expect("it ends in time").expect("it was not reset"), 0);
}

#[gort::test]
async fn a_stopped_server_answers_what_was_asked_and_nothing_else() {
    let path = path("stopped");
    let listener = UnixListener::bind(&path).expect("a path of its own");
    let slow = Slow::default();
    let (stop, stopped) = oneshot::channel::<()>();
    let server = gort::serve(listener, slow.router()).with_graceful_shutdown(async {
        let _ = stopped.await;
    });
    let mut server = go(server);

    let mut idle = UnixStream::connect(&path).await.expect("it listens");
    ask_fast(&mut idle).await;
    let mut silent = UnixStream::connect(&path).await.expect("it listens");
    let busy = UnixStream::connect(&path).await.expect("it listens");
    let busy = go(ask(busy, "/slow"));
    slow.asked.notified().await;

    drop(stop);
    end_of(&mut idle).await;
    end_of(&mut silent).await;
    // The listener was closed before the first of them heard of it.
    let late = UnixStream::connect(&path).await;
    assert_eq!(
        late.expect_err("it is closed").kind(),
        ErrorKind::ConnectionRefused
    );
    let waits = timeout(Duration::from_millis(20), &mut server).await;
    assert!(waits.is_err(), "it waits for the request in progress");

    slow.go_on.notify_one();
    let answer = busy.await.expect("no panic");
    assert!(answer.ends_with("slow"), "{answer}");
    let ended = timeout(GUARD, server).await.expect("it ends in time");
    ended.expect("no panic").expect("no error");
    let _ = std::fs::remove_file(path);
}

#[gort::test]
async fn a_stopped_server_answers_over_http_2_too() {
    let path = path("stopped-2");
    let listener = UnixListener::bind(&path).expect("a path of its own");
    let slow = Slow::default();
    let (stop, stopped) = oneshot::channel::<()>();
    let server = gort::serve(listener, slow.router()).with_graceful_shutdown(async {
        let _ = stopped.await;
    });
    let server = go(server);

    let stream = UnixStream::connect(&path).await.expect("it listens");
    let shaken = http2::handshake(GortExecutor::new(), GortIo::new(stream)).await;
    let (mut client, connection) = shaken.expect("it speaks HTTP/2");
    go(connection);
    let request = Request::get("http://localhost/slow").body(Empty::<Bytes>::new());
    let answer = go(client.send_request(request.expect("it is valid")));
    slow.asked.notified().await;

    drop(stop);
    let late = async {
        // Until it has heard that no more is served.
        loop {
            let request = Request::get("http://localhost/").body(Empty::<Bytes>::new());
            let request = client.send_request(request.expect("it is valid"));
            if request.await.is_err() {
                break;
            }
        }
    };
    timeout(GUARD, late).await.expect("it hears of it");
    slow.go_on.notify_one();
    let answer = answer.await.expect("no panic").expect("it answers");
    let body = answer.into_body().collect().await.expect("it ends");
    assert_eq!(body.to_bytes(), "slow");
    let ended = timeout(GUARD, server).await.expect("it ends in time");
    ended.expect("no panic").expect("no error");
    let _ = std::fs::remove_file(path);
}

#[gort::test]
async fn the_requests_of_a_dropped_server_are_answered() {
    let path = path("dropped");
    let listener = UnixListener::bind(&path).expect("a path of its own");
    let slow = Slow::default();
    let server = go(gort::serve(listener, slow.router()));
    let mut idle = UnixStream::connect(&path).await.expect("it listens");
    ask_fast(&mut idle).await;
    let busy = UnixStream::connect(&path).await.expect("it listens");
    let busy = go(ask(busy, "/slow"));
    slow.asked.notified().await;

    server.abort();
    end_of(&mut idle).await;
    slow.go_on.notify_one();
    assert!(busy.await.expect("no panic").ends_with("slow"));
    let _ = std::fs::remove_file(path);
}

/// Fails as it is told to, and accepts nobody.
struct Failing {
    errors: Vec<io::Error>,
    calls: Arc<std::sync::Mutex<Vec<Instant>>>,
    exhausted: Arc<Notify>,
}

impl Listener for Failing {
    type Io = FuturesIo<TcpStream>;
    type Addr = ();

    async fn accept(&mut self) -> io::Result<(Self::Io, ())> {
        self.calls.lock().expect("no panic").push(Instant::now());
        match self.errors.pop() {
            Some(error) => Err(error),
            None => {
                self.exhausted.notify_one();
                future::pending().await
            }
        }
    }
}

#[gort::test]
async fn a_server_without_descriptors_tries_again_after_a_pause() {
    let full = || io::Error::from_raw_os_error(libc::EMFILE);
    let calls = Arc::default();
    let exhausted = Arc::new(Notify::new());
    let listener = Failing {
        errors: vec![full(), full(), full()],
        calls: Arc::clone(&calls),
        exhausted: Arc::clone(&exhausted),
    };
    let server = go(gort::serve(listener, Router::new()));
    let tried = timeout(GUARD, exhausted.notified()).await;
    tried.expect("it goes on");
    server.abort();
    let calls = calls.lock().expect("no panic");
    let pauses: Vec<_> = calls.windows(2).map(|two| two[1] - two[0]).collect();
    for (pause, least) in pauses.iter().zip([5, 10, 20]) {
        assert!(*pause >= Duration::from_millis(least), "{pauses:?}");
    }
    assert_eq!(pauses.len(), 3);
}

#[gort::test]
async fn a_listener_that_does_not_listen_ends_the_server() {
    for end in [libc::EBADF, libc::EINVAL, libc::ENOTSOCK] {
        let listener = Failing {
            errors: vec![io::Error::from_raw_os_error(end)],
            calls: Arc::default(),
            exhausted: Arc::default(),
        };
        let served = timeout(GUARD, gort::serve(listener, Router::new())).await;
        let error = served.expect("it ends").expect_err("it does not listen");
        assert_eq!(error.raw_os_error(), Some(end));
    }
}

#[gort::test]
async fn connections_are_known_by_the_call_of_serve() {
    let slow = Slow::default();
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let addr = listener.local_addr().expect("it is bound");
    let line = line!() + 1;
    let server = gort::serve(listener, slow.router());
    go(server);
    let asking = go(async move { ask(connect(addr).await, "/slow").await });
    slow.asked.notified().await;
    let here = |info: &gort::task::Info| {
        let at = info.spawned_at();
        at.is_some_and(|at| at.file() == file!() && at.line() == line)
    };
    let all = gort::Handle::current().goroutines();
    assert_eq!(all.iter().filter(|info| here(info)).count(), 1, "{all:?}");
    slow.go_on.notify_one();
    assert!(asking.await.expect("no panic").ends_with("slow"));
}
