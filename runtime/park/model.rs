//! The races of a sleeper and its wakers. A lost token is a deadlock, which loom reports.

use gort_primitives::cell::UnsafeCell;
use gort_primitives::model;
use gort_primitives::sync::Arc;
use gort_primitives::thread;

use super::*;

/// A parker, a reactor to sleep in, and what each waker did before it woke.
struct World {
    parker: Parker,
    notified: Mutex<u32>,
    changed: Condvar,
    done: AtomicU32,
    cell: UnsafeCell<u32>,
}

impl World {
    fn new() -> Arc<Self> {
        Arc::new(Self {
            parker: Parker::new(),
            notified: Mutex::new(0),
            changed: Condvar::new(),
            done: AtomicU32::new(0),
            cell: UnsafeCell::new(0),
        })
    }

    fn unpark(&self) {
        // Relaxed: the token is to publish it.
        self.done.fetch_add(1, Ordering::Relaxed);
        self.parker.unpark(|| {
            *self.notified.lock().unwrap() += 1;
            self.changed.notify_one();
        });
    }

    fn write(&self) {
        // SAFETY: the sleeper reads after it has taken the token, which loom checks.
        self.cell.with_mut(|it| unsafe { *it = 1 });
    }

    fn read(&self) -> u32 {
        // SAFETY: the waker wrote before it gave the token, which loom checks.
        self.cell.with(|it| unsafe { *it })
    }

    /// Sleeps in the reactor without a timeout.
    fn wait(&self) {
        let mut notified = self.notified.lock().unwrap();
        while *notified == 0 {
            notified = self.changed.wait(notified).unwrap();
        }
        *notified -= 1;
    }

    /// Sleeps until `n` wakers have been here, by `sleep`.
    fn sleep_until(&self, n: u32, sleep: impl Fn(&Self)) {
        while self.done.load(Ordering::Relaxed) < n {
            sleep(self);
        }
    }
}

fn waker(world: &Arc<World>) -> thread::JoinHandle<()> {
    let world = world.clone();
    thread::spawn(move || world.unpark())
}

/// `doze`: in the reactor, whose wait ends with a notification only.
fn poll(world: &World) {
    if world.parker.begin_poll() {
        world.wait();
        assert!(world.parker.end_poll(), "only `unpark` notifies");
    }
}

#[test]
fn a_token_ends_the_park_and_publishes() {
    model(|| {
        let world = World::new();
        let waker = thread::spawn({
            let world = world.clone();
            move || {
                world.write();
                world.parker.unpark(|| unreachable!("nobody polls"));
            }
        });
        world.parker.park();
        assert_eq!(world.read(), 1);
        waker.join().unwrap();
        assert!(!world.parker.try_take());
    });
}

#[test]
fn no_token_of_two_wakers_is_lost_in_a_park() {
    model(|| {
        let world = World::new();
        let wakers = [waker(&world), waker(&world)];
        world.sleep_until(2, |world| world.parker.park());
        for waker in wakers {
            waker.join().unwrap();
        }
        assert_eq!(*world.notified.lock().unwrap(), 0);
    });
}

#[test]
fn a_token_ends_the_wait_in_the_reactor() {
    model(|| {
        let world = World::new();
        let waker = thread::spawn({
            let world = world.clone();
            move || {
                world.write();
                world.unpark();
            }
        });
        poll(&world);
        assert_eq!(world.read(), 1);
        waker.join().unwrap();
        assert!(!world.parker.try_take());
        assert_eq!(*world.notified.lock().unwrap(), 0);
    });
}

#[test]
fn no_token_of_two_wakers_is_lost_in_the_reactor() {
    model(|| {
        let world = World::new();
        let wakers = [waker(&world), waker(&world)];
        world.sleep_until(2, poll);
        for waker in wakers {
            waker.join().unwrap();
        }
    });
}

#[test]
fn a_token_that_crosses_the_end_of_a_poll_is_kept() {
    model(|| {
        let world = World::new();
        let waker = thread::spawn({
            let world = world.clone();
            move || {
                world.write();
                world.unpark();
            }
        });
        // An event of a socket ends the wait at once.
        let told = !world.parker.begin_poll() || world.parker.end_poll();
        if !told {
            world.parker.park();
        }
        assert_eq!(world.read(), 1);
        waker.join().unwrap();
        assert!(!world.parker.try_take());
        // A notification may come late; the next wait returns once for nothing.
        assert!(*world.notified.lock().unwrap() <= 1);
    });
}
