#![doc = include_str!("../README.md")]

#[doc(no_inline)]
pub use async_lock as lock;
pub use async_task::{FallibleTask, Task};

pub use block_on::block_on;
pub use builder::Builder;
pub use config::available_procs;
pub use dump::{Dump, dump};
pub use executor::{Executor, LocalExecutor, StaticExecutor, StaticLocalExecutor};
pub use facade::{blocking, go, spawn};
pub use frame::LargeFrame;
#[doc(no_inline)]
pub use futures_lite::{future, io, pin, prelude, ready, stream};
pub use gort_macros::{main, test};
pub use gort_net::Async;
pub use gort_sync as sync;
pub use gort_sync::{channel, select};
pub use handle::{Handle, Runtime};
pub use panic::PanicPolicy;
pub use pool::{Unblock, unblock};
#[cfg(feature = "serve")]
pub use serve::serve;
pub use signal::{CtrlC, ctrl_c};
pub use stop::ShutdownError;
pub use sysmon::{Stall, StallKind};
pub use task::{AbortHandle, JoinError, JoinHandle, TaskId, scope};
pub use time::Timer;

pub mod fs;
pub mod gc;
#[cfg(feature = "hyper")]
pub mod hyper;
pub mod net;
pub mod process;
#[cfg(feature = "quinn")]
pub mod quinn;
#[cfg(feature = "serve")]
pub mod serve;
pub mod signal;
#[cfg(feature = "stacker")]
pub mod stack;
pub mod task;
pub mod time;

mod ambient;
mod aside;
mod block_on;
mod builder;
mod config;
mod context;
mod drive;
mod dump;
mod entry;
mod executor;
mod facade;
mod frame;
#[cfg(feature = "futures")]
mod futures;
mod g;
mod handle;
mod idle;
mod inject;
mod lease;
mod lost;
mod m;
mod p;
mod panic;
mod park;
mod pool;
mod root;
mod runq;
mod sched;
mod shared;

mod slot;
mod spawn;
mod stop;
mod sysmon;
#[cfg(feature = "tokio-compat")]
mod tokio_compat;
mod worker;

/// What the expansion of the macros calls. No part of the public interface.
#[doc(hidden)]
pub mod __private {
    use std::future::Future;

    use crate::Builder;
    pub use crate::entry::{
        with_executor, with_local_executor, with_shared_executor, with_shared_local_executor,
    };

    /// Runs the body of `#[gort::main]`.
    #[track_caller]
    pub fn main<F: Future>(builder: Builder, future: F) -> F::Output {
        // Without it the signal does what it always does.
        let _ = crate::signal::dump_on_quit();
        match builder.build() {
            Ok(rt) => rt.block_on(future),
            Err(error) => {
                eprintln!("gort: cannot start: {error}");
                std::process::exit(2);
            }
        }
    }

    /// Runs the body of `#[gort::test]`.
    #[track_caller]
    pub fn test<F: Future>(builder: Builder, future: F) -> F::Output {
        match builder.build() {
            Ok(rt) => rt.block_on(future),
            Err(error) => panic!("cannot start a runtime: {error}"),
        }
    }
}
