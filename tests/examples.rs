//! The example programs do what they say, and stop on Ctrl-C.

#![cfg(unix)]

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::process::{Child, ChildStdout, Stdio};

mod support;
use support::example;

/// A running example. Ends with the test, whatever happens.
struct Example {
    child: Child,
    output: BufReader<ChildStdout>,
}

impl Example {
    /// Starts a server and returns it with the address it prints.
    fn serve(name: &str) -> (Self, String) {
        let mut child = example(name)
            .arg("127.0.0.1:0")
            .stdout(Stdio::piped())
            .spawn()
            .expect("the example starts");
        let output = child.stdout.take().expect("it is piped");
        let mut example = Self {
            child,
            output: BufReader::new(output),
        };
        let mut line = String::new();
        example
            .output
            .read_line(&mut line)
            .expect("it prints its address");
        let address = line.trim().rsplit([' ', '/']).next().expect("an address");
        (example, address.to_owned())
    }

    fn interrupt(mut self) {
        let pid = rustix::process::Pid::from_child(&self.child);
        rustix::process::kill_process(pid, rustix::process::Signal::INT).expect("it runs");
        let status = self.child.wait().expect("it ends");
        assert!(status.success(), "{status}");
        let mut rest = String::new();
        self.output
            .read_to_string(&mut rest)
            .expect("its output is text");
        assert_eq!(rest.trim(), "stopped");
    }
}

impl Drop for Example {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[test]
fn hello_http_answers_and_stops() {
    let (server, address) = Example::serve("hello_http");
    let mut stream = TcpStream::connect(&address).expect("it listens");
    let mut answers = BufReader::new(stream.try_clone().expect("a descriptor"));
    for _ in 0..3 {
        stream
            .write_all(b"GET / HTTP/1.1\r\nhost: localhost\r\n\r\n")
            .expect("it reads");
        let mut lines = answers
            .by_ref()
            .lines()
            .map(|line| line.expect("it answers"));
        assert_eq!(lines.next().as_deref(), Some("HTTP/1.1 200 OK"));
        let headers: Vec<_> = lines.by_ref().take_while(|line| !line.is_empty()).collect();
        assert!(
            headers.iter().any(|h| h == "content-length: 14"),
            "{headers:?}"
        );
        assert!(
            headers.iter().any(|h| h.starts_with("date: ")),
            "{headers:?}"
        );
        assert_eq!(lines.next().as_deref(), Some("Hello, world!"));
    }
    server.interrupt();
}

#[test]
fn axum_hello_answers_and_stops() {
    let (server, address) = Example::serve("axum_hello");
    let mut stream = TcpStream::connect(&address).expect("it listens");
    let me = stream.local_addr().expect("it is connected");
    stream
        .write_all(b"GET /hello/gort HTTP/1.1\r\nhost: localhost\r\n\r\n")
        .and_then(|()| stream.write_all(b"GET /whoami HTTP/1.0\r\n\r\n"))
        .expect("it reads");
    let mut answers = String::new();
    stream.read_to_string(&mut answers).expect("it answers");
    assert!(answers.contains("\r\n\r\nHello, gort!\n"), "{answers}");
    assert!(answers.ends_with(&format!("\r\n\r\n{me}\n")), "{answers}");
    server.interrupt();
}

#[test]
fn echo_echoes_and_stops() {
    echoes_and_stops("echo");
}

#[test]
fn echo_on_sockets_of_tokio_echoes_and_stops() {
    echoes_and_stops("tokio_echo");
}

fn echoes_and_stops(example: &str) {
    let (server, address) = Example::serve(example);
    let mut stream = TcpStream::connect(&address).expect("it listens");
    stream.write_all(b"hello").expect("it reads");
    let mut answer = [0; 5];
    stream.read_exact(&mut answer).expect("it answers");
    assert_eq!(&answer, b"hello");
    server.interrupt();
}

#[test]
fn chat_tells_the_others_and_stops() {
    let (server, address) = Example::serve("chat");
    let connect = || TcpStream::connect(&address).expect("it listens");
    let mut one = connect();
    // It is in the room once it hears of another.
    let mut heard = BufReader::new(one.try_clone().expect("a descriptor")).lines();
    let mut hear = move || heard.next().expect("a line").expect("it is open");
    let mut two = connect();
    assert!(hear().ends_with(" has joined"));
    two.write_all(b"hello\n").expect("it reads");
    assert!(hear().ends_with(" says hello"));
    let mut heard = BufReader::new(two.try_clone().expect("a descriptor")).lines();
    one.write_all(b"and to you\n").expect("it reads");
    let line = heard.next().expect("a line").expect("it is open");
    assert!(line.ends_with(" says and to you"), "{line}");
    drop((two, heard));
    assert!(hear().ends_with(" has left"));
    server.interrupt();
}

#[test]
fn crawler_finds_every_page_once() {
    let output = example("crawler").arg("100").output().expect("it runs");
    // Every page but the first is linked to by one above it, and each links to one.
    assert_eq!(
        String::from_utf8_lossy(&output.stdout).trim(),
        "100 pages, 199 links"
    );
}

#[test]
fn pipeline_sums_the_squares() {
    let output = example("pipeline").arg("20").output().expect("it runs");
    let squares: u64 = [2u64, 3, 5, 7, 11, 13, 17, 19].iter().map(|p| p * p).sum();
    assert_eq!(
        String::from_utf8_lossy(&output.stdout).trim(),
        squares.to_string()
    );
}

#[test]
fn gc_stack_pops_every_number_once() {
    let output = example("gc_stack").output().expect("it runs");
    let sum: u64 = (0..40_000).sum();
    assert_eq!(
        String::from_utf8_lossy(&output.stdout).trim(),
        format!("the sum of all numbers popped is {sum}")
    );
}

#[test]
fn gc_graph_changes_a_graph_by_a_thousand_goroutines() {
    let output = example("gc_graph").output().expect("it runs");
    let stdout = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{output:?}");
    assert!(stdout.starts_with("1000 goroutines made "), "{stdout}");
}

#[test]
fn gc_lru_remembers_what_it_has_computed() {
    let (server, address) = Example::serve("gc_lru");
    let ask = |path: &str| {
        let mut stream = TcpStream::connect(&address).expect("it listens");
        let request =
            format!("GET {path} HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n");
        stream.write_all(request.as_bytes()).expect("it reads");
        let mut answer = String::new();
        stream.read_to_string(&mut answer).expect("it answers");
        answer
    };
    assert!(ask("/fibonacci/90").ends_with("2880067194370816120 computed\n"));
    assert!(ask("/fibonacci/90").ends_with("2880067194370816120 from the cache\n"));
    // A hundred others evict it.
    for n in 91..181 {
        assert!(ask(&format!("/fibonacci/{n}")).ends_with("computed\n"));
    }
    for n in 0..10 {
        assert!(ask(&format!("/fibonacci/{n}")).ends_with("computed\n"));
    }
    assert!(ask("/fibonacci/90").ends_with("computed\n"));
    assert!(ask("/fibonacci/9").ends_with("34 from the cache\n"));
    assert!(ask("/fibonacci/181").starts_with("HTTP/1.1 404"));
    server.interrupt();
}

#[test]
fn a_bad_argument_is_a_clear_error() {
    for (name, argument) in [
        ("hello_http", "nowhere"),
        ("axum_hello", "nowhere"),
        ("echo", "nowhere"),
        ("chat", "nowhere"),
        ("crawler", "0"),
        ("pipeline", "many"),
        ("gc_graph", "many"),
        ("gc_lru", "nowhere"),
    ] {
        let output = example(name).arg(argument).output().expect("it runs");
        assert_eq!(output.status.code(), Some(2), "{name}");
        assert!(!output.stderr.is_empty(), "{name}");
    }
}

#[test]
fn an_invalid_gort_procs_is_named_with_the_values_it_takes() {
    let output = example("pipeline")
        .env("GORT_PROCS", "none")
        .output()
        .expect("it runs");
    assert_eq!(output.status.code(), Some(2));
    let error = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(
        error.contains("GORT_PROCS") && error.contains("1 to 65535"),
        "{error}"
    );
}
