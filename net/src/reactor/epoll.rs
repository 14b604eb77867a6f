//! Linux: the poller's epoll instance, waited on directly.
//!
//! * Sources are registered once, edge-triggered, for `IN | OUT | PRI | RDHUP`. The poller cannot ask for `RDHUP`, so
//!   this one call goes around it; it keeps no table of its own, and removing goes through it as ever.
//! * The wait is `epoll_pwait2`, whose timeout has nanoseconds, tried once when the reactor is made: it is missing before
//!   Linux 5.11, and a seccomp filter may refuse it. Then it is `epoll_pwait` with milliseconds, rounded up.
//! * The wait ends through an eventfd that is registered edge-triggered and never read. Each write is an edge, whether the
//!   counter was zero or not, so ending a wait costs one system call and the waiter pays none.
//!
//! Rejected: rustix's own `epoll_pwait2` (a feature of the crate that takes the old call away from everybody), and a timerfd
//! for the nanoseconds (a system call for each wait).

use std::ffi::{c_int, c_long};
use std::io;
use std::time::Duration;

use polling::Poller;
use rustix::buffer::spare_capacity;
use rustix::event::{EventfdFlags, Timespec, epoll, eventfd};
use rustix::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use rustix::io::Errno;

use super::selector::BELL_KEY;
use crate::source::readiness::Event;

/// What the poller itself takes for readable and for writable.
const READABLE: epoll::EventFlags = epoll::EventFlags::IN
    .union(epoll::EventFlags::PRI)
    .union(epoll::EventFlags::HUP)
    .union(epoll::EventFlags::ERR)
    .union(epoll::EventFlags::RDHUP);
const WRITABLE: epoll::EventFlags = epoll::EventFlags::OUT
    .union(epoll::EventFlags::HUP)
    .union(epoll::EventFlags::ERR);
const BROKEN: epoll::EventFlags = epoll::EventFlags::RDHUP
    .union(epoll::EventFlags::HUP)
    .union(epoll::EventFlags::ERR)
    .union(epoll::EventFlags::PRI);

const INTEREST: epoll::EventFlags = epoll::EventFlags::IN
    .union(epoll::EventFlags::OUT)
    .union(epoll::EventFlags::PRI)
    .union(epoll::EventFlags::RDHUP)
    .union(epoll::EventFlags::ET);

/// A year; nobody can tell the difference, and the kernel's arithmetic is safe.
const LONGEST: Duration = Duration::from_secs(365 * 24 * 60 * 60);

#[derive(Debug)]
pub(super) struct Epoll {
    bell: OwnedFd,
    has_pwait2: bool,
}

impl Epoll {
    pub(super) fn new(poller: &Poller) -> io::Result<Self> {
        let bell = eventfd(0, EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK)?;
        epoll::add(
            poller.as_fd(),
            &bell,
            epoll::EventData::new_u64(BELL_KEY as u64),
            epoll::EventFlags::IN | epoll::EventFlags::ET,
        )?;
        let mut events = Vec::with_capacity(1);
        let has_pwait2 = pwait2(poller.as_fd(), &mut events, &Timespec::default()).is_ok();
        Ok(Self { bell, has_pwait2 })
    }

    pub(super) fn add(poller: &Poller, fd: BorrowedFd<'_>, key: usize) -> io::Result<()> {
        debug_assert!(key < BELL_KEY);
        let data = epoll::EventData::new_u64(key as u64);
        Ok(epoll::add(poller.as_fd(), fd, data, INTEREST)?)
    }

    pub(super) fn wait(
        &self,
        poller: &Poller,
        events: &mut Vec<epoll::Event>,
        timeout: Option<Duration>,
    ) -> io::Result<()> {
        events.clear();
        let timeout = timeout.map(|timeout| {
            let timeout = timeout.min(LONGEST);
            Timespec {
                tv_sec: timeout.as_secs() as _,
                tv_nsec: timeout.subsec_nanos() as _,
            }
        });
        match &timeout {
            Some(timeout) if self.has_pwait2 && *timeout != Timespec::default() => {
                pwait2(poller.as_fd(), events, timeout)
            }
            timeout => {
                epoll::wait(poller.as_fd(), spare_capacity(events), timeout.as_ref())?;
                Ok(())
            }
        }
    }

    pub(super) fn end_wait(&self) -> io::Result<()> {
        let one = 1u64.to_ne_bytes();
        loop {
            match rustix::io::write(&self.bell, &one) {
                Ok(_) => return Ok(()),
                Err(Errno::INTR) => {}
                // The counter is at its end, after 2^64 - 2 writes. Empty it, and write again for the edge.
                Err(Errno::AGAIN) => {
                    let _ = rustix::io::read(&self.bell, &mut [0; 8]);
                }
                Err(errno) => return Err(errno.into()),
            }
        }
    }
}

/// The key and the news in an event of the kernel.
#[inline]
pub(super) fn decode(event: &epoll::Event) -> (usize, Event) {
    // By value: the struct is packed on x86-64.
    let (flags, data) = (event.flags, event.data);
    let news = Event {
        read: flags.intersects(READABLE),
        write: flags.intersects(WRITABLE),
        broken: flags.intersects(BROKEN),
    };
    (data.u64() as usize, news)
}

/// `epoll_pwait2(2)`, without a signal mask.
#[cfg(all(
    target_pointer_width = "64",
    any(
        target_arch = "x86_64",
        target_arch = "aarch64",
        target_arch = "riscv64"
    )
))]
fn pwait2(
    epoll: BorrowedFd<'_>,
    events: &mut Vec<epoll::Event>,
    timeout: &Timespec,
) -> io::Result<()> {
    /// The same on every architecture of the list above.
    const EPOLL_PWAIT2: c_long = 441;

    #[repr(C)]
    struct KernelTimespec {
        tv_sec: i64,
        tv_nsec: i64,
    }

    // SAFETY: this is the C library's `syscall(2)`, which std links.
    unsafe extern "C" {
        fn syscall(number: c_long, ...) -> c_long;
    }

    let timeout = KernelTimespec {
        tv_sec: timeout.tv_sec,
        tv_nsec: timeout.tv_nsec,
    };
    let room = events.spare_capacity_mut();
    // SAFETY: the kernel writes at most `room.len()` events to `room`, whose element has the layout of `epoll_event`
    // (rustix guarantees it), and reads one timespec; the descriptor is open while it is borrowed.
    let count = unsafe {
        syscall(
            EPOLL_PWAIT2,
            epoll.as_raw_fd(),
            room.as_mut_ptr(),
            room.len() as c_int,
            &raw const timeout,
            std::ptr::null::<u8>(),
            0usize,
        )
    };
    if count < 0 {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: the kernel has written `count` events behind the length, which was zero.
    unsafe { events.set_len(count as usize) };
    Ok(())
}

/// No such call on this architecture: the probe fails and milliseconds are used.
#[cfg(not(all(
    target_pointer_width = "64",
    any(
        target_arch = "x86_64",
        target_arch = "aarch64",
        target_arch = "riscv64"
    )
)))]
fn pwait2(_: BorrowedFd<'_>, _: &mut Vec<epoll::Event>, _: &Timespec) -> io::Result<()> {
    Err(io::ErrorKind::Unsupported.into())
}

#[cfg(all(test, not(gort_loom)))]
mod tests {
    use super::*;
    use std::time::Instant;

    fn fixture(has_pwait2: bool) -> (Poller, Epoll, Vec<epoll::Event>) {
        let poller = Poller::new().unwrap();
        let mut epoll = Epoll::new(&poller).unwrap();
        epoll.has_pwait2 &= has_pwait2;
        (poller, epoll, Vec::with_capacity(8))
    }

    #[test]
    fn a_timeout_is_never_early_and_long_ones_do_not_overflow() {
        for has_pwait2 in [true, false] {
            let (poller, epoll, mut events) = fixture(has_pwait2);
            for micros in [1, 700, 1_500] {
                let timeout = Duration::from_micros(micros);
                let start = Instant::now();
                epoll.wait(&poller, &mut events, Some(timeout)).unwrap();
                assert!(start.elapsed() >= timeout, "{has_pwait2} {micros}");
                assert!(events.is_empty());
            }
            epoll.end_wait().unwrap();
            let forever = Some(Duration::MAX);
            epoll.wait(&poller, &mut events, forever).unwrap();
            assert_eq!(events.len(), 1);
        }
    }

    #[test]
    fn every_write_to_the_bell_is_one_edge() {
        let (poller, epoll, mut events) = fixture(true);
        for _ in 0..3 {
            epoll.end_wait().unwrap();
            epoll.wait(&poller, &mut events, None).unwrap();
            assert_eq!(decode(&events[0]).0, BELL_KEY);
            epoll
                .wait(&poller, &mut events, Some(Duration::ZERO))
                .unwrap();
            assert!(events.is_empty());
        }
    }

    #[test]
    fn a_full_bell_still_rings() {
        let (poller, epoll, mut events) = fixture(true);
        rustix::io::write(&epoll.bell, &(u64::MAX - 1).to_ne_bytes()).unwrap();
        epoll.wait(&poller, &mut events, None).unwrap();
        epoll.end_wait().unwrap();
        epoll.wait(&poller, &mut events, None).unwrap();
        assert_eq!(events.len(), 1);
    }
}
