//! Reading and creating directories.

use std::collections::VecDeque;
use std::ffi::OsString;
use std::fmt;
use std::io;
use std::path::{Path, PathBuf};

use super::{FileType, Metadata};
use crate::driver::io::file::call;

/// The number of entries that one call on the pool reads.
const ENTRIES_AT_ONCE: usize = 256;

/// Reads a directory, as [`std::fs::read_dir`].
///
/// # Errors
///
/// Those of opendir(3). In an exploration.
///
/// # Cancellation
///
/// A cancellation point. So is each step of the iterator that finds no entry read ahead.
///
/// # Examples
///
/// ```
/// leno::run(|| {
///     let names = leno::fs::read_dir("src")?.map(|entry| Ok(entry?.file_name()));
///     let names: Vec<_> = names.collect::<std::io::Result<_>>()?;
///     assert!(names.contains(&"lib.rs".into()));
///     std::io::Result::Ok(())
/// })?;
/// # std::io::Result::Ok(())
/// ```
#[track_caller]
pub fn read_dir<P: AsRef<Path>>(path: P) -> io::Result<ReadDir> {
    let path = path.as_ref();
    call("opens", &path.display(), || {
        let rest = std::fs::read_dir(path)?;
        let mut directory =
            ReadDir { path: path.to_owned(), read: VecDeque::new(), rest: Some(rest) };
        directory.read_ahead();
        Ok(directory)
    })
}

/// The entries of a directory, as [`std::fs::ReadDir`]. They come in no order, and without `.` and `..`.
///
/// # Examples
///
/// ```
/// let entries: leno::fs::ReadDir = leno::fs::read_dir("src")?;
/// assert!(entries.count() > 10);
/// # std::io::Result::Ok(())
/// ```
pub struct ReadDir {
    path: PathBuf,
    /// What has been read ahead.
    read: VecDeque<io::Result<DirEntry>>,
    /// `None` at the end.
    rest: Option<std::fs::ReadDir>,
}

impl ReadDir {
    /// Reads the next entries, with their types.
    fn read_ahead(&mut self) {
        let Some(rest) = &mut self.rest else { return };
        for entry in rest.by_ref().take(ENTRIES_AT_ONCE) {
            let is_error = entry.is_err();
            self.read.push_back(entry.map(|entry| {
                // Most file systems have it in the directory; of others, it is looked up here.
                let file_type = entry.file_type().ok();
                DirEntry { entry, file_type }
            }));
            if is_error {
                break;
            }
        }
        if self.read.is_empty() {
            self.rest = None;
        }
    }
}

impl Iterator for ReadDir {
    type Item = io::Result<DirEntry>;

    #[track_caller]
    fn next(&mut self) -> Option<io::Result<DirEntry>> {
        if self.read.is_empty() && self.rest.is_some() {
            let path = self.path.clone();
            if let Err(error) = call("reads", &path.display(), || {
                self.read_ahead();
                Ok(())
            }) {
                return Some(Err(error));
            }
        }
        self.read.pop_front()
    }
}

impl fmt::Debug for ReadDir {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("ReadDir").field(&self.path).finish()
    }
}

/// An entry of a directory, as [`std::fs::DirEntry`].
///
/// # Examples
///
/// ```
/// for entry in leno::fs::read_dir("src")? {
///     let entry: leno::fs::DirEntry = entry?;
///     assert_eq!(entry.path(), std::path::Path::new("src").join(entry.file_name()));
/// }
/// # std::io::Result::Ok(())
/// ```
pub struct DirEntry {
    entry: std::fs::DirEntry,
    /// `None` if it could not be told.
    file_type: Option<FileType>,
}

impl DirEntry {
    /// Returns the path of the directory, as it was opened, with the name.
    #[must_use]
    pub fn path(&self) -> PathBuf {
        self.entry.path()
    }

    /// Returns the name.
    #[must_use]
    pub fn file_name(&self) -> OsString {
        self.entry.file_name()
    }

    /// Returns what the system knows of the entry, and not of the target of a symbolic link.
    ///
    /// # Errors
    ///
    /// Those of stat(2). In an exploration.
    ///
    /// # Cancellation
    ///
    /// A cancellation point.
    ///
    /// # Examples
    ///
    /// ```
    /// leno::run(|| {
    ///     let mut bytes = 0;
    ///     for entry in leno::fs::read_dir("src")? {
    ///         bytes += entry?.metadata()?.len();
    ///     }
    ///     assert!(bytes > 0);
    ///     std::io::Result::Ok(())
    /// })?;
    /// # std::io::Result::Ok(())
    /// ```
    #[track_caller]
    pub fn metadata(&self) -> io::Result<Metadata> {
        call("looks at", &self.path().display(), || self.entry.metadata())
    }

    /// Returns the type, as it was when the entry was read.
    ///
    /// # Errors
    ///
    /// Those of stat(2), on a file system that has no types in its directories. In an exploration.
    ///
    /// # Examples
    ///
    /// ```
    /// let mut entries = leno::fs::read_dir("src")?.filter_map(Result::ok);
    /// assert!(entries.any(|entry| entry.file_type().is_ok_and(|kind| kind.is_dir())));
    /// # std::io::Result::Ok(())
    /// ```
    #[track_caller]
    pub fn file_type(&self) -> io::Result<FileType> {
        match self.file_type {
            Some(file_type) => Ok(file_type),
            None => call("looks at", &self.path().display(), || self.entry.file_type()),
        }
    }

    /// Returns the entry of std.
    pub(crate) fn get(&self) -> &std::fs::DirEntry {
        &self.entry
    }
}

impl fmt::Debug for DirEntry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.entry.fmt(f)
    }
}

/// How a directory is to be created, as [`std::fs::DirBuilder`].
///
/// [`leno::os::unix::fs::DirBuilderExt`](crate::os::unix::fs::DirBuilderExt) sets its mode.
///
/// # Examples
///
/// ```
/// # let path = std::env::temp_dir().join(format!("leno-doc-builder-{}", std::process::id()));
/// leno::run(|| {
///     leno::fs::DirBuilder::new().recursive(true).create(path.join("a/b"))?;
///     leno::fs::remove_dir_all(&path)
/// })?;
/// # std::io::Result::Ok(())
/// ```
#[derive(Debug)]
pub struct DirBuilder(pub(crate) std::fs::DirBuilder);

impl DirBuilder {
    /// Returns a builder of one directory, with the mode of the system.
    #[must_use]
    #[allow(clippy::new_without_default, reason = "std has no default either")]
    pub fn new() -> DirBuilder {
        DirBuilder(std::fs::DirBuilder::new())
    }

    /// Sets whether the directories above are created, too, and one that exists is no error.
    pub fn recursive(&mut self, recursive: bool) -> &mut DirBuilder {
        self.0.recursive(recursive);
        self
    }

    /// Creates the directory.
    ///
    /// # Errors
    ///
    /// Those of mkdir(2). In an exploration.
    ///
    /// # Cancellation
    ///
    /// A cancellation point.
    ///
    /// # Examples
    ///
    /// ```
    /// let exists = leno::run(|| leno::fs::DirBuilder::new().create("src"));
    /// assert_eq!(exists.unwrap_err().kind(), std::io::ErrorKind::AlreadyExists);
    /// ```
    #[track_caller]
    pub fn create<P: AsRef<Path>>(&self, path: P) -> io::Result<()> {
        let path = path.as_ref();
        call("creates", &path.display(), || self.0.create(path))
    }
}
