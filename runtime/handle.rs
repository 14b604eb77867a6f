//! Runtimes, and handles to them.

use std::fmt;
use std::future::Future;
use std::io;
use std::panic::Location;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock};
use std::thread;
use std::time::{Duration, Instant};

use async_task::Task;
use gort_net::Reactor;

use crate::builder::{self, Builder};
use crate::shared::Shared;
use crate::spawn::{self, Origin};
use crate::stop::{self, ShutdownError};
use crate::task::{self, Info, JoinHandle};
use crate::time::Lent;
use crate::{block_on, context, m, pool};

/// How long a dropped runtime waits for polls that do not end, before it says so and leaves them behind.
const DROP_PATIENCE: Duration = Duration::from_secs(5);

/// Runtimes that have threads.
static WITH_THREADS: AtomicUsize = AtomicUsize::new(0);

/// Whether some runtime has threads, one of which then drives the reactor.
pub(crate) fn any_has_threads() -> bool {
    // Relaxed: whoever is wrong about it is found out by the monitor.
    WITH_THREADS.load(Ordering::Relaxed) > 0
}

/// A runtime: a set of Ps, the threads that hold them, and the goroutines that run on them.
///
/// Most programs need none of their own: [`gort::spawn`](crate::spawn) and [`gort::go`](crate::go) use the runtime they are called
/// in, or a default one. A process may have several; they share the reactor, the timers and the monitor.
///
/// Dropping a runtime ends it as [`shutdown`](Self::shutdown) does, with five seconds of patience, and reports what is left
/// to the standard error stream. Dropped by one of its own goroutines it ends in the background.
///
/// # Examples
///
/// ```
/// # fn main() -> std::io::Result<()> {
/// let rt = gort::Runtime::new()?;
/// let answer = rt.spawn(async { 42 });
/// assert_eq!(rt.block_on(answer), 42);
/// # Ok(())
/// # }
/// ```
pub struct Runtime {
    handle: Handle,
    adopted: bool,
    /// Whether `shutdown` did what dropping would.
    ended: bool,
}

/// A reference to a runtime, to spawn on it from anywhere.
///
/// A handle does not keep the runtime from ending: goroutines that are spawned after that are cancelled at once.
#[derive(Clone)]
pub struct Handle {
    rt: Arc<Shared>,
}

impl Runtime {
    /// Builds a runtime with the default settings.
    ///
    /// # Errors
    ///
    /// As [`Builder::build`].
    pub fn new() -> std::io::Result<Self> {
        Builder::new().build()
    }

    pub(crate) fn from_shared(rt: Arc<Shared>) -> Self {
        // With threads of its own that sleep in the reactor, and the monitor behind them, nobody else has to drive it.
        let adopted = !rt.settings.local;
        if adopted && let Some(reactor) = Reactor::existing() {
            WITH_THREADS.fetch_add(1, Ordering::Relaxed);
            reactor.adopt();
            // The runtime's own thread may have found the reactor driven by one that leaves it to us now.
            crate::sysmon::ensure();
        }
        task::hear_of_waits();
        gort_sync::set_yield_hook(task::must_yield);
        gort_sync::set_timers(&Lent);
        gort_net::set_yield_hook(task::must_yield);
        gort_net::set_blocking_hook(|job| pool::unblock(job).detach());
        Self {
            handle: Handle::new(rt),
            adopted,
            ended: false,
        }
    }

    pub(crate) fn shared(&self) -> &Arc<Shared> {
        &self.handle.rt
    }

    /// Returns a handle to the runtime.
    #[must_use]
    pub fn handle(&self) -> &Handle {
        &self.handle
    }

    /// Runs a future on the calling thread until it ends, with this runtime as the current one.
    ///
    /// The future need not be `Send`. What it spawns runs on the runtime's threads; in a [local](Builder::local) runtime,
    /// which has none, on this one.
    ///
    /// # Panics
    ///
    /// Panics if the future does.
    #[track_caller]
    pub fn block_on<F: Future>(&self, future: F) -> F::Output {
        self.handle.block_on(future)
    }

    /// Spawns a goroutine on this runtime; see [`gort::spawn`](crate::spawn).
    #[track_caller]
    pub fn spawn<F>(&self, future: F) -> Task<F::Output>
    where
        F: Future + Send + 'static,
        F::Output: Send + 'static,
    {
        self.handle.spawn(future)
    }

    /// Starts a detached goroutine on this runtime; see [`gort::go`](crate::go).
    #[track_caller]
    pub fn go<F>(&self, future: F) -> JoinHandle<F::Output>
    where
        F: Future + Send + 'static,
        F::Output: Send + 'static,
    {
        self.handle.go(future)
    }

    /// Ends the runtime: refuses new goroutines, lets every current poll end, and drops all futures.
    ///
    /// Goroutines are not asked whether they have finished: to let them, await their handles first.
    ///
    /// # Errors
    ///
    /// If a poll does not end within `patience`, the error lists the goroutines that are left. Their threads finish
    /// the job when they come back. Called from one of the runtime's own goroutines this is an error at once, and the
    /// runtime ends in the background.
    pub fn shutdown(mut self, patience: Duration) -> Result<(), ShutdownError> {
        if self.is_here() {
            // Dropping `self` ends the runtime.
            return Err(ShutdownError::from_inside());
        }
        self.ended = true;
        stop::shutdown(self.shared(), Instant::now().checked_add(patience))
    }

    fn is_here(&self) -> bool {
        m::with_here(|here| here.is_some_and(|here| here.belongs_to(Arc::as_ptr(self.shared()))))
    }

    fn end_in_background(&self) {
        let rt = self.shared().clone();
        rt.close();
        eprintln!(
            "gort: a runtime was dropped by one of its own goroutines; it ends in the background"
        );
        let name = String::from("gort-shutdown");
        let ending = thread::Builder::new().name(name).spawn(move || end(&rt));
        if let Err(error) = ending {
            eprintln!("gort: cannot start a thread to end a runtime: {error}; its goroutines stay");
        }
    }
}

fn end(rt: &Arc<Shared>) {
    if let Err(error) = stop::shutdown(rt, Instant::now().checked_add(DROP_PATIENCE)) {
        eprintln!("gort: a runtime was dropped, but {error}");
    }
}

impl Drop for Runtime {
    fn drop(&mut self) {
        if self.is_here() {
            self.end_in_background();
        } else if !self.ended {
            end(self.shared());
        }
        if self.adopted
            && let Some(reactor) = Reactor::existing()
        {
            WITH_THREADS.fetch_sub(1, Ordering::Relaxed);
            reactor.disown();
        }
        crate::sysmon::ensure();
    }
}

impl fmt::Debug for Runtime {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Runtime").field(&self.handle.rt).finish()
    }
}

impl Handle {
    pub(crate) fn new(rt: Arc<Shared>) -> Self {
        Self { rt }
    }

    pub(crate) fn shared(&self) -> &Arc<Shared> {
        &self.rt
    }

    /// Returns the current runtime: the one that runs this goroutine, or whose `block_on` this thread is in.
    ///
    /// # Panics
    ///
    /// Panics outside any runtime; see [`try_current`](Self::try_current).
    #[must_use]
    #[track_caller]
    pub fn current() -> Self {
        Self::try_current().expect(
            "there is no current runtime on this thread: \
             call this from a goroutine or from the future of a block_on, or use Handle::default_runtime",
        )
    }

    /// Returns the current runtime, or None outside any.
    #[must_use]
    pub fn try_current() -> Option<Self> {
        context::try_current()
    }

    /// Returns the default runtime, which is started if it does not run yet.
    ///
    /// # Panics
    ///
    /// Panics if `GORT_PROCS` is invalid, or if the system has no threads or descriptors left.
    #[must_use]
    pub fn default_runtime() -> Self {
        default_runtime().handle().clone()
    }

    /// Runs a future on the calling thread until it ends; see [`Runtime::block_on`].
    ///
    /// # Panics
    ///
    /// Panics if the future does.
    #[track_caller]
    pub fn block_on<F: Future>(&self, future: F) -> F::Output {
        let _entered = context::enter(self.rt.clone());
        let _ambient = self.rt.settings.enter_ambient();
        if self.rt.settings.local {
            block_on::as_local_m(&self.rt, future)
        } else {
            block_on::block_on(future)
        }
    }

    /// Spawns a goroutine; see [`gort::spawn`](crate::spawn).
    #[track_caller]
    pub fn spawn<F>(&self, future: F) -> Task<F::Output>
    where
        F: Future + Send + 'static,
        F::Output: Send + 'static,
    {
        let at = Location::caller();
        spawn::plain(&self.rt, Origin { at, name: None }, future)
    }

    /// Starts a detached goroutine; see [`gort::go`](crate::go).
    #[track_caller]
    pub fn go<F>(&self, future: F) -> JoinHandle<F::Output>
    where
        F: Future + Send + 'static,
        F::Output: Send + 'static,
    {
        let at = Location::caller();
        spawn::joinable(&self.rt, Origin { at, name: None }, future)
    }

    /// Returns the number of Ps: how many goroutines can run at the same moment.
    #[must_use]
    pub fn procs(&self) -> usize {
        self.rt.procs()
    }

    /// Changes the number of Ps while the runtime runs; returns what it was (Go's `runtime.GOMAXPROCS`). From 1 to 65,535.
    ///
    /// Nothing stops for it. New Ps are there at once, and threads start for them as there is work. One that is too many goes
    /// when the poll that runs on it ends, and what its thread has queued goes to the others; a poll that does not end loses
    /// it to the monitor. From this call on the runtime no longer follows the number of CPUs that the system gives.
    ///
    /// # Errors
    ///
    /// Fails with [`InvalidInput`](io::ErrorKind::InvalidInput) if the number is out of range, or if the runtime is
    /// [local](Builder::local), which has exactly one. Nothing changes then.
    ///
    /// # Examples
    ///
    /// ```
    /// let rt = gort::Builder::new().procs(2).build()?;
    /// assert_eq!(rt.handle().set_procs(4)?, 2);
    /// assert_eq!(rt.handle().procs(), 4);
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn set_procs(&self, procs: usize) -> io::Result<usize> {
        let procs = builder::check_procs(procs)?;
        if self.rt.settings.local && procs != 1 {
            return Err(builder::invalid(format!(
                "a local runtime has exactly one P, not {procs}"
            )));
        }
        Ok(self.rt.set_procs(procs))
    }

    /// Returns how many polls took longer than [`Builder::stall_threshold`](crate::Builder::stall_threshold).
    #[must_use]
    pub fn stalls(&self) -> u64 {
        self.rt.stalls.count()
    }

    /// Returns how often a P was taken from a thread that was stuck in a poll, and handed to another.
    #[must_use]
    pub fn handoffs(&self) -> u64 {
        self.rt.handoffs.load(Ordering::Relaxed)
    }

    /// Returns the number of threads that the runtime has at this moment.
    #[must_use]
    pub fn threads(&self) -> usize {
        self.rt.threads()
    }

    /// Lists the goroutines of this runtime.
    ///
    /// A snapshot without a pause: each is described as it was when the walk came by. A goroutine that was made by
    /// [`spawn`](crate::spawn) without a name, and has not run yet, is not in it.
    ///
    /// # Examples
    ///
    /// ```
    /// gort::block_on(async {
    ///     let idler = gort::task::Builder::new().name("idler").go(std::future::pending::<()>());
    ///     gort::task::yield_now().await;
    ///     let all = gort::Handle::default_runtime().goroutines();
    ///     assert!(all.iter().any(|g| g.name() == Some("idler")));
    ///     idler.abort();
    /// });
    /// ```
    #[must_use]
    pub fn goroutines(&self) -> Vec<Info> {
        Info::all(|g| std::ptr::eq(g.runtime(), Arc::as_ptr(&self.rt)))
    }
}

impl fmt::Debug for Handle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Handle").field(&self.rt).finish()
    }
}

/// The runtime of goroutines that were spawned outside any.
pub(crate) fn default_runtime() -> &'static Runtime {
    static DEFAULT: OnceLock<Runtime> = OnceLock::new();
    DEFAULT.get_or_init(|| {
        Builder::new()
            .build()
            .unwrap_or_else(|error| panic!("cannot start the default runtime: {error}"))
    })
}
