//! What only Unix systems have.

use std::ffi::OsStr;
use std::io;
use std::os::unix::process::CommandExt as _;

use super::Command;

/// Settings of a [`Command`] that only Unix systems have.
pub trait CommandExt: sealed::Sealed {
    /// Sets the user that the child runs as. A failure to do so makes the spawn fail.
    fn uid(&mut self, id: u32) -> &mut Command;

    /// Sets the group that the child runs as. A failure to do so makes the spawn fail.
    fn gid(&mut self, id: u32) -> &mut Command;

    /// Replaces this process by the command. Returns only if that fails.
    ///
    /// No destructor runs.
    fn exec(&mut self) -> io::Error;

    /// Sets the zeroth argument, which programs take for their own name.
    fn arg0<S: AsRef<OsStr>>(&mut self, arg: S) -> &mut Command;
}

mod sealed {
    /// Keeps others from implementing the trait.
    pub trait Sealed {}
}

impl sealed::Sealed for Command {}

impl CommandExt for Command {
    fn uid(&mut self, id: u32) -> &mut Command {
        self.std_mut().uid(id);
        self
    }

    fn gid(&mut self, id: u32) -> &mut Command {
        self.std_mut().gid(id);
        self
    }

    fn exec(&mut self) -> io::Error {
        self.std_mut().exec()
    }

    fn arg0<S: AsRef<OsStr>>(&mut self, arg: S) -> &mut Command {
        self.std_mut().arg0(arg);
        self
    }
}
