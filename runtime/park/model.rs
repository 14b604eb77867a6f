//! Models of the parker: a token is never lost, wherever the thread sleeps.

use gort_primitives::atomic::AtomicBool;
use gort_primitives::sync::Arc;
use gort_primitives::{model, thread};

use super::*;

#[test]
fn a_parked_thread_gets_its_token() {
    model(|| {
        let parker = Arc::new(Parker::new());
        let work = Arc::new(AtomicBool::new(false));
        let waker = {
            let (parker, work) = (parker.clone(), work.clone());
            thread::spawn(move || {
                work.store(true, Ordering::Relaxed);
                parker.unpark(|| unreachable!("nobody polls"));
            })
        };
        parker.park();
        assert!(work.load(Ordering::Relaxed));
        waker.join().expect("no panics");
        assert!(!parker.try_take());
    });
}

#[test]
fn a_sleeper_in_the_reactor_is_notified_or_sees_the_token() {
    model(|| {
        let parker = Arc::new(Parker::new());
        let bell = Arc::new(AtomicBool::new(false));
        let waker = {
            let (parker, bell) = (parker.clone(), bell.clone());
            thread::spawn(move || parker.unpark(|| bell.store(true, Ordering::SeqCst)))
        };
        if !parker.begin_poll() {
            // Told before it slept.
            waker.join().expect("no panics");
            assert!(!bell.load(Ordering::SeqCst));
            return;
        }
        let told_early = parker.end_poll();
        waker.join().expect("no panics");
        // If the wait had no reason to end, the bell ends it; either way the token comes through.
        assert!(told_early || parker.try_take());
    });
}

#[test]
fn a_sleeper_in_the_reactor_is_never_left_there() {
    model(|| {
        let parker = Arc::new(Parker::new());
        let bell = Arc::new(AtomicBool::new(false));
        let waker = {
            let (parker, bell) = (parker.clone(), bell.clone());
            thread::spawn(move || parker.unpark(|| bell.store(true, Ordering::SeqCst)))
        };
        if parker.begin_poll() {
            // The wait ends by the bell only.
            waker.join().expect("no panics");
            assert!(bell.load(Ordering::SeqCst));
            assert!(parker.end_poll());
        } else {
            waker.join().expect("no panics");
        }
        assert!(!parker.try_take());
    });
}

#[test]
fn two_tokens_are_one() {
    model(|| {
        let parker = Arc::new(Parker::new());
        let other = {
            let parker = parker.clone();
            thread::spawn(move || parker.unpark(|| {}))
        };
        parker.unpark(|| {});
        other.join().expect("no panics");
        parker.park();
        assert!(!parker.try_take());
    });
}
