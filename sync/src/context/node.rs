//! The tree of what can be cancelled.
//!
//! A child holds its parent; a parent knows its children without holding them, and a child that is dropped takes itself off its
//! parent's list: the tree is as large as what the program holds of it.
//!
//! Invariants:
//! 1. `state` leaves Live once, under the lock, and `links` is None from then on: who comes later is not linked, but ended at once.
//! 2. No lock is held while another is taken, or while foreign code runs (wakers, functions, destructors).
//! 3. All that one call ends is marked before anybody is told of it.
//!
//! Neither cancelling nor dropping recurses: a chain of contexts may be as long as memory allows.

use std::any::Any;
use std::fmt;
use std::sync::{Arc, PoisonError, Weak};
use std::task::{Wake, Waker};
use std::time::Instant;

use gort_primitives::atomic::{AtomicU8, Ordering};
use gort_primitives::sync::{Mutex, MutexGuard};
use slab::Slab;

use super::{Cause, ContextError};
use crate::panics::FirstPanic;
use crate::{Notify, timers};

const LIVE: u8 = 0;
const CANCELED: u8 = 1;
const DEADLINE: u8 = 2;

/// What ends a context, and all below it.
pub(super) struct Node {
    /// LIVE, or how it ended.
    state: AtomicU8,
    /// The earliest of its own and its ancestors' deadlines.
    deadline: Option<Instant>,
    /// None also once it was taken out of the tree.
    parent: Option<Arc<Node>>,
    /// Its place in the parent's links, if it has one.
    key: Option<usize>,
    inner: Mutex<Inner>,
    /// Those who wait for the end.
    pub(super) ended: Notify,
}

struct Inner {
    /// None once it has ended.
    links: Option<Slab<Link>>,
    cause: Option<Cause>,
    /// Stops the deadline's timer when dropped.
    timer: Option<Box<dyn Any + Send>>,
}

/// What is to be told of the end.
enum Link {
    Child(Weak<Node>),
    Func(Func),
}

pub(super) type Func = Box<dyn FnOnce() + Send>;

/// Links that came and went leave their room behind; more than this is given back. Thin air.
const SPARE: usize = 64;

impl Node {
    /// Creates a node, below `parent` if there is one.
    pub(super) fn new(parent: Option<&Arc<Node>>, deadline: Option<Instant>) -> Arc<Node> {
        let Some(parent) = parent else {
            return Arc::new(Self::with(LIVE, deadline, None, None));
        };
        let mut inner = parent.lock();
        if let Some(links) = &mut inner.links {
            let (place, above) = (links.vacant_key(), Some(parent.clone()));
            let node = Arc::new(Self::with(LIVE, deadline, above, Some(place)));
            links.insert(Link::Child(Arc::downgrade(&node)));
            return node;
        }
        let cause = inner.cause.clone();
        drop(inner);
        // Relaxed: the lock that we held orders; it does not change any more.
        let node = Self::with(parent.state.load(Ordering::Relaxed), deadline, None, None);
        node.lock().cause = cause;
        Arc::new(node)
    }

    fn with(
        state: u8,
        deadline: Option<Instant>,
        parent: Option<Arc<Node>>,
        key: Option<usize>,
    ) -> Self {
        Self {
            state: AtomicU8::new(state),
            deadline,
            parent,
            key,
            inner: Mutex::new(Inner {
                links: (state == LIVE).then(Slab::new),
                cause: None,
                timer: None,
            }),
            ended: Notify::new(),
        }
    }

    /// Nothing that panics runs under the lock.
    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn deadline(&self) -> Option<Instant> {
        self.deadline
    }

    /// Returns how it ended.
    #[inline]
    pub(super) fn err(&self) -> Option<ContextError> {
        // Acquire: pairs with the Release in `mark`.
        match self.state.load(Ordering::Acquire) {
            LIVE => None,
            DEADLINE => Some(ContextError::DeadlineExceeded),
            _ => Some(ContextError::Canceled),
        }
    }

    /// Returns the cause that was given.
    pub(super) fn cause(&self) -> Option<Cause> {
        self.lock().cause.clone()
    }

    /// Ends it at `at`, with that cause.
    pub(super) fn arm(self: &Arc<Self>, at: Instant, cause: Option<Cause>) {
        let node = Arc::downgrade(self);
        if at <= Instant::now() {
            self.end(ContextError::DeadlineExceeded, cause);
            return;
        }
        let timer = timers::wake_at(at, &Waker::from(Arc::new(Alarm { node, cause })));
        let mut inner = self.lock();
        if inner.links.is_some() {
            inner.timer = Some(timer);
            return;
        }
        // It has ended meanwhile.
        drop(inner);
        drop(timer);
    }

    /// Calls `func` when it ends, now if it has. Returns its place if it waits for that.
    pub(super) fn link(&self, func: Func) -> Option<usize> {
        let mut inner = self.lock();
        if let Some(links) = &mut inner.links {
            return Some(links.insert(Link::Func(func)));
        }
        drop(inner);
        func();
        None
    }

    /// Takes a function or a child off the list. Returns whether it was there.
    pub(super) fn unlink(&self, key: usize) -> bool {
        let mut inner = self.lock();
        let Some(links) = &mut inner.links else {
            return false;
        };
        let link = links.remove(key);
        let spare = (links.is_empty() && links.capacity() > SPARE).then(|| std::mem::take(links));
        drop(inner);
        drop((link, spare));
        true
    }

    /// Ends it and all nodes below it, unless it has ended.
    ///
    /// The first panic of a waker or a function goes on when all were called.
    pub(super) fn end(self: &Arc<Self>, why: ContextError, cause: Option<Cause>) {
        let mut ended = vec![Ended::new(self.clone())];
        let mut next = 0;
        while let Some(node) = ended.get_mut(next) {
            let children = node.mark(why, cause.clone());
            ended.extend(children.into_iter().map(Ended::new));
            next += 1;
        }
        let mut panic = FirstPanic::default();
        for node in ended {
            node.tell(&mut panic);
        }
        panic.resume();
    }

    /// Takes it off its parent's list.
    fn leave(&mut self) -> Option<Arc<Node>> {
        let parent = self.parent.take()?;
        if let Some(key) = self.key {
            parent.unlink(key);
        }
        Some(parent)
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        let mut parent = self.leave();
        // A chain that nobody else holds goes step by step.
        while let Some(mut node) = parent.and_then(Arc::into_inner) {
            parent = node.leave();
        }
    }
}

impl fmt::Debug for Node {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Node")
            .field("err", &self.err())
            .finish_non_exhaustive()
    }
}

/// A node on its way to its end.
struct Ended {
    node: Arc<Node>,
    /// Whether it was us who ended it.
    ours: bool,
    funcs: Vec<Func>,
    timer: Option<Box<dyn Any + Send>>,
}

impl Ended {
    fn new(node: Arc<Node>) -> Self {
        Self {
            node,
            ours: false,
            funcs: Vec::new(),
            timer: None,
        }
    }

    /// Ends the node, unless it has, and returns its children. Runs no foreign code.
    fn mark(&mut self, why: ContextError, cause: Option<Cause>) -> Vec<Arc<Node>> {
        let mut inner = self.node.lock();
        let Some(links) = inner.links.take() else {
            return Vec::new();
        };
        inner.cause = cause;
        self.timer = inner.timer.take();
        let state = match why {
            ContextError::Canceled => CANCELED,
            ContextError::DeadlineExceeded => DEADLINE,
        };
        // Release: publishes what was done before the end to the Acquire in `err`.
        self.node.state.store(state, Ordering::Release);
        drop(inner);
        self.ours = true;
        let mut children = Vec::new();
        for (_, link) in links {
            match link {
                // None: it is being dropped.
                Link::Child(child) => children.extend(child.upgrade()),
                Link::Func(func) => self.funcs.push(func),
            }
        }
        children
    }

    /// Wakes who waits for the node, calls its functions, and drops its timer and the node itself, either of which may be the last to
    /// have somebody's cause. Keeps the first panic.
    fn tell(self, panic: &mut FirstPanic) {
        if self.ours {
            panic.catch(|| self.node.ended.notify_waiters());
        }
        for func in self.funcs {
            panic.catch(func);
        }
        panic.catch(|| drop(self.timer));
        panic.catch(|| drop(self.node));
    }
}

/// What a deadline wakes. It does not keep the node, which may be long gone by then.
struct Alarm {
    node: Weak<Node>,
    cause: Option<Cause>,
}

impl Wake for Alarm {
    fn wake(self: Arc<Self>) {
        if let Some(node) = self.node.upgrade() {
            node.end(ContextError::DeadlineExceeded, self.cause.clone());
        }
    }
}
