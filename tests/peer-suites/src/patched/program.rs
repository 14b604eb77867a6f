//! Uses crates that know nothing of gort together with gort. Compiled in a graph where gort stands in for what they use.

use std::time::Duration;

fn main() {
    // The types are the same ones.
    let mut tasks: Vec<gort::Task<usize>> = vec![
        async_global_executor::spawn(async { 1 }),
        async_global_executor_2::spawn(async { 2 }),
        blocking::unblock(|| 3),
        gort::spawn(async { 4 }),
    ];
    let executor: gort::Executor<'_> = async_executor::Executor::new();
    tasks.push(executor.spawn(async {
        async_io::Timer::after(Duration::from_millis(1)).await;
        5
    }));
    let sum = async_io::block_on(executor.run(async {
        let mut sum = 0;
        for task in tasks {
            sum += task.await;
        }
        sum
    }));
    assert_eq!(sum, 15);

    // Another crate's files go through gort's threads.
    let manifest = gort::block_on(async_fs::read_to_string("Cargo.toml"));
    assert!(manifest.expect("it is there").contains("patched"));

    let mut command: gort::process::Command = async_process::Command::new("true");
    assert!(gort::block_on(command.status()).expect("it runs").success());
    let signals: gort::signal::Signals =
        async_signal::Signals::new([async_signal::Signal::Usr1]).expect("it can be watched");
    drop(signals);

    for name in thread_names() {
        let foreign = ["async-", "blocking-"]
            .iter()
            .any(|of| name.starts_with(of));
        assert!(!foreign, "{name} is no thread of gort's");
    }
}

/// The names of all threads of this process, where the system tells them.
fn thread_names() -> Vec<String> {
    let threads = std::fs::read_dir("/proc/self/task").into_iter().flatten();
    let names = threads.map(|thread| std::fs::read_to_string(thread?.path().join("comm")));
    names.filter_map(Result::ok).collect()
}
