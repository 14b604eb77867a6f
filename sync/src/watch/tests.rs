use std::future::Future;
use std::pin::pin;
use std::task::{Context, Waker};
use std::thread;

use futures_lite::future::block_on;

use super::*;

fn is_pending(future: impl Future) -> bool {
    let mut cx = Context::from_waker(Waker::noop());
    pin!(future).poll(&mut cx).is_pending()
}

#[test]
fn the_latest_value_is_seen_once() {
    let (sender, mut receiver) = channel(0);
    assert_eq!(receiver.has_changed(), Ok(false));
    assert!(is_pending(receiver.changed()));
    sender.send(1).unwrap();
    sender.send(2).unwrap();
    assert_eq!(receiver.has_changed(), Ok(true));
    assert_eq!(block_on(receiver.changed()), Ok(()));
    assert_eq!(*receiver.borrow(), 2);
    assert!(is_pending(receiver.changed()));
}

#[test]
fn a_borrow_can_count_as_seen_or_not() {
    let (sender, mut receiver) = channel(0);
    sender.send_modify(|value| *value += 5);
    assert!(receiver.borrow().has_changed());
    let seen = receiver.borrow_and_update();
    assert_eq!((seen.has_changed(), *seen), (true, 5));
    drop(seen);
    assert!(!receiver.borrow_and_update().has_changed());
    receiver.mark_changed();
    assert_eq!(receiver.has_changed(), Ok(true));
    receiver.mark_unchanged();
    assert_eq!(receiver.has_changed(), Ok(false));
}

#[test]
fn a_change_that_is_none_tells_nobody() {
    let (sender, receiver) = channel(0);
    assert!(!sender.send_if_modified(|_| false));
    assert_eq!(receiver.has_changed(), Ok(false));
}

#[test]
fn the_last_value_is_seen_although_the_senders_are_gone() {
    let (sender, mut receiver) = channel(0);
    let other = sender.clone();
    drop(sender);
    assert!(is_pending(receiver.changed()));
    other.send(1).unwrap();
    drop(other);
    assert_eq!(block_on(receiver.changed()), Ok(()));
    assert_eq!(block_on(receiver.changed()), Err(RecvError));
}

#[test]
fn nobody_watches_any_more() {
    let (sender, receiver) = channel(0);
    let other = receiver.clone();
    drop(receiver);
    assert!(is_pending(sender.closed()));
    drop(other);
    block_on(sender.closed());
    assert_eq!(sender.send(1), Err(SendError(1)));
    assert_eq!(sender.send_replace(2), 0);
    assert_eq!(*sender.subscribe().borrow(), 2);
}

#[test]
fn a_certain_value_is_waited_for() {
    let (sender, mut receiver) = channel(0);
    let thread = thread::spawn(move || (1..=100).for_each(|i| sender.send(i).unwrap()));
    assert!(*block_on(receiver.wait_for(|value| *value >= 50)).unwrap() >= 50);
    assert!(block_on(receiver.wait_for(|value| *value > 100)).is_err());
    thread.join().unwrap();
}

#[test]
fn a_panic_in_a_change_leaves_the_channel_usable() {
    let (sender, receiver) = channel(0);
    let change = || sender.send_modify(|_| panic!("expected"));
    std::panic::catch_unwind(std::panic::AssertUnwindSafe(change)).unwrap_err();
    sender.send(3).unwrap();
    assert_eq!(*receiver.borrow(), 3);
}

/// The value that is returned is the one that was looked at, whatever the sender does meanwhile.
#[test]
fn a_value_that_was_waited_for_is_still_as_it_was_wanted() {
    fn send<T: Send>(value: T) -> T {
        value
    }
    let (sender, mut receiver) = channel(0);
    let thread = thread::spawn(move || (1..=2_000).for_each(|i| sender.send(i).unwrap()));
    let mut open = true;
    while open {
        {
            let wanted = receiver.wait_for(|value| *value % 2 == 1);
            // The last value is not wanted.
            let Ok(value) = block_on(send(wanted)) else {
                break;
            };
            assert_eq!(*value % 2, 1);
        }
        open = block_on(receiver.changed()).is_ok();
    }
    thread.join().unwrap();
}
