//! [`OpenOptions`] and [`DirBuilder`].

use std::path::Path;

use super::{Call, File};

/// How to open a file.
///
/// # Examples
///
/// ```no_run
/// use gort::fs::OpenOptions;
///
/// # gort::block_on(async {
/// let log = OpenOptions::new().append(true).create(true).open("log").await?;
/// # std::io::Result::Ok(()) });
/// ```
#[derive(Clone, Debug)]
pub struct OpenOptions(std::fs::OpenOptions);

impl OpenOptions {
    /// Starts with everything off.
    pub fn new() -> Self {
        Self(std::fs::OpenOptions::new())
    }

    /// Sets whether the file is read.
    pub fn read(&mut self, read: bool) -> &mut Self {
        self.0.read(read);
        self
    }

    /// Sets whether the file is written.
    pub fn write(&mut self, write: bool) -> &mut Self {
        self.0.write(write);
        self
    }

    /// Sets whether all writes go to the end of the file.
    pub fn append(&mut self, append: bool) -> &mut Self {
        self.0.append(append);
        self
    }

    /// Sets whether the contents of the file are dropped. Takes `write`.
    pub fn truncate(&mut self, truncate: bool) -> &mut Self {
        self.0.truncate(truncate);
        self
    }

    /// Sets whether the file is created if it is not there. Takes `write` or `append`.
    pub fn create(&mut self, create: bool) -> &mut Self {
        self.0.create(create);
        self
    }

    /// Sets whether the file must not be there, and is created. Takes `write` or `append`.
    pub fn create_new(&mut self, create_new: bool) -> &mut Self {
        self.0.create_new(create_new);
        self
    }

    /// Opens the file.
    ///
    /// # Errors
    ///
    /// As [`std::fs::OpenOptions::open`].
    #[track_caller]
    pub fn open<P: AsRef<Path>>(&self, path: P) -> Call<File> {
        let path = path.as_ref().to_path_buf();
        let options = self.0.clone();
        Call::new(move || options.open(path).map(File::from))
    }
}

impl Default for OpenOptions {
    fn default() -> Self {
        Self::new()
    }
}

#[cfg(unix)]
impl super::unix::OpenOptionsExt for OpenOptions {
    fn mode(&mut self, mode: u32) -> &mut Self {
        std::os::unix::fs::OpenOptionsExt::mode(&mut self.0, mode);
        self
    }

    fn custom_flags(&mut self, flags: i32) -> &mut Self {
        std::os::unix::fs::OpenOptionsExt::custom_flags(&mut self.0, flags);
        self
    }
}

/// How to create a directory.
///
/// # Examples
///
/// ```no_run
/// use gort::fs::DirBuilder;
///
/// # gort::block_on(async {
/// DirBuilder::new().recursive(true).create("some/deep/directory").await?;
/// # std::io::Result::Ok(()) });
/// ```
#[derive(Debug, Default)]
pub struct DirBuilder {
    recursive: bool,
    #[cfg(unix)]
    mode: Option<u32>,
}

impl DirBuilder {
    /// Starts with a directory whose parent is there.
    pub fn new() -> Self {
        Self::default()
    }

    /// Sets whether directories above it that are missing are created too, and one that is there is fine.
    pub fn recursive(&mut self, recursive: bool) -> &mut Self {
        self.recursive = recursive;
        self
    }

    /// Creates the directory.
    ///
    /// # Errors
    ///
    /// As [`std::fs::DirBuilder::create`].
    #[track_caller]
    pub fn create<P: AsRef<Path>>(&self, path: P) -> Call<()> {
        let mut builder = std::fs::DirBuilder::new();
        builder.recursive(self.recursive);
        #[cfg(unix)]
        if let Some(mode) = self.mode {
            std::os::unix::fs::DirBuilderExt::mode(&mut builder, mode);
        }
        let path = path.as_ref().to_path_buf();
        Call::new(move || builder.create(path))
    }
}

#[cfg(unix)]
impl super::unix::DirBuilderExt for DirBuilder {
    fn mode(&mut self, mode: u32) -> &mut Self {
        self.mode = Some(mode);
        self
    }
}
