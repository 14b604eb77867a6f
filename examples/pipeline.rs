//! Go's pipeline: a generator, workers that fan out, a collector that fans in, with bounded memory and an early end.
//!
//! `cargo run --release --example pipeline [N [COUNT]]` sums the squares of the primes below N, or of the first COUNT that come.

use gort::sync::chan::{self, Receiver, Sender};

#[gort::main]
async fn main() {
    let mut args = std::env::args().skip(1).map(|arg| arg.parse::<u64>());
    let limit = args.next().unwrap_or(Ok(200_000));
    let count = args.next().unwrap_or(Ok(u64::MAX));
    let (Ok(limit), Ok(count)) = (limit, count) else {
        eprintln!("the limit and the count must be whole numbers, like 200000");
        std::process::exit(2);
    };
    let (input, numbers) = chan::bounded(64);
    let (output, results) = chan::bounded(64);
    gort::go(generate(limit, input));
    // Fan out: all workers receive from one channel.
    for i in 0..gort::available_procs() {
        let worker = gort::task::Builder::new().name(format!("worker {i}"));
        worker.go(square_primes(numbers.clone(), output.clone()));
    }
    // The results end when the last worker has dropped its end; and the workers, when we drop ours.
    drop((numbers, output));
    println!("{}", sum(results, count).await);
}

async fn generate(limit: u64, to: Sender<u64>) {
    for n in 2..limit {
        if to.send(n).await.is_err() {
            // Nobody wants more.
            return;
        }
    }
}

async fn square_primes(from: Receiver<u64>, to: Sender<u64>) {
    while let Ok(n) = from.recv().await {
        let is_prime = (2..).take_while(|d| d * d <= n).all(|d| n % d != 0);
        if is_prime && to.send(n * n).await.is_err() {
            return;
        }
    }
}

async fn sum(results: Receiver<u64>, count: u64) -> u64 {
    let mut sum = 0_u64;
    for _ in 0..count {
        let Ok(n) = results.recv().await else { break };
        sum = sum.wrapping_add(n);
    }
    sum
}
