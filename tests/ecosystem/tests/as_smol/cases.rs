// Included twice, each time with another crate under the name of smol.

use std::future::{Future, pending};
use std::io::{Cursor, ErrorKind, SeekFrom, Write};
use std::net::SocketAddr;
use std::os::unix::net::UnixStream;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll, Waker};
use std::thread;
use std::time::{Duration, Instant};

use smol::io::{AsyncReadExt, AsyncSeekExt, AsyncWriteExt};
use smol::process::{Command, Stdio};
use smol::stream::{Stream, StreamExt};
use smol::{Async, Executor, Timer, Unblock, block_on, fs, net};

type Case = (&'static str, fn() -> String);

pub(super) const CASES: &[Case] = &[
    ("an executor is empty", an_executor_is_empty),
    ("a cancelled task", a_cancelled_task),
    (
        "an interval polled once for each wake",
        an_interval_polled_once_for_each_wake,
    ),
    ("a timer that is set", a_timer_that_is_set),
    ("timers far away", timers_far_away),
    (
        "three who read one descriptor",
        three_who_read_one_descriptor,
    ),
    (
        "a descriptor whose other end is gone",
        a_descriptor_whose_other_end_is_gone,
    ),
    (
        "a descriptor registered twice",
        a_descriptor_registered_twice,
    ),
    ("paths of sockets", paths_of_sockets),
    ("no addresses", no_addresses),
    ("a writer that fails", a_writer_that_fails),
    ("a reader that seeks", a_reader_that_seeks),
    ("an iterator that is stopped", an_iterator_that_is_stopped),
    ("writers that nobody flushes", writers_that_nobody_flushes),
    ("a file read and written", a_file_read_and_written),
    ("children", children),
];

fn kind<T>(outcome: std::io::Result<T>) -> Option<ErrorKind> {
    outcome.err().map(|error| error.kind())
}

fn poll(future: &mut (impl Future<Output = Instant> + Unpin)) -> Poll<Instant> {
    Pin::new(future).poll(&mut Context::from_waker(Waker::noop()))
}

fn an_executor_is_empty() -> String {
    let ex = Executor::new();
    let mut seen = vec![ex.is_empty()];
    ex.spawn(async {}).detach();
    seen.extend([ex.is_empty(), ex.try_tick(), ex.is_empty()]);
    let task = ex.spawn(pending::<()>());
    seen.push(ex.try_tick());
    drop(task);
    seen.extend([ex.is_empty(), ex.try_tick(), ex.is_empty(), ex.try_tick()]);
    format!("{seen:?}")
}

fn a_cancelled_task() -> String {
    let ex = Executor::new();
    let fresh = ex.spawn(async { 1 }).cancel();
    let fresh = block_on(ex.run(fresh));
    let done = ex.spawn(async { 2 });
    let ticked = ex.try_tick();
    let done = block_on(done.cancel());
    let orphan = ex.spawn(async { 3 }).fallible();
    drop(ex);
    format!("{fresh:?} {ticked} {done:?} {:?}", block_on(orphan))
}

fn an_interval_polled_once_for_each_wake() -> String {
    struct Ticks(Timer, u32);

    impl Future for Ticks {
        type Output = u32;

        fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<u32> {
            if Pin::new(&mut self.0).poll_next(cx).is_ready() {
                self.1 += 1;
            }
            match self.1 {
                3 => Poll::Ready(3),
                _ => Poll::Pending,
            }
        }
    }

    block_on(Ticks(Timer::interval(Duration::from_millis(1)), 0)).to_string()
}

fn a_timer_that_is_set() -> String {
    let now = Instant::now();
    let mut timer = Timer::interval(Duration::from_secs(3600));
    timer.set_at(now);
    let mut seen = vec![poll(&mut timer) == Poll::Ready(now), timer.will_fire()];
    timer.clear();
    seen.extend([timer.will_fire(), poll(&mut timer).is_pending()]);
    timer.set_interval_at(now, Duration::ZERO);
    seen.extend([poll(&mut timer), poll(&mut timer)].map(|at| at == Poll::Ready(now)));
    let mut once = Timer::never();
    once.set_at(now);
    seen.extend([poll(&mut once).is_ready(), once.will_fire()]);
    format!("{seen:?}")
}

fn timers_far_away() -> String {
    let now = Instant::now();
    let timers = [
        Timer::after(Duration::MAX),
        Timer::interval(Duration::MAX),
        Timer::interval_at(now, Duration::MAX),
        Timer::at(now + Duration::from_secs(1 << 40)),
    ];
    let seen = timers.map(|mut timer| {
        let before = timer.will_fire();
        (before, poll(&mut timer).is_ready(), timer.will_fire())
    });
    format!("{seen:?}")
}

fn three_who_read_one_descriptor() -> String {
    let (mut writer, reader) = UnixStream::pair().expect("a pair");
    let reader = Arc::new(Async::new(reader).expect("it is registered"));
    let readers: Vec<_> = (0..3)
        .map(|_| {
            let reader = reader.clone();
            thread::spawn(move || block_on(async { (&*reader).read(&mut [0; 1]).await }))
        })
        .collect();
    writer.write_all(b"abc").expect("it is open");
    let read = readers.into_iter().map(|it| it.join().expect("no panic"));
    format!("{:?}", read.map(Result::ok).collect::<Vec<_>>())
}

fn a_descriptor_whose_other_end_is_gone() -> String {
    let (one, other) = UnixStream::pair().expect("a pair");
    let io = Async::new(one).expect("it is registered");
    drop(other);
    block_on(async {
        let ready = (kind(io.readable().await), kind(io.writable().await));
        let read = (&io).read(&mut [0; 1]).await.ok();
        format!("{ready:?} {read:?} {:?}", kind((&io).write(b"x").await))
    })
}

fn a_descriptor_registered_twice() -> String {
    let (one, _other) = UnixStream::pair().expect("a pair");
    let first = Async::new(&one);
    let second = kind(Async::new(&one));
    let back = kind(first.and_then(Async::into_inner));
    format!("{second:?} {back:?} {:?}", kind(Async::new(&one)))
}

fn paths_of_sockets() -> String {
    let nowhere = "/there/is/nothing";
    block_on(async {
        let seen = [
            kind(net::unix::UnixStream::connect(nowhere).await),
            kind(net::unix::UnixStream::connect("a\0b").await),
            kind(net::unix::UnixListener::bind(nowhere)),
            kind(net::unix::UnixListener::bind("a\0b")),
            kind(net::unix::UnixDatagram::bind("a\0b")),
        ];
        format!("{seen:?}")
    })
}

fn no_addresses() -> String {
    let none: &[SocketAddr] = &[];
    block_on(async {
        let seen = [
            kind(net::TcpListener::bind(none).await),
            kind(net::TcpStream::connect(none).await),
            kind(net::UdpSocket::bind(none).await),
            kind(net::resolve(none).await),
            kind(net::resolve("no port").await),
        ];
        format!("{seen:?}")
    })
}

fn a_writer_that_fails() -> String {
    struct Full;

    impl Write for Full {
        fn write(&mut self, _: &[u8]) -> std::io::Result<usize> {
            Err(ErrorKind::StorageFull.into())
        }

        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }

    block_on(async {
        let mut writer = Unblock::new(Full);
        let written = kind(writer.write_all(b"x").await);
        let flushed = (kind(writer.flush().await), kind(writer.flush().await));
        format!("{written:?} {flushed:?} {:?}", kind(writer.close().await))
    })
}

fn a_reader_that_seeks() -> String {
    block_on(async {
        let mut reader = Unblock::new(Cursor::new((0..100).collect::<Vec<u8>>()));
        let mut bytes = [0; 3];
        reader
            .read_exact(&mut bytes)
            .await
            .expect("it is long enough");
        let ahead = reader.seek(SeekFrom::Current(0)).await.ok();
        let back = reader.seek(SeekFrom::Start(10)).await.ok();
        reader
            .read_exact(&mut bytes)
            .await
            .expect("it is long enough");
        let before = kind(reader.seek(SeekFrom::End(-1000)).await);
        format!("{ahead:?} {back:?} {bytes:?} {before:?}")
    })
}

fn an_iterator_that_is_stopped() -> String {
    block_on(async {
        let mut stream = Unblock::with_capacity(2, 0..10);
        let first = (stream.next().await, stream.next().await);
        let between = stream.get_mut().await.next().is_some();
        let last = (&mut stream).last().await;
        format!("{first:?} {between} {last:?} {:?}", stream.next().await)
    })
}

fn writers_that_nobody_flushes() -> String {
    block_on(async {
        // More than the pool has threads.
        let mut writers: Vec<_> = (0..600).map(|_| Unblock::new(std::io::sink())).collect();
        for writer in &mut writers {
            writer.write_all(b"x").await.expect("there is room");
        }
        smol::unblock(|| "a thread was free").await.to_owned()
    })
}

fn a_file_read_and_written() -> String {
    static NEXT: AtomicUsize = AtomicUsize::new(0);
    let number = NEXT.fetch_add(1, Ordering::Relaxed);
    let name = format!(
        "gort-{}-{}-{number}",
        module_path!().replace("::", "-"),
        std::process::id()
    );
    let path = std::env::temp_dir().join(name);
    let text = block_on(async {
        let mut options = fs::OpenOptions::new();
        let mut file = options
            .read(true)
            .write(true)
            .create_new(true)
            .open(&path)
            .await?;
        file.write_all(b"abcdefghij").await?;
        file.seek(SeekFrom::Start(2)).await?;
        let mut two = [0; 2];
        file.read_exact(&mut two).await?;
        file.write_all(b"XX").await?;
        file.read_exact(&mut two).await?;
        let at = file.seek(SeekFrom::Current(-1)).await?;
        file.write_all(b"Y").await?;
        let before = kind(file.seek(SeekFrom::Current(-100)).await);
        file.close().await?;
        let text = fs::read_to_string(&path).await?;
        std::io::Result::Ok(format!("{two:?} {at} {before:?} {text}"))
    });
    let _ = std::fs::remove_file(&path);
    text.expect("the directory of temporary files can be written")
}

fn children() -> String {
    let shell = |script: &str| {
        let mut command = Command::new("sh");
        command.arg("-c").arg(script);
        command
    };
    block_on(async {
        let mut child = shell("cat > /dev/null; exit 3")
            .stdin(Stdio::piped())
            .spawn()?;
        let code = child.status().await?.code();
        let again = (child.status().await?.code(), child.stdin.is_some());
        let killed = kind(child.kill());
        let out = shell("cat; echo out; echo err >&2").output().await?;
        let absent = kind(Command::new("/there/is/nothing").status().await);
        let texts = (out.stdout, out.stderr);
        std::io::Result::Ok(format!(
            "{code:?} {again:?} {killed:?} {texts:?} {absent:?}"
        ))
    })
    .expect("there is a shell")
}
