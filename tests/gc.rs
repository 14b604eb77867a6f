//! The collected heap among goroutines, tasks of another runtime, and plain threads.

use std::sync::mpsc::channel;
use std::thread;
use std::time::Duration;

use futures_lite::future::{block_on, yield_now};
use gort::gc::{self, Edge, Mutex, Report, Root, Trace, collect_async, with};

/// Far more than anything takes.
const PATIENCE: Duration = Duration::from_secs(60);

const TASKS: u64 = 50;
const ROUNDS: u64 = 40;

/// A member of a circle: a graph full of cycles.
#[derive(Trace)]
struct Member<'g> {
    visits: Mutex<u64>,
    next: Edge<'g, Member<'g>>,
    /// Who came last.
    visitor: Edge<'g, Visitor<'g>>,
}

#[derive(Trace)]
struct Visitor<'g> {
    number: u64,
    visited: Edge<'g, Member<'g>>,
}

fn circle(members: u64) -> Root<Member<'static>> {
    with(|g| {
        let member = || {
            g.alloc(Member {
                visits: Mutex::new(0),
                next: Edge::null(),
                visitor: Edge::null(),
            })
        };
        let first = member();
        first.next.store(g, Some(first));
        for _ in 1..members {
            let new = member();
            new.next.store(g, first.next.load());
            first.next.store(g, Some(new));
        }
        first.root(g)
    })
}

/// Goes round with a root, and lets go of the guard wherever it waits.
async fn go_round(mut at: Root<Member<'static>>, number: u64) -> u64 {
    let mut met = 0;
    for round in 0..ROUNDS {
        at = with(|g| {
            let member = at.get(g);
            *member.visits.lock(g) += 1;
            let visitor = g.alloc(Visitor {
                number,
                visited: Edge::new(Some(member)),
            });
            if let Some(before) = member.visitor.swap(g, Some(visitor)) {
                let back = before.visited.load().expect("it was here");
                assert!(gc::Gc::ptr_eq(back, member) && before.number < TASKS);
                met += 1;
            }
            member.next.load().expect("it is a circle").root(g)
        });
        if round % 16 == number % 16 {
            collect_async().await;
        } else {
            yield_now().await;
        }
    }
    met
}

fn visits(circle: &Root<Member<'static>>, members: u64) -> u64 {
    with(|g| {
        let first = circle.get(g);
        let circle = std::iter::successors(Some(first), |member| member.next.load());
        let visits = circle
            .take(members as usize)
            .map(|member| *member.visits.lock(g));
        visits.sum()
    })
}

#[test]
fn goroutines_tasks_of_tokio_and_threads_share_objects_across_awaits() {
    let members = 7;
    let circle = circle(members);
    let tokio = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .build()
        .expect("tokio starts");
    let goroutines: Vec<_> = (0..TASKS)
        .map(|number| gort::spawn(go_round(circle.clone(), number)))
        .collect();
    let tasks: Vec<_> = (0..TASKS)
        .map(|number| tokio.spawn(go_round(circle.clone(), number)))
        .collect();
    let threads: Vec<_> = (0..4)
        .map(|number| {
            let circle = circle.clone();
            thread::spawn(move || block_on(go_round(circle, number)))
        })
        .collect();
    let mut met = 0;
    for thread in threads {
        met += thread.join().expect("no panic");
    }
    for task in tasks {
        met += tokio.block_on(task).expect("no panic");
    }
    for goroutine in goroutines {
        met += block_on(goroutine);
    }
    let rounds = (2 * TASKS + 4) * ROUNDS;
    assert_eq!(visits(&circle, members), rounds);
    // Everybody but the first at each member has met one.
    assert_eq!(met, rounds - members);
}

#[test]
fn a_guard_that_is_held_across_an_await_is_reported() {
    let (sender, reports) = channel();
    gc::set_report_hook(move |report| {
        // The test has ended if nobody listens.
        let _ = sender.send(report.clone());
    });
    let (file, line) = (file!(), line!() + 3);
    // Only a future that stays on its thread can do this.
    gort::Runtime::new().expect("a runtime").block_on(async {
        let g = gc::pin();
        yield_now().await;
        drop(g);
    });
    loop {
        let report = reports.recv_timeout(PATIENCE).expect("there is a report");
        if let Report::LeftGuard { site, .. } = report {
            let site = site.expect("the site is known");
            assert_eq!((site.file(), site.line()), (file, line));
            break;
        }
    }
}

#[test]
fn a_worker_without_work_keeps_no_memory_for_itself() {
    /// Objects whose addresses agree in the bits above are in one block.
    const BLOCK: usize = 16 << 10;
    #[derive(Trace)]
    struct Ours([u8; 1_000]);
    let block_of = |root: &Root<Ours>| with(|g| gc::Gc::addr(root.get(g)) / BLOCK);
    let allocate = || with(|g| g.alloc(Ours([7; 1_000])).root(g));
    let runtime = gort::Runtime::new().expect("a runtime");
    let kept = block_on(runtime.spawn(async move { allocate() }));
    // When its thread has fallen asleep, the block is ours.
    let end = std::time::Instant::now() + PATIENCE;
    let mut ours = Vec::new();
    while ours
        .last()
        .is_none_or(|last| block_of(last) != block_of(&kept))
    {
        assert!(
            std::time::Instant::now() < end,
            "the worker keeps its block"
        );
        ours.push(allocate());
        if ours.len() > 1_000 {
            ours.clear();
            thread::yield_now();
        }
    }
    with(|g| assert!(ours.iter().all(|root| root.get(g).0 == [7; 1_000])));
}

#[test]
fn a_runtime_is_not_built_if_the_environment_of_the_heap_means_nothing() {
    const CHILD: &str = "GORT_TEST_CHILD";
    let test = "a_runtime_is_not_built_if_the_environment_of_the_heap_means_nothing";
    if std::env::var_os(CHILD).is_some() {
        let error = gort::Runtime::new().expect_err("it means nothing");
        assert_eq!(error.kind(), std::io::ErrorKind::InvalidInput);
        assert!(error.to_string().contains("GORT_GC is \"much\""), "{error}");
        return;
    }
    let child = std::process::Command::new(std::env::current_exe().expect("a test is a program"))
        .args(["--exact", test])
        .envs([(CHILD, "1"), ("GORT_GC", "much")])
        .output()
        .expect("it can be started again");
    assert!(child.status.success());
}
