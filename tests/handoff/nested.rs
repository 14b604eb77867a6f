//! Executors and foreign code inside a poll: nested `block_on`, other people's executors, wakers that block.

use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex, mpsc};
use std::time::Duration;

use gort::{task, time};

use crate::support::{progress, run, within_patience};
use crate::{PROCS, progress_beside, runtime};

#[test]
fn nested_block_on_calls_on_all_workers_go_on() {
    within_patience(|| {
        let rt = runtime();
        let all: Vec<_> = (0..4 * PROCS)
            .map(|_| {
                rt.go(async {
                    gort::block_on(async {
                        time::sleep(Duration::from_millis(5)).await;
                        gort::go(async { gort::blocking(|| gort::block_on(progress())) }).await
                    })
                })
            })
            .collect();
        for one in all {
            rt.block_on(one).expect("no panic").expect("no panic");
        }
    });
}

#[test]
fn a_foreign_block_on_inside_a_goroutine_stalls_nobody() {
    within_patience(|| {
        let rt = runtime();
        let all: Vec<_> = (0..2 * PROCS)
            .map(|_| {
                rt.go(async {
                    futures::executor::block_on(async {
                        gort::go(time::sleep(Duration::from_millis(5))).await
                    })
                })
            })
            .collect();
        run(&rt, progress());
        for one in all {
            rt.block_on(one).expect("no panic").expect("no panic");
        }
    });
}

#[test]
fn a_foreign_executor_that_hogs_its_thread_stalls_nobody() {
    progress_beside(PROCS, |stop| async move {
        let mut pool = futures::executor::LocalPool::new();
        pool.run_until(async {
            while !stop.load(Ordering::SeqCst) {
                futures_lite::future::yield_now().await;
            }
        });
    });
}

#[test]
fn a_waker_that_blocks_stalls_nobody() {
    struct Blocks(Mutex<mpsc::Receiver<()>>);
    impl std::task::Wake for Blocks {
        fn wake(self: Arc<Self>) {
            let _ = self.0.lock().expect("no panic").recv();
        }
    }
    within_patience(|| {
        let rt = runtime();
        let (release, held) = mpsc::channel();
        let waker = std::task::Waker::from(Arc::new(Blocks(Mutex::new(held))));
        let mut cx = std::task::Context::from_waker(&waker);
        let mut timer = gort::Timer::after(Duration::from_millis(1));
        // On a machine with much to do it may be due before it is polled.
        while std::pin::Pin::new(&mut timer).poll(&mut cx).is_ready() {
            timer = gort::Timer::after(Duration::from_millis(1));
        }
        drop(waker);
        run(&rt, progress());
        drop(release);
    });
}

#[test]
fn a_waker_may_block_on_a_future() {
    struct Nests(mpsc::Sender<()>);
    impl std::task::Wake for Nests {
        fn wake(self: Arc<Self>) {
            gort::block_on(task::yield_now());
            let _ = self.0.send(());
        }
    }
    within_patience(|| {
        let rt = runtime();
        for _ in 0..100 {
            let (tell, told) = mpsc::channel();
            let timer = rt.go(async move {
                let waker = std::task::Waker::from(Arc::new(Nests(tell)));
                let mut timer = gort::Timer::after(Duration::from_micros(100));
                let armed = std::time::Instant::now();
                let mut cx = std::task::Context::from_waker(&waker);
                if std::pin::Pin::new(&mut timer).poll(&mut cx).is_ready() {
                    // Due already: nobody is woken.
                    return None;
                }
                // The timer is most often due when this M looks for something else to run.
                while armed.elapsed() < Duration::from_micros(150) {
                    std::hint::spin_loop();
                }
                // Kept until it has fired.
                Some(timer)
            });
            let timer = rt.block_on(timer).expect("no panic");
            if timer.is_some() {
                told.recv().expect("it is woken");
            }
            drop(timer);
            rt.block_on(rt.go(task::yield_now())).expect("no panic");
        }
    });
}

#[test]
fn sockets_go_on_inside_a_poll_that_has_used_up_its_slice() {
    within_patience(|| {
        let rt = runtime();
        let nested = rt.go(async {
            // Until the monitor has ended the slice of this poll.
            while !task::should_yield() {
                std::hint::spin_loop();
            }
            futures::executor::block_on(progress());
            gort::block_on(progress());
        });
        rt.block_on(nested).expect("no panic");
    });
}
