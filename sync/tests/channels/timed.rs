//! What has to do with time. Nothing is expected to be fast, only not to be early.

use std::time::{Duration, Instant};

use futures_lite::StreamExt;
use futures_lite::future::block_on;
use gort_sync::chan::{self, RecvTimeoutError, SendTimeoutError, bounded, unbuffered};
use gort_sync::select;

const SHORT: Duration = Duration::from_millis(5);
/// So long that a test which waits for it hangs.
const EVER: Duration = Duration::from_secs(100_000);

#[test]
fn a_receive_gives_up_but_not_early() {
    let (sender, receiver) = unbuffered();
    let start = Instant::now();
    let received: Result<u8, _> = block_on(receiver.recv_timeout(SHORT));
    assert_eq!(received, Err(RecvTimeoutError::Timeout));
    assert!(start.elapsed() >= SHORT);
    assert!(sender.try_send(1).is_err(), "nobody is in line any more");
    let start = Instant::now();
    assert_eq!(
        receiver.recv_blocking_timeout(SHORT),
        Err(RecvTimeoutError::Timeout)
    );
    assert!(start.elapsed() >= SHORT);
    drop(sender);
    assert_eq!(
        block_on(receiver.recv_timeout(EVER)),
        Err(RecvTimeoutError::Closed)
    );
    assert_eq!(
        receiver.recv_blocking_timeout(EVER),
        Err(RecvTimeoutError::Closed)
    );
}

#[test]
fn a_send_that_gives_up_returns_the_value() {
    let (sender, receiver) = bounded(1);
    assert_eq!(block_on(sender.send_timeout(1, EVER)), Ok(()));
    assert_eq!(
        block_on(sender.send_timeout(2, SHORT)),
        Err(SendTimeoutError::Timeout(2))
    );
    assert_eq!(
        sender.send_blocking_timeout(3, SHORT),
        Err(SendTimeoutError::Timeout(3))
    );
    assert_eq!(
        block_on(sender.send_deadline(4, Instant::now())),
        Err(SendTimeoutError::Timeout(4))
    );
    assert_eq!(
        block_on(receiver.recv_deadline(Instant::now())),
        Ok(1),
        "what is there is received"
    );
    assert!(receiver.try_recv().is_err());
    drop(receiver);
    assert_eq!(
        block_on(sender.send_timeout(5, EVER)),
        Err(SendTimeoutError::Closed(5))
    );
}

#[test]
fn the_time_comes_once_after_a_while() {
    let start = Instant::now();
    let after = chan::after(SHORT);
    let at = block_on(after.recv()).unwrap();
    assert!(at >= start + SHORT);
    // It does not tick again, and does not close.
    let received = block_on(async {
        select! { recv(after) -> at => Some(at), default => None }
    });
    assert_eq!(received, None);
}

#[test]
fn ticks_keep_coming_until_the_ticker_is_stopped() {
    let start = Instant::now();
    let mut ticker = chan::tick(SHORT);
    let ticks: Vec<_> = block_on(async { (&mut ticker).take(3).collect().await });
    for (i, at) in (1..).zip(ticks) {
        assert!(at >= start + SHORT * i, "tick {i} is early");
    }
    ticker.stop();
    let received = block_on(async {
        select! { recv(ticker) -> at => Some(at), default => None }
    });
    assert_eq!(received, None);
    ticker.reset(SHORT);
    assert!(block_on(ticker.recv()).is_ok());
}

#[test]
fn a_select_ends_when_its_time_is_over() {
    let (_sender, receiver) = unbuffered::<u8>();
    let start = Instant::now();
    let ended = block_on(async {
        select! {
            recv(receiver) -> _ => false,
            after(SHORT) => true,
        }
    });
    assert!(ended && start.elapsed() >= SHORT);
}
