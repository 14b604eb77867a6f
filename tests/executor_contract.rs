//! The contract of executors in detail: what a `run()` or `tick()` future may be put through, and what happens to the tasks.

#[path = "executor_contract/driving.rs"]
mod driving;
#[path = "executor_contract/ends.rs"]
mod ends;
mod support;
#[path = "executor_contract/threads.rs"]
mod threads;

use std::future::{pending, poll_fn};
use std::panic::{RefUnwindSafe, UnwindSafe};
use std::pin::{Pin, pin};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Wake, Waker};

use gort::{Executor, FallibleTask, LocalExecutor, StaticExecutor, StaticLocalExecutor, Task};

/// Polls a future once, with a waker that does nothing.
fn poll_idle<F: Future>(future: Pin<&mut F>) -> Poll<F::Output> {
    future.poll(&mut Context::from_waker(Waker::noop()))
}

/// Remembers that it was woken.
#[derive(Default)]
struct Flag(AtomicBool);

impl Wake for Flag {
    fn wake(self: Arc<Self>) {
        self.0.store(true, Ordering::SeqCst);
    }
}

/// Gives away its waker in the first poll, and never ends.
fn show_waker(to: &Mutex<Option<Waker>>) -> impl Future<Output = ()> + '_ {
    poll_fn(|cx| {
        *to.lock().expect("no panic") = Some(cx.waker().clone());
        Poll::Pending
    })
}

#[test]
fn the_types_are_what_those_of_async_executor_are() {
    fn shared<T: Send + Sync + Unpin + UnwindSafe + RefUnwindSafe + Default>() {}
    fn local<T: Unpin + UnwindSafe + RefUnwindSafe + Default>() {}
    fn send<T: Send>(_: &T) {}
    shared::<Executor<'static>>();
    shared::<StaticExecutor>();
    local::<LocalExecutor<'static>>();
    local::<StaticLocalExecutor>();
    assert_eq!(size_of::<Executor<'static>>(), size_of::<usize>());
    assert_eq!(size_of::<LocalExecutor<'static>>(), size_of::<usize>());
    assert_eq!(size_of::<Task<String>>(), size_of::<usize>());
    assert_eq!(size_of::<FallibleTask<String>>(), size_of::<usize>());

    let ex = Executor::new();
    send(&ex.run(async {}));
    send(&ex.tick());
}

#[test]
fn debug_tells_what_there_is() {
    let ex = Executor::new();
    assert_eq!(format!("{ex:?}"), "Executor(<uninitialized>)");
    ex.spawn(pending::<()>()).detach();
    assert_eq!(
        format!("{ex:?}"),
        "Executor { tasks: 1, global_queue: 1, local_queues: [], sleepers: 0 }"
    );
    let mut run = pin!(ex.run(pending::<()>()));
    assert!(poll_idle(run.as_mut()).is_pending());
    assert_eq!(
        format!("{ex:?}"),
        "Executor { tasks: 1, global_queue: 0, local_queues: [0], sleepers: 1 }"
    );
    let ex = LocalExecutor::new();
    assert_eq!(format!("{ex:?}"), "LocalExecutor(<uninitialized>)");
    ex.spawn(pending::<()>()).detach();
    assert_eq!(
        format!("{ex:?}"),
        "LocalExecutor { tasks: 1, local_queue: 1, woken_elsewhere: 0, sleepers: 0 }"
    );
}
