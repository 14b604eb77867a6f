//! Calls that are shared.

use std::future::{pending, ready};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, LazyLock, mpsc};
use std::thread;
use std::time::Duration;

use gort_sync::Semaphore;
use gort_sync::singleflight::Group;

use super::support::{Count, Polled, on_each_executor, yield_now};

/// A call that waits for its permit, and then gives a number.
async fn call(gate: &Semaphore, n: i32) -> i32 {
    gate.acquire().await.expect("open").forget();
    n
}

#[test]
fn all_who_ask_at_the_same_time_share_one_call() {
    let (group, gate) = (Group::new(), Semaphore::new(0));
    let mut leads = Polled::new(group.work("a", call(&gate, 1)));
    let mut waits = Polled::new(group.work("a", async { panic!("it does not lead") }));
    let mut other = Polled::new(group.work("b", ready(2)));
    leads.waits();
    let (woken, waker) = Count::new();
    assert!(waits.poll_with(&waker).is_pending());
    assert_eq!(other.done(), 2, "another key is another call");
    assert_eq!(group.len(), 1);
    gate.add_permits(1);
    assert_eq!(leads.done(), 1);
    assert_eq!(woken.get(), 1);
    let mut after = Polled::new(group.work("a", ready(3)));
    assert_eq!(
        after.done(),
        3,
        "who comes when it has returned begins anew"
    );
    assert_eq!(waits.done(), 1);
    assert!(group.is_empty());
}

#[test]
fn who_waits_takes_over_from_a_leader_that_goes() {
    let (group, gate) = (Group::new(), Semaphore::new(0));
    drop(Polled::new(group.work(1, pending::<i32>())));
    assert!(group.is_empty(), "who was not polled takes no part");
    let mut leads = Polled::new(group.work(1, pending()));
    let mut waits = Polled::new(group.work(1, call(&gate, 2)));
    let mut goes = Polled::new(group.work(1, pending()));
    let mut last = Polled::new(group.work(1, ready(3)));
    leads.waits();
    waits.waits();
    goes.waits();
    last.waits();
    drop(goes);
    drop(leads);
    // Chosen, not come.
    let mut chosen = waits;
    chosen.waits();
    gate.add_permits(1);
    last.waits();
    assert_eq!(chosen.done(), 2);
    assert_eq!(last.done(), 2);

    let mut leads = Polled::new(group.work(1, pending()));
    let mut chosen = Polled::new(group.work(1, pending()));
    let mut last = Polled::new(group.work(1, ready(4)));
    leads.waits();
    chosen.waits();
    last.waits();
    drop(leads);
    drop(chosen);
    assert_eq!(last.done(), 4);
    assert!(group.is_empty());

    let mut leads = Polled::new(group.work(1, pending()));
    leads.waits();
    drop(leads);
    assert!(group.is_empty(), "the last to go takes the call along");
}

#[test]
fn a_panic_is_that_of_the_leader_and_the_next_leads() {
    let group = Group::new();
    let gate = Semaphore::new(0);
    let mut leads = Polled::new(group.work(1, async {
        call(&gate, 0).await;
        panic!("the leader")
    }));
    let mut waits = Polled::new(group.work(1, ready(5)));
    leads.waits();
    waits.waits();
    gate.add_permits(1);
    let panic = catch_unwind(AssertUnwindSafe(|| leads.poll())).expect_err("it panics");
    assert_eq!(panic.downcast_ref(), Some(&"the leader"));
    assert_eq!(waits.done(), 5);
    drop(leads);
    assert!(group.is_empty());
}

#[test]
fn a_call_that_is_forgotten_goes_on_beside_a_new_one() {
    let (group, gate) = (Group::new(), Semaphore::new(0));
    let mut old = Polled::new(group.work(1, call(&gate, 1)));
    let mut waits = Polled::new(group.work(1, ready(0)));
    old.waits();
    waits.waits();
    group.forget(&1);
    let mut new = Polled::new(group.work(1, call(&gate, 2)));
    new.waits();
    gate.add_permits(1);
    assert_eq!(old.done(), 1);
    assert_eq!(waits.done(), 1);
    assert_eq!(group.len(), 1, "the new one goes on");
    gate.add_permits(1);
    assert_eq!(new.done(), 2);
    assert!(group.is_empty());
}

#[test]
fn a_call_that_is_leaked_holds_its_key_until_it_is_forgotten() {
    let group = Group::new();
    let mut leaked = Polled::new(group.work(1, pending()));
    leaked.waits();
    leaked.leak();
    Polled::new(group.work(1, ready(1))).waits();
    group.forget(&1);
    assert_eq!(Polled::new(group.work(1, ready(2))).done(), 2);
}

#[test]
fn no_two_calls_of_a_key_run_at_a_time() {
    on_each_executor(|spawn| async move {
        let group = Arc::new(Group::new());
        let running: Arc<[AtomicUsize; 2]> = Arc::default();
        let tasks: Vec<_> = (0..8)
            .map(|task| {
                let (group, running) = (group.clone(), running.clone());
                spawn(Box::pin(async move {
                    for round in 0..100 {
                        let key = (task + round) % 2;
                        let work = group.work(key, async {
                            assert_eq!(running[key].fetch_add(1, Ordering::SeqCst), 0);
                            yield_now().await;
                            running[key].fetch_sub(1, Ordering::SeqCst);
                            key
                        });
                        assert_eq!(work.await, key);
                    }
                }))
            })
            .collect();
        for task in tasks {
            task.await;
        }
        assert!(group.is_empty());
    });
}

/// A key that looks at its group when it is dropped.
#[derive(Clone, PartialEq, Eq, Hash)]
struct Key(u8);

static KEYED: LazyLock<Group<Key, u8>> = LazyLock::new(Group::new);

impl Drop for Key {
    fn drop(&mut self) {
        let _ = KEYED.len();
    }
}

#[test]
fn keys_are_dropped_without_the_lock_of_the_group() {
    let (ended, ends) = mpsc::channel();
    thread::spawn(move || {
        assert_eq!(Polled::new(KEYED.work(Key(1), ready(1))).done(), 1);
        let mut gone = Polled::new(KEYED.work(Key(2), pending()));
        gone.waits();
        drop(gone);
        ended.send(()).expect("it is waited for");
    });
    let ended = ends.recv_timeout(Duration::from_secs(60));
    ended.expect("a key's drop may look at the group");
    assert!(KEYED.is_empty());
}
