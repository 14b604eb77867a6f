//! What needs tokio works in goroutines, where that was asked for, and only there.

use std::time::Duration;

use gort::{Builder, Runtime};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

mod support;

fn with_tokio() -> Runtime {
    Builder::new()
        .procs(2)
        .enable_tokio()
        .build()
        .expect("it starts")
}

#[test]
fn sockets_of_tokio_work_in_goroutines() {
    with_tokio().block_on(async {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.expect("a port");
        let addr = listener.local_addr().expect("it is bound");
        let server = gort::go(async move {
            let (mut stream, _) = listener.accept().await?;
            let mut word = [0; 4];
            stream.read_exact(&mut word).await?;
            stream.write_all(&word).await
        });
        let mut client = TcpStream::connect(addr).await.expect("it listens");
        client.write_all(b"ping").await.expect("it is connected");
        let mut word = [0; 4];
        client.read_exact(&mut word).await.expect("it echoes");
        assert_eq!(&word, b"ping");
        server.await.expect("no panic").expect("no error");
    });
}

#[test]
fn every_thread_of_the_runtime_has_the_context() {
    let rt = with_tokio();
    rt.block_on(async {
        let all: Vec<_> = (0..64)
            .map(|i| {
                gort::go(async move {
                    tokio::time::sleep(Duration::from_millis(i % 4)).await;
                    // Whoever runs this now is another thread, often enough: this one blocks.
                    gort::blocking(|| std::thread::sleep(Duration::from_millis(2)));
                    tokio::spawn(async move { i }).await.expect("no panic")
                })
            })
            .collect();
        let mut sum = 0;
        for one in all {
            sum += one.await.expect("no panic");
        }
        assert_eq!(sum, 63 * 64 / 2);
    });
}

#[test]
fn the_future_of_block_on_has_the_context_on_a_local_runtime_too() {
    let rt = Builder::new().local().enable_tokio().build();
    let joined = rt.expect("it starts").block_on(async {
        let goroutine = gort::go(async { tokio::spawn(async { 20 }).await });
        let blocking = tokio::task::spawn_blocking(|| 22);
        goroutine.await.expect("no panic").expect("no panic") + blocking.await.expect("no panic")
    });
    assert_eq!(joined, 42);
}

#[test]
fn without_the_setting_there_is_no_context() {
    let rt = Builder::new().procs(1).build().expect("it starts");
    let found = rt.block_on(async {
        let inside = gort::go(async { tokio::runtime::Handle::try_current().is_ok() });
        inside.await.expect("no panic") || tokio::runtime::Handle::try_current().is_ok()
    });
    assert!(!found);
}

#[test]
fn the_tokio_runtime_around_is_used() {
    let mut around = tokio::runtime::Builder::new_multi_thread();
    let around = around.worker_threads(1).thread_name("around").build();
    let around = around.expect("it starts");
    let rt = {
        let _inside = around.enter();
        with_tokio()
    };
    let name = rt.block_on(async {
        let task = tokio::spawn(async { std::thread::current().name().map(str::to_owned) });
        task.await.expect("no panic")
    });
    assert_eq!(name.as_deref(), Some("around"));
    drop(rt);
    // It is not ours to end.
    assert_eq!(around.block_on(async { 5 }), 5);
}

#[test]
fn a_runtime_may_end_with_tasks_of_tokio_that_do_not() {
    let rt = with_tokio();
    rt.block_on(async {
        drop(tokio::spawn(std::future::pending::<()>()));
    });
    rt.shutdown(Duration::from_secs(60))
        .expect("nothing of gort's is left");
}

#[gort::test(tokio)]
async fn the_attribute_enables_it() {
    tokio::time::sleep(Duration::from_millis(1)).await;
    let goroutine = gort::go(async { tokio::runtime::Handle::try_current().is_ok() });
    assert!(goroutine.await.expect("no panic"));
}

/// Needs tokio where there is none.
async fn need_tokio() {
    tokio::time::sleep(Duration::from_millis(1)).await;
}

/// Runs one test of this program in a child, and returns what it wrote.
fn errors_of(test: &str) -> String {
    let output = support::child(test).output().expect("it starts");
    String::from_utf8(output.stderr).expect("it writes UTF-8")
}

/// Whether the way out was named.
fn explains(errors: &str) -> bool {
    [
        "`tokio-compat`",
        "`Builder::enable_tokio`",
        "`#[gort::main(tokio)]`",
    ]
    .iter()
    .all(|way| errors.contains(way))
}

#[test]
fn a_goroutine_that_misses_tokio_is_told_what_to_do() {
    if support::is_child() {
        let rt = Builder::new().procs(1).build().expect("it starts");
        let joined = rt.block_on(async { gort::go(need_tokio()).await });
        assert!(joined.expect_err("there is no tokio").is_panic());
        return;
    }
    let errors = errors_of("a_goroutine_that_misses_tokio_is_told_what_to_do");
    assert!(explains(&errors), "{errors}");
    // Beside whose panic it was.
    let place = format!("(spawned at {}", file!());
    assert!(errors.contains(&place), "{errors}");
}

#[test]
fn a_goroutine_that_nobody_awaits_and_misses_tokio_is_told_what_to_do() {
    if support::is_child() {
        let rt = Builder::new().procs(1).build().expect("it starts");
        let (ended, end) = async_channel::bounded::<()>(1);
        rt.block_on(async {
            let spawned = gort::spawn(async move {
                let _ended = ended;
                need_tokio().await;
            });
            spawned.detach();
            assert!(end.recv().await.is_err(), "the future is dropped");
        });
        // Its thread ends after what it has to say.
        drop(rt);
        return;
    }
    let errors = errors_of("a_goroutine_that_nobody_awaits_and_misses_tokio_is_told_what_to_do");
    assert!(explains(&errors), "{errors}");
}

#[test]
fn a_thread_that_misses_tokio_is_told_what_to_do_once() {
    if support::is_child() {
        let awaited = std::panic::catch_unwind(|| {
            gort::block_on(async { gort::spawn(need_tokio()).await });
        });
        assert!(awaited.is_err());
        assert!(std::panic::catch_unwind(|| gort::block_on(need_tokio())).is_err());
        return;
    }
    let errors = errors_of("a_thread_that_misses_tokio_is_told_what_to_do_once");
    assert!(explains(&errors), "{errors}");
    assert_eq!(errors.matches("`tokio-compat`").count(), 1, "{errors}");
}

#[gort::test]
async fn a_function_that_misses_tokio_is_told_what_to_do() {
    if support::is_child() {
        return need_tokio().await;
    }
    let errors = errors_of("a_function_that_misses_tokio_is_told_what_to_do");
    assert!(explains(&errors), "{errors}");
}
