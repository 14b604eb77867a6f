//! The load on the `http` case: 64 keep-alive connections from one thread of a process of its own.
//!
//! With wrk on the `PATH` that process runs `wrk -t1 -c64`; without, it is the load itself: one
//! thread, one poller, one request in flight on each connection. The parent decides once for the whole
//! run and tells its children through [`METHOD_VARIABLE`], so that no run mixes the two.

use std::collections::HashMap;
use std::env;
use std::io::{self, ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use polling::{Event, Events, PollMode, Poller};

use crate::pin;
use crate::stats::percentile;

mod wrk;

/// The variable that carries the method to the children: `wrk` or `builtin`.
pub(crate) const METHOD_VARIABLE: &str = "GORT_BENCH_LOAD";

/// The variable that tells the Go program which program makes the load.
pub(crate) const PROGRAM_VARIABLE: &str = "GORT_BENCH_PROGRAM";

/// The argument that makes this program the load generator.
pub(crate) const ARGUMENT: &str = "--load";

const CONNECTIONS: usize = 64;

const REQUEST: &[u8] = b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n";

/// What the load generator saw.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Seen {
    /// Answered requests.
    pub(crate) requests: u64,
    /// Answered requests per second.
    pub(crate) per_second: f64,
    /// Half of the requests took at most this long, in us.
    pub(crate) p50_us: f64,
    /// All but one in a hundred requests took at most this long, in us.
    pub(crate) p99_us: f64,
}

impl Seen {
    fn to_line(self) -> String {
        let Seen {
            requests,
            per_second,
            p50_us,
            p99_us,
        } = self;
        format!("{requests} {per_second} {p50_us} {p99_us}")
    }

    fn from_line(line: &str) -> Option<Seen> {
        let mut words = line.split_whitespace();
        Some(Seen {
            requests: words.next()?.parse().ok()?,
            per_second: words.next()?.parse().ok()?,
            p50_us: words.next()?.parse().ok()?,
            p99_us: words.next()?.parse().ok()?,
        })
    }
}

/// Returns the method for this run: `wrk` if it is on the `PATH`, else `builtin`.
pub(crate) fn method() -> &'static str {
    if crate::go::on_path("wrk").is_some() {
        "wrk"
    } else {
        "builtin"
    }
}

/// Starts a load generator process against `address` and waits for its report.
///
/// # Errors
///
/// If the process cannot start, fails, or saw a wrong answer.
pub(crate) fn run_process(address: SocketAddr, duration: Duration) -> Result<Seen, String> {
    let program = env::current_exe().map_err(|error| format!("no path to myself: {error}"))?;
    let output = Command::new(program)
        .args([
            ARGUMENT,
            &address.to_string(),
            &duration.as_millis().to_string(),
        ])
        .stdin(Stdio::null())
        .output()
        .map_err(|error| format!("the load generator cannot start: {error}"))?;
    let line = String::from_utf8_lossy(&output.stdout);
    match Seen::from_line(&line) {
        Some(seen) if output.status.success() => Ok(seen),
        _ => Err(format!(
            "the load generator failed: {}",
            String::from_utf8_lossy(&output.stderr)
        )),
    }
}

/// Is the load generator: `--load <address> <milliseconds>`. Prints one line.
///
/// # Errors
///
/// A text that says what went wrong.
pub(crate) fn main(arguments: &[String]) -> Result<(), String> {
    let [address, milliseconds] = arguments else {
        return Err(format!(
            "{ARGUMENT} wants an address and a number of milliseconds"
        ));
    };
    let address = address
        .parse()
        .map_err(|_| format!("`{address}` is not an address"))?;
    let milliseconds = milliseconds
        .parse()
        .map_err(|_| "the time is not a number".to_string())?;
    let duration = Duration::from_millis(milliseconds);
    // A pinned worker of the server may have started this process.
    pin::unpin_this_thread();
    let seen = match env::var(METHOD_VARIABLE).as_deref() {
        Ok("wrk") => wrk::run(address, duration, CONNECTIONS)?,
        _ => builtin(address, duration).map_err(|error| error.to_string())?,
    };
    println!("{}", seen.to_line());
    Ok(())
}

/// One keep-alive connection with one request in flight.
struct Connection {
    stream: TcpStream,
    sent: Instant,
    /// Bytes of the answer so far.
    answer: Vec<u8>,
    /// The length of an answer, known after the first one: the head never changes its length.
    length: Option<usize>,
}

impl Connection {
    fn open(address: SocketAddr) -> io::Result<Connection> {
        let stream = TcpStream::connect(address)?;
        stream.set_nodelay(true)?;
        stream.set_nonblocking(true)?;
        Ok(Connection {
            stream,
            sent: Instant::now(),
            answer: Vec::new(),
            length: None,
        })
    }

    fn request(&mut self) -> io::Result<()> {
        self.answer.clear();
        self.sent = Instant::now();
        // 40 bytes always fit into an empty socket buffer.
        self.stream.write_all(REQUEST)
    }

    /// Reads what is there; returns the latency in ns once the answer is complete.
    fn advance(&mut self) -> io::Result<Option<u32>> {
        let mut buffer = [0; 1024];
        match self.stream.read(&mut buffer) {
            Ok(0) => return Err(ErrorKind::UnexpectedEof.into()),
            Ok(count) => self.answer.extend_from_slice(&buffer[..count]),
            Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(None),
            Err(error) => return Err(error),
        }
        self.length = self.length.or_else(|| answer_length(&self.answer));
        if self.length != Some(self.answer.len()) {
            return Ok(None);
        }
        if !self.answer.starts_with(b"HTTP/1.1 200") {
            return Err(io::Error::other("the server did not answer 200"));
        }
        Ok(Some(
            u32::try_from(self.sent.elapsed().as_nanos()).unwrap_or(u32::MAX),
        ))
    }
}

/// Returns the length of an answer, head and body, once its head is complete.
fn answer_length(answer: &[u8]) -> Option<usize> {
    let text = std::str::from_utf8(answer).ok()?;
    let (head, _) = text.split_once("\r\n\r\n")?;
    let body = head.lines().find_map(|line| {
        let (name, value) = line.split_once(':')?;
        let wanted = name.eq_ignore_ascii_case("content-length");
        wanted.then(|| value.trim().parse::<usize>().ok())?
    })?;
    Some(head.len() + 4 + body)
}

/// Loads the server from this thread.
fn builtin(address: SocketAddr, duration: Duration) -> io::Result<Seen> {
    let poller = Poller::new()?;
    let mut connections = HashMap::with_capacity(CONNECTIONS);
    for key in 0..CONNECTIONS {
        let connection = Connection::open(address)?;
        // SAFETY: the map keeps the socket open for as long as the poller lives.
        unsafe { poller.add_with_mode(&connection.stream, Event::readable(key), PollMode::Level)? };
        connections.insert(key, connection);
    }
    let start = Instant::now();
    for connection in connections.values_mut() {
        connection.request()?;
    }
    let latencies = pump(&poller, &mut connections, start + duration)?;
    let seconds = start.elapsed().as_secs_f64();
    for connection in connections.values() {
        poller.delete(&connection.stream)?;
    }
    Ok(summary(latencies, seconds))
}

/// Answers every response with the next request until the time is up; returns all latencies in ns.
fn pump(
    poller: &Poller,
    connections: &mut HashMap<usize, Connection>,
    end: Instant,
) -> io::Result<Vec<u32>> {
    let mut events = Events::new();
    let mut latencies = Vec::with_capacity(1 << 20);
    loop {
        let now = Instant::now();
        if now >= end {
            return Ok(latencies);
        }
        events.clear();
        poller.wait(&mut events, Some(end - now))?;
        for event in events.iter() {
            let Some(connection) = connections.get_mut(&event.key) else {
                continue;
            };
            if let Some(latency) = connection.advance()? {
                latencies.push(latency);
                connection.request()?;
            }
        }
    }
}

fn summary(mut latencies: Vec<u32>, seconds: f64) -> Seen {
    Seen {
        requests: latencies.len() as u64,
        per_second: latencies.len() as f64 / seconds,
        p50_us: f64::from(percentile(&mut latencies, 50.0)) / 1e3,
        p99_us: f64::from(percentile(&mut latencies, 99.0)) / 1e3,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_is_as_long_as_its_head_and_its_body() {
        let answer = b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhel";
        assert_eq!(answer_length(answer), Some(answer.len() + 2));
        assert_eq!(
            answer_length(b"HTTP/1.1 200 OK\r\ncontent-length: 5\r\n"),
            None
        );
        assert_eq!(answer_length(b"HTTP/1.1 200 OK\r\n\r\n"), None);
    }

    #[test]
    fn a_report_is_read_back_as_it_was_printed() {
        let seen = Seen {
            requests: 10,
            per_second: 12.5,
            p50_us: 3.25,
            p99_us: 9.0,
        };
        assert_eq!(Seen::from_line(&seen.to_line()), Some(seen));
        assert_eq!(Seen::from_line("10 12.5"), None);
    }
}
