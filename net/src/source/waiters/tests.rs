//! Claims about who is woken.

use super::*;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::Wake;

const READ: Event = Event {
    read: true,
    write: false,
    broken: false,
};

#[derive(Default)]
struct Count(AtomicUsize);

impl Wake for Count {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }
}

fn edge(_: Interest) -> io::Result<()> {
    Ok(())
}

fn deliver(waiters: &Waiters, event: Event) -> usize {
    let mut wakers = Vec::new();
    waiters.deliver(event, &mut wakers, None::<fn(Interest) -> io::Result<()>>);
    wakers.len()
}

fn wait(waiters: &Waiters, place: Place<'_>, waker: &Waker) -> Wait {
    let seen = waiters.load();
    waiters
        .wait(Direction::Read, seen, place, waker, edge)
        .unwrap()
}

#[test]
fn an_event_takes_every_waiter_of_its_direction() {
    let waiters = Waiters::new(false);
    let waker = Waker::noop();
    let (mut one, mut two, mut other) = Default::default();
    assert_eq!(wait(&waiters, Place::Slot, waker), Wait::Registered);
    assert_eq!(
        wait(&waiters, Place::Ticket(&mut one), waker),
        Wait::Registered
    );
    assert_eq!(
        wait(&waiters, Place::Ticket(&mut two), waker),
        Wait::Registered
    );
    let seen = waiters.load();
    let place = Place::Ticket(&mut other);
    let outcome = waiters.wait(Direction::Write, seen, place, waker, edge);
    assert_eq!(outcome.unwrap(), Wait::Registered);
    assert_eq!(deliver(&waiters, READ), 3);
    assert_eq!(deliver(&waiters, READ), 0);
    assert!(waiters.load().is_waited_for(Direction::Write));
}

#[test]
fn the_slot_keeps_the_last_waker_and_wakes_the_one_that_it_puts_out() {
    let waiters = Waiters::new(false);
    let first = Arc::new(Count::default());
    let waker = Waker::from(Arc::clone(&first));
    let _ = wait(&waiters, Place::Slot, &waker);
    let _ = wait(&waiters, Place::Slot, &waker);
    assert_eq!(first.0.load(Ordering::Relaxed), 0, "it is the same task");
    drop(waker);
    let _ = wait(&waiters, Place::Slot, Waker::noop());
    assert_eq!(first.0.load(Ordering::Relaxed), 1);
    assert_eq!(Arc::strong_count(&first), 1);
    assert_eq!(deliver(&waiters, READ), 1);
}

#[test]
fn who_finds_an_event_wakes_the_task_that_it_put_out_of_the_slot() {
    let waiters = Waiters::new(false);
    let seen = waiters.load();
    assert_eq!(deliver(&waiters, READ), 0);
    let first = Arc::new(Count::default());
    let _ = wait(&waiters, Place::Slot, &Waker::from(Arc::clone(&first)));
    let outcome = waiters.wait(Direction::Read, seen, Place::Slot, Waker::noop(), edge);
    assert_eq!(outcome.unwrap(), Wait::EventCame);
    assert_eq!(first.0.load(Ordering::Relaxed), 1);
}

#[test]
fn a_ticket_that_waits_again_keeps_one_waker() {
    let waiters = Waiters::new(false);
    let mut ticket = Ticket::default();
    let _ = wait(&waiters, Place::Ticket(&mut ticket), Waker::noop());
    let _ = wait(&waiters, Place::Ticket(&mut ticket), Waker::noop());
    assert_eq!(deliver(&waiters, READ), 1);
}

#[test]
fn a_void_ticket_cancels_nobody_else() {
    let waiters = Waiters::new(false);
    let (mut old, mut new) = Default::default();
    let _ = wait(&waiters, Place::Ticket(&mut old), Waker::noop());
    assert_eq!(deliver(&waiters, READ), 1);
    let _ = wait(&waiters, Place::Ticket(&mut new), Waker::noop());
    waiters.cancel(Direction::Read, &mut old);
    assert_eq!(deliver(&waiters, READ), 1);
}

#[test]
fn a_cancelled_ticket_frees_its_waker() {
    let waiters = Waiters::new(false);
    let mut ticket = Ticket::default();
    let count = Arc::new(Count::default());
    let waker = Waker::from(Arc::clone(&count));
    let _ = wait(&waiters, Place::Ticket(&mut ticket), &waker);
    assert_eq!(Arc::strong_count(&count), 3);
    waiters.cancel(Direction::Read, &mut ticket);
    assert_eq!(Arc::strong_count(&count), 2);
    assert_eq!(deliver(&waiters, READ), 0);
}

#[test]
fn an_event_since_the_look_is_not_waited_for() {
    let waiters = Waiters::new(true);
    let seen = waiters.load();
    assert_eq!(deliver(&waiters, READ), 0);
    let outcome = waiters.wait(Direction::Read, seen, Place::Slot, Waker::noop(), edge);
    assert_eq!(outcome.unwrap(), Wait::EventCame);
    assert_eq!(deliver(&waiters, READ), 0);
}

#[test]
fn a_failed_arm_leaves_no_waker_and_a_failed_rearm_wakes_everybody() {
    let waiters = Waiters::new(false);
    let refuse = |_| Err(io::Error::from(io::ErrorKind::OutOfMemory));
    let seen = waiters.load();
    let outcome = waiters.wait(Direction::Read, seen, Place::Slot, Waker::noop(), refuse);
    assert!(outcome.is_err());
    assert_eq!(deliver(&waiters, READ), 0);

    let seen = waiters.load();
    let outcome = waiters.wait(Direction::Write, seen, Place::Slot, Waker::noop(), edge);
    assert_eq!(outcome.unwrap(), Wait::Registered);
    let mut wakers = Vec::new();
    waiters.deliver(READ, &mut wakers, Some(refuse));
    assert_eq!(wakers.len(), 1);
}

#[test]
fn a_oneshot_registration_is_armed_for_whoever_is_left() {
    let waiters = Waiters::new(false);
    let mut armed = Vec::new();
    for direction in Direction::BOTH {
        let seen = waiters.load();
        let outcome = waiters.wait(direction, seen, Place::Slot, Waker::noop(), |interest| {
            armed.push(interest);
            Ok(())
        });
        assert_eq!(outcome.unwrap(), Wait::Registered);
    }
    let rearm = |interest| {
        armed.push(interest);
        Ok(())
    };
    waiters.deliver(READ, &mut Vec::new(), Some(rearm));
    let interests: Vec<_> = armed.iter().map(|it| (it.read, it.write)).collect();
    assert_eq!(interests, [(true, false), (true, true), (false, true)]);
}
