//! Open files, and the options of opening.

use std::fmt;
use std::io::{self, IoSlice, IoSliceMut, Read, Seek, SeekFrom, Write};
use std::path::Path;
use std::time::SystemTime;

use super::{FileTimes, Metadata, Permissions};
use crate::driver::io::file::OpenFile;

/// An open file, as [`std::fs::File`]. [`leno::fs`](crate::fs) says when a call is made on an OS thread of
/// the pool, and what a cancellation does.
///
/// `&File` reads, writes and seeks, too: several green threads may use a file, and share its cursor. A call
/// of theirs that finds the cursor in use by a call on the pool is made on the pool, after that.
///
/// A FIFO, a terminal or another device is waited for as a [`Watched`](crate::io::Watched) descriptor is,
/// and is then read from, or written to, on the pool. Its mode is not changed. If another process is faster
/// and takes what there was, that call waits on its OS thread, and cannot be cancelled. After all readers have
/// been closed, a write fails with [`BrokenPipe`](io::ErrorKind::BrokenPipe), without a signal.
///
/// # Examples
///
/// ```
/// use leno::fs::File;
/// use std::io::{Read, Seek, Write};
///
/// # let path = std::env::temp_dir().join(format!("leno-doc-file-{}", std::process::id()));
/// leno::run(|| {
///     let mut file = File::options().read(true).write(true).create_new(true).open(&path)?;
///     file.write_all(b"hello")?;
///     file.rewind()?;
///     let mut text = String::new();
///     file.read_to_string(&mut text)?;
///     assert_eq!(text, "hello");
///     leno::fs::remove_file(&path)
/// })?;
/// # std::io::Result::Ok(())
/// ```
pub struct File(pub(crate) OpenFile);

impl File {
    /// Opens a file for reading.
    ///
    /// # Errors
    ///
    /// As [`OpenOptions::open`].
    ///
    /// # Cancellation
    ///
    /// As [`OpenOptions::open`].
    ///
    /// # Examples
    ///
    /// ```
    /// let file = leno::run(|| leno::fs::File::open("Cargo.toml"))?;
    /// # std::io::Result::Ok(())
    /// ```
    #[track_caller]
    pub fn open<P: AsRef<Path>>(path: P) -> io::Result<File> {
        OpenOptions::new().read(true).open(path)
    }

    /// Opens a file for writing. Creates it, or makes it empty.
    ///
    /// # Errors
    ///
    /// As [`OpenOptions::open`].
    ///
    /// # Cancellation
    ///
    /// As [`OpenOptions::open`].
    ///
    /// # Examples
    ///
    /// ```
    /// use std::io::Write;
    ///
    /// # let path = std::env::temp_dir().join(format!("leno-doc-create-{}", std::process::id()));
    /// leno::fs::File::create(&path)?.write_all(b"hello")?;
    /// # std::fs::remove_file(&path)?;
    /// # std::io::Result::Ok(())
    /// ```
    #[track_caller]
    pub fn create<P: AsRef<Path>>(path: P) -> io::Result<File> {
        OpenOptions::new().write(true).create(true).truncate(true).open(path)
    }

    /// Creates a file for reading and writing, which must not exist.
    ///
    /// # Errors
    ///
    /// As [`OpenOptions::open`].
    ///
    /// # Cancellation
    ///
    /// As [`OpenOptions::open`].
    ///
    /// # Examples
    ///
    /// ```
    /// let error = leno::fs::File::create_new("Cargo.toml").unwrap_err();
    /// assert_eq!(error.kind(), std::io::ErrorKind::AlreadyExists);
    /// ```
    #[track_caller]
    pub fn create_new<P: AsRef<Path>>(path: P) -> io::Result<File> {
        OpenOptions::new().read(true).write(true).create_new(true).open(path)
    }

    /// Returns options for opening, as [`OpenOptions::new`].
    #[must_use]
    pub fn options() -> OpenOptions {
        OpenOptions::new()
    }

    /// Waits until all that was written is on the disk, with its metadata.
    ///
    /// # Errors
    ///
    /// Those of fsync(2), among them those of writes that had returned. In an exploration.
    ///
    /// # Cancellation
    ///
    /// A cancellation point. What has begun is done to its end.
    ///
    /// # Examples
    ///
    /// ```
    /// # let path = std::env::temp_dir().join(format!("leno-doc-sync-{}", std::process::id()));
    /// leno::run(|| leno::fs::File::create(&path)?.sync_all())?;
    /// # std::fs::remove_file(&path)?;
    /// # std::io::Result::Ok(())
    /// ```
    #[track_caller]
    pub fn sync_all(&self) -> io::Result<()> {
        self.0.call("syncs", |file| file.sync_all())
    }

    /// Waits as [`sync_all`](File::sync_all) does, but not for metadata that reading does not need.
    ///
    /// # Errors
    ///
    /// Those of fdatasync(2). In an exploration.
    ///
    /// # Cancellation
    ///
    /// A cancellation point. What has begun is done to its end.
    ///
    /// # Examples
    ///
    /// ```
    /// # let path = std::env::temp_dir().join(format!("leno-doc-data-{}", std::process::id()));
    /// leno::run(|| leno::fs::File::create(&path)?.sync_data())?;
    /// # std::fs::remove_file(&path)?;
    /// # std::io::Result::Ok(())
    /// ```
    #[track_caller]
    pub fn sync_data(&self) -> io::Result<()> {
        self.0.call("syncs", |file| file.sync_data())
    }

    /// Sets the size in bytes. What is cut off is lost; what is added is zeros.
    ///
    /// # Errors
    ///
    /// Those of ftruncate(2). In an exploration.
    ///
    /// # Cancellation
    ///
    /// A cancellation point. What has begun is done to its end.
    ///
    /// # Examples
    ///
    /// ```
    /// # let path = std::env::temp_dir().join(format!("leno-doc-len-{}", std::process::id()));
    /// leno::run(|| {
    ///     let file = leno::fs::File::create(&path)?;
    ///     file.set_len(100)?;
    ///     assert_eq!(file.metadata()?.len(), 100);
    ///     leno::fs::remove_file(&path)
    /// })?;
    /// # std::io::Result::Ok(())
    /// ```
    #[track_caller]
    pub fn set_len(&self, size: u64) -> io::Result<()> {
        self.0.call("resizes", |file| file.set_len(size))
    }

    /// Returns what the system knows of the file.
    ///
    /// # Errors
    ///
    /// Those of fstat(2). In an exploration.
    ///
    /// # Cancellation
    ///
    /// A cancellation point.
    ///
    /// # Examples
    ///
    /// ```
    /// assert!(leno::fs::File::open("Cargo.toml")?.metadata()?.is_file());
    /// # std::io::Result::Ok(())
    /// ```
    #[track_caller]
    pub fn metadata(&self) -> io::Result<Metadata> {
        self.0.call("looks at", |file| file.metadata())
    }

    /// Returns another descriptor for the same open file, with the same cursor. Never waits.
    ///
    /// # Errors
    ///
    /// If the process has no more descriptors.
    ///
    /// # Examples
    ///
    /// ```
    /// use std::io::{Read, Seek};
    ///
    /// let mut file = leno::fs::File::open("Cargo.toml")?;
    /// let mut clone = file.try_clone()?;
    /// file.read_exact(&mut [0; 7])?;
    /// assert_eq!(clone.stream_position()?, 7);
    /// # std::io::Result::Ok(())
    /// ```
    pub fn try_clone(&self) -> io::Result<File> {
        self.0.try_clone().map(File)
    }

    /// Sets the permissions.
    ///
    /// # Errors
    ///
    /// Those of fchmod(2). In an exploration.
    ///
    /// # Cancellation
    ///
    /// A cancellation point. What has begun is done to its end.
    ///
    /// # Examples
    ///
    /// ```
    /// # let path = std::env::temp_dir().join(format!("leno-doc-mode-{}", std::process::id()));
    /// let file = leno::fs::File::create(&path)?;
    /// let mut permissions = file.metadata()?.permissions();
    /// permissions.set_readonly(true);
    /// file.set_permissions(permissions)?;
    /// # std::fs::remove_file(&path)?;
    /// # std::io::Result::Ok(())
    /// ```
    #[track_caller]
    pub fn set_permissions(&self, permissions: Permissions) -> io::Result<()> {
        self.0.call("changes", |file| file.set_permissions(permissions))
    }

    /// Sets the times of the file.
    ///
    /// # Errors
    ///
    /// Those of futimens(2). In an exploration.
    ///
    /// # Cancellation
    ///
    /// A cancellation point. What has begun is done to its end.
    ///
    /// # Examples
    ///
    /// ```
    /// use std::time::SystemTime;
    ///
    /// # let path = std::env::temp_dir().join(format!("leno-doc-times-{}", std::process::id()));
    /// let file = leno::fs::File::create(&path)?;
    /// let times = leno::fs::FileTimes::new().set_accessed(SystemTime::UNIX_EPOCH);
    /// file.set_times(times)?;
    /// assert_eq!(file.metadata()?.accessed()?, SystemTime::UNIX_EPOCH);
    /// # std::fs::remove_file(&path)?;
    /// # std::io::Result::Ok(())
    /// ```
    #[track_caller]
    pub fn set_times(&self, times: FileTimes) -> io::Result<()> {
        self.0.call("changes", |file| file.set_times(times))
    }

    /// Sets the time of the last change.
    ///
    /// # Errors
    ///
    /// As [`set_times`](File::set_times).
    ///
    /// # Cancellation
    ///
    /// As [`set_times`](File::set_times).
    ///
    /// # Examples
    ///
    /// ```
    /// use std::time::SystemTime;
    ///
    /// # let path = std::env::temp_dir().join(format!("leno-doc-modified-{}", std::process::id()));
    /// let file = leno::fs::File::create(&path)?;
    /// file.set_modified(SystemTime::UNIX_EPOCH)?;
    /// assert_eq!(file.metadata()?.modified()?, SystemTime::UNIX_EPOCH);
    /// # std::fs::remove_file(&path)?;
    /// # std::io::Result::Ok(())
    /// ```
    #[track_caller]
    pub fn set_modified(&self, time: SystemTime) -> io::Result<()> {
        self.set_times(FileTimes::new().set_modified(time))
    }
}

macro_rules! traits {
    ($($of:ty),*) => { $(
        impl Read for $of {
            #[inline]
            #[track_caller]
            fn read(&mut self, bytes: &mut [u8]) -> io::Result<usize> {
                self.0.read(bytes, None)
            }

            #[track_caller]
            fn read_vectored(&mut self, buffers: &mut [IoSliceMut<'_>]) -> io::Result<usize> {
                self.0.read_vectored(buffers)
            }

            // As std's, but by large parts, and with the caller's line for reports.
            #[track_caller]
            fn read_to_end(&mut self, bytes: &mut Vec<u8>) -> io::Result<usize> {
                self.0.read_to_end(bytes)
            }

            #[track_caller]
            fn read_to_string(&mut self, text: &mut String) -> io::Result<usize> {
                self.0.read_to_string(text)
            }
        }

        impl Write for $of {
            #[inline]
            #[track_caller]
            fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
                self.0.write(bytes, None)
            }

            #[track_caller]
            fn write_vectored(&mut self, buffers: &[IoSlice<'_>]) -> io::Result<usize> {
                self.0.write_vectored(buffers)
            }

            /// Does nothing, as in std: see [`File::sync_all`].
            fn flush(&mut self) -> io::Result<()> {
                Ok(())
            }
        }

        impl Seek for $of {
            #[track_caller]
            fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
                self.0.seek(to)
            }
        }
    )* };
}

traits!(File, &File);

/// As std's.
impl fmt::Debug for File {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.get().fmt(f)
    }
}

/// How a file is to be opened, as [`std::fs::OpenOptions`].
///
/// [`leno::os::unix::fs::OpenOptionsExt`](crate::os::unix::fs::OpenOptionsExt) has more options.
///
/// # Examples
///
/// ```
/// use leno::fs::OpenOptions;
/// use std::io::Write;
///
/// # let path = std::env::temp_dir().join(format!("leno-doc-options-{}", std::process::id()));
/// leno::run(|| {
///     let mut log = OpenOptions::new().create(true).append(true).open(&path)?;
///     log.write_all(b"begun\n")?;
///     assert_eq!(leno::fs::read(&path)?, b"begun\n");
///     leno::fs::remove_file(&path)
/// })?;
/// # std::io::Result::Ok(())
/// ```
#[derive(Clone, Debug)]
pub struct OpenOptions(pub(crate) std::fs::OpenOptions);

impl OpenOptions {
    /// Returns options of which none is set.
    ///
    /// # Examples
    ///
    /// ```
    /// let file = leno::fs::OpenOptions::new().read(true).open("Cargo.toml")?;
    /// # std::io::Result::Ok(())
    /// ```
    #[must_use]
    #[allow(clippy::new_without_default, reason = "std has no default either")]
    pub fn new() -> OpenOptions {
        OpenOptions(std::fs::OpenOptions::new())
    }

    /// Sets whether the file can be read.
    pub fn read(&mut self, read: bool) -> &mut OpenOptions {
        self.0.read(read);
        self
    }

    /// Sets whether the file can be written to.
    pub fn write(&mut self, write: bool) -> &mut OpenOptions {
        self.0.write(write);
        self
    }

    /// Sets whether each write is at the end of the file.
    pub fn append(&mut self, append: bool) -> &mut OpenOptions {
        self.0.append(append);
        self
    }

    /// Sets whether the file is made empty.
    pub fn truncate(&mut self, truncate: bool) -> &mut OpenOptions {
        self.0.truncate(truncate);
        self
    }

    /// Sets whether the file is created if there is none.
    pub fn create(&mut self, create: bool) -> &mut OpenOptions {
        self.0.create(create);
        self
    }

    /// Sets whether the file is created, and must not exist.
    pub fn create_new(&mut self, create_new: bool) -> &mut OpenOptions {
        self.0.create_new(create_new);
        self
    }

    /// Opens the file at a path.
    ///
    /// # Errors
    ///
    /// Those of open(2); [`io::ErrorKind::InvalidInput`] for options that contradict each other. In an
    /// exploration.
    ///
    /// # Cancellation
    ///
    /// A cancellation point. A file of a disk is opened and returned; a wait for a FIFO or a device is left,
    /// and the file closed once it is open.
    ///
    /// # Examples
    ///
    /// ```
    /// let missing = leno::run(|| leno::fs::OpenOptions::new().read(true).open("missing"));
    /// assert_eq!(missing.unwrap_err().kind(), std::io::ErrorKind::NotFound);
    /// ```
    #[track_caller]
    pub fn open<P: AsRef<Path>>(&self, path: P) -> io::Result<File> {
        OpenFile::open(path.as_ref(), &self.0).map(File)
    }
}
