//! Models of the watched value: the code that ships, in every order that two threads can run in.
//!
//! The value's own lock is std's: the models are of the versions and notices, whose order is what can go wrong.

use gort_primitives::thread;
use loom::future::block_on;

use super::channel;

#[test]
fn model_the_last_value_is_seen() {
    loom::model(|| {
        let (sender, mut receiver) = channel(0);
        let thread = thread::spawn(move || sender.send(1).unwrap());
        let mut last = 0;
        while block_on(receiver.changed()).is_ok() {
            last = *receiver.borrow();
        }
        assert_eq!(last, 1);
        thread.join().unwrap();
    });
}

#[test]
fn model_a_sender_hears_that_nobody_watches() {
    loom::model(|| {
        let (sender, receiver) = channel(0);
        let thread = thread::spawn(move || drop(receiver));
        block_on(sender.closed());
        assert!(sender.send(1).is_err());
        thread.join().unwrap();
    });
}
