//! How many threads there should be, if anybody says so, and whether there is a tokio beside them.

use std::fmt;
use std::sync::OnceLock;

use gort::{Builder, Handle, Runtime};

/// The environment variable that is read if the configuration names no other.
const THREADS_VAR: &str = "ASYNC_GLOBAL_EXECUTOR_THREADS";

/// The runtime that was asked for, by a number of threads or by the feature `tokio`; None stands for the default one.
static RUNTIME: OnceLock<Option<Runtime>> = OnceLock::new();

/// Says how many threads run the tasks of [`spawn`](crate::spawn).
#[derive(Default)]
pub struct GlobalExecutorConfig {
    env_var: Option<&'static str>,
    min_threads: Option<usize>,
    thread_name: Option<Box<dyn Fn() -> String + Send + Sync>>,
}

impl GlobalExecutorConfig {
    /// Names the environment variable that says how many threads there should be.
    pub fn with_env_var(mut self, env_var: &'static str) -> Self {
        self.env_var = Some(env_var);
        self
    }

    /// Says how many threads there should be: as many goroutines run at the same moment.
    pub fn with_min_threads(mut self, min_threads: usize) -> Self {
        self.min_threads = Some(min_threads);
        self
    }

    /// Does nothing: the number of Ps of a runtime does not grow.
    pub fn with_max_threads(self, _max_threads: usize) -> Self {
        self
    }

    /// Names the threads, if there are any for this configuration.
    pub fn with_thread_name_fn(
        mut self,
        thread_name_fn: impl Fn() -> String + Send + Sync + 'static,
    ) -> Self {
        self.thread_name = Some(Box::new(thread_name_fn));
        self
    }

    fn runtime(self) -> Option<Runtime> {
        let variable = std::env::var(self.env_var.unwrap_or(THREADS_VAR)).ok();
        let threads = variable.and_then(|text| text.parse().ok());
        let threads: Option<usize> = threads.or(self.min_threads);
        let mut builder = match threads {
            Some(threads) => Builder::new().procs(threads.max(1)),
            None if cfg!(feature = "tokio") => Builder::new(),
            None => return None,
        };
        #[cfg(feature = "tokio")]
        {
            builder = builder.enable_tokio();
        }
        if let Some(name) = self.thread_name {
            builder = builder.thread_name_fn(move |_| name());
        }
        let built = builder.build();
        Some(built.unwrap_or_else(|error| panic!("cannot start a runtime: {error}")))
    }
}

impl fmt::Debug for GlobalExecutorConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("GlobalExecutorConfig")
            .field("env_var", &self.env_var)
            .field("min_threads", &self.min_threads)
            .finish_non_exhaustive()
    }
}

/// Starts the runtime for the tasks of [`spawn`](crate::spawn), if the configuration asks for one of their own. The first call decides.
///
/// # Panics
///
/// Panics if the system has no threads or descriptors left.
pub fn init_with_config(config: GlobalExecutorConfig) {
    RUNTIME.get_or_init(|| config.runtime());
}

/// Starts the runtime for the tasks of [`spawn`](crate::spawn), if it does not run yet.
///
/// # Panics
///
/// As [`init_with_config`].
pub fn init() {
    runtime();
}

/// Where tasks are spawned.
pub(crate) fn runtime() -> Handle {
    let asked = RUNTIME.get_or_init(|| GlobalExecutorConfig::default().runtime());
    match asked {
        Some(runtime) => runtime.handle().clone(),
        None => Handle::default_runtime(),
    }
}
