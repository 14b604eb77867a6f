//! The threads of a runtime.

use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::thread;

use crate::m::{self, Here, M};
use crate::sched::{Next, NoRoot, Root};
use crate::shared::Shared;
use crate::stop;

/// Starts a thread for `m`.
pub(crate) fn start(rt: Arc<Shared>, m: Arc<M>) -> io::Result<()> {
    let name = (rt.settings.thread_name)(m.index);
    let mut builder = thread::Builder::new().name(name);
    if let Some(bytes) = rt.settings.thread_stack_size {
        builder = builder.stack_size(bytes);
    }
    let retire = m.clone();
    let started = match refusal(&rt) {
        Some(error) => Err(error),
        None => builder.spawn(move || main(&rt, &m)),
    };
    if started.is_err() {
        retire.retire();
    }
    started.map(drop)
}

/// What the system says to a test that wants it to have no threads left.
#[cfg(test)]
fn refusal(rt: &Shared) -> Option<io::Error> {
    rt.refuse_threads
        .load(std::sync::atomic::Ordering::SeqCst)
        .then(|| io::ErrorKind::WouldBlock.into())
}

#[cfg(not(test))]
#[inline(always)]
fn refusal(_: &Shared) -> Option<io::Error> {
    None
}

fn main(rt: &Arc<Shared>, m: &Arc<M>) {
    if let Some(hook) = &rt.settings.on_thread_start {
        hook();
    }
    let ambient = rt.settings.enter_ambient();
    // SAFETY: the M was made or revived for this thread.
    unsafe {
        m::enter(m, |here| {
            // A new M starts with the P that it was made for.
            here.local().expired.set(false);
            if let Some(p) = m.take_next_p() {
                here.gain_p(p);
                here.local().searching.set(true);
                m.parker.try_take();
            }
            run(here, &NoRoot, || unreachable!("a worker has no root"));
            leave(here);
        });
    }
    drop(ambient);
    if let Some(hook) = &rt.settings.on_thread_stop {
        hook();
    }
    rt.thread_ended(m);
    if rt.was_abandoned() {
        // Shutdown ran out of time waiting for this thread: what it left is ours to end.
        stop::cancel_all(rt, None);
    }
}

/// Runs goroutines until the runtime closes, or `poll_root` returns true.
pub(crate) fn run(here: Here<'_>, root: &impl Root, mut poll_root: impl FnMut() -> bool) {
    loop {
        // Nothing below panics but foreign code: destructors of futures, and the root.
        let ended = catch_unwind(AssertUnwindSafe(|| {
            loop {
                match here.next(root) {
                    Next::Run(g) => here.run(g),
                    Next::Root => {
                        here.begin_poll();
                        let done = poll_root();
                        here.end_poll();
                        here.local().guards.look();
                        if done {
                            return;
                        }
                    }
                    Next::Stop => return,
                }
            }
        }));
        match ended {
            Ok(()) => return,
            Err(_) => here.recover(),
        }
    }
}

/// Ends an M: nothing stays queued here, and the P goes back.
pub(crate) fn leave(here: Here<'_>) {
    if here.local().searching.replace(false) {
        let _ = here.rt().idle.stop_search();
    }
    here.give_p_away();
    // A token may have come with a P after the last look.
    if let Some(p) = here.m().take_next_p() {
        here.rt().put_back(p);
    }
    here.free_records().flush();
}

impl Here<'_> {
    /// Puts the M's state in order after a panic of foreign code outside a poll's own protection.
    #[cold]
    fn recover(self) {
        if !self.m().tick().is_multiple_of(2) {
            self.end_poll();
        }
        self.local().batch.set(false);
    }
}

#[cfg(all(test, not(gort_loom)))]
mod tests {
    use std::sync::Barrier;
    use std::sync::atomic::Ordering;

    use super::*;
    use crate::Builder;

    #[test]
    fn goroutines_run_on_the_threads_there_are_if_no_more_can_be_started() {
        let rt = Builder::new().procs(4).build().expect("one thread");
        rt.shared().refuse_threads.store(true, Ordering::SeqCst);
        // The one thread is busy when the others come, so that another is wanted for them.
        let busy = Arc::new(Barrier::new(2));
        let first = rt.go({
            let busy = busy.clone();
            async move {
                busy.wait();
                busy.wait();
            }
        });
        busy.wait();
        let all: Vec<_> = (0..100)
            .map(|i| {
                rt.go(async move {
                    crate::task::yield_now().await;
                    i
                })
            })
            .collect();
        busy.wait();
        rt.block_on(first).expect("no panic");
        let sum: i32 = all
            .into_iter()
            .map(|one| rt.block_on(one).expect("no panic"))
            .sum();
        assert_eq!(sum, 4_950);
        let failures = &rt.shared().thread_failures;
        assert!(failures.load(std::sync::atomic::Ordering::Relaxed) > 0);

        rt.shared().refuse_threads.store(false, Ordering::SeqCst);
        // Both are needed at the same time.
        let meet = Arc::new(Barrier::new(2));
        let both = [meet.clone(), meet].map(|meet| rt.go(async move { meet.wait() }));
        for one in both {
            rt.block_on(one).expect("no panic");
        }
    }
}
