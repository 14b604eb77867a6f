//! Running a future on the calling thread.

use std::cell::RefCell;
use std::future::Future;
use std::panic::{AssertUnwindSafe, Location, catch_unwind, resume_unwind};
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, Wake, Waker};

use gort_gc::hooks::GuardWatch;
use gort_net::{DriverIntent, Reactor};

use crate::drive::{self, Slept};
use crate::m::{self, M};
use crate::park::Parker;
use crate::sched::Root;
use crate::shared::Shared;
use crate::{handle, panic, root, sysmon, time, worker};

/// Runs a future on the calling thread until it ends.
///
/// Works on every thread, with or without a runtime. Goroutines that the future spawns run on the current runtime, or on the default
/// one, which is started by the first spawn; without any, this thread drives the reactor and the timers itself.
///
/// May be called from inside a goroutine, though awaiting is better: the P goes to another thread meanwhile.
///
/// # Panics
///
/// Panics if the future does.
///
/// # Examples
///
/// ```
/// use std::time::Duration;
///
/// let answer = gort::block_on(async {
///     gort::time::sleep(Duration::from_millis(1)).await;
///     42
/// });
/// assert_eq!(answer, 42);
/// ```
#[track_caller]
pub fn block_on<T>(future: impl Future<Output = T>) -> T {
    let at = Location::caller();
    m::with_here(|here| {
        if let Some(here) = here {
            here.give_p_away();
        }
    });
    panic::explained(|| on_this_thread(future, at))
}

fn on_this_thread<F: Future>(future: F, at: &'static Location<'static>) -> F::Output {
    WITH_PARKER.with(|spare| {
        // A nested call finds the parker taken, and makes its own: one must not use up the other's token.
        let sleeper = spare.try_borrow_mut();
        match sleeper {
            Ok(sleeper) => {
                // A wake of the last future is none of this one's.
                sleeper.thread.parker.try_take();
                run(&sleeper, future, at)
            }
            Err(_) => run(&Sleeper::new(), future, at),
        }
    })
}

thread_local! {
    static WITH_PARKER: RefCell<Sleeper> = RefCell::new(Sleeper::new());
}

struct Sleeper {
    thread: Arc<Thread>,
    waker: Waker,
    root: root::Listed,
}

struct Thread {
    parker: Parker,
}

impl Wake for Thread {
    fn wake(self: Arc<Self>) {
        self.parker.unpark(drive::notify);
    }

    fn wake_by_ref(self: &Arc<Self>) {
        self.parker.unpark(drive::notify);
    }
}

impl Sleeper {
    fn new() -> Self {
        let thread = Arc::new(Thread {
            parker: Parker::new(),
        });
        Self {
            waker: Waker::from(thread.clone()),
            thread,
            root: root::Listed::new(),
        }
    }
}

fn run<F: Future>(sleeper: &Sleeper, future: F, at: &'static Location<'static>) -> F::Output {
    let mut future = pin!(future);
    let mut cx = Context::from_waker(&sleeper.waker);
    let mut wakers = Vec::new();
    let mut driving = None;
    let guards = GuardWatch::new();
    let root = sleeper.root.begin(at);
    loop {
        let polling = root.poll();
        if let Poll::Ready(output) = future.as_mut().poll(&mut cx) {
            return output;
        }
        drop(polling);
        guards.look();
        let driving = driving.get_or_insert_with(Driving::begin);
        while !driving.sleep(&sleeper.thread.parker, &mut wakers) {}
    }
}

/// A thread that drives the reactor, and watches the timers of all threads, when it sleeps.
struct Driving {
    /// Tells the reactor's thread of last resort, if there is one.
    _intent: Option<DriverIntent<'static>>,
    /// Whether it has ever done so.
    drove: bool,
}

impl Driving {
    fn begin() -> Self {
        Self {
            _intent: Reactor::get().ok().map(Reactor::enter_driver),
            drove: false,
        }
    }

    /// Returns whether the thread was woken, and did not just wake others.
    fn sleep(&mut self, parker: &Parker, wakers: &mut Vec<Waker>) -> bool {
        // Where a runtime has threads, one of them drives: each event then wakes a goroutine on the thread that has its P.
        let slept = match handle::any_has_threads() {
            true => {
                self.pass_on();
                Slept::NotHere
            }
            false => drive::sleep(parker, wakers),
        };
        if slept == Slept::NotHere {
            parker.park();
            return true;
        }
        self.drove = true;
        // The wakers, and the poll that may follow, take as long as they like.
        time::driver_leaves();
        time::wake_all(wakers);
        // What was collected may have woken this thread too.
        slept == Slept::WithToken || parker.try_take()
    }

    /// Called when this thread will not drive again: others may have found it at that, and count on it for their timers and events.
    ///
    /// The monitor, whom this wakes, sees that one of them drives. It may have gone to sleep because this thread did.
    fn pass_on(&mut self) {
        let counted_on = || handle::any_has_threads() || time::next_deadline() != time::NEVER;
        if std::mem::take(&mut self.drove) && counted_on() {
            sysmon::ensure();
        }
    }
}

impl Drop for Driving {
    fn drop(&mut self) {
        self.pass_on();
    }
}

/// [`block_on`] for a runtime that has no threads: the calling thread becomes its M.
#[track_caller]
pub(crate) fn as_local_m<F: Future>(rt: &Arc<Shared>, future: F) -> F::Output {
    let Some(p) = rt.idle.take_p() else {
        // Another thread runs the goroutines already.
        return block_on(future);
    };
    let m = rt.adopt_thread();
    let root = Arc::new(LocalRoot {
        ready: AtomicBool::new(true),
        m,
    });
    let waker = Waker::from(root.clone());
    let mut future = pin!(future);
    let mut output = None;
    let leave = Leave(rt, &root.m);
    let listed = root::Listed::new();
    let running = listed.begin(Location::caller());
    // The goroutines that the M polls are not part of a root that this call may be nested in.
    let inside = root::Inside::none();
    // SAFETY: the M was made or revived for this thread.
    unsafe {
        m::enter(&root.m, |here| {
            here.gain_p(p);
            worker::run(here, &*root, || {
                root.ready.store(false, Ordering::SeqCst);
                let cx = &mut Context::from_waker(&waker);
                let _polling = running.poll();
                // Unwind safety: after a panic the future is not touched again.
                match catch_unwind(AssertUnwindSafe(|| future.as_mut().poll(cx))) {
                    Ok(Poll::Ready(done)) => output = Some(Ok(done)),
                    Ok(Poll::Pending) => {}
                    Err(payload) => output = Some(Err(payload)),
                }
                output.is_some()
            });
            worker::leave(here);
        });
    }
    drop(leave);
    drop(inside);
    drop(running);
    // The runtime was shut down meanwhile; the root future goes on without it.
    match output {
        Some(Ok(output)) => output,
        Some(Err(payload)) => {
            panic::explain(&*payload);
            resume_unwind(payload)
        }
        None => block_on(future),
    }
}

/// Gives the M back, on every way out.
struct Leave<'a>(&'a Arc<Shared>, &'a M);

impl Drop for Leave<'_> {
    fn drop(&mut self) {
        self.0.thread_ended(self.1);
        // The reactor may have lost its driver.
        sysmon::ensure();
    }
}

struct LocalRoot {
    ready: AtomicBool,
    m: Arc<M>,
}

impl Root for LocalRoot {
    fn is_ready(&self) -> bool {
        // SeqCst: pairs with the store of a waker and the fence of an M that goes to sleep.
        self.ready.load(Ordering::SeqCst)
    }
}

impl Wake for LocalRoot {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        // SeqCst: as in `is_ready`.
        self.ready.store(true, Ordering::SeqCst);
        self.m.unpark();
    }
}
