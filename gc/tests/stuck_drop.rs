//! A destructor that does not return costs the memory of what is behind it, and nothing else.
//!
//! There is one thread for destructors, so this has a process of its own.

use std::sync::mpsc::{Sender, channel};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use gort_gc::{Static, collect, with};

/// Waits in its destructor as long as this is locked.
static GATE: Mutex<()> = Mutex::new(());

struct Stuck(Sender<&'static str>);

impl Drop for Stuck {
    fn drop(&mut self) {
        let _ = self.0.send("begins");
        drop(GATE.lock().unwrap_or_else(PoisonError::into_inner));
        let _ = self.0.send("ends");
    }
}

#[test]
fn cycles_go_on_beside_a_destructor_that_does_not_return() {
    let gate = GATE.lock().expect("nobody has it");
    let (sender, events) = channel();
    let next = || events.recv_timeout(Duration::from_secs(60));
    with(|g| {
        g.alloc(Static(Stuck(sender)));
    });
    collect();
    collect();
    assert_eq!(next(), Ok("begins"));
    // Objects with destructors and without, some in the block of the one that is stuck.
    for round in 0..10_u64 {
        let kept = with(|g| {
            for n in 0..10_000_u64 {
                g.alloc(n);
                g.alloc(Static(String::from("behind")));
            }
            g.alloc(round).root(g)
        });
        collect();
        with(|g| assert_eq!(*kept.get(g), round));
    }
    drop(gate);
    assert_eq!(next(), Ok("ends"));
}
