//! A chat server: what one client writes, all others read.
//!
//! `cargo run --release --example chat [ADDRESS]`, then several times `nc 127.0.0.1 8080`. Ctrl-C stops it.
//!
//! Each client has two goroutines: one reads its lines and hands them to the others' queues, one writes its own queue to its socket. A
//! queue has a bound. A client that does not read what others say is let go, so it slows nobody down and uses no memory
//! without end.

use std::collections::HashMap;
use std::io;
use std::net::SocketAddr;
use std::process::exit;
use std::sync::{Arc, Mutex};

use futures::channel::mpsc::{Receiver, Sender, channel};
use futures::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use futures::stream::StreamExt;
use gort::net::{TcpListener, TcpStream};
use gort::task::Builder;

/// Lines that may wait for a client.
const QUEUE: usize = 64;

/// The clients, and where to put what they shall read. Locked for a look at the map, never across an await.
#[derive(Clone, Default)]
struct Room(Arc<Mutex<HashMap<SocketAddr, Sender<Arc<str>>>>>);

impl Room {
    fn join(&self, who: SocketAddr) -> Receiver<Arc<str>> {
        let (sender, receiver) = channel(QUEUE);
        self.0.lock().expect("no panics").insert(who, sender);
        self.say(who, "has joined");
        receiver
    }

    fn leave(&self, who: SocketAddr) {
        self.0.lock().expect("no panics").remove(&who);
        self.say(who, "has left");
    }

    /// Tells everybody but the speaker. A client whose queue is full is forgotten, which ends its writer.
    fn say(&self, who: SocketAddr, what: &str) {
        let line: Arc<str> = format!("{who} {what}\n").into();
        self.0
            .lock()
            .expect("no panics")
            .retain(|&other, queue| other == who || queue.try_send(line.clone()).is_ok());
    }
}

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
        let room = Room::default();
        while let Ok((stream, who)) = listener.accept().await {
            let queue = room.join(who);
            let writer = write(stream.clone(), queue);
            Builder::new().name(format!("to {who}")).go(writer);
            let reader = read(stream, who, room.clone());
            Builder::new().name(format!("from {who}")).go(reader);
        }
    });
    stop.await?;
    println!("stopped");
    Ok(())
}

async fn read(stream: TcpStream, who: SocketAddr, room: Room) {
    let mut lines = BufReader::new(stream).lines();
    while let Some(Ok(line)) = lines.next().await {
        room.say(who, &format!("says {line}"));
    }
    room.leave(who);
}

async fn write(mut stream: TcpStream, mut queue: Receiver<Arc<str>>) -> io::Result<()> {
    while let Some(line) = queue.next().await {
        stream.write_all(line.as_bytes()).await?;
    }
    // Forgotten, or gone: the reader hears of it too.
    stream.close().await
}
