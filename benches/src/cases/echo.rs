//! TCP echo on the loopback interface; client and server share the runtime.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use super::{Countdown, Cx, Failure, Verdict, Zero, check};
use crate::adapters::{Runtime, Stream};
use crate::figures::{Figure, Meter};
use crate::stats::percentile;
use crate::usage::raise_descriptor_limit;

/// The length of a message.
pub(super) const MESSAGE: usize = 64;
const CLIENTS: u64 = 100;

/// Descriptors for everything that is not a connection: standard streams, reactor, listener.
const SPARE_DESCRIPTORS: u64 = 64;

/// Lets 100 clients send 64 bytes and wait for the echo, beside `idle` silent connections.
pub(super) async fn echo<R: Runtime>(cx: Cx, idle: u64) -> Verdict {
    let (clients, idle) = (cx.up_to(CLIENTS), cx.up_to(idle));
    need_descriptors(2 * (clients + idle))?;
    let server = serve::<R>(clients + idle).await?;
    let silent = connect::<R>(server.address, idle).await?;
    let talking = connect::<R>(server.address, clients).await?;
    let (accepted, all_accepted) = server.into_parts();
    all_accepted.reached().await;
    let trips = cx.size / clients;
    let meter = Meter::start();
    let tasks: Vec<_> = talking
        .into_iter()
        .map(|stream| R::spawn(converse::<R>(stream, trips)))
        .collect();
    let mut latencies = Vec::with_capacity(cx.size as usize);
    for task in tasks {
        latencies.extend(task.await?);
    }
    let measured = meter.stop();
    drop(silent);
    check(
        "accepted connections",
        accepted.load(Ordering::Relaxed),
        clients + idle,
    )?;
    check("round trips", latencies.len() as u64, trips * clients)?;
    let rate = latencies.len() as f64 / measured.wall.as_secs_f64();
    Ok(measured
        .per_op(trips * clients)
        .with(Figure::OpsPerS, rate)
        .with(
            Figure::P50Us,
            f64::from(percentile(&mut latencies, 50.0)) / 1e3,
        )
        .with(
            Figure::P99Us,
            f64::from(percentile(&mut latencies, 99.0)) / 1e3,
        ))
}

/// Makes sure that `count` sockets fit into this process.
pub(super) fn need_descriptors(count: u64) -> Result<(), Failure> {
    match raise_descriptor_limit() {
        Some(limit) if limit < count + SPARE_DESCRIPTORS => Err(Failure::Skip(format!(
            "{count} sockets are needed, but the limit of open descriptors is {limit} (ulimit -Hn)"
        ))),
        _ => Ok(()),
    }
}

/// An echo server that runs as long as the process.
pub(super) struct Server<R: Runtime> {
    /// Where it listens.
    pub(super) address: SocketAddr,
    accepted: Arc<AtomicU64>,
    all_accepted: Zero<R>,
}

impl<R: Runtime> Server<R> {
    /// Returns how many connections it has accepted.
    pub(super) fn accepted(&self) -> u64 {
        // Relaxed: a count that is only compared after the connections were used or settled.
        self.accepted.load(Ordering::Relaxed)
    }

    fn into_parts(self) -> (Arc<AtomicU64>, Zero<R>) {
        (self.accepted, self.all_accepted)
    }
}

/// Starts an echo server that expects `count` connections.
pub(super) async fn serve<R: Runtime>(count: u64) -> io::Result<Server<R>> {
    let (listener, address) = R::listen().await?;
    let accepted = Arc::new(AtomicU64::new(0));
    let (countdown, all_accepted) = Countdown::<R>::start(count);
    let server = Server {
        address,
        accepted: Arc::clone(&accepted),
        all_accepted,
    };
    R::spawn_detached(async move {
        for _ in 0..count {
            let stream = R::accept(&listener)
                .await
                .expect("the server cannot accept");
            // Relaxed: published to the root by the countdown.
            accepted.fetch_add(1, Ordering::Relaxed);
            R::spawn_detached(answer::<R>(stream));
            countdown.hit();
        }
    });
    Ok(server)
}

/// Connects `count` times, one after the other.
pub(super) async fn connect<R: Runtime>(
    server: SocketAddr,
    count: u64,
) -> io::Result<Vec<R::Stream>> {
    let mut streams = Vec::with_capacity(count as usize);
    for _ in 0..count {
        streams.push(R::connect(server).await?);
    }
    Ok(streams)
}

/// Sends back what it reads, until the client closes.
async fn answer<R: Runtime>(mut stream: R::Stream) {
    let mut buffer = [0; MESSAGE];
    loop {
        match stream.read(&mut buffer).await {
            Ok(0) | Err(_) => return,
            Ok(length) => stream
                .write_all(&buffer[..length])
                .await
                .expect("the client listens"),
        }
    }
}

/// Makes round trips and returns how long each took, in ns.
async fn converse<R: Runtime>(mut stream: R::Stream, trips: u64) -> Result<Vec<u32>, Failure> {
    let mut latencies = Vec::with_capacity(trips as usize);
    let mut reply = [0; MESSAGE];
    for trip in 0..trips {
        let message = [trip as u8; MESSAGE];
        let start = Instant::now();
        stream.write_all(&message).await?;
        stream.read_exact(&mut reply).await?;
        latencies.push(u32::try_from(start.elapsed().as_nanos()).unwrap_or(u32::MAX));
        if reply != message {
            return Err(Failure::Wrong("an echo differs from its message".into()));
        }
    }
    Ok(latencies)
}

/// Waits until the other side sends or closes.
pub(super) async fn read_to_end<R: Runtime>(mut stream: R::Stream) -> io::Result<usize> {
    let mut buffer = [0; MESSAGE];
    stream.read(&mut buffer).await
}
