//! The process behind a [`Child`](super::Child), and what becomes of it when nobody wants it any more.

use std::io;
use std::process::{Child, ExitStatus};
use std::sync::{Mutex, MutexGuard};

use super::ending::{Ending, Mode, Told};

/// A process. Dropped with the last of those who may wait for it.
#[derive(Debug)]
pub(super) struct Guard {
    /// None only while it is dropped.
    child: Mutex<Option<Child>>,
    ending: Ending,
    on_drop: OnDrop,
}

/// What happens to a process that nobody wants any more.
#[derive(Clone, Copy, Debug)]
pub(super) struct OnDrop {
    pub(super) reap: bool,
    pub(super) kill: bool,
}

impl Guard {
    /// Takes charge of a process that has just been spawned. If the end of it cannot be watched, it is killed.
    pub(super) fn new(mut child: Child, mode: Mode, on_drop: OnDrop) -> io::Result<Self> {
        match mode.watch(&child) {
            Ok(ending) => Ok(Self {
                child: Mutex::new(Some(child)),
                ending,
                on_drop,
            }),
            Err(error) => {
                // It is our child, so it is there to be killed, and then ends at once.
                let _ = child.kill();
                let _ = child.wait();
                Err(error)
            }
        }
    }

    pub(super) fn set_on_drop(&mut self, on_drop: OnDrop) {
        self.on_drop = on_drop;
    }

    pub(super) fn id(&self) -> u32 {
        self.with(|child| child.id())
    }

    pub(super) fn kill(&self) -> io::Result<()> {
        self.with(Child::kill)
    }

    pub(super) fn try_status(&self) -> io::Result<Option<ExitStatus>> {
        self.with(Child::try_wait)
    }

    pub(super) fn told(&self) -> Told {
        self.ending.told()
    }

    fn with<R>(&self, f: impl FnOnce(&mut Child) -> R) -> R {
        f(self.lock().as_mut().expect("it is there until the drop"))
    }

    fn lock(&self) -> MutexGuard<'_, Option<Child>> {
        self.child
            .lock()
            .unwrap_or_else(|poison| poison.into_inner())
    }
}

impl Drop for Guard {
    fn drop(&mut self) {
        let Some(mut child) = self.lock().take() else {
            return;
        };
        if self.on_drop.kill {
            // It may have ended.
            let _ = child.kill();
        }
        if self.on_drop.reap {
            self.ending.reap(child);
        }
    }
}
