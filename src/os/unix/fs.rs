//! What Unix systems add to files, with the interface of [`std::os::unix::fs`].
//!
//! The traits are those of std, and the types of [`leno::fs`](crate::fs) have them.
//!
//! # Examples
//!
//! ```
//! use leno::os::unix::fs::FileExt;
//!
//! leno::run(|| {
//!     let file = leno::fs::File::open("Cargo.toml")?;
//!     let mut bytes = [0; 7];
//!     file.read_exact_at(&mut bytes, 1)?;
//!     assert_eq!(&bytes, b"package");
//!     std::io::Result::Ok(())
//! })?;
//! # std::io::Result::Ok(())
//! ```

#![forbid(unsafe_code)]

use std::io;
use std::os::fd::AsFd;
use std::path::Path;

use crate::driver::io::file::call;
use crate::fs::{DirBuilder, DirEntry, File, OpenOptions};

pub use std::os::unix::fs::{
    DirBuilderExt, DirEntryExt, FileExt, FileTypeExt, MetadataExt, OpenOptionsExt, PermissionsExt,
};

/// Reads and writes are made, waited for and cancelled as those at the cursor.
impl FileExt for File {
    #[track_caller]
    fn read_at(&self, bytes: &mut [u8], offset: u64) -> io::Result<usize> {
        self.0.read(bytes, Some(offset))
    }

    #[track_caller]
    fn write_at(&self, bytes: &[u8], offset: u64) -> io::Result<usize> {
        self.0.write(bytes, Some(offset))
    }
}

impl OpenOptionsExt for OpenOptions {
    fn mode(&mut self, mode: u32) -> &mut OpenOptions {
        self.0.mode(mode);
        self
    }

    fn custom_flags(&mut self, flags: i32) -> &mut OpenOptions {
        self.0.custom_flags(flags);
        self
    }
}

impl DirBuilderExt for DirBuilder {
    fn mode(&mut self, mode: u32) -> &mut DirBuilder {
        self.0.mode(mode);
        self
    }
}

impl DirEntryExt for DirEntry {
    fn ino(&self) -> u64 {
        self.get().ino()
    }
}

/// Creates a symbolic link, as [`std::os::unix::fs::symlink`].
///
/// # Errors
///
/// Those of symlink(2). In an exploration.
///
/// # Cancellation
///
/// A cancellation point.
///
/// # Examples
///
/// ```
/// # let link = std::env::temp_dir().join(format!("leno-doc-symlink-{}", std::process::id()));
/// leno::run(|| {
///     leno::os::unix::fs::symlink("target", &link)?;
///     assert_eq!(leno::fs::read_link(&link)?.to_str(), Some("target"));
///     leno::fs::remove_file(&link)
/// })?;
/// # std::io::Result::Ok(())
/// ```
#[track_caller]
pub fn symlink<P: AsRef<Path>, Q: AsRef<Path>>(original: P, link: Q) -> io::Result<()> {
    let (original, link) = (original.as_ref(), link.as_ref());
    call("links", &link.display(), || std::os::unix::fs::symlink(original, link))
}

/// Changes the owner of a file, as [`std::os::unix::fs::chown`].
///
/// # Errors
///
/// Those of chown(2). In an exploration.
///
/// # Cancellation
///
/// A cancellation point.
///
/// # Examples
///
/// ```
/// leno::run(|| leno::os::unix::fs::chown("Cargo.toml", None, None))?;
/// # std::io::Result::Ok(())
/// ```
#[track_caller]
pub fn chown<P: AsRef<Path>>(path: P, uid: Option<u32>, gid: Option<u32>) -> io::Result<()> {
    let path = path.as_ref();
    call("changes", &path.display(), || std::os::unix::fs::chown(path, uid, gid))
}

/// Changes the owner of a symbolic link, or of a file, as [`std::os::unix::fs::lchown`].
///
/// # Errors
///
/// Those of lchown(2). In an exploration.
///
/// # Cancellation
///
/// A cancellation point.
///
/// # Examples
///
/// ```
/// leno::run(|| leno::os::unix::fs::lchown("Cargo.toml", None, None))?;
/// # std::io::Result::Ok(())
/// ```
#[track_caller]
pub fn lchown<P: AsRef<Path>>(path: P, uid: Option<u32>, gid: Option<u32>) -> io::Result<()> {
    let path = path.as_ref();
    call("changes", &path.display(), || std::os::unix::fs::lchown(path, uid, gid))
}

/// Changes the owner of an open file, as [`std::os::unix::fs::fchown`].
///
/// # Errors
///
/// Those of fchown(2). In an exploration.
///
/// # Cancellation
///
/// A cancellation point.
///
/// # Examples
///
/// ```
/// let file = leno::fs::File::open("Cargo.toml")?;
/// leno::run(|| leno::os::unix::fs::fchown(&file, None, None))?;
/// # std::io::Result::Ok(())
/// ```
#[track_caller]
pub fn fchown<F: AsFd>(file: F, uid: Option<u32>, gid: Option<u32>) -> io::Result<()> {
    let descriptor = file.as_fd();
    call("changes", &"an open file", || std::os::unix::fs::fchown(descriptor, uid, gid))
}
