//! Settings of a runtime.

use std::fmt;
use std::io;
use std::sync::Arc;

use gort_net::Reactor;

use crate::config;
use crate::handle::Runtime;
use crate::lease::MAX_PROCS;
use crate::panic::PanicPolicy;
use crate::shared::Shared;
use crate::sysmon;

type Hook = Arc<dyn Fn() + Send + Sync>;

/// Builds a [`Runtime`] with settings of one's own.
///
/// # Examples
///
/// ```
/// # fn main() -> std::io::Result<()> {
/// let rt = gort::Builder::new().procs(2).thread_name("worker").build()?;
/// let sum = rt.block_on(async {
///     let half = gort::go(async { 20 });
///     half.await.expect("it does not panic") + 22
/// });
/// assert_eq!(sum, 42);
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
#[must_use]
pub struct Builder {
    procs: Option<usize>,
    local: bool,
    thread_name: Arc<dyn Fn(usize) -> String + Send + Sync>,
    thread_stack_size: Option<usize>,
    on_thread_start: Option<Hook>,
    on_thread_stop: Option<Hook>,
    panic_policy: PanicPolicy,
}

/// Settings, checked.
pub(crate) struct Settings {
    pub(crate) procs: usize,
    pub(crate) local: bool,
    pub(crate) thread_name: Arc<dyn Fn(usize) -> String + Send + Sync>,
    pub(crate) thread_stack_size: Option<usize>,
    pub(crate) on_thread_start: Option<Hook>,
    pub(crate) on_thread_stop: Option<Hook>,
    pub(crate) panic_policy: PanicPolicy,
}

impl Builder {
    /// Starts from the defaults: as many Ps as [`available_procs`](crate::available_procs) says or `GORT_PROCS` sets, threads
    /// named `gort-N`, and [`PanicPolicy::Log`].
    pub fn new() -> Self {
        Self {
            procs: None,
            local: false,
            thread_name: Arc::new(|index| format!("gort-{index}")),
            thread_stack_size: None,
            on_thread_start: None,
            on_thread_stop: None,
            panic_policy: PanicPolicy::default(),
        }
    }

    /// Sets the number of Ps: how many goroutines may run at the same moment (Go's `GOMAXPROCS`). From 1 to 65,535.
    ///
    /// Takes precedence over the environment variable `GORT_PROCS`.
    pub fn procs(mut self, procs: usize) -> Self {
        self.procs = Some(procs);
        self
    }

    /// Makes a runtime without threads: its goroutines run on the thread that calls [`Runtime::block_on`], with one P, and
    /// stand still while no thread does.
    pub fn local(mut self) -> Self {
        self.local = true;
        self
    }

    /// Names the threads `name-0`, `name-1`, and so on.
    pub fn thread_name(self, name: impl Into<String>) -> Self {
        let name = name.into();
        self.thread_name_fn(move |index| format!("{name}-{index}"))
    }

    /// Names each thread by its index.
    pub fn thread_name_fn(
        mut self,
        name: impl Fn(usize) -> String + Send + Sync + 'static,
    ) -> Self {
        self.thread_name = Arc::new(name);
        self
    }

    /// Sets the size of the threads' stacks in bytes. The default is the standard library's.
    pub fn thread_stack_size(mut self, bytes: usize) -> Self {
        self.thread_stack_size = Some(bytes);
        self
    }

    /// Calls `hook` on each thread of the runtime before it runs its first goroutine.
    pub fn on_thread_start(mut self, hook: impl Fn() + Send + Sync + 'static) -> Self {
        self.on_thread_start = Some(Arc::new(hook));
        self
    }

    /// Calls `hook` on each thread of the runtime after it ran its last goroutine.
    pub fn on_thread_stop(mut self, hook: impl Fn() + Send + Sync + 'static) -> Self {
        self.on_thread_stop = Some(Arc::new(hook));
        self
    }

    /// Sets what happens when a goroutine panics.
    pub fn panic_policy(mut self, policy: PanicPolicy) -> Self {
        self.panic_policy = policy;
        self
    }

    /// Builds the runtime and starts its first thread; others start when there is work for them.
    ///
    /// # Errors
    ///
    /// Fails with [`InvalidInput`](io::ErrorKind::InvalidInput) if a setting is out of range, in the builder or in `GORT_PROCS` (the text names
    /// it and the accepted values), and with the system's error if there is no thread or no descriptor to be had.
    pub fn build(self) -> io::Result<Runtime> {
        let local = self.local;
        let settings = self.checked()?;
        // The first thread sleeps in it; better to fail here than there.
        Reactor::get()?;
        let rt = Shared::new(settings);
        if !local {
            rt.start_first()?;
        }
        sysmon::register(&rt);
        Ok(Runtime::from_shared(rt))
    }

    fn checked(self) -> io::Result<Settings> {
        let procs = match (self.local, self.procs) {
            (true, None | Some(1)) => 1,
            (true, Some(n)) => {
                return Err(invalid(format!(
                    "a local runtime has exactly one P, not {n}: leave out `procs`, or `local`"
                )));
            }
            (false, Some(n)) => n,
            (false, None) => config::default_procs()?,
        };
        if procs == 0 || procs > MAX_PROCS {
            return Err(invalid(format!(
                "procs is {procs}, but must be a number from 1 to {MAX_PROCS}"
            )));
        }
        Ok(Settings {
            procs,
            local: self.local,
            thread_name: self.thread_name,
            thread_stack_size: self.thread_stack_size,
            on_thread_start: self.on_thread_start,
            on_thread_stop: self.on_thread_stop,
            panic_policy: self.panic_policy,
        })
    }
}

fn invalid(text: String) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidInput, text)
}

impl Default for Builder {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Debug for Builder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Builder")
            .field("procs", &self.procs)
            .field("local", &self.local)
            .field("thread_stack_size", &self.thread_stack_size)
            .field("panic_policy", &self.panic_policy)
            .finish_non_exhaustive()
    }
}
