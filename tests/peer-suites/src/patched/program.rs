//! Uses crates that know nothing of gort together with gort. Compiled in a graph where gort stands in for what they use.

use std::io;
use std::time::Duration;

use smol::io::{AsyncReadExt, AsyncWriteExt};
use smol::net::{TcpListener, TcpStream};

fn main() -> io::Result<()> {
    assert_eq!(one_type_of_task(), 15);
    assert_eq!(one_type_of_channel(), 6);
    gort::block_on(echo())?;
    async_io::block_on(processes_and_signals())?;
    assert_eq!(async_std::task::block_on(tasks_of_async_std()), 3);
    for name in thread_names() {
        let foreign = ["async-", "blocking-"]
            .iter()
            .any(|of| name.starts_with(of));
        assert!(!foreign, "{name} is no thread of gort's");
    }
    Ok(())
}

/// Whoever made a task, it is gort's.
fn one_type_of_task() -> usize {
    let mut tasks: Vec<gort::Task<usize>> = vec![
        async_global_executor::spawn(async { 1 }),
        async_global_executor_2::spawn(async { 2 }),
        blocking::unblock(|| 3),
        smol::spawn(async { 4 }),
    ];
    let executor: gort::Executor<'_> = async_executor::Executor::new();
    tasks.push(executor.spawn(async {
        async_io::Timer::after(Duration::from_millis(1)).await;
        5
    }));
    async_io::block_on(executor.run(async {
        let mut sum = 0;
        for task in tasks {
            sum += task.await;
        }
        sum
    }))
}

/// Whoever made a channel, it is gort's.
fn one_type_of_channel() -> u32 {
    let channels: [(gort::channel::Sender<u32>, gort::channel::Receiver<u32>); 3] = [
        async_channel::bounded(1),
        async_channel_1::bounded(1),
        smol::channel::bounded(1),
    ];
    let mut sum = 0;
    for ((sender, receiver), value) in channels.into_iter().zip(1..) {
        sender.send_blocking(value).expect("it is open");
        sum += receiver.recv_blocking().expect("it was sent");
    }
    sum
}

/// Sockets of async-net, in goroutines.
async fn echo() -> io::Result<()> {
    let listener = TcpListener::bind(("127.0.0.1", 0)).await?;
    let addr = listener.local_addr()?;
    let server = gort::spawn(async move {
        let (mut stream, _) = listener.accept().await?;
        let mut word = [0; 4];
        stream.read_exact(&mut word).await?;
        stream.write_all(&word).await
    });
    let mut client = TcpStream::connect(addr).await?;
    client.write_all(b"ping").await?;
    let mut word = [0; 4];
    client.read_exact(&mut word).await?;
    assert_eq!(&word, b"ping");
    server.await?;
    // Files of async-fs go through gort's threads.
    let manifest = smol::fs::read_to_string("Cargo.toml").await?;
    assert!(manifest.contains("patched"));
    let adapter: gort::Async<std::net::UdpSocket> =
        smol::Async::<std::net::UdpSocket>::bind(([127, 0, 0, 1], 0))?;
    drop(adapter);
    Ok(())
}

async fn processes_and_signals() -> io::Result<()> {
    let mut command: gort::process::Command = smol::process::Command::new("true");
    assert!(command.status().await?.success());
    let mut same: gort::process::Command = async_process::Command::new("true");
    assert!(same.status().await?.success());
    let signals: gort::signal::Signals = async_signal::Signals::new([async_signal::Signal::Usr1])?;
    drop(signals);
    Ok(())
}

async fn tasks_of_async_std() -> u32 {
    let far = async_std::task::spawn(async {
        async_std::task::sleep(Duration::from_millis(1)).await;
        1
    });
    let pooled = async_std::task::spawn_blocking(|| 2);
    far.await + pooled.await
}

/// The names of all threads of this process, where the system tells them.
fn thread_names() -> Vec<String> {
    let threads = std::fs::read_dir("/proc/self/task").into_iter().flatten();
    let names = threads.map(|thread| std::fs::read_to_string(thread?.path().join("comm")));
    names.filter_map(Result::ok).collect()
}
