//! What only Unix has.

use std::path::Path;

use super::{Call, DirBuilder, DirEntry, OpenOptions, pair};
use sealed::Sealed;

#[doc(no_inline)]
pub use std::os::unix::fs::{FileTypeExt, MetadataExt, PermissionsExt};

/// Creates a symbolic link at `dst` that leads to `src`.
///
/// # Errors
///
/// As [`std::os::unix::fs::symlink`].
#[track_caller]
pub fn symlink<P: AsRef<Path>, Q: AsRef<Path>>(src: P, dst: Q) -> Call<()> {
    let (src, dst) = pair(src, dst);
    Call::new(move || std::os::unix::fs::symlink(src, dst))
}

/// Unix's own settings of a [`DirBuilder`].
pub trait DirBuilderExt: Sealed {
    /// Sets the mode bits of new directories. The default is `0o777`, less the umask.
    fn mode(&mut self, mode: u32) -> &mut Self;
}

/// Unix's own facts about a [`DirEntry`].
pub trait DirEntryExt: Sealed {
    /// Returns the number of the inode.
    fn ino(&self) -> u64;
}

/// Unix's own settings of [`OpenOptions`].
pub trait OpenOptionsExt: Sealed {
    /// Sets the mode bits of a new file. The default is `0o666`, less the umask.
    fn mode(&mut self, mode: u32) -> &mut Self;

    /// Sets flags for `open`. The bits of the access mode are ignored.
    fn custom_flags(&mut self, flags: i32) -> &mut Self;
}

/// Keeps the traits of this module from being implemented elsewhere.
mod sealed {
    pub trait Sealed {}

    impl Sealed for super::DirBuilder {}
    impl Sealed for super::DirEntry {}
    impl Sealed for super::OpenOptions {}
}
