//! Futures that end with a context.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::task::{Poll, ready};

use pin_project_lite::pin_project;

use super::node::Node;
use super::{Context, ContextError};
use crate::Notified;
use crate::hook::{Site, WaitKind};

pin_project! {
    /// The future of [`Context::done`].
    #[must_use = "futures do nothing unless polled"]
    pub struct Done<'a> {
        // None: it never ends.
        node: Option<&'a Node>,
        site: Site,
        #[pin]
        notified: Option<Notified<'a>>,
    }
}

impl<'a> Done<'a> {
    #[track_caller]
    pub(super) fn new(context: &'a Context) -> Self {
        Self {
            node: context.node(),
            site: Site::here(),
            notified: None,
        }
    }
}

impl Future for Done<'_> {
    type Output = ContextError;

    fn poll(self: Pin<&mut Self>, cx: &mut std::task::Context<'_>) -> Poll<ContextError> {
        let mut this = self.project();
        let Some(node) = *this.node else {
            return this.site.or_waits(WaitKind::Context, Poll::Pending);
        };
        loop {
            // The notice is asked for before the look, so that an end in between counts.
            let waits = this.notified.as_mut().as_pin_mut();
            if let Some(err) = node.err() {
                this.notified.set(None);
                return Poll::Ready(err);
            }
            match waits {
                None => this.notified.set(Some(node.ended.notified())),
                Some(notified) => {
                    ready!(this.site.or_waits(WaitKind::Context, notified.poll(cx)));
                    this.notified.set(None);
                }
            }
        }
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
