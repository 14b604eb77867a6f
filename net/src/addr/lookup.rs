//! One lookup: what is known is answered on the spot, and a host name is asked for on a thread that may block.
//!
//! 1. The first poll hands a job with the question to the [blocking hook](set_blocking_hook), and leaves its waker in the answer.
//! 2. The job asks the system's resolver, stores what it says, and wakes. If nobody listens any more it does not even ask.
//! 3. A later poll takes the answer. A job that is dropped unasked leaves an error there, so that nobody waits in vain.
//!
//! The job and the future share the answer under a lock that is held for an exchange, never around the resolver or a waker.

use std::io;
use std::mem;
use std::net::{SocketAddr, ToSocketAddrs};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock};
use std::task::{Context, Poll, Waker};
use std::thread;

use super::Addrs;
use crate::hook::Site;

/// A function that runs a call that blocks, on a thread where that does no harm.
pub type BlockingHook = fn(Box<dyn FnOnce() + Send>);

static HOOK: OnceLock<BlockingHook> = OnceLock::new();

/// Sets the function that looks names up, once; returns whether it was set.
///
/// It must return at once. While no hook is set, each lookup has a thread of its own.
pub fn set_blocking_hook(hook: BlockingHook) -> bool {
    HOOK.set(hook).is_ok()
}

/// What a resolver is asked.
#[derive(Debug)]
pub(super) enum Question {
    /// A text with a host and a port.
    Text(Box<str>),
    HostAndPort(Box<str>, u16),
}

impl Question {
    /// Blocks.
    fn ask(&self) -> io::Result<Vec<SocketAddr>> {
        let addrs = match self {
            Self::Text(text) => text.to_socket_addrs(),
            Self::HostAndPort(host, port) => (&**host, *port).to_socket_addrs(),
        };
        addrs.map(Iterator::collect)
    }
}

/// The addresses of a name, now or later.
#[derive(Debug)]
#[doc(hidden)]
pub struct Lookup(State);

#[derive(Debug)]
enum State {
    Known(Addrs),
    Unasked(Question),
    Asked(Arc<Answer>),
    Over,
}

/// What the job and the future share.
#[derive(Debug)]
struct Answer(Mutex<Slot>);

#[derive(Debug)]
enum Slot {
    Awaited(Waker),
    Here(io::Result<Vec<SocketAddr>>),
    Taken,
}

impl Lookup {
    pub(super) fn known(addr: SocketAddr) -> Self {
        Self(State::Known(addr.into()))
    }

    pub(super) fn known_many(addrs: Vec<SocketAddr>) -> Self {
        Self(State::Known(addrs.into()))
    }

    pub(super) fn of(question: Question) -> Self {
        Self(State::Unasked(question))
    }

    pub(super) fn poll(&mut self, cx: &mut Context<'_>, site: Site) -> Poll<io::Result<Addrs>> {
        let answer = match mem::replace(&mut self.0, State::Over) {
            State::Known(addrs) => return Poll::Ready(Ok(addrs)),
            State::Unasked(question) => Job::start(question, cx.waker().clone())?,
            State::Asked(answer) => answer,
            State::Over => panic!("polled after completion"),
        };
        match answer.poll(cx) {
            Poll::Ready(outcome) => Poll::Ready(outcome.map(Addrs::from)),
            Poll::Pending => {
                self.0 = State::Asked(answer);
                site.report();
                Poll::Pending
            }
        }
    }
}

impl Answer {
    fn lock(&self) -> MutexGuard<'_, Slot> {
        self.0.lock().expect("nothing panics under this lock")
    }

    fn poll(&self, cx: &Context<'_>) -> Poll<io::Result<Vec<SocketAddr>>> {
        // Foreign code, and so outside of the lock.
        let waker = cx.waker().clone();
        let mut slot = self.lock();
        let before = match &*slot {
            Slot::Awaited(_) => mem::replace(&mut *slot, Slot::Awaited(waker)),
            _ => mem::replace(&mut *slot, Slot::Taken),
        };
        drop(slot);
        match before {
            Slot::Awaited(_) => Poll::Pending,
            Slot::Here(outcome) => Poll::Ready(outcome),
            Slot::Taken => unreachable!("the lookup is over"),
        }
    }

    fn put(&self, outcome: io::Result<Vec<SocketAddr>>) {
        let before = mem::replace(&mut *self.lock(), Slot::Here(outcome));
        if let Slot::Awaited(waker) = before {
            waker.wake();
        }
    }
}

/// The part of a lookup that blocks.
struct Job {
    question: Question,
    answer: Arc<Answer>,
    answered: bool,
}

impl Job {
    fn start(question: Question, waker: Waker) -> io::Result<Arc<Answer>> {
        let answer = Arc::new(Answer(Mutex::new(Slot::Awaited(waker))));
        let job = Self {
            question,
            answer: Arc::clone(&answer),
            answered: false,
        };
        match HOOK.get() {
            Some(hook) => hook(Box::new(move || job.run())),
            None => drop(
                thread::Builder::new()
                    .name("gort-net-lookup".into())
                    .spawn(move || job.run())?,
            ),
        }
        Ok(answer)
    }

    fn run(mut self) {
        // We have one reference; the other is the future's, if it lives.
        let outcome = match Arc::strong_count(&self.answer) {
            1 => Err(io::ErrorKind::Interrupted.into()),
            _ => self.question.ask(),
        };
        self.answered = true;
        self.answer.put(outcome);
    }
}

impl Drop for Job {
    fn drop(&mut self) {
        if !self.answered {
            let error = "the lookup was given up by the thread that should have made it";
            self.answer.put(Err(io::Error::other(error)));
        }
    }
}
