//! Sets, groups and scopes of goroutines.

#[path = "structure/err_group.rs"]
mod err_group;
#[path = "structure/join_set.rs"]
mod join_set;
#[path = "structure/pipeline.rs"]
mod pipeline;
#[path = "structure/scope.rs"]
mod scope;

use std::future::Future;
use std::pin::pin;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

/// Sends when it is dropped.
struct Tell(Sender<()>);

impl Tell {
    fn new() -> (Self, Dropped) {
        let (tell, told) = channel();
        (Self(tell), Dropped(told))
    }
}

impl Drop for Tell {
    fn drop(&mut self) {
        let _ = self.0.send(());
    }
}

/// Hears of a drop.
struct Dropped(Receiver<()>);

impl Dropped {
    fn wait(&self) {
        self.0
            .recv_timeout(Duration::from_secs(60))
            .expect("it should be dropped");
    }

    fn is_it(&self) -> bool {
        self.0.try_recv().is_ok()
    }
}

fn runtime(procs: usize) -> gort::Runtime {
    gort::Builder::new()
        .procs(procs)
        .panic_policy(gort::PanicPolicy::Propagate)
        .build()
        .expect("a runtime")
}

/// Polls once and drops.
fn poll_once<F: Future>(future: F) -> Poll<F::Output> {
    pin!(future).poll(&mut Context::from_waker(Waker::noop()))
}
