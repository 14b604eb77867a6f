//! Many tasks at once, under each executor.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use gort_sync::{Barrier, Cond, Mutex, Notify, OnceCell, RwLock, Semaphore, WaitGroup};

use super::support::{on_each_executor, yield_now};

const TASKS: usize = 8;
const ROUNDS: usize = 200;

#[test]
fn a_mutex_admits_one_at_a_time() {
    on_each_executor(|spawn| async move {
        let mutex = Arc::new(Mutex::new(0));
        let tasks: Vec<_> = (0..TASKS)
            .map(|task| {
                let mutex = mutex.clone();
                spawn(Box::pin(async move {
                    for _ in 0..ROUNDS {
                        let mut guard = mutex.lock().await;
                        let seen = *guard;
                        if task % 2 == 0 {
                            yield_now().await;
                        }
                        *guard = seen + 1;
                    }
                }))
            })
            .collect();
        for task in tasks {
            task.await;
        }
        assert_eq!(*mutex.lock().await, TASKS * ROUNDS);
    });
}

#[test]
fn a_mutex_serves_tasks_and_threads_alike() {
    on_each_executor(|spawn| async move {
        let mutex = Arc::new(Mutex::new(0));
        let threads: Vec<_> = (0..2)
            .map(|_| {
                let mutex = mutex.clone();
                std::thread::spawn(move || (0..ROUNDS).for_each(|_| *mutex.lock_blocking() += 1))
            })
            .collect();
        let tasks: Vec<_> = (0..2)
            .map(|_| {
                let mutex = mutex.clone();
                spawn(Box::pin(async move {
                    for _ in 0..ROUNDS {
                        *mutex.clone().lock_owned().await += 1;
                        yield_now().await;
                    }
                }))
            })
            .collect();
        for task in tasks {
            task.await;
        }
        for thread in threads {
            thread.join().expect("no panic");
        }
        assert_eq!(*mutex.lock().await, 4 * ROUNDS);
    });
}

#[test]
fn readers_never_see_half_a_write() {
    on_each_executor(|spawn| async move {
        let pair = Arc::new(RwLock::new((0, 0)));
        let tasks: Vec<_> = (0..TASKS)
            .map(|task| {
                let pair = pair.clone();
                spawn(Box::pin(async move {
                    for _ in 0..ROUNDS {
                        if task % 4 == 0 {
                            let mut pair = pair.write().await;
                            pair.0 += 1;
                            yield_now().await;
                            pair.1 += 1;
                        } else {
                            let pair = pair.read().await;
                            assert_eq!(pair.0, pair.1);
                        }
                    }
                }))
            })
            .collect();
        for task in tasks {
            task.await;
        }
        assert_eq!(*pair.read().await, (TASKS / 4 * ROUNDS, TASKS / 4 * ROUNDS));
    });
}

#[test]
fn a_semaphore_bounds_how_many_are_inside() {
    on_each_executor(|spawn| async move {
        let semaphore = Arc::new(Semaphore::new(3));
        let inside = Arc::new(AtomicUsize::new(0));
        let tasks: Vec<_> = (0..TASKS)
            .map(|task| {
                let (semaphore, inside) = (semaphore.clone(), inside.clone());
                spawn(Box::pin(async move {
                    for _ in 0..ROUNDS {
                        let n = 1 + task % 3;
                        let permit = semaphore.acquire_many(n).await.expect("open");
                        assert!(inside.fetch_add(n, Ordering::SeqCst) + n <= 3);
                        yield_now().await;
                        inside.fetch_sub(n, Ordering::SeqCst);
                        drop(permit);
                    }
                }))
            })
            .collect();
        for task in tasks {
            task.await;
        }
        assert_eq!(semaphore.available_permits(), 3);
    });
}

#[test]
fn a_notice_passes_from_task_to_task() {
    on_each_executor(|spawn| async move {
        let notices: Arc<[Notify; 2]> = Arc::new([Notify::new(), Notify::new()]);
        let other = {
            let notices = notices.clone();
            spawn(Box::pin(async move {
                for _ in 0..ROUNDS {
                    notices[0].notified().await;
                    notices[1].notify_one();
                }
            }))
        };
        for _ in 0..ROUNDS {
            notices[0].notify_one();
            notices[1].notified().await;
        }
        other.await;
    });
}

#[test]
fn what_is_put_under_the_lock_is_taken_by_who_waits_for_it() {
    on_each_executor(|spawn| async move {
        let shared = Arc::new((Mutex::new(0usize), Cond::new()));
        let takers: Vec<_> = (0..4)
            .map(|_| {
                let shared = shared.clone();
                spawn(Box::pin(async move {
                    let (stock, filled) = &*shared;
                    for _ in 0..ROUNDS {
                        let guard = stock.lock().await;
                        *filled.wait_while(guard, |stock| *stock == 0).await -= 1;
                    }
                }))
            })
            .collect();
        for _ in 0..4 * ROUNDS {
            *shared.0.lock().await += 1;
            shared.1.notify_one();
        }
        for taker in takers {
            taker.await;
        }
        assert_eq!(*shared.0.lock().await, 0);
    });
}

#[test]
fn each_round_of_a_barrier_has_one_leader() {
    on_each_executor(|spawn| async move {
        let barrier = Arc::new(Barrier::new(4));
        let leaders = Arc::new(AtomicUsize::new(0));
        let tasks: Vec<_> = (0..4)
            .map(|_| {
                let (barrier, leaders) = (barrier.clone(), leaders.clone());
                spawn(Box::pin(async move {
                    for round in 0..ROUNDS {
                        let seen = leaders.load(Ordering::SeqCst);
                        assert!(seen == round || seen == round + 1);
                        if barrier.wait().await.is_leader() {
                            leaders.fetch_add(1, Ordering::SeqCst);
                        }
                        barrier.wait().await;
                        assert_eq!(leaders.load(Ordering::SeqCst), round + 1);
                        barrier.wait().await;
                    }
                }))
            })
            .collect();
        for task in tasks {
            task.await;
        }
    });
}

#[test]
fn a_cell_is_made_once() {
    on_each_executor(|spawn| async move {
        let cell = Arc::new(OnceCell::new());
        let made = Arc::new(AtomicUsize::new(0));
        let tasks: Vec<_> = (0..TASKS)
            .map(|_| {
                let (cell, made) = (cell.clone(), made.clone());
                spawn(Box::pin(async move {
                    let value = cell
                        .get_or_init(|| async {
                            yield_now().await;
                            made.fetch_add(1, Ordering::SeqCst) + 41
                        })
                        .await;
                    assert_eq!(*value, 41);
                }))
            })
            .collect();
        for task in tasks {
            task.await;
        }
        assert_eq!(made.load(Ordering::SeqCst), 1);
    });
}

#[test]
fn a_group_ends_when_its_last_task_does() {
    on_each_executor(|spawn| async move {
        for _ in 0..ROUNDS / 10 {
            let group = WaitGroup::new();
            let ended = Arc::new(AtomicUsize::new(0));
            let tasks: Vec<_> = (0..TASKS)
                .map(|_| {
                    let ended = ended.clone();
                    spawn(Box::pin(group.track(async move {
                        yield_now().await;
                        ended.fetch_add(1, Ordering::SeqCst);
                    })))
                })
                .collect();
            group.wait().await;
            assert_eq!(ended.load(Ordering::SeqCst), TASKS);
            for task in tasks {
                task.await;
            }
        }
    });
}
