//! Crates that need tokio, on gort's threads. Feature `tokio-compat`.
//!
//! Tokio's sockets, timers and `tokio::spawn` look for a tokio runtime in a thread-local. With [`Builder::enable_tokio`] a runtime has one
//! beside it, with a thread of its own, and its threads hold a handle to it for as long as they live: nothing is added to a poll. The futures
//! of such crates then run as goroutines, and tokio's thread does nothing but wait for their sockets and timers.
//!
//! Rejected: to enter the context around each poll (a thread-local swap each), and to turn this on by the feature alone: crates that can use
//! either (sqlx, redis, quinn) pick tokio as soon as they see its context, and a feature that some dependency turns on would move them silently.

use std::io;
use std::sync::Arc;

use tokio::runtime::{self, Handle};

use crate::ambient::{Ambient, Held};
use crate::builder::Builder;

impl Builder {
    /// Lets crates that need tokio work in goroutines: in `block_on` of the runtime, and on all its threads, there is a tokio context.
    ///
    /// Inside goroutines `tokio::net`, `tokio::time`, `tokio::spawn`, `tokio::task::spawn_blocking` and what is built on them (axum, reqwest,
    /// tonic) work as they are. What `tokio::spawn` starts runs on tokio's thread, not as a goroutine; `tokio::task::spawn_local` panics, as it
    /// does on tokio's own threads.
    ///
    /// The tokio runtime is built with this one, and has one worker thread, named `gort-tokio`; if this is called in the context of a tokio
    /// runtime, that one is used. It ends with this runtime, without waiting for its tasks. `#[gort::main(tokio)]` calls this.
    ///
    /// Needs the feature `tokio-compat`. The feature alone turns nothing on: crates that can use either runtime prefer tokio where they see it.
    ///
    /// # Examples
    ///
    /// ```
    /// use std::time::Duration;
    ///
    /// let rt = gort::Builder::new().procs(2).enable_tokio().build()?;
    /// let sum = rt.block_on(async {
    ///     let goroutine = gort::go(async {
    ///         tokio::time::sleep(Duration::from_millis(1)).await;
    ///         20
    ///     });
    ///     let task = tokio::spawn(async { 22 });
    ///     goroutine.await.unwrap() + task.await.unwrap()
    /// });
    /// assert_eq!(sum, 42);
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn enable_tokio(self) -> Self {
        self.ambient(|| Ok(Arc::new(Tokio::start()?)))
    }
}

/// The tokio runtime beside a runtime.
#[derive(Debug)]
struct Tokio {
    handle: Handle,
    /// None if it belongs to somebody else, or is being dropped.
    own: Option<runtime::Runtime>,
}

impl Tokio {
    fn start() -> io::Result<Self> {
        if let Ok(handle) = Handle::try_current() {
            return Ok(Self { handle, own: None });
        }
        let own = runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .thread_name("gort-tokio")
            .enable_all()
            .build()?;
        Ok(Self {
            handle: own.handle().clone(),
            own: Some(own),
        })
    }
}

impl Ambient for Tokio {
    fn enter(&self) -> Box<dyn Held + '_> {
        Box::new(self.handle.enter())
    }
}

impl Drop for Tokio {
    fn drop(&mut self) {
        if let Some(own) = self.own.take() {
            // The last reference may go in any context, also one in which tokio does not allow to wait.
            own.shutdown_background();
        }
    }
}
