//! Settings of a runtime.

use std::fmt;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use gort_net::Reactor;

use crate::ambient::{Ambient, Held};
use crate::config;
use crate::frame::LargeFrame;
use crate::handle::Runtime;
use crate::lease::MAX_PROCS;
use crate::panic::PanicPolicy;
use crate::shared::Shared;
use crate::sysmon::{self, Stall};

type Hook = Arc<dyn Fn() + Send + Sync>;
type StartAmbient = fn() -> io::Result<Arc<dyn Ambient>>;
type StallHook = Arc<dyn Fn(&Stall) + Send + Sync>;
type FrameHook = Arc<dyn Fn(&LargeFrame) + Send + Sync>;

/// The default of [`Builder::max_blocking_threads`]. From tokio and smol, whose blocking pools have 512 and 500.
const MAX_BLOCKING_THREADS: usize = 512;

const MOST_BLOCKING_THREADS: usize = 65_535;

/// The default of [`Builder::stall_threshold`]. Thin air: a tenth of a second is long for a poll, and short for a person.
const STALL_THRESHOLD: Duration = Duration::from_millis(100);

/// The monitor looks every 10 ms at most; what is shorter than this it cannot tell.
const LEAST_STALL_THRESHOLD: Duration = Duration::from_millis(1);

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
    max_blocking_threads: usize,
    on_thread_start: Option<Hook>,
    on_thread_stop: Option<Hook>,
    on_stall: Option<StallHook>,
    on_large_frame: Option<FrameHook>,
    stall_threshold: Duration,
    panic_policy: PanicPolicy,
    ambient: Option<StartAmbient>,
}

/// Settings, checked.
pub(crate) struct Settings {
    pub(crate) procs: usize,
    /// Whether nobody set that number: it follows what the system says.
    pub(crate) follows_system: bool,
    pub(crate) local: bool,
    pub(crate) thread_name: Arc<dyn Fn(usize) -> String + Send + Sync>,
    pub(crate) thread_stack_size: Option<usize>,
    pub(crate) max_blocking_threads: usize,
    pub(crate) on_thread_start: Option<Hook>,
    pub(crate) on_thread_stop: Option<Hook>,
    pub(crate) on_stall: Option<StallHook>,
    pub(crate) on_large_frame: Option<FrameHook>,
    pub(crate) stall_threshold: Duration,
    pub(crate) panic_policy: PanicPolicy,
    /// What each thread is in while it runs goroutines.
    pub(crate) ambient: Option<Arc<dyn Ambient>>,
}

impl Settings {
    /// Puts the calling thread into what goroutines expect around them.
    pub(crate) fn enter_ambient(&self) -> Option<Box<dyn Held + '_>> {
        self.ambient.as_ref().map(|ambient| ambient.enter())
    }
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
            max_blocking_threads: MAX_BLOCKING_THREADS,
            on_thread_start: None,
            on_thread_stop: None,
            on_stall: None,
            on_large_frame: None,
            stall_threshold: STALL_THRESHOLD,
            panic_policy: PanicPolicy::default(),
            ambient: None,
        }
    }

    /// Sets the number of Ps: how many goroutines may run at the same moment (Go's `GOMAXPROCS`). From 1 to 65,535.
    ///
    /// Takes precedence over the environment variable `GORT_PROCS`. Without either, the runtime looks about once a second, while it
    /// is at work, whether [`available_procs`](crate::available_procs) says something else.
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

    /// Sets the size of the threads' stacks in bytes. The default is the standard library's: 2 MiB, or what `RUST_MIN_STACK` says.
    ///
    /// A poll that recurses deeply overflows any; the module `stack` of the feature `stacker` is for those.
    pub fn thread_stack_size(mut self, bytes: usize) -> Self {
        self.thread_stack_size = Some(bytes);
        self
    }

    /// Sets how many threads may block at the same time, beyond those that run goroutines: in polls whose P was taken away, in
    /// [`blocking`](crate::blocking) sections and in nested `block_on` calls. From 1 to 65,535; the default is 512.
    ///
    /// Beyond that, goroutines wait until one of the threads comes back.
    pub fn max_blocking_threads(mut self, threads: usize) -> Self {
        self.max_blocking_threads = threads;
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

    /// Sets how long a poll may take before it is reported as a [`Stall`]. At least 1 ms; the default is 100 ms.
    ///
    /// The monitor takes the P away from a thread that is stuck in a poll long before that; this is only about being told.
    pub fn stall_threshold(mut self, threshold: Duration) -> Self {
        self.stall_threshold = threshold;
        self
    }

    /// Calls `hook` with each stall, on a thread for such things, instead of writing a line about some of them to the standard error stream.
    pub fn on_stall(mut self, hook: impl Fn(&Stall) + Send + Sync + 'static) -> Self {
        self.on_stall = Some(Arc::new(hook));
        self
    }

    /// Calls `hook` with each place that spawns goroutines with a frame of more than 16 KiB, the first time it does, on a thread for such things,
    /// instead of writing a line about it to the standard error stream.
    pub fn on_large_frame(mut self, hook: impl Fn(&LargeFrame) + Send + Sync + 'static) -> Self {
        self.on_large_frame = Some(Arc::new(hook));
        self
    }

    /// Sets what happens when a goroutine panics.
    pub fn panic_policy(mut self, policy: PanicPolicy) -> Self {
        self.panic_policy = policy;
        self
    }

    /// Sets what the threads are in while they run goroutines.
    #[cfg_attr(
        not(feature = "tokio-compat"),
        expect(dead_code, reason = "one feature needs it")
    )]
    pub(crate) fn ambient(mut self, start: StartAmbient) -> Self {
        self.ambient = Some(start);
        self
    }

    /// Builds the runtime and starts its first thread; others start when there is work for them.
    ///
    /// # Errors
    ///
    /// Fails with [`InvalidInput`](io::ErrorKind::InvalidInput) if a setting is out of range, in the builder or in `GORT_PROCS`, `GORT_GC`,
    /// `GORT_MEMLIMIT`, `GORT_GCWORKERS` or `GORT_GCTRACE` (the text names it and the accepted values), and with the system's error if there is no thread or no descriptor to be had.
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

    pub(crate) fn checked(self) -> io::Result<Settings> {
        let set = match (self.local, self.procs) {
            (true, None | Some(1)) => Some(1),
            (true, Some(n)) => {
                return Err(invalid(format!(
                    "a local runtime has exactly one P, not {n}: leave out `procs`, or `local`"
                )));
            }
            (false, Some(n)) => Some(n),
            (false, None) => config::procs_by_environment()?,
        };
        let procs = check_procs(set.unwrap_or_else(config::available_procs))?;
        gort_gc::hooks::check_environment()?;
        if self.max_blocking_threads == 0 || self.max_blocking_threads > MOST_BLOCKING_THREADS {
            return Err(invalid(format!(
                "max_blocking_threads is {}, but must be a number from 1 to {MOST_BLOCKING_THREADS}",
                self.max_blocking_threads
            )));
        }
        if self.stall_threshold < LEAST_STALL_THRESHOLD {
            return Err(invalid(format!(
                "stall_threshold is {:?}, but must be at least {LEAST_STALL_THRESHOLD:?}",
                self.stall_threshold
            )));
        }
        Ok(Settings {
            procs,
            follows_system: set.is_none(),
            local: self.local,
            thread_name: self.thread_name,
            thread_stack_size: self.thread_stack_size,
            max_blocking_threads: self.max_blocking_threads,
            on_thread_start: self.on_thread_start,
            on_thread_stop: self.on_thread_stop,
            on_stall: self.on_stall,
            on_large_frame: self.on_large_frame,
            stall_threshold: self.stall_threshold,
            panic_policy: self.panic_policy,
            ambient: self.ambient.map(|start| start()).transpose()?,
        })
    }
}

/// Refuses a number of Ps that no runtime can have.
pub(crate) fn check_procs(procs: usize) -> io::Result<usize> {
    match procs {
        1..=MAX_PROCS => Ok(procs),
        _ => Err(invalid(format!(
            "procs is {procs}, but must be a number from 1 to {MAX_PROCS}"
        ))),
    }
}

pub(crate) fn invalid(text: String) -> io::Error {
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
