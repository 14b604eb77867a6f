//! What operations allocate: nothing, whether they wait or not, but for a broadcast, which allocates
//! its value, and a latch. The allocator belongs to the process, so this file has one test.

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use std::future::Future;
use std::pin::{Pin, pin};
use std::task::{Context, Waker};

use futures_lite::StreamExt;
use gort_sync::chan::{bounded, unbuffered};
use gort_sync::{
    Cond, Latch, Mutex, Notify, RwLock, Semaphore, WaitGroup, broadcast, channel, select, watch,
};

struct Counting;

thread_local! {
    static ALLOCATIONS: Cell<usize> = const { Cell::new(0) };
}

// SAFETY: the system's allocator does all the work.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        ALLOCATIONS.set(ALLOCATIONS.get() + 1);
        // SAFETY: as the caller promises.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, ptr: *mut u8, layout: Layout) {
        // SAFETY: as the caller promises.
        unsafe { System.dealloc(ptr, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// Asserts how much `operation` allocates at most, once what is kept from time to time was allocated.
fn allocates(at_most: usize, name: &str, mut operation: impl FnMut()) {
    (0..4).for_each(|_| operation());
    let before = ALLOCATIONS.get();
    (0..100).for_each(|_| operation());
    let allocated = ALLOCATIONS.get() - before;
    assert!(
        allocated <= 100 * at_most,
        "{name} allocates: {allocated} in 100"
    );
}

fn allocates_nothing(name: &str, operation: impl FnMut()) {
    allocates(0, name, operation);
}

fn is_ready<F: Future>(future: Pin<&mut F>) -> bool {
    let poll = future.poll(&mut Context::from_waker(Waker::noop()));
    poll.is_ready()
}

/// An operation that need not wait.
fn at_once(future: impl Future) {
    assert!(is_ready(pin!(future)));
}

/// An operation that waits until `give` gives it what it waits for.
fn parks(future: impl Future, give: impl FnOnce()) {
    let mut future = pin!(future);
    assert!(!is_ready(future.as_mut()));
    give();
    assert!(is_ready(future));
}

#[test]
fn no_operation_allocates_whether_it_waits_or_not() {
    let before = ALLOCATIONS.get();
    drop(Box::new(1));
    assert!(ALLOCATIONS.get() > before, "allocations are counted");
    channels();
    selects();
    locks();
}

fn channels() {
    let (sender, receiver) = bounded(4);
    allocates_nothing("send, recv", || {
        at_once(sender.send(1));
        at_once(receiver.recv());
        sender.try_send(1).unwrap();
        receiver.try_recv().unwrap();
        assert!(receiver.try_recv().is_err());
    });
    let (sender, receiver) = unbuffered();
    allocates_nothing("a receive that waits", || {
        parks(receiver.recv(), || sender.try_send(1).unwrap());
    });
    allocates_nothing("a send that waits", || {
        parks(sender.send(1), || assert_eq!(receiver.try_recv(), Ok(1)));
    });
    allocates_nothing("a receive that is dropped", || {
        assert!(!is_ready(pin!(receiver.recv())));
    });
    queues();
    let (sender, mut receiver) = broadcast::channel(4);
    // The receivers share the value.
    allocates(1, "a broadcast that is waited for", || {
        parks(receiver.recv(), || assert_eq!(sender.send(1), Ok(1)));
    });
    let (sender, mut receiver) = watch::channel(0);
    allocates_nothing("a change that is waited for", || {
        parks(receiver.changed(), || sender.send(1).unwrap());
    });
}

/// Those with the contract of async-channel.
fn queues() {
    let (sender, receiver) = channel::bounded(1);
    allocates_nothing("queue: send, recv", || {
        at_once(sender.send(1));
        assert!(sender.try_send(2).is_err());
        at_once(receiver.recv());
        assert!(receiver.try_recv().is_err());
    });
    allocates_nothing("queue: waits", || {
        parks(receiver.recv(), || sender.try_send(1).unwrap());
        sender.try_send(2).unwrap();
        parks(sender.send(3), || assert_eq!(receiver.try_recv(), Ok(2)));
        assert_eq!(receiver.try_recv(), Ok(3));
        assert!(!is_ready(pin!(receiver.recv())));
        assert!(!is_ready(pin!(sender.closed())));
    });
    let mut stream = receiver.clone();
    allocates_nothing("queue: stream", || {
        parks(stream.next(), || sender.try_send(1).unwrap());
    });
}

fn selects() {
    let channels = [(); 3].map(|()| bounded(1));
    let select = async || {
        select! {
            recv(channels[0].1) -> value => value.unwrap(),
            recv(channels[1].1) -> value => value.unwrap(),
            recv(channels[2].1) -> value => value.unwrap(),
        }
    };
    allocates_nothing("a select that is ready", || {
        channels[1].0.try_send(1).unwrap();
        at_once(select());
    });
    allocates_nothing("a select that waits", || {
        parks(select(), || channels[1].0.try_send(1).unwrap());
    });
    allocates_nothing("a default", || {
        at_once(async {
            select! { recv(channels[0].1) -> _ => unreachable!(), default => () }
        });
    });
}

fn locks() {
    let (mutex, rwlock, semaphore) = (Mutex::new(()), RwLock::new(()), Semaphore::new(1));
    allocates_nothing("locks that are free", || {
        at_once(mutex.lock());
        at_once(rwlock.read());
        at_once(rwlock.write());
        at_once(semaphore.acquire());
    });
    allocates_nothing("locks that are waited for", || {
        let guard = mutex.try_lock().unwrap();
        parks(mutex.lock(), || drop(guard));
        let guard = rwlock.try_write().unwrap();
        parks(rwlock.read(), || drop(guard));
        let guard = rwlock.try_read().unwrap();
        parks(rwlock.write(), || drop(guard));
        let permit = semaphore.try_acquire().unwrap();
        parks(semaphore.acquire(), || drop(permit));
    });
    let (notify, cond, group) = (Notify::new(), Cond::new(), WaitGroup::new());
    allocates_nothing("notices", || {
        parks(notify.notified(), || notify.notify_one());
        parks(notify.notified(), || notify.notify_waiters());
        parks(cond.wait(mutex.try_lock().unwrap()), || cond.notify_one());
        group.add(1);
        parks(group.wait(), || group.done());
    });
    allocates_nothing("a latch", || {
        let latch = Latch::new();
        parks(latch.wait(), || assert!(latch.open()));
    });
}
