//! Futures that end with a context.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::task::Poll;

use pin_project_lite::pin_project;

use super::node::Node;
use super::{Context, ContextError};
use crate::Notify;
use crate::hook::{Site, WaitKind};
use crate::until::Until;

pin_project! {
    /// The future of [`Context::done`].
    #[must_use = "futures do nothing unless polled"]
    pub struct Done<'a> {
        // None, both: it never ends.
        node: Option<&'a Node>,
        #[pin]
        until: Option<Until<&'a Notify>>,
        site: Site,
    }
}

impl<'a> Done<'a> {
    #[track_caller]
    pub(super) fn new(context: &'a Context) -> Self {
        let node = context.node();
        Self {
            node,
            until: node.map(|node| Until::new(&node.ended)),
            site: Site::here(),
        }
    }
}

impl Future for Done<'_> {
    type Output = ContextError;

    fn poll(self: Pin<&mut Self>, cx: &mut std::task::Context<'_>) -> Poll<ContextError> {
        let this = self.project();
        let ended = match (*this.node, this.until.as_pin_mut()) {
            (Some(node), Some(until)) => until.poll_until(cx, |_| node.err()),
            _ => Poll::Pending,
        };
        this.site.or_waits(WaitKind::Context, ended)
    }
}

impl fmt::Debug for Done<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Done")
            .field("err", &self.node.and_then(Node::err))
            .finish_non_exhaustive()
    }
}

pin_project! {
    /// The future of [`Context::run`].
    #[must_use = "futures do nothing unless polled"]
    pub struct Run<'a, F> {
        #[pin]
        future: F,
        begun: bool,
        #[pin]
        done: Done<'a>,
    }
}

impl<'a, F> Run<'a, F> {
    #[track_caller]
    pub(super) fn new(context: &'a Context, future: F) -> Self {
        Self {
            future,
            begun: false,
            done: Done::new(context),
        }
    }
}

impl<F: Future> Future for Run<'_, F> {
    type Output = Result<F::Output, ContextError>;

    fn poll(self: Pin<&mut Self>, cx: &mut std::task::Context<'_>) -> Poll<Self::Output> {
        let this = self.project();
        if !*this.begun {
            if let Some(err) = this.done.node.and_then(Node::err) {
                return Poll::Ready(Err(err));
            }
            *this.begun = true;
        }
        // First the end, so that a future which knows better what it waits for has the last word with the hook.
        let done = this.done.poll(cx);
        match this.future.poll(cx) {
            Poll::Ready(output) => Poll::Ready(Ok(output)),
            Poll::Pending => done.map(Err),
        }
    }
}

impl<F> fmt::Debug for Run<'_, F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Run")
            .field("done", &self.done)
            .finish_non_exhaustive()
    }
}
