//! Blocking values behind an asynchronous face.

use std::io::{self, Cursor, Read, SeekFrom, Write};
use std::sync::mpsc;
use std::sync::{Arc, Mutex};

use futures_lite::{AsyncReadExt, AsyncSeekExt, AsyncWriteExt, StreamExt, future};
use gort::{Unblock, block_on, unblock};

mod support;
use support::within_patience;

#[test]
fn a_call_gives_its_value_to_goroutines_and_to_threads() {
    assert_eq!(block_on(unblock(|| 7)), 7);
    let joined = block_on(async { gort::go(async { unblock(|| 8).await }).await });
    assert_eq!(joined.expect("no panic"), 8);
    let failed = block_on(async { gort::task::spawn_blocking(|| panic!("a test's own")).await });
    assert!(failed.is_err());
}

#[test]
fn reading_passes_on_every_byte_and_then_the_end() {
    let bytes: Vec<u8> = (0..1_000_000u32).map(|i| i as u8).collect();
    for capacity in [1, 100, 1 << 20] {
        let mut reader = Unblock::with_capacity(capacity, Cursor::new(bytes[..50_000].to_vec()));
        let mut read = Vec::new();
        block_on(async {
            reader.read_to_end(&mut read).await.expect("no error");
            assert_eq!(reader.read(&mut [0]).await.expect("no error"), 0);
        });
        assert_eq!(read, bytes[..50_000]);
    }
}

#[test]
fn an_error_comes_after_what_was_read_before_it() {
    struct Fails(bool);
    impl Read for Fails {
        fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
            if std::mem::replace(&mut self.0, true) {
                return Err(io::ErrorKind::ConnectionReset.into());
            }
            buffer[0] = 7;
            Ok(1)
        }
    }
    block_on(async {
        let mut reader = Unblock::new(Fails(false));
        let mut byte = [0];
        assert_eq!(reader.read(&mut byte).await.expect("one byte"), 1);
        assert_eq!(byte, [7]);
        let error = reader.read(&mut byte).await.expect_err("it fails");
        assert_eq!(error.kind(), io::ErrorKind::ConnectionReset);
    });
}

/// A writer that shows what it has got, and how often it was flushed.
#[derive(Clone, Default)]
struct Shown(Arc<Mutex<(Vec<u8>, usize)>>);

impl Write for Shown {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().expect("no panic").0.extend(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.0.lock().expect("no panic").1 += 1;
        Ok(())
    }
}

#[test]
fn a_flush_waits_until_everything_is_written() {
    let shown = Shown::default();
    block_on(async {
        let mut writer = Unblock::with_capacity(16, shown.clone());
        for round in 1..=3 {
            writer.write_all(&[round; 1_000]).await.expect("no error");
            writer.flush().await.expect("no error");
            let state = shown.0.lock().expect("no panic");
            assert_eq!(
                (state.0.len(), state.1),
                (1_000 * usize::from(round), usize::from(round))
            );
        }
        writer.write_all(b"last").await.expect("no error");
        writer.close().await.expect("no error");
    });
    assert!(shown.0.lock().expect("no panic").0.ends_with(b"last"));
}

#[test]
fn a_writer_that_fails_says_so() {
    struct Full;
    impl Write for Full {
        fn write(&mut self, _: &[u8]) -> io::Result<usize> {
            Err(io::ErrorKind::StorageFull.into())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }
    block_on(async {
        let mut writer = Unblock::new(Full);
        let outcome = match writer.write_all(b"bytes").await {
            Ok(()) => writer.flush().await,
            error => error,
        };
        assert_eq!(
            outcome.expect_err("it is full").kind(),
            io::ErrorKind::StorageFull
        );
    });
}

#[test]
fn one_value_may_be_read_written_sought_and_borrowed_in_turn() {
    block_on(async {
        let mut file = Unblock::new(Cursor::new(Vec::new()));
        file.write_all(b"hello world").await.expect("no error");
        file.flush().await.expect("no error");
        assert_eq!(file.seek(SeekFrom::Start(6)).await.expect("no error"), 6);
        let mut text = String::new();
        file.read_to_string(&mut text).await.expect("no error");
        assert_eq!(text, "world");
        assert_eq!(file.get_mut().await.get_ref().len(), 11);
        let length = file.with_mut(|cursor| cursor.get_ref().len()).await;
        assert_eq!(length, 11);
        assert_eq!(file.into_inner().await.into_inner(), b"hello world");
    });
}

#[test]
fn an_iterator_is_a_stream_that_can_be_taken_back() {
    block_on(async {
        let mut numbers = Unblock::with_capacity(4, 0..100);
        for i in 0..10 {
            assert_eq!(numbers.next().await, Some(i));
        }
        // The thread may be ahead by what the pipe holds.
        let rest = numbers.into_inner().await;
        assert!((10..=16).contains(&rest.start), "{rest:?}");
        assert_eq!(
            Unblock::new(0..5).collect::<Vec<_>>().await,
            [0, 1, 2, 3, 4]
        );
    });
}

#[test]
fn a_cancelled_operation_leaves_the_value_whole() {
    block_on(async {
        let (release, held) = mpsc::channel::<()>();
        let mut value = Unblock::new(1);
        let waits = value.with_mut(move |value| {
            let _ = held.recv();
            *value += 1;
        });
        assert!(future::poll_once(waits).await.is_none());
        drop(release);
        assert_eq!(value.into_inner().await, 2);
    });
}

#[test]
fn those_that_wait_for_bytes_or_room_hold_no_thread() {
    // The pool has at most 500 threads.
    const MANY: usize = 600;
    within_patience(|| {
        block_on(async {
            let mut writers: Vec<_> = (0..MANY).map(|_| Unblock::new(io::sink())).collect();
            for writer in &mut writers {
                writer.write_all(b"not flushed").await.expect("a sink");
            }
            let mut readers: Vec<_> = (0..MANY)
                .map(|_| Unblock::with_capacity(1, io::repeat(7)))
                .collect();
            for reader in &mut readers {
                let mut byte = [0];
                reader.read_exact(&mut byte).await.expect("no end");
                assert_eq!(byte, [7]);
            }
            let mut iterators: Vec<_> = (0..MANY).map(|_| Unblock::with_capacity(1, 0..)).collect();
            for iterator in &mut iterators {
                assert_eq!(iterator.next().await, Some(0));
            }
            assert_eq!(gort::unblock(|| 7).await, 7);
        });
    });
}

/// Tells what was written when it is flushed.
struct Told(mpsc::Sender<Vec<u8>>, Vec<u8>);

impl Write for Told {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.1.extend(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        let all = std::mem::take(&mut self.1);
        self.0.send(all).map_err(io::Error::other)
    }
}

#[test]
fn what_was_written_before_a_drop_is_written() {
    let (tell, told) = mpsc::channel();
    let mut writer = Unblock::new(Told(tell, Vec::new()));
    block_on(writer.write_all(b"farewell")).expect("there is room");
    drop(writer);
    assert_eq!(told.recv().expect("it is flushed"), b"farewell");
}
