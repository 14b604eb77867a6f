//! What the monitor has other threads do: call wakers and hooks that it does not know, and write reports.
//!
//! Any of these may block, and nobody watches the monitor. So there is a thread for them; if that is stuck when the next
//! errand comes, another one starts.

use std::collections::VecDeque;
use std::sync::{Condvar, Mutex};
use std::task::Waker;
use std::thread;
use std::time::Duration;

use crate::g::waker::is_goroutines;
use crate::time;

type Errand = Box<dyn FnOnce() + Send>;

/// How long a thread waits for the next errand before it ends.
const KEEP_ALIVE: Duration = Duration::from_secs(10);

/// More threads than this are not started: then all of them are stuck, and one more errand would be too.
const MOST_THREADS: usize = 64;

#[derive(Default)]
struct Queue {
    errands: VecDeque<Errand>,
    idle: usize,
    threads: usize,
}

static QUEUE: Mutex<Queue> = Mutex::new(Queue {
    errands: VecDeque::new(),
    idle: 0,
    threads: 0,
});
static MORE: Condvar = Condvar::new();

/// Has some other thread run `errand`.
pub(crate) fn run(errand: impl FnOnce() + Send + 'static) {
    let mut queue = QUEUE.lock().expect("leaf lock");
    queue.errands.push_back(Box::new(errand));
    if queue.idle >= queue.errands.len() {
        MORE.notify_one();
        return;
    }
    if queue.threads == MOST_THREADS {
        return;
    }
    queue.threads += 1;
    drop(queue);
    let thread = thread::Builder::new().name("gort-errands".into());
    if thread.spawn(work).is_err() {
        // The errand stays in the queue, for the next attempt to start a thread.
        QUEUE.lock().expect("leaf lock").threads -= 1;
    }
}

fn work() {
    let mut queue = QUEUE.lock().expect("leaf lock");
    loop {
        if let Some(errand) = queue.errands.pop_front() {
            drop(queue);
            // A hook that panics harms nobody else; the panic hook has told of it.
            let _ = std::panic::catch_unwind(std::panic::AssertUnwindSafe(errand));
            queue = QUEUE.lock().expect("leaf lock");
            continue;
        }
        queue.idle += 1;
        let (woken, waited) = MORE
            .wait_timeout_while(queue, KEEP_ALIVE, |queue| queue.errands.is_empty())
            .expect("leaf lock");
        queue = woken;
        queue.idle -= 1;
        if waited.timed_out() && queue.errands.is_empty() {
            queue.threads -= 1;
            return;
        }
    }
}

/// Wakes everybody: goroutines at once, which only puts them into a queue; others from another thread.
pub(super) fn wake_all(wakers: &mut Vec<Waker>) {
    let mut foreign = Vec::new();
    for waker in wakers.drain(..) {
        match is_goroutines(&waker) {
            true => waker.wake(),
            false => foreign.push(waker),
        }
    }
    if !foreign.is_empty() {
        run(move || time::wake_all(&mut foreign));
    }
}

#[cfg(all(test, not(gort_loom)))]
mod tests {
    use super::*;
    use std::sync::mpsc;

    #[test]
    fn an_errand_that_blocks_keeps_no_other_from_being_run() {
        let (release, held) = mpsc::channel::<()>();
        run(move || {
            let _ = held.recv();
        });
        let (tell, told) = mpsc::channel();
        for i in 0..3 {
            let tell = tell.clone();
            run(move || tell.send(i).expect("the test waits"));
        }
        run(|| panic!("a test's own panic"));
        let mut all: Vec<i32> = (0..3).map(|_| told.recv().expect("it is run")).collect();
        all.sort_unstable();
        assert_eq!(all, [0, 1, 2]);
        drop(release);
    }
}
