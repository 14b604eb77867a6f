//! The public face, driven by small drivers of their own: no test depends on who else runs timers.

use std::cell::RefCell;
use std::future::{Future, pending, poll_fn, ready};
use std::io;
use std::pin::{Pin, pin};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, Weak, mpsc};
use std::task::{Context, Poll, Wake, Waker};
use std::thread;

use futures_core::Stream;

use super::*;
use probe::{Probe, Unpark, block_on, poll_with, run_overdue_and_wake};

mod probe;

/// Far enough that no test sees it, near enough that a hang ends.
const GUARD: Duration = Duration::from_secs(60);
const HOUR: Duration = Duration::from_secs(3600);

const fn ms(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

fn next(timer: &mut Timer) -> impl Future<Output = Option<Instant>> {
    poll_fn(|cx| Pin::new(&mut *timer).poll_next(cx))
}

#[test]
fn the_futures_are_send_sync_and_unpin_and_small() {
    fn check<T: Send + Sync + Unpin + std::fmt::Debug>() {}
    check::<Timer>();
    check::<Sleep>();
    check::<Interval>();
    check::<Tick<'_>>();
    check::<Timeout<Sleep>>();
    if cfg!(target_pointer_width = "64") {
        assert_eq!(size_of::<Timer>(), 56);
        assert_eq!(size_of::<Sleep>(), 40);
    }
}

#[test]
fn nothing_is_early() {
    thread::scope(|scope| {
        for seed in 0..4 {
            scope.spawn(move || {
                let mut random = fastrand::Rng::with_seed(seed);
                for _ in 0..50 {
                    let duration = Duration::from_nanos(random.u64(..4_000_000));
                    let start = Instant::now();
                    block_on(sleep(duration));
                    assert!(start.elapsed() >= duration);
                    let when = Instant::now() + duration;
                    assert_eq!(block_on(Timer::at(when)), when);
                    assert!(Instant::now() >= when);
                }
            });
        }
    });
}

#[test]
fn a_timer_in_the_past_is_ready_at_once_without_a_shard() {
    let probe = Probe::new();
    let when = Instant::now();
    assert_eq!(poll_with(&mut Timer::at(when), &probe), Poll::Ready(when));
    assert_eq!(
        poll_with(&mut sleep(Duration::ZERO), &probe),
        Poll::Ready(())
    );
    assert_eq!(Arc::strong_count(&probe), 1);
}

#[test]
fn a_fired_one_shot_timer_stays_pending() {
    let mut timer = Timer::after(ms(1));
    assert!(timer.will_fire());
    block_on(&mut timer);
    assert!(!timer.will_fire());
    let probe = Probe::new();
    assert!(poll_with(&mut timer, &probe).is_pending());
    assert_eq!(Arc::strong_count(&probe), 1, "and holds no waker");
    assert!(!Timer::after(Duration::MAX).will_fire());
    assert!(!Timer::never().will_fire());
}

#[test]
fn a_timer_streams_its_schedule() {
    let start = Instant::now();
    let mut timer = Timer::interval_at(start, ms(2));
    block_on(async {
        for i in 0..5 {
            assert_eq!(next(&mut timer).await, Some(start + ms(2) * i));
            assert!(timer.will_fire());
        }
    });
    assert!(start.elapsed() >= ms(8));
    let mut timer = Timer::interval(ms(3));
    let first = block_on(next(&mut timer)).unwrap();
    assert!(first >= start + ms(3));
    // The next moment is relative to the last one, however late that was taken.
    thread::sleep(ms(10));
    let probe = Probe::new();
    assert_eq!(poll_with(&mut timer, &probe), Poll::Ready(first + ms(3)));
    assert_eq!(poll_with(&mut timer, &probe), Poll::Ready(first + ms(6)));
}

#[test]
fn the_poll_that_takes_a_tick_waits_for_the_next() {
    let probe = Probe::new();
    let mut timer = Timer::interval(ms(1));
    assert!(poll_with(&mut timer, &probe).is_pending());
    for wakes in 1..5 {
        probe.await_wakes(wakes);
        assert!(poll_with(&mut timer, &probe).is_ready());
    }
    drop(timer);
    assert_eq!(Arc::strong_count(&probe), 1);
}

#[test]
fn a_timer_that_repeats_keeps_its_period_when_it_is_set() {
    let mut timer = Timer::interval(HOUR);
    let when = Instant::now();
    timer.set_at(when);
    block_on(async { assert_eq!((&mut timer).await, when) });
    assert!(timer.will_fire());
}

#[test]
fn a_set_timer_wakes_who_waited_before() {
    let timer = Arc::new(Mutex::new(Timer::after(HOUR)));
    let (polled, was_polled) = mpsc::channel();
    let setter = thread::spawn({
        let timer = timer.clone();
        move || {
            was_polled.recv().unwrap();
            timer.lock().unwrap().clear();
            assert!(!timer.lock().unwrap().will_fire());
            timer.lock().unwrap().set_after(ms(2));
        }
    });
    let start = Instant::now();
    block_on(poll_fn(|cx| {
        let poll = Pin::new(&mut *timer.lock().unwrap()).poll(cx);
        let _ = polled.send(());
        poll
    }));
    assert!(start.elapsed() < HOUR);
    setter.join().unwrap();
}

#[test]
fn a_cleared_timer_keeps_the_waker_of_its_last_poll() {
    let (first, second) = (Probe::new(), Probe::new());
    let mut timer = Timer::after(HOUR);
    assert!(poll_with(&mut timer, &first).is_pending());
    timer.clear();
    assert_eq!(Arc::strong_count(&first), 2);
    assert!(poll_with(&mut timer, &second).is_pending());
    assert_eq!(Arc::strong_count(&first), 1);
    timer.set_after(ms(1));
    second.await_wakes(1);
    assert_eq!(first.wakes(), 0);
    assert!(poll_with(&mut timer, &second).is_ready());
}

#[test]
fn a_timer_wakes_only_the_last_task_that_polled_it() {
    let (first, second) = (Probe::new(), Probe::new());
    let mut timer = Timer::after(ms(3));
    assert!(poll_with(&mut timer, &first).is_pending());
    assert!(poll_with(&mut timer, &second).is_pending());
    assert_eq!(Arc::strong_count(&first), 1, "the old waker is gone");
    second.await_wakes(1);
    assert_eq!(first.wakes(), 0);
}

#[test]
fn a_dropped_timer_frees_its_waker_at_once() {
    let probe = Probe::new();
    let mut timer = Timer::after(HOUR);
    assert!(poll_with(&mut timer, &probe).is_pending());
    assert_eq!(Arc::strong_count(&probe), 2);
    // On another thread than the one that armed it.
    thread::spawn(move || drop(timer)).join().unwrap();
    assert_eq!(Arc::strong_count(&probe), 1);
}

#[test]
fn a_fired_timer_frees_its_waker_before_it_is_polled() {
    let probe = Probe::new();
    let mut timer = Timer::after(ms(1));
    assert!(poll_with(&mut timer, &probe).is_pending());
    probe.await_wakes(1);
    let start = Instant::now();
    while Arc::strong_count(&probe) > 1 {
        assert!(start.elapsed() < GUARD);
        thread::yield_now();
    }
    assert!(poll_with(&mut timer, &probe).is_ready());
}

#[test]
fn a_sleep_can_be_reset_both_ways_and_polled_again() {
    let start = Instant::now();
    let mut sleep = sleep(HOUR);
    let probe = Probe::new();
    assert!(poll_with(&mut sleep, &probe).is_pending());
    sleep.reset(start + ms(2));
    probe.await_wakes(1);
    assert!(sleep.is_elapsed());
    assert_eq!(poll_with(&mut sleep, &probe), Poll::Ready(()));
    assert_eq!(poll_with(&mut sleep, &probe), Poll::Ready(()));
    sleep.reset(start + HOUR);
    assert_eq!(sleep.deadline(), start + HOUR);
    assert!(!sleep.is_elapsed());
    assert!(poll_with(&mut sleep, &probe).is_pending());
    assert_eq!(Arc::strong_count(&probe), 2);
}

#[test]
fn a_sleep_of_for_ever_overflows_into_the_far_future() {
    let mut sleep = sleep(Duration::MAX);
    assert!(sleep.deadline() > Instant::now() + HOUR);
    let probe = Probe::new();
    assert!(poll_with(&mut sleep, &probe).is_pending());
}

#[test]
fn a_sleep_first_polled_after_its_deadline_fires_at_once() {
    let mut sleep = sleep(ms(2));
    thread::sleep(ms(4));
    let probe = Probe::new();
    if poll_with(&mut sleep, &probe).is_pending() {
        probe.await_wakes(1);
        assert!(poll_with(&mut sleep, &probe).is_ready());
    }
}

#[test]
fn a_timeout_returns_the_output_or_elapsed() {
    assert_eq!(block_on(timeout(HOUR, ready(7))), Ok(7));
    let start = Instant::now();
    let error = block_on(timeout(ms(3), pending::<()>())).unwrap_err();
    assert!(start.elapsed() >= ms(3));
    assert_eq!(error.to_string(), "deadline has elapsed");
    assert_eq!(io::Error::from(error).kind(), io::ErrorKind::TimedOut);
    assert_eq!(block_on(timeout(Duration::MAX, sleep(ms(1)))), Ok(()));
}

#[test]
fn a_timeout_polls_the_future_before_the_clock() {
    let past = Instant::now();
    assert_eq!(block_on(timeout_at(past, ready(1))), Ok(1));
    let polls = AtomicUsize::new(0);
    let probe = Probe::new();
    let mut elapsed = timeout(
        Duration::ZERO,
        poll_fn(|_| {
            polls.fetch_add(1, Ordering::SeqCst);
            Poll::<()>::Pending
        }),
    );
    assert!(matches!(
        poll_with(&mut elapsed, &probe),
        Poll::Ready(Err(_))
    ));
    drop(elapsed);
    assert_eq!(polls.into_inner(), 1);
}

#[test]
fn a_timeout_arms_its_timer_only_for_a_pending_future() {
    let probe = Probe::new();
    let open = AtomicBool::new(false);
    let mut timeout = timeout(
        HOUR,
        poll_fn(|_| {
            if open.load(Ordering::SeqCst) {
                return Poll::Ready(());
            }
            Poll::Pending
        }),
    );
    assert_eq!(Arc::strong_count(&probe), 1);
    assert!(poll_with(&mut timeout, &probe).is_pending());
    assert_eq!(Arc::strong_count(&probe), 2);
    open.store(true, Ordering::SeqCst);
    assert_eq!(poll_with(&mut timeout, &probe), Poll::Ready(Ok(())));
    assert_eq!(
        Arc::strong_count(&probe),
        1,
        "before the timeout is dropped"
    );
}

#[test]
fn an_interval_ticks_at_once_and_then_on_schedule() {
    block_on(async {
        let start = Instant::now();
        let mut interval = interval(ms(20));
        let first = interval.tick().await;
        assert!(first >= start);
        interval.set_missed_tick_behavior(MissedTickBehavior::Skip);
        for _ in 0..3 {
            let tick = interval.tick().await;
            assert!(tick <= Instant::now());
            // Whole periods, however late this machine is.
            assert_eq!((tick - first).as_nanos() % ms(20).as_nanos(), 0);
        }
        assert!(first.elapsed() >= ms(60));
    });
}

#[test]
fn a_dropped_tick_is_not_lost() {
    let start = Instant::now();
    let mut interval = interval_at(start + ms(2), HOUR);
    let probe = Probe::new();
    assert!(poll_with(&mut interval.tick(), &probe).is_pending());
    probe.await_wakes(1);
    drop(interval.tick());
    assert_eq!(block_on(interval.tick()), start + ms(2));
    assert!(poll_with(&mut interval.tick(), &probe).is_pending());
}

#[test]
fn an_interval_can_be_reset() {
    let mut interval = interval_at(Instant::now() + HOUR, HOUR);
    let probe = Probe::new();
    assert!(poll_with(&mut interval.tick(), &probe).is_pending());
    interval.reset_immediately();
    probe.await_wakes(1);
    block_on(interval.tick());
    interval.reset();
    assert!(poll_with(&mut interval.tick(), &probe).is_pending());
    interval.reset_after(ms(1));
    block_on(interval.tick());
    let when = Instant::now();
    interval.reset_at(when);
    assert_eq!(block_on(interval.tick()), when);
    assert_eq!(interval.period(), HOUR);
}

#[test]
#[should_panic(expected = "the period of an interval must not be zero")]
fn a_period_of_zero_panics() {
    let _ = interval(Duration::ZERO);
}

#[test]
fn a_waker_that_uses_timers_does_not_deadlock() {
    thread_local! {
        static KEPT: RefCell<Vec<Timer>> = const { RefCell::new(Vec::new()) };
    }
    fn use_timers() {
        let mut timer = Timer::after(HOUR);
        let _ = poll_with(&mut timer, &Probe::new());
        timer.set_after(ms(1));
        KEPT.with_borrow_mut(|kept| {
            kept.truncate(4);
            kept.push(timer);
        });
    }
    let probe = Probe::with(use_timers, use_timers);
    let weak = Arc::downgrade(&probe);
    let mut fires = Timer::after(ms(1));
    let mut dropped = Timer::after(HOUR);
    let mut replaced = Timer::after(HOUR);
    for timer in [&mut fires, &mut dropped, &mut replaced] {
        assert!(poll_with(timer, &probe).is_pending());
    }
    probe.await_wakes(1);
    drop(probe);
    drop(dropped);
    // The last waker is dropped by the poll that brings another.
    assert!(poll_with(&mut replaced, &Probe::new()).is_pending());
    let start = Instant::now();
    while Weak::strong_count(&weak) > 0 {
        assert!(start.elapsed() < GUARD);
        thread::yield_now();
    }
}

#[test]
fn a_waker_that_panics_keeps_no_other_from_being_woken() {
    let bad = Probe::with(|| panic!("a test's own panic"), || {});
    let good = Probe::new();
    let mut due = vec![Waker::from(bad), Waker::from(good.clone())];
    wake_all(&mut due);
    assert!(due.is_empty());
    assert_eq!(good.wakes(), 1);
}

#[test]
fn a_thread_with_nothing_but_run_overdue_runs_the_timers_of_all() {
    static STOP: AtomicBool = AtomicBool::new(false);
    let runner = thread::spawn(|| {
        while !STOP.load(Ordering::SeqCst) {
            run_overdue_and_wake();
            thread::sleep(Duration::from_micros(200));
        }
    });
    let sleepers: Vec<_> = (0..8)
        .map(|i| {
            thread::spawn(move || {
                // Half of them hold a shard and never run it.
                let shard = (i % 2 == 0).then(acquire);
                enter(shard);
                let woken = Arc::new(Unpark(thread::current()));
                let waker = Waker::from(woken);
                let mut cx = Context::from_waker(&waker);
                for round in 1..20 {
                    let mut sleep = pin!(sleep(Duration::from_micros(100 * round)));
                    let start = Instant::now();
                    while sleep.as_mut().poll(&mut cx).is_pending() {
                        assert!(start.elapsed() < GUARD);
                        thread::park_timeout(GUARD);
                    }
                }
                enter(None);
                shard.map(release)
            })
        })
        .collect();
    for sleeper in sleepers {
        sleeper.join().unwrap();
    }
    STOP.store(true, Ordering::SeqCst);
    runner.join().unwrap();
}

#[test]
fn timers_that_change_threads_fire_once_each() {
    const TIMERS: usize = 400;
    let (send, receive) = mpsc::channel::<(Timer, Arc<Probe>)>();
    let receive = Arc::new(Mutex::new(receive));
    let probes: Vec<Arc<Probe>> = (0..TIMERS).map(|_| Probe::new()).collect();
    let movers: Vec<_> = (0..3)
        .map(|_| {
            let receive = receive.clone();
            thread::spawn(move || {
                let shard = acquire();
                enter(Some(shard));
                let mut kept = Vec::new();
                loop {
                    let Ok((mut timer, probe)) = receive.lock().unwrap().recv() else {
                        break;
                    };
                    timer.set_after(Duration::from_micros(fastrand::u64(..3_000)));
                    let _ = poll_with(&mut timer, &probe);
                    kept.push((timer, probe));
                }
                enter(None);
                release(shard);
                kept
            })
        })
        .collect();
    for probe in &probes {
        let mut timer = Timer::after(HOUR);
        assert!(poll_with(&mut timer, probe).is_pending());
        send.send((timer, probe.clone())).unwrap();
    }
    drop(send);
    let timers: Vec<_> = movers.into_iter().flat_map(|m| m.join().unwrap()).collect();
    assert_eq!(timers.len(), TIMERS);
    // Who found its timer due need not be woken; the others must be.
    for (timer, probe) in &timers {
        if timer.will_fire() {
            probe.await_wakes(1);
        }
    }
    drop(timers);
    for probe in &probes {
        assert!(probe.wakes() <= 1);
    }
}
