//! A child process, and the wait for its end.

use std::fmt;
use std::future::Future;
use std::io;
use std::panic::Location;
use std::pin::Pin;
use std::process::{ExitStatus, Output};
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use futures_io::AsyncRead;
use futures_lite::{AsyncReadExt, future};
use gort_net::Async;

use super::ending::{Mode, Told};
use super::guard::{Guard, OnDrop};
use super::pipes::{ChildStderr, ChildStdin, ChildStdout};
use crate::task::{WaitReason, note_wait};

/// A child process.
///
/// Dropping it leaves the process running, unless [`kill_on_drop`](super::Command::kill_on_drop) says otherwise, and has it reaped when it ends, unless
/// [`reap_on_drop`](super::Command::reap_on_drop) says otherwise. Futures of [`status`](Self::status) that still exist put both off.
///
/// # Examples
///
/// ```
/// use futures_lite::{AsyncBufReadExt, StreamExt, io::BufReader};
/// use gort::process::{Command, Stdio};
///
/// gort::block_on(async {
///     let mut child = Command::new("printf").arg("one\ntwo\n").stdout(Stdio::piped()).spawn()?;
///     let mut lines = BufReader::new(child.stdout.take().expect("it is piped")).lines();
///     assert_eq!(lines.next().await.transpose()?.as_deref(), Some("one"));
///     assert_eq!(lines.next().await.transpose()?.as_deref(), Some("two"));
///     assert!(child.status().await?.success());
///     std::io::Result::Ok(())
/// })?;
/// # Ok::<(), std::io::Error>(())
/// ```
pub struct Child {
    /// The pipe to the standard input of the process, if there is one.
    pub stdin: Option<ChildStdin>,
    /// The pipe from the standard output of the process, if there is one.
    pub stdout: Option<ChildStdout>,
    /// The pipe from the standard error stream of the process, if there is one.
    pub stderr: Option<ChildStderr>,
    process: Arc<Guard>,
}

impl Child {
    pub(super) fn spawn(command: &mut std::process::Command, on_drop: OnDrop) -> io::Result<Self> {
        let mode = Mode::get()?;
        let mut child = command.spawn()?;
        let stdin = child.stdin.take();
        let stdout = child.stdout.take();
        let stderr = child.stderr.take();
        // A spawn that fails leaves no process behind.
        let failed = OnDrop {
            reap: true,
            kill: true,
        };
        let mut process = Guard::new(child, mode, failed)?;
        let stdin = stdin.map(Async::new).transpose()?;
        let stdout = stdout.map(Async::new).transpose()?;
        let stderr = stderr.map(Async::new).transpose()?;
        process.set_on_drop(on_drop);
        Ok(Self {
            stdin: stdin.map(ChildStdin::new),
            stdout: stdout.map(ChildStdout::new),
            stderr: stderr.map(ChildStderr::new),
            process: Arc::new(process),
        })
    }

    /// Returns the number that the system gave to the process.
    ///
    /// After the end of the process has been told, another process may get it.
    #[must_use]
    pub fn id(&self) -> u32 {
        self.process.id()
    }

    /// Kills the process: SIGKILL.
    ///
    /// # Errors
    ///
    /// Returns the error of the system. A process whose end has been told is left alone, and that is no error.
    pub fn kill(&mut self) -> io::Result<()> {
        self.process.kill()
    }

    /// Returns the exit status if the process has ended. Leaves its standard input open.
    ///
    /// # Errors
    ///
    /// Returns the error of the system: somebody else may have waited for the process.
    pub fn try_status(&mut self) -> io::Result<Option<ExitStatus>> {
        self.process.try_status()
    }

    /// Closes the standard input of the process and waits until it ends.
    ///
    /// The output is not read meanwhile: a process that fills its pipe waits for ever, and so does this. [`output`](Self::output) reads.
    ///
    /// # Errors
    ///
    /// Returns the error of the system: somebody else may have waited for the process.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future loses nothing: the status can be had again. Several may wait.
    #[track_caller]
    pub fn status(&mut self) -> Status {
        self.stdin.take();
        Status::new(Ok(self.process.clone()), None)
    }

    /// Closes the standard input of the process, reads what it writes into its pipes, and waits until it ends.
    ///
    /// # Errors
    ///
    /// Returns the error of a read, or as [`status`](Self::status).
    ///
    /// # Cancel safety
    ///
    /// Dropping the future loses the output that was read, and drops the child.
    #[track_caller]
    pub fn output(mut self) -> impl Future<Output = io::Result<Output>> + Send + 'static {
        let status = self.status();
        let stdout = read_all(self.stdout.take());
        let stderr = read_all(self.stderr.take());
        async move {
            let (stdout, stderr) = future::try_zip(stdout, stderr).await?;
            let status = status.await?;
            Ok(Output {
                status,
                stdout,
                stderr,
            })
        }
    }
}

async fn read_all(pipe: Option<impl AsyncRead + Unpin>) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    if let Some(mut pipe) = pipe {
        pipe.read_to_end(&mut bytes).await?;
    }
    Ok(bytes)
}

impl fmt::Debug for Child {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Child")
            .field("stdin", &self.stdin)
            .field("stdout", &self.stdout)
            .field("stderr", &self.stderr)
            .field("id", &self.id())
            .finish()
    }
}

/// The future of [`Child::status`] and [`Command::status`](super::Command::status).
#[must_use = "futures do nothing unless polled"]
pub struct Status {
    /// The error of a spawn is taken when it is returned.
    process: Result<Arc<Guard>, Option<io::Error>>,
    told: Option<Told>,
    at: &'static Location<'static>,
    /// Pipes that nobody reads, but whose end would be noticed by the process.
    _child: Option<Child>,
}

impl Status {
    #[track_caller]
    fn new(process: Result<Arc<Guard>, Option<io::Error>>, child: Option<Child>) -> Self {
        Self {
            process,
            told: None,
            at: Location::caller(),
            _child: child,
        }
    }

    /// The status of a child that only this future has.
    #[track_caller]
    pub(super) fn of(spawned: io::Result<Child>) -> Self {
        match spawned {
            Ok(mut child) => {
                child.stdin.take();
                Self::new(Ok(child.process.clone()), Some(child))
            }
            Err(error) => Self::new(Err(Some(error)), None),
        }
    }
}

impl Future for Status {
    type Output = io::Result<ExitStatus>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = &mut *self;
        let process = match &mut this.process {
            Ok(process) => process,
            Err(error) => {
                let again = || io::Error::other("status was polled after it had failed");
                return Poll::Ready(Err(error.take().unwrap_or_else(again)));
            }
        };
        loop {
            let told = match &mut this.told {
                Some(told) => told,
                None => {
                    // In this order: an end between the two is told.
                    let told = this.told.insert(process.told());
                    if let Some(status) = process.try_status()? {
                        return Poll::Ready(Ok(status));
                    }
                    told
                }
            };
            let looked = Pin::new(told).poll(cx);
            if looked.is_pending() {
                note_wait(WaitReason::Process, this.at);
            }
            ready!(looked)?;
            this.told = None;
        }
    }
}

impl fmt::Debug for Status {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Status")
            .field("process", &self.process)
            .finish_non_exhaustive()
    }
}
