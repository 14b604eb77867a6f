//! What the pool promises, by its handles.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Barrier;
use std::sync::mpsc;
use std::thread;
use std::time::Instant;

use super::*;
use crate::block_on;

fn pool(max_threads: usize) -> BlockingPool {
    let pool = BlockingPool::builder().max_threads(max_threads);
    pool.build().expect("in range")
}

#[test]
fn jobs_that_need_each_other_all_run_at_once() {
    const JOBS: usize = 40;
    let pool = pool(JOBS);
    let meet = Arc::new(Barrier::new(JOBS));
    let all: Vec<_> = (0..JOBS)
        .map(|_| {
            let meet = meet.clone();
            pool.unblock(move || meet.wait().is_leader())
        })
        .collect();
    let leaders = all
        .into_iter()
        .filter_map(|one| block_on(one).then_some(()));
    assert_eq!(leaders.count(), 1);
    assert!(pool.threads() <= JOBS);
}

#[test]
fn many_short_jobs_are_run_once_each() {
    let pool = pool(500);
    let all: Vec<_> = (0..10_000).map(|i| pool.unblock(move || i)).collect();
    let sum: u64 = all.into_iter().map(block_on).sum();
    assert_eq!(sum, 49_995_000);
}

#[test]
fn beyond_the_cap_jobs_wait_for_their_turn() {
    let pool = pool(2);
    let all: Vec<_> = (0..50)
        .map(|i| {
            pool.unblock(move || {
                thread::sleep(Duration::from_millis(1));
                i
            })
        })
        .collect();
    assert_eq!(all.into_iter().map(block_on).sum::<i32>(), 1_225);
    assert!(pool.threads() <= 2);
}

#[test]
fn a_panic_goes_to_the_awaiter_and_the_thread_goes_on() {
    let pool = pool(1);
    let bad = pool.unblock(|| panic!("a test's own panic"));
    assert!(catch_unwind(AssertUnwindSafe(|| block_on(bad))).is_err());
    assert_eq!(block_on(pool.unblock(|| 7)), 7);
}

#[test]
fn a_dropped_task_that_has_not_begun_does_not_run() {
    let pool = pool(1);
    let (release, held) = mpsc::channel::<()>();
    let busy = pool.unblock(move || held.recv().is_err());
    let (tell, told) = mpsc::channel();
    drop(pool.unblock(move || tell.send(()).expect("the test waits")));
    drop(release);
    assert!(block_on(busy));
    assert!(told.recv().is_err(), "it was dropped");
}

#[test]
fn a_pool_that_is_dropped_finishes_what_waits_and_ends() {
    let pool = pool(1);
    let shared = Arc::downgrade(&pool.shared);
    let all: Vec<_> = (0..10).map(|i| pool.unblock(move || i)).collect();
    drop(pool);
    assert_eq!(all.into_iter().map(block_on).sum::<i32>(), 45);
    while shared.strong_count() > 0 {
        thread::yield_now();
    }
}

#[test]
fn an_idle_thread_ends_after_a_while() {
    let pool = BlockingPool::builder()
        .keep_alive(Duration::from_millis(1))
        .build()
        .expect("in range");
    assert_eq!(block_on(pool.unblock(|| 7)), 7);
    while pool.threads() > 0 {
        thread::yield_now();
    }
    assert_eq!(block_on(pool.unblock(|| 8)), 8);
}

#[test]
fn a_higher_limit_lets_waiting_jobs_begin() {
    let pool = pool(1);
    let (began, told) = mpsc::channel();
    let (release, held) = mpsc::channel::<()>();
    pool.unblock(move || {
        began.send(()).expect("the test waits");
        held.recv().expect("the test lives");
    })
    .detach();
    told.recv().expect("the job runs");
    // The only thread is in a job that ends after the second one.
    let second = pool.unblock(|| 2);
    pool.set_max_threads(NonZero::new(2).expect("not zero"));
    assert_eq!(block_on(second), 2);
    release.send(()).expect("the job waits");
}

#[test]
fn threads_above_a_lower_limit_end() {
    let forever = Duration::from_secs(1_000_000);
    let pool = BlockingPool::builder().keep_alive(forever).build();
    let pool = pool.expect("in range");
    let both = Arc::new(Barrier::new(2));
    let jobs = [both.clone(), both].map(|both| pool.unblock(move || both.wait().is_leader()));
    let leaders = jobs.map(block_on).into_iter().filter(|led| *led).count();
    assert_eq!(leaders, 1);
    pool.set_max_threads(NonZero::<usize>::MIN);
    let patience = Instant::now() + Duration::from_secs(60);
    while pool.threads() > 1 {
        assert!(Instant::now() < patience, "{pool:?}");
        thread::yield_now();
    }
    assert_eq!(block_on(pool.unblock(|| 3)), 3);
}

#[test]
fn settings_out_of_range_are_clear_errors() {
    let error = BlockingPool::builder().max_threads(0).build().unwrap_err();
    assert!(error.to_string().contains("from 1 to 10000"), "{error}");
}

#[test]
fn an_environment_variable_that_makes_no_sense_stops_no_program() {
    let said = ["7", "0", "50000", "", "many", "-1"];
    let meant = said.map(|text| max_threads(Some(text)));
    assert_eq!(meant, [7, 1, 10_000, 500, 500, 500]);
    assert_eq!(max_threads(None), 500);
}
