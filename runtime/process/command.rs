//! What to run.

use std::ffi::OsStr;
use std::fmt;
use std::future::Future;
use std::io;
use std::path::Path;
use std::process::{CommandArgs, CommandEnvs, Output, Stdio};

use super::child::{Child, Status};
use super::guard::OnDrop;

/// Builds a child process, like [`std::process::Command`].
///
/// # Examples
///
/// ```
/// use gort::process::Command;
///
/// gort::block_on(async {
///     let status = Command::new("sh").arg("-c").arg("exit 3").status().await?;
///     assert_eq!(status.code(), Some(3));
///     std::io::Result::Ok(())
/// })?;
/// # Ok::<(), std::io::Error>(())
/// ```
pub struct Command {
    std: std::process::Command,
    /// Whether the caller has said where each of them goes.
    stdin: bool,
    stdout: bool,
    stderr: bool,
    on_drop: OnDrop,
}

impl Command {
    /// Begins with a program, which is looked for in `PATH` unless it is a path.
    pub fn new<S: AsRef<OsStr>>(program: S) -> Self {
        Self::from(std::process::Command::new(program))
    }

    /// Adds an argument.
    pub fn arg<S: AsRef<OsStr>>(&mut self, arg: S) -> &mut Self {
        self.std.arg(arg);
        self
    }

    /// Adds arguments.
    pub fn args<I, S>(&mut self, args: I) -> &mut Self
    where
        I: IntoIterator<Item = S>,
        S: AsRef<OsStr>,
    {
        self.std.args(args);
        self
    }

    /// Sets a variable of the environment.
    pub fn env<K, V>(&mut self, key: K, val: V) -> &mut Self
    where
        K: AsRef<OsStr>,
        V: AsRef<OsStr>,
    {
        self.std.env(key, val);
        self
    }

    /// Sets variables of the environment.
    pub fn envs<I, K, V>(&mut self, vars: I) -> &mut Self
    where
        I: IntoIterator<Item = (K, V)>,
        K: AsRef<OsStr>,
        V: AsRef<OsStr>,
    {
        self.std.envs(vars);
        self
    }

    /// Removes a variable of the environment.
    pub fn env_remove<K: AsRef<OsStr>>(&mut self, key: K) -> &mut Self {
        self.std.env_remove(key);
        self
    }

    /// Removes all variables of the environment.
    pub fn env_clear(&mut self) -> &mut Self {
        self.std.env_clear();
        self
    }

    /// Sets the working directory.
    pub fn current_dir<P: AsRef<Path>>(&mut self, dir: P) -> &mut Self {
        self.std.current_dir(dir);
        self
    }

    /// Returns the arguments.
    pub fn get_args(&self) -> CommandArgs<'_> {
        self.std.get_args()
    }

    /// Returns the variables that were set or, without a value, removed.
    pub fn get_envs(&self) -> CommandEnvs<'_> {
        self.std.get_envs()
    }

    /// Returns the working directory, if it was set.
    #[must_use]
    pub fn get_current_dir(&self) -> Option<&Path> {
        self.std.get_current_dir()
    }

    /// Returns the program.
    #[must_use]
    pub fn get_program(&self) -> &OsStr {
        self.std.get_program()
    }

    /// Says where the standard input comes from.
    pub fn stdin<T: Into<Stdio>>(&mut self, cfg: T) -> &mut Self {
        self.stdin = true;
        self.std.stdin(cfg);
        self
    }

    /// Says where the standard output goes.
    pub fn stdout<T: Into<Stdio>>(&mut self, cfg: T) -> &mut Self {
        self.stdout = true;
        self.std.stdout(cfg);
        self
    }

    /// Says where the standard error stream goes.
    pub fn stderr<T: Into<Stdio>>(&mut self, cfg: T) -> &mut Self {
        self.stderr = true;
        self.std.stderr(cfg);
        self
    }

    /// Says whether a process whose [`Child`] was dropped is reaped when it ends. It is, by default; otherwise it stays a zombie until this process
    /// waits for it in another way, or ends.
    pub fn reap_on_drop(&mut self, reap_on_drop: bool) -> &mut Self {
        self.on_drop.reap = reap_on_drop;
        self
    }

    /// Says whether a process whose [`Child`] is dropped is killed. It is not, by default.
    pub fn kill_on_drop(&mut self, kill_on_drop: bool) -> &mut Self {
        self.on_drop.kill = kill_on_drop;
        self
    }

    /// Starts the process. What was not said otherwise it inherits: standard input and output and the error stream.
    ///
    /// # Errors
    ///
    /// Returns the error of the system: there is no such program, or no descriptor left, say. No process is left behind then. An unknown value of
    /// `GORT_PROCESS_MODE` is an error too.
    pub fn spawn(&mut self) -> io::Result<Child> {
        self.default_stdio(Stdio::inherit, Stdio::inherit);
        Child::spawn(&mut self.std, self.on_drop)
    }

    /// Starts the process, as [`spawn`](Self::spawn) does, and waits until it ends.
    ///
    /// # Errors
    ///
    /// As [`spawn`](Self::spawn) and [`Child::status`].
    ///
    /// # Cancel safety
    ///
    /// Dropping the future drops the [`Child`].
    #[track_caller]
    pub fn status(&mut self) -> Status {
        Status::of(self.spawn())
    }

    /// Starts the process, reads what it writes, and waits until it ends. What was not said otherwise is a pipe, and nothing for standard input.
    ///
    /// # Errors
    ///
    /// As [`spawn`](Self::spawn) and [`Child::output`].
    ///
    /// # Cancel safety
    ///
    /// Dropping the future loses the output and drops the [`Child`].
    #[track_caller]
    pub fn output(&mut self) -> impl Future<Output = io::Result<Output>> + Send + use<> {
        self.default_stdio(Stdio::null, Stdio::piped);
        // No closure: the wait is at the place of the caller.
        let output = match Child::spawn(&mut self.std, self.on_drop) {
            Ok(child) => Ok(child.output()),
            Err(error) => Err(error),
        };
        async move { output?.await }
    }

    /// Sets what the caller has not.
    fn default_stdio(&mut self, input: fn() -> Stdio, output: fn() -> Stdio) {
        if !self.stdin {
            self.std.stdin(input());
        }
        if !self.stdout {
            self.std.stdout(output());
        }
        if !self.stderr {
            self.std.stderr(output());
        }
    }

    pub(super) fn std_mut(&mut self) -> &mut std::process::Command {
        &mut self.std
    }
}

/// Where the standard streams of `std` go counts as not said.
impl From<std::process::Command> for Command {
    fn from(std: std::process::Command) -> Self {
        Self {
            std,
            stdin: false,
            stdout: false,
            stderr: false,
            on_drop: OnDrop {
                reap: true,
                kill: false,
            },
        }
    }
}

/// The command line; with `#`, the settings too.
impl fmt::Debug for Command {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if !f.alternate() {
            return self.std.fmt(f);
        }
        f.debug_struct("Command")
            .field("std", &self.std)
            .field("on_drop", &self.on_drop)
            .finish_non_exhaustive()
    }
}
