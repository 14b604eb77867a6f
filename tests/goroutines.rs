//! Goroutines as their users see them.

use std::future::pending;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, mpsc};
use std::time::Duration;

use gort::task::{self, State};
use gort::{Builder, Handle, PanicPolicy};

/// Long enough for anything but a hang.
const PATIENCE: Duration = Duration::from_secs(60);

#[test]
fn a_task_gives_its_output_to_the_awaiter() {
    let sum = gort::block_on(async {
        let tasks: Vec<_> = (0..1000u64)
            .map(|i| gort::spawn(async move { i }))
            .collect();
        let mut sum = 0;
        for task in tasks {
            sum += task.await;
        }
        sum
    });
    assert_eq!(sum, 499_500);
}

#[test]
fn a_dropped_task_is_cancelled_and_a_dropped_join_handle_is_not() {
    struct Tell(mpsc::Sender<&'static str>, &'static str);
    impl Drop for Tell {
        fn drop(&mut self) {
            let _ = self.0.send(self.1);
        }
    }
    let (tell, told) = mpsc::channel();
    gort::block_on(async {
        let guard = Tell(tell.clone(), "cancelled");
        drop(gort::spawn(async move {
            let _guard = guard;
            pending::<()>().await;
        }));
        assert_eq!(told.recv_timeout(PATIENCE), Ok("cancelled"));
        let guard = Tell(tell.clone(), "ran");
        drop(gort::go(async move {
            task::yield_now().await;
            drop(guard);
        }));
        assert_eq!(told.recv_timeout(PATIENCE), Ok("ran"));
    });
}

#[test]
fn an_aborted_goroutine_is_an_error_for_its_joiner() {
    gort::block_on(async {
        let handle = gort::go(pending::<()>());
        task::yield_now().await;
        handle.abort();
        let error = handle.await.expect_err("aborted");
        assert!(error.is_cancelled() && !error.is_panic());
        assert!(error.to_string().contains("was aborted"));
        // Before its first poll as well.
        for _ in 0..1000 {
            let handle = gort::go(pending::<()>());
            handle.abort();
            assert!(handle.await.expect_err("aborted").is_cancelled());
        }
    });
}

#[test]
fn a_stale_abort_handle_harms_nobody() {
    let rt = Builder::new().procs(1).build().expect("a runtime");
    rt.block_on(async {
        for _ in 0..1000 {
            let first = gort::go(async {});
            let stale = first.abort_handle();
            first.await.expect("it ends");
            let second = gort::go(async {
                task::yield_now().await;
                7
            });
            stale.abort();
            assert!(stale.is_finished());
            assert_eq!(second.await.expect("nobody aborted it"), 7);
        }
    });
}

#[test]
fn a_panic_stays_in_its_goroutine() {
    let rt = Builder::new()
        .procs(1)
        .panic_policy(PanicPolicy::Propagate)
        .build()
        .expect("a runtime");
    rt.block_on(async {
        let failing = async {
            if true {
                panic!("boom {}", task::current().is_some())
            }
        };
        let error = gort::go(failing).await.expect_err("it panicked");
        assert!(error.is_panic());
        assert!(error.to_string().ends_with("panicked: boom true"));
        assert_eq!(
            error
                .into_panic()
                .downcast_ref::<String>()
                .map(String::as_str),
            Some("boom true")
        );
        gort::spawn(async { panic!("nobody listens") }).detach();
        assert_eq!(gort::go(async { 3 }).await.expect("the worker lives"), 3);
    });
    let task = rt.spawn(async { panic!("raised again") });
    let raised = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| gort::block_on(task)));
    assert!(raised.is_err());
}

#[test]
fn a_goroutine_knows_itself() {
    let rt = Builder::new().procs(2).build().expect("a runtime");
    let (child, parent) = rt.block_on(async {
        gort::go(async {
            let parent = task::current().expect("in a goroutine").id();
            let child = task::Builder::new().name("child");
            let child = child.go(async { task::current().expect("in a goroutine") });
            (child.await.expect("it ends"), parent)
        })
        .await
        .expect("it ends")
    });
    assert_eq!(child.name(), Some("child"));
    assert_eq!(child.parent(), Some(parent));
    assert_eq!(child.state(), State::Running);
    assert!(
        child
            .spawned_at()
            .expect("known")
            .file()
            .ends_with("goroutines.rs")
    );
    assert!(task::current().is_none());
}

#[test]
fn several_runtimes_keep_to_themselves() {
    let (a, b) = (
        Builder::new().procs(1).thread_name("a").build().expect("a"),
        Builder::new().procs(1).thread_name("b").build().expect("b"),
    );
    let thread = || std::thread::current().name().map(String::from);
    let on_b = b.handle().clone();
    let (here, there) = a.block_on(async move {
        gort::go(async move {
            let there = on_b.go(async move { thread() });
            (thread(), there.await.expect("it ends"))
        })
        .await
        .expect("it ends")
    });
    assert_eq!(here.as_deref(), Some("a-0"));
    assert_eq!(there.as_deref(), Some("b-0"));
}

#[test]
fn a_local_runtime_runs_on_the_callers_thread() {
    let rt = Builder::new().local().build().expect("a runtime");
    let me = std::thread::current().id();
    rt.block_on(async {
        for _ in 0..100 {
            let there = gort::spawn(async { std::thread::current().id() });
            assert_eq!(there.await, me);
        }
        gort::time::sleep(Duration::from_millis(2)).await;
    });
    assert_eq!(Handle::try_current().map(|h| h.procs()), None);
}

#[test]
fn block_on_works_inside_a_goroutine_on_every_p() {
    let rt = Builder::new().procs(2).build().expect("a runtime");
    rt.block_on(async {
        let nested: Vec<_> = (0..8)
            .map(|i| {
                gort::go(async move {
                    gort::block_on(async move {
                        let inner = gort::go(async move { i });
                        gort::time::sleep(Duration::from_millis(1)).await;
                        inner.await.expect("it ends")
                    })
                })
            })
            .collect();
        for (i, handle) in nested.into_iter().enumerate() {
            assert_eq!(handle.await.expect("it ends"), i);
        }
    });
}

#[test]
fn shutdown_drops_every_future_and_names_what_is_left() {
    let rt = Builder::new().procs(2).build().expect("a runtime");
    let alive = Arc::new(AtomicUsize::new(0));
    struct Count(Arc<AtomicUsize>);
    impl Drop for Count {
        fn drop(&mut self) {
            self.0.fetch_sub(1, Ordering::SeqCst);
        }
    }
    for i in 0..1000 {
        alive.fetch_add(1, Ordering::SeqCst);
        let count = Count(alive.clone());
        rt.spawn(async move {
            let _count = count;
            if i % 2 == 0 {
                task::yield_now().await;
            }
            pending::<()>().await;
        })
        .detach();
    }
    let handle = rt.handle().clone();
    rt.shutdown(PATIENCE).expect("nothing is stuck");
    assert_eq!(alive.load(Ordering::SeqCst), 0);
    // Too late.
    let refused = handle.spawn(async { 1 }).fallible();
    assert_eq!(gort::block_on(refused), None);
    assert!(
        gort::block_on(handle.go(async {}))
            .expect_err("refused")
            .is_cancelled()
    );

    let rt = Builder::new().procs(1).build().expect("a runtime");
    let (release, wait) = mpsc::channel::<()>();
    let (started, has_started) = mpsc::channel();
    let stuck = task::Builder::new().name("stuck");
    rt.block_on(async {
        stuck.go(async move {
            started.send(()).expect("the test waits");
            let _ = wait.recv();
        });
    });
    has_started.recv_timeout(PATIENCE).expect("it runs");
    let error = rt
        .shutdown(Duration::from_millis(20))
        .expect_err("one is stuck");
    assert_eq!(error.left().len(), 1);
    assert_eq!(error.left()[0].name(), Some("stuck"));
    assert!(error.to_string().contains("stuck"), "{error}");
    drop(release);
}

#[test]
fn a_runtime_dropped_by_its_own_goroutine_ends_in_the_background() {
    let rt = Builder::new().procs(1).build().expect("a runtime");
    let (ended, has_ended) = mpsc::channel();
    let handle = rt.handle().clone();
    handle.go(async move {
        task::yield_now().await;
        let error = rt.shutdown(PATIENCE).expect_err("called from inside");
        ended.send(error.to_string()).expect("the test waits");
    });
    let error = has_ended.recv_timeout(PATIENCE).expect("no hang");
    assert!(error.contains("from one of its goroutines"), "{error}");
}

#[test]
fn invalid_settings_say_what_is_valid() {
    let error = Builder::new().procs(0).build().expect_err("no P at all");
    assert!(error.to_string().contains("1 to 65535"), "{error}");
    let error = Builder::new()
        .procs(2)
        .local()
        .build()
        .expect_err("too many");
    assert!(error.to_string().contains("exactly one P"), "{error}");
}

#[test]
fn hooks_run_on_each_thread() {
    let (started, stopped) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
    let (a, b) = (started.clone(), stopped.clone());
    let rt = Builder::new()
        .procs(2)
        .on_thread_start(move || {
            a.fetch_add(1, Ordering::SeqCst);
        })
        .on_thread_stop(move || {
            b.fetch_add(1, Ordering::SeqCst);
        })
        .build()
        .expect("a runtime");
    rt.block_on(async { gort::spawn(async {}).await });
    rt.shutdown(PATIENCE).expect("nothing is stuck");
    let started = started.load(Ordering::SeqCst);
    assert!(started >= 1);
    assert_eq!(stopped.load(Ordering::SeqCst), started);
}

gort::task_local! {
    static NUMBER: u32;
}

#[test]
fn a_task_local_follows_its_future() {
    gort::block_on(async {
        let task = gort::spawn(NUMBER.scope(1, async {
            task::yield_now().await;
            let inner = NUMBER.scope(2, async { NUMBER.get() }).await;
            (NUMBER.get(), inner, NUMBER.sync_scope(3, || NUMBER.get()))
        }));
        assert_eq!(task.await, (1, 2, 3));
        assert!(NUMBER.try_with(|n| *n).is_err());
    });
}

#[test]
fn a_goroutine_that_waits_for_a_lock_tells_why_and_where() {
    gort::block_on(async {
        let mutex = Arc::new(gort::sync::Mutex::new(()));
        let guard = mutex.lock().await;
        let waiter = gort::go({
            let mutex = Arc::clone(&mutex);
            async move { drop(mutex.lock().await) }
        });
        let line = line!() - 2;
        let began = std::time::Instant::now();
        let info = loop {
            let all = Handle::default_runtime().goroutines();
            let found = all.into_iter().find(|info| info.id() == waiter.id());
            match found {
                Some(info) if info.state() == State::Waiting => break info,
                _ => assert!(began.elapsed() < PATIENCE, "it never waits"),
            }
            task::yield_now().await;
        };
        assert_eq!(info.wait_reason(), task::WaitReason::Mutex);
        let at = info.waits_at().expect("a lock knows its place");
        assert_eq!((at.file(), at.line()), (file!(), line));
        drop(guard);
        waiter.await.unwrap();
    });
}
