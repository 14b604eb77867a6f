//! Trees of tasks: skynet (results by channels) and Fibonacci (results by join handles).

use std::pin::Pin;

use super::{Cx, Verdict, check};
use crate::adapters::{OnceReceiver, OnceSender, Receiver, Runtime, Sender};
use crate::figures::Meter;

const FAN_OUT: u64 = 10;

/// Builds a tree with `cx.size` leaves (a power of ten) and sums their numbers up to the root.
pub(super) async fn skynet<R: Runtime>(cx: Cx) -> Verdict {
    let leaves = cx.size;
    let meter = Meter::start();
    let (sender, receiver) = R::oneshot();
    R::spawn_detached(async move {
        let sum = children::<R>(0, leaves).await;
        assert!(
            sender.send(sum).is_ok(),
            "the root left before the tree was summed"
        );
    });
    let sum = receiver.recv().await;
    let measured = meter.stop();
    check(
        "sum of the leaves",
        sum.unwrap_or(0),
        leaves * (leaves - 1) / 2,
    )?;
    Ok(measured.per_op(leaves))
}

/// Spawns the children of a node that stands for `size` leaves from `first` on, and sums them.
async fn children<R: Runtime>(first: u64, size: u64) -> u64 {
    let (sender, mut receiver) = R::channel(FAN_OUT as usize);
    let share = size / FAN_OUT;
    for child in 0..FAN_OUT {
        node::<R>(first + child * share, share, sender.clone());
    }
    let mut sum = 0;
    for _ in 0..FAN_OUT {
        sum += receiver.recv().await.expect("we hold a sender");
    }
    drop(sender);
    sum
}

/// Spawns one node; a leaf reports its number, an inner node the sum of its children.
fn node<R: Runtime>(first: u64, size: u64, parent: R::Sender<u64>) {
    R::spawn_detached(async move {
        let sum = match size {
            1 => first,
            _ => children::<R>(first, size).await,
        };
        assert!(
            parent.send(sum).await.is_ok(),
            "the parent waits for all its children"
        );
    });
}

/// Computes fib(`cx.size`); one operation is one spawn.
pub(super) async fn fib<R: Runtime>(cx: Cx) -> Verdict {
    let meter = Meter::start();
    let result = branch::<R>(cx.size).await;
    let measured = meter.stop();
    check("fib", result, fibonacci(cx.size))?;
    // Every call but the smallest two spawns once: one less than there are leaves.
    Ok(measured.per_op(fibonacci(cx.size + 1) - 1))
}

/// Spawns one branch, runs the other here, joins. Recursion needs the box, on every runtime alike.
fn branch<R: Runtime>(n: u64) -> Pin<Box<dyn Future<Output = u64> + Send>> {
    Box::pin(async move {
        if n < 2 {
            return n;
        }
        let spawned = R::spawn(branch::<R>(n - 1));
        let here = branch::<R>(n - 2).await;
        here + spawned.await
    })
}

fn fibonacci(n: u64) -> u64 {
    (0..n).fold((0, 1), |(a, b), _| (b, a + b)).0
}

#[cfg(test)]
mod tests {
    use super::fibonacci;

    #[test]
    fn fibonacci_numbers_are_right() {
        assert_eq!(
            (0..8).map(fibonacci).collect::<Vec<_>>(),
            [0, 1, 1, 2, 3, 5, 8, 13]
        );
        assert_eq!(fibonacci(27), 196_418);
    }
}
