//! Files and directories, on the threads of [`unblock`](crate::unblock). The interface is async-fs's.
//!
//! Whatever has to ask the disk runs as one short call on a thread of the pool. No thread waits for a task in between, so
//! any number of files may be half read or half written at once.
//!
//! # Cancel safety
//!
//! A [`Call`] does nothing before it is polled. Dropped after that, it may have done what it was to do, or may still do it; what
//! it would have returned is lost. For a [`File`], see there.
//!
//! # Examples
//!
//! ```
//! use futures_lite::{AsyncReadExt, AsyncWriteExt, StreamExt};
//! use gort::fs;
//!
//! gort::block_on(async {
//!     let dir = std::env::temp_dir().join(format!("gort-fs-example-{}", std::process::id()));
//!     fs::create_dir(&dir).await?;
//!
//!     let mut file = fs::File::create(dir.join("hello")).await?;
//!     file.write_all(b"hello").await?;
//!     file.flush().await?;
//!
//!     let mut text = String::new();
//!     let mut entries = fs::read_dir(&dir).await?;
//!     while let Some(entry) = entries.next().await {
//!         fs::File::open(entry?.path()).await?.read_to_string(&mut text).await?;
//!     }
//!     assert_eq!(text, "hello");
//!     fs::remove_dir_all(&dir).await
//! })?;
//! # Ok::<(), std::io::Error>(())
//! ```

use std::path::{Path, PathBuf};

#[doc(no_inline)]
pub use std::fs::{FileType, Metadata, Permissions};

pub use builder::{DirBuilder, OpenOptions};
pub use call::Call;
pub use dir::{DirEntry, ReadDir};
pub use file::File;

mod builder;
mod call;
mod dir;
mod file;
mod input;
mod output;
#[cfg(unix)]
pub mod unix;

/// Returns the absolute path, without links and without `.` and `..`.
///
/// # Errors
///
/// As [`std::fs::canonicalize`].
#[track_caller]
pub fn canonicalize<P: AsRef<Path>>(path: P) -> Call<PathBuf> {
    let path = path.as_ref().to_path_buf();
    Call::new(move || std::fs::canonicalize(path))
}

/// Copies a file with its permissions over another, and returns the number of bytes.
///
/// # Errors
///
/// As [`std::fs::copy`].
#[track_caller]
pub fn copy<P: AsRef<Path>, Q: AsRef<Path>>(src: P, dst: Q) -> Call<u64> {
    let (src, dst) = pair(src, dst);
    Call::new(move || std::fs::copy(src, dst))
}

/// Creates a directory.
///
/// # Errors
///
/// As [`std::fs::create_dir`]: the parent must be there, and the directory must not.
#[track_caller]
pub fn create_dir<P: AsRef<Path>>(path: P) -> Call<()> {
    let path = path.as_ref().to_path_buf();
    Call::new(move || std::fs::create_dir(path))
}

/// Creates a directory, and those above it that are missing.
///
/// # Errors
///
/// As [`std::fs::create_dir_all`].
#[track_caller]
pub fn create_dir_all<P: AsRef<Path>>(path: P) -> Call<()> {
    let path = path.as_ref().to_path_buf();
    Call::new(move || std::fs::create_dir_all(path))
}

/// Creates another name for a file.
///
/// # Errors
///
/// As [`std::fs::hard_link`].
#[track_caller]
pub fn hard_link<P: AsRef<Path>, Q: AsRef<Path>>(src: P, dst: Q) -> Call<()> {
    let (src, dst) = pair(src, dst);
    Call::new(move || std::fs::hard_link(src, dst))
}

/// Tells what is at a path, behind all links.
///
/// # Errors
///
/// As [`std::fs::metadata`].
#[track_caller]
pub fn metadata<P: AsRef<Path>>(path: P) -> Call<Metadata> {
    let path = path.as_ref().to_path_buf();
    Call::new(move || std::fs::metadata(path))
}

/// Reads a file to its end.
///
/// # Errors
///
/// As [`std::fs::read`].
#[track_caller]
pub fn read<P: AsRef<Path>>(path: P) -> Call<Vec<u8>> {
    let path = path.as_ref().to_path_buf();
    Call::new(move || std::fs::read(path))
}

/// Returns a stream of what is in a directory, without `.` and `..`, in no particular order.
///
/// # Errors
///
/// As [`std::fs::read_dir`].
#[track_caller]
pub fn read_dir<P: AsRef<Path>>(path: P) -> Call<ReadDir> {
    let path = path.as_ref().to_path_buf();
    Call::new(move || std::fs::read_dir(path).map(ReadDir::new))
}

/// Tells where a symbolic link leads.
///
/// # Errors
///
/// As [`std::fs::read_link`].
#[track_caller]
pub fn read_link<P: AsRef<Path>>(path: P) -> Call<PathBuf> {
    let path = path.as_ref().to_path_buf();
    Call::new(move || std::fs::read_link(path))
}

/// Reads a file of UTF-8 text to its end.
///
/// # Errors
///
/// As [`std::fs::read_to_string`].
#[track_caller]
pub fn read_to_string<P: AsRef<Path>>(path: P) -> Call<String> {
    let path = path.as_ref().to_path_buf();
    Call::new(move || std::fs::read_to_string(path))
}

/// Removes an empty directory.
///
/// # Errors
///
/// As [`std::fs::remove_dir`].
#[track_caller]
pub fn remove_dir<P: AsRef<Path>>(path: P) -> Call<()> {
    let path = path.as_ref().to_path_buf();
    Call::new(move || std::fs::remove_dir(path))
}

/// Removes a directory and all that is in it. Links in it are not followed.
///
/// # Errors
///
/// As [`std::fs::remove_dir_all`].
#[track_caller]
pub fn remove_dir_all<P: AsRef<Path>>(path: P) -> Call<()> {
    let path = path.as_ref().to_path_buf();
    Call::new(move || std::fs::remove_dir_all(path))
}

/// Removes a file.
///
/// # Errors
///
/// As [`std::fs::remove_file`].
#[track_caller]
pub fn remove_file<P: AsRef<Path>>(path: P) -> Call<()> {
    let path = path.as_ref().to_path_buf();
    Call::new(move || std::fs::remove_file(path))
}

/// Gives a file or a directory another name, in the place of what has that name.
///
/// # Errors
///
/// As [`std::fs::rename`].
#[track_caller]
pub fn rename<P: AsRef<Path>, Q: AsRef<Path>>(src: P, dst: Q) -> Call<()> {
    let (src, dst) = pair(src, dst);
    Call::new(move || std::fs::rename(src, dst))
}

/// Changes the permissions of a file or a directory.
///
/// # Errors
///
/// As [`std::fs::set_permissions`].
#[track_caller]
pub fn set_permissions<P: AsRef<Path>>(path: P, perm: Permissions) -> Call<()> {
    let path = path.as_ref().to_path_buf();
    Call::new(move || std::fs::set_permissions(path, perm))
}

/// Tells what is at a path. A symbolic link is a link, and not what is behind it.
///
/// # Errors
///
/// As [`std::fs::symlink_metadata`].
#[track_caller]
pub fn symlink_metadata<P: AsRef<Path>>(path: P) -> Call<Metadata> {
    let path = path.as_ref().to_path_buf();
    Call::new(move || std::fs::symlink_metadata(path))
}

/// Writes a file, in the place of what was there.
///
/// # Errors
///
/// As [`std::fs::write`].
#[track_caller]
pub fn write<P: AsRef<Path>, C: AsRef<[u8]>>(path: P, contents: C) -> Call<()> {
    let path = path.as_ref().to_path_buf();
    let contents = contents.as_ref().to_vec();
    Call::new(move || std::fs::write(path, contents))
}

fn pair<P: AsRef<Path>, Q: AsRef<Path>>(src: P, dst: Q) -> (PathBuf, PathBuf) {
    (src.as_ref().to_path_buf(), dst.as_ref().to_path_buf())
}
