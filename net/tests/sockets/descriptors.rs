//! Descriptors of any kind: waits, raw calls, registration.

use super::*;

#[test]
fn a_raw_loop_around_readable_ends() {
    run(async {
        let (reader, mut writer) = io::pipe()?;
        let reader = Async::new(reader)?;
        writer.write_all(b"one edge, many reads")?;
        drop(writer);
        let mut text = Vec::new();
        loop {
            reader.readable().await?;
            let mut byte = [0];
            match reader.get_ref().read(&mut byte)? {
                0 => break,
                _ => text.push(byte[0]),
            }
        }
        assert_eq!(text, b"one edge, many reads");
        io::Result::Ok(())
    })
    .unwrap();
}

#[test]
fn readable_does_not_report_a_drained_descriptor() {
    run(async {
        let (reader, mut writer) = io::pipe()?;
        let reader = Async::new(reader)?;
        for _ in 0..100 {
            writer.write_all(b"x")?;
            reader.readable().await?;
            assert_eq!(reader.get_ref().read(&mut [0; 8])?, 1);
            assert!(poll_once(reader.readable()).await.is_none());
            let polled = poll_once(poll_fn(|cx| reader.poll_readable(cx))).await;
            assert!(polled.is_none());
        }
        io::Result::Ok(())
    })
    .unwrap();
}

#[test]
fn owned_waits_and_writable_work() {
    run(async {
        let (mut one, two) = UnixStream::pair()?;
        let two = Arc::new(Async::new(two)?);
        Arc::clone(&two).writable_owned().await?;
        two.writable().await?;
        poll_fn(|cx| two.poll_writable(cx)).await?;
        // Fill it: now it is not writable.
        while (&mut &*two).write(&[0; 4096]).now_or_never()?.is_some() {}
        assert!(poll_once(two.writable()).await.is_none());
        let ready = Arc::clone(&two).readable_owned();
        one.write_all(b"x")?;
        ready.await?;
        let drain = thread::spawn(move || io::copy(&mut one, &mut io::sink()));
        two.writable().await?;
        two.get_ref().shutdown(Shutdown::Both)?;
        drain.join().unwrap()?;
        io::Result::Ok(())
    })
    .unwrap();
}

/// One poll; a would-be wait is None.
trait NowOrNever: Future + Sized {
    fn now_or_never<T>(self) -> io::Result<Option<T>>
    where
        Self: Future<Output = io::Result<T>>,
    {
        match pin!(self).poll(&mut Context::from_waker(Waker::noop())) {
            Poll::Ready(out) => out.map(Some),
            Poll::Pending => Ok(None),
        }
    }
}

impl<F: Future> NowOrNever for F {}

#[test]
fn a_closure_that_blocks_for_its_own_reasons_is_tried_again() {
    run(async {
        let (reader, mut writer) = io::pipe()?;
        let reader = Async::new(reader)?;
        writer.write_all(b"x")?;
        let mut refusals = 100;
        let read = reader.read_with(|mut pipe| {
            if refusals > 0 {
                refusals -= 1;
                return Err(io::ErrorKind::WouldBlock.into());
            }
            pipe.read(&mut [0; 8])
        });
        assert_eq!(read.await?, 1);
        io::Result::Ok(())
    })
    .unwrap();
}

#[test]
fn exclusive_operations_wait_too() {
    run(async {
        let (reader, mut writer) = io::pipe()?;
        let mut reader = Async::new(reader)?;
        let write = thread::spawn(move || writer.write_all(b"late"));
        let mut buf = [0; 8];
        // SAFETY: the closure leaves the descriptor in place.
        let read = unsafe { reader.read_with_mut(|pipe| pipe.read(&mut buf)) };
        assert_eq!(read.await?, 4);
        write.join().unwrap()
    })
    .unwrap();
}

#[test]
fn a_descriptor_is_registered_once_and_can_be_given_back() {
    run(async {
        let listener = std::net::TcpListener::bind("127.0.0.1:0")?;
        let first = Async::new(&listener)?;
        let error = Async::new(&listener).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::AlreadyExists);
        let _ = first.into_inner()?;
        let _again = Async::new(&listener)?;
        io::Result::Ok(())
    })
    .unwrap();
}

#[test]
fn a_descriptor_that_cannot_be_polled_is_refused() {
    let file = std::fs::File::open(std::env::current_exe().unwrap()).unwrap();
    let error = Async::new(file).unwrap_err();
    assert_eq!(error.kind(), io::ErrorKind::PermissionDenied);
}

#[test]
fn a_closed_descriptor_is_refused() {
    // SAFETY: no process has so many descriptors, so this is nobody's: the kernel refuses it, and nothing is done to it.
    let closed = unsafe { BorrowedFd::borrow_raw(i32::MAX) };
    for outcome in [Async::new(closed), Async::new_nonblocking(closed)] {
        let error = rustix::io::Errno::from_io_error(&outcome.unwrap_err());
        assert_eq!(error, Some(rustix::io::Errno::BADF));
    }
}

#[test]
fn a_number_that_is_used_again_gets_no_old_event() {
    // Close with an event on the way, and open again: the kernel gives out the same number.
    run(async {
        for _ in 0..500 {
            let (one, two) = UnixStream::pair()?;
            let mut one = Async::new(one)?;
            assert!(poll_read(&mut one, Waker::noop()).is_pending());
            (&two).write_all(b"x")?;
            drop(one);
            let (three, mut four) = UnixStream::pair()?;
            let three = Async::new(three)?;
            assert!(poll_once(three.readable()).await.is_none());
            four.write_all(b"y")?;
            three.readable().await?;
        }
        io::Result::Ok(())
    })
    .unwrap();
}
