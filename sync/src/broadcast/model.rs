//! Models of the broadcast channel: the code that ships, in every order that two threads can run in.

use gort_primitives::thread;
use loom::future::block_on;

use super::{RecvError, channel};

#[test]
fn model_a_receiver_gets_or_misses_every_value() {
    loom::model(|| {
        let (sender, mut receiver) = channel(1);
        let thread = thread::spawn(move || {
            sender.send(1).unwrap();
            sender.send(2).unwrap();
        });
        let mut seen = 0;
        loop {
            match block_on(receiver.recv()) {
                Ok(_) => seen += 1,
                Err(RecvError::Lagged(missed)) => seen += missed,
                Err(RecvError::Closed) => break,
            }
        }
        assert_eq!(seen, 2);
        thread.join().unwrap();
    });
}
