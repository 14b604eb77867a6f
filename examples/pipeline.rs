//! Go's pipeline: a generator, workers that fan out, a collector that fans in, with bounded memory and an early end.
//!
//! `cargo run --release --example pipeline [N]` sums the squares of the primes below N.

use futures::channel::mpsc;
use futures::{SinkExt, StreamExt};

#[gort::main]
async fn main() {
    let limit = std::env::args().nth(1).map_or(Ok(200_000), |n| n.parse());
    let Ok(limit) = limit else {
        eprintln!("the limit must be a whole number, like 200000");
        std::process::exit(2);
    };
    let workers = gort::available_procs();
    let (results, collected) = mpsc::channel::<u64>(64);
    let mut inputs = Vec::new();
    for i in 0..workers {
        let (input, numbers) = mpsc::channel::<u64>(64);
        inputs.push(input);
        let worker = gort::task::Builder::new().name(format!("worker {i}"));
        worker.go(square_primes(numbers, results.clone()));
    }
    // The collector ends when the last worker has dropped its end.
    drop(results);
    gort::go(async move {
        for n in 2..limit {
            let to = n as usize % inputs.len();
            if inputs[to].send(n).await.is_err() {
                return;
            }
        }
    });
    let sum = collected
        .fold(0u64, async |sum, n| sum.wrapping_add(n))
        .await;
    println!("{sum}");
}

async fn square_primes(mut numbers: mpsc::Receiver<u64>, mut results: mpsc::Sender<u64>) {
    while let Some(n) = numbers.next().await {
        let is_prime = (2..).take_while(|d| d * d <= n).all(|d| n % d != 0);
        if is_prime && results.send(n * n).await.is_err() {
            return;
        }
    }
}
