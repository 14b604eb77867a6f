//! A crawler: follows every link of a site, a few pages at a time, each page once.
//!
//! `cargo run --release --example crawler [PAGES]` crawls a site of its own making, with that many pages (1,000 by default), that it
//! serves on the loopback interface.

use std::collections::HashSet;
use std::io;
use std::net::SocketAddr;
use std::process::exit;
use std::time::Duration;

use futures::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use futures::stream::{FuturesUnordered, StreamExt};
use gort::net::{TcpListener, TcpStream};
use gort::time::timeout;

/// Pages that are fetched at the same time.
const AT_ONCE: usize = 32;

/// How long one page may take.
const LIMIT: Duration = Duration::from_secs(30);

#[gort::main]
async fn main() -> io::Result<()> {
    let pages = match std::env::args().nth(1).map(|pages| pages.parse()) {
        None => 1_000,
        Some(Ok(pages)) if pages > 0 => pages,
        Some(_) => {
            eprintln!("usage: crawler [PAGES], a number from 1 on");
            exit(2)
        }
    };
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let site = listener.local_addr()?;
    gort::go(serve(listener, pages));
    let (found, links) = crawl(site).await?;
    println!("{found} pages, {links} links");
    Ok(())
}

/// Fetches all that can be reached from page 0. Returns how many pages there are, and how many links on them.
async fn crawl(site: SocketAddr) -> io::Result<(usize, usize)> {
    let mut seen = HashSet::from([0]);
    let mut waiting = vec![0];
    let mut running = FuturesUnordered::new();
    let mut links = 0;
    loop {
        while running.len() < AT_ONCE
            && let Some(page) = waiting.pop()
        {
            // A goroutine each: parsing one page does not hold up the others.
            running.push(gort::spawn(timeout(LIMIT, fetch(site, page))));
        }
        let Some(page) = running.next().await else {
            return Ok((seen.len(), links));
        };
        for link in page?? {
            links += 1;
            if seen.insert(link) {
                waiting.push(link);
            }
        }
    }
}

/// Fetches a page and returns its links.
async fn fetch(site: SocketAddr, page: usize) -> io::Result<Vec<usize>> {
    let mut stream = TcpStream::connect(site).await?;
    let request = format!("GET /{page} HTTP/1.0\r\n\r\n");
    stream.write_all(request.as_bytes()).await?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await?;
    let Some(body) = answer.strip_prefix("HTTP/1.0 200 OK\r\n\r\n") else {
        return Err(io::Error::other(format!("page {page}: {answer:?}")));
    };
    let links = body.split("href=\"/").skip(1);
    let links = links.map(|rest| rest.split('"').next().unwrap_or_default().parse());
    links
        .collect::<Result<_, _>>()
        .map_err(|error| io::Error::other(format!("page {page}: a bad link: {error}")))
}

/// Serves a site in which page `n` links to the pages `2n + 1`, `2n + 2` and `n / 2`.
async fn serve(listener: TcpListener, pages: usize) -> io::Result<()> {
    loop {
        let (stream, _) = listener.accept().await?;
        gort::go(answer(stream, pages));
    }
}

async fn answer(stream: TcpStream, pages: usize) -> io::Result<()> {
    let mut stream = BufReader::new(stream);
    let mut request = String::new();
    stream.read_line(&mut request).await?;
    let page = request
        .strip_prefix("GET /")
        .and_then(|rest| rest.split(' ').next())
        .and_then(|page| page.parse().ok())
        .filter(|&page: &usize| page < pages);
    let answer = match page {
        None => "HTTP/1.0 404 Not Found\r\n\r\n".to_owned(),
        Some(page) => {
            let links = [2 * page + 1, 2 * page + 2, page / 2];
            let links = links.iter().filter(|&&link| link < pages);
            let body: String = links
                .map(|link| format!("<a href=\"/{link}\">page {link}</a>\n"))
                .collect();
            format!("HTTP/1.0 200 OK\r\n\r\n{body}")
        }
    };
    stream.get_mut().write_all(answer.as_bytes()).await?;
    // The client has nothing more to say; what it reads next is the end.
    stream.get_mut().close().await
}
