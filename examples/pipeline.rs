//! Go's pipeline: a generator, workers that fan out, a collector that fans in, with bounded memory and an early end.
//!
//! `cargo run --release --example pipeline [N [COUNT]]` sums the squares of the primes below N, or of the first COUNT that come.

use gort::sync::{Context, ContextError};
use gort::task::Pipeline;

#[gort::main]
async fn main() {
    let mut args = std::env::args().skip(1).map(|arg| arg.parse::<u64>());
    let limit = args.next().unwrap_or(Ok(200_000));
    let count = args.next().unwrap_or(Ok(u64::MAX));
    let (Ok(limit), Ok(count)) = (limit, count) else {
        eprintln!("the limit and the count must be whole numbers, like 200000");
        std::process::exit(2);
    };
    let mut pipeline = Pipeline::<ContextError>::new(&Context::background(), 64);
    let numbers = pipeline.source(2..limit);
    let workers = gort::available_procs();
    let squares = pipeline.filter_map(numbers, workers, async |n| Ok(is_prime(n).then(|| n * n)));
    let mut sum = 0_u64;
    for _ in 0..count {
        let Ok(square) = squares.recv().await else {
            break;
        };
        sum = sum.wrapping_add(square);
    }
    // Nobody wants more: the workers stop, and then the generator.
    drop(squares);
    pipeline.wait().await.expect("nothing here fails");
    println!("{sum}");
}

fn is_prime(n: u64) -> bool {
    (2..)
        .take_while(|d| d * d <= n)
        .all(|d| !n.is_multiple_of(d))
}
