//! The hook that is asked whether to yield. It belongs to the process, so this file has one test.

use std::future::Future;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, Wake, Waker};
use std::time::Duration;

use futures_lite::StreamExt;
use gort_sync::chan::bounded;
use gort_sync::{
    Mutex, RwLock, Selector, Semaphore, ask_yield_hook, broadcast, channel, select, set_yield_hook,
};

/// Whether the time is up; once asked it has begun anew.
static UP: AtomicBool = AtomicBool::new(false);

fn time_is_up() -> bool {
    UP.swap(false, Ordering::SeqCst)
}

#[derive(Default)]
struct Woken(AtomicBool);

impl Wake for Woken {
    fn wake(self: Arc<Self>) {
        self.0.store(true, Ordering::SeqCst);
    }
}

/// Polls an operation that need not wait; returns what it gave, and whether it has yielded before.
fn run<F: Future>(future: F) -> (F::Output, bool) {
    let woken = Arc::new(Woken::default());
    let waker = Waker::from(woken.clone());
    let mut cx = Context::from_waker(&waker);
    let mut future = pin!(future);
    let first = future.as_mut().poll(&mut cx);
    let yielded = woken.0.load(Ordering::SeqCst);
    match first {
        Poll::Ready(out) => (out, false),
        Poll::Pending => {
            assert!(yielded, "it waits and nobody wakes it");
            match future.poll(&mut cx) {
                Poll::Ready(out) => (out, true),
                Poll::Pending => panic!("it yields twice"),
            }
        }
    }
}

/// Which of the operations yield when the time is up.
fn who_yields() -> Vec<&'static str> {
    let (sender, mut receiver) = bounded(8);
    let (news, mut events) = broadcast::channel(8);
    let (mutex, rwlock, semaphore) = (Mutex::new(()), RwLock::new(()), Semaphore::new(1));
    for i in 0..5 {
        sender.try_send(i).unwrap();
        news.send(i).unwrap();
    }
    let mut yielded = Vec::new();
    let mut note = |name, (right, yields): (bool, bool)| {
        assert!(right, "{name} gives what it gives without a hook");
        if yields {
            yielded.push(name);
        }
        UP.store(true, Ordering::SeqCst);
    };
    note("nothing", (true, false));

    let sent = run(sender.send(5));
    note("send", (sent.0.is_ok(), sent.1));
    let received = run(receiver.recv());
    note("recv", (received.0 == Ok(0), received.1));
    let received = run(receiver.next());
    note("stream", (received.0 == Some(1), received.1));
    // The time is over before the first look.
    let received = run(receiver.recv_timeout(Duration::ZERO));
    note("recv_timeout", (received.0 == Ok(2), false));
    let sent = run(sender.send_timeout(6, Duration::ZERO));
    note("send_timeout", (sent.0.is_ok(), false));
    let (to, mut from) = channel::bounded(2);
    let sent = run(to.send(1));
    note("queue, send", (sent.0.is_ok(), sent.1));
    to.try_send(2).unwrap();
    let received = run(from.recv());
    note("queue, recv", (received.0 == Ok(1), received.1));
    let received = run(from.next());
    note("queue, stream", (received.0 == Some(2), received.1));
    note("queue, send_blocking", (to.send_blocking(3).is_ok(), false));

    let selected = run(async {
        select! { recv(receiver) -> value => value }
    });
    note("select", (selected.0 == Ok(3), selected.1));
    let selected = run(Selector::new().recv(&receiver, |value| value).select());
    note("selector", (selected.0 == Ok(4), selected.1));
    let heard = run(events.recv());
    note("broadcast", (heard.0 == Ok(0), heard.1));

    let locked = run(mutex.lock());
    note("mutex", (mutex.is_locked(), locked.1));
    drop(locked);
    let locked = run(rwlock.read());
    note("read", (rwlock.try_write().is_err(), locked.1));
    drop(locked);
    let locked = run(rwlock.write());
    note("write", (rwlock.try_read().is_err(), locked.1));
    drop(locked);
    let permit = run(semaphore.acquire());
    note("semaphore", (permit.0.is_ok(), permit.1));
    drop(permit);

    let selected = run(async {
        select! { recv(receiver) -> value => value, default => Ok(9) }
    });
    note("default", (selected.0 == Ok(5), selected.1));
    let tried = Selector::new().recv(&receiver, |value| value).try_select();
    note("try_select", (tried == Some(Ok(6)), false));
    note("send_blocking", (sender.send_blocking(7).is_ok(), false));
    let received = receiver.recv_blocking_timeout(Duration::ZERO);
    note("recv_blocking_timeout", (received == Ok(7), false));
    note("lock_blocking", (true, false));
    drop(mutex.lock_blocking());
    yielded
}

#[test]
fn what_need_not_wait_yields_if_the_hook_says_so_and_is_asked() {
    let all = [
        "send",
        "recv",
        "stream",
        "queue, send",
        "queue, recv",
        "queue, stream",
        "select",
        "selector",
        "broadcast",
        "mutex",
        "read",
        "write",
        "semaphore",
    ];
    ask_yield_hook(true);
    assert!(who_yields().is_empty(), "there is no hook");
    assert!(set_yield_hook(time_is_up));
    assert!(!set_yield_hook(time_is_up), "it is set once");
    assert_eq!(who_yields(), all);
    ask_yield_hook(false);
    assert!(who_yields().is_empty(), "it is not asked");
    ask_yield_hook(true);
    assert_eq!(who_yields(), all);
}
