//! Functions on paths.

use std::io;
use std::path::{Path, PathBuf};

use super::{Metadata, Permissions};
use crate::driver::io::file::call;

/// Creates a directory, as [`std::fs::create_dir`].
///
/// # Errors
///
/// Those of mkdir(2). In an exploration.
///
/// # Cancellation
///
/// A cancellation point. What has begun is done to its end.
///
/// # Examples
///
/// ```
/// use leno::fs;
///
/// # let directory = std::env::temp_dir().join(format!("leno-doc-create_dir-{}", std::process::id()));
/// # std::fs::create_dir(&directory)?;
/// leno::run(|| {
///     fs::create_dir(directory.join("a"))?;
///     assert!(fs::metadata(directory.join("a"))?.is_dir());
///     std::io::Result::Ok(())
/// })?;
/// # std::fs::remove_dir_all(&directory)?;
/// # std::io::Result::Ok(())
/// ```
#[track_caller]
pub fn create_dir<P: AsRef<Path>>(path: P) -> io::Result<()> {
    let path = path.as_ref();
    call("creates", &path.display(), || std::fs::create_dir(path))
}

/// Creates a directory, and those above it that do not exist, as [`std::fs::create_dir_all`].
///
/// # Errors
///
/// Those of mkdir(2), but for directories that exist. In an exploration.
///
/// # Cancellation
///
/// A cancellation point. What has begun is done to its end.
///
/// # Examples
///
/// ```
/// use leno::fs;
///
/// # let directory = std::env::temp_dir().join(format!("leno-doc-create_dir_all-{}", std::process::id()));
/// # std::fs::create_dir(&directory)?;
/// leno::run(|| {
///     fs::create_dir_all(directory.join("a/b"))?;
///     assert!(fs::exists(directory.join("a/b"))?);
///     std::io::Result::Ok(())
/// })?;
/// # std::fs::remove_dir_all(&directory)?;
/// # std::io::Result::Ok(())
/// ```
#[track_caller]
pub fn create_dir_all<P: AsRef<Path>>(path: P) -> io::Result<()> {
    let path = path.as_ref();
    call("creates", &path.display(), || std::fs::create_dir_all(path))
}

/// Removes an empty directory, as [`std::fs::remove_dir`].
///
/// # Errors
///
/// Those of rmdir(2). In an exploration.
///
/// # Cancellation
///
/// A cancellation point. What has begun is done to its end.
///
/// # Examples
///
/// ```
/// use leno::fs;
///
/// # let directory = std::env::temp_dir().join(format!("leno-doc-remove_dir-{}", std::process::id()));
/// # std::fs::create_dir(&directory)?;
/// leno::run(|| {
///     fs::create_dir(directory.join("a"))?;
///     fs::remove_dir(directory.join("a"))?;
///     assert!(!fs::exists(directory.join("a"))?);
///     std::io::Result::Ok(())
/// })?;
/// # std::fs::remove_dir_all(&directory)?;
/// # std::io::Result::Ok(())
/// ```
#[track_caller]
pub fn remove_dir<P: AsRef<Path>>(path: P) -> io::Result<()> {
    let path = path.as_ref();
    call("removes", &path.display(), || std::fs::remove_dir(path))
}

/// Removes a directory and all in it, as [`std::fs::remove_dir_all`]. Follows no symbolic link.
///
/// # Errors
///
/// Those of rmdir(2) and unlink(2). In an exploration.
///
/// # Cancellation
///
/// A cancellation point. What has begun is done to its end.
///
/// # Examples
///
/// ```
/// use leno::fs;
///
/// # let directory = std::env::temp_dir().join(format!("leno-doc-remove_dir_all-{}", std::process::id()));
/// # std::fs::create_dir(&directory)?;
/// leno::run(|| {
///     fs::create_dir_all(directory.join("a/b"))?;
///     fs::remove_dir_all(directory.join("a"))?;
///     assert!(!fs::exists(directory.join("a"))?);
///     std::io::Result::Ok(())
/// })?;
/// # std::fs::remove_dir_all(&directory)?;
/// # std::io::Result::Ok(())
/// ```
#[track_caller]
pub fn remove_dir_all<P: AsRef<Path>>(path: P) -> io::Result<()> {
    let path = path.as_ref();
    call("removes", &path.display(), || std::fs::remove_dir_all(path))
}

/// Removes a file, as [`std::fs::remove_file`].
///
/// # Errors
///
/// Those of unlink(2). In an exploration.
///
/// # Cancellation
///
/// A cancellation point. What has begun is done to its end.
///
/// # Examples
///
/// ```
/// use leno::fs;
///
/// # let directory = std::env::temp_dir().join(format!("leno-doc-remove_file-{}", std::process::id()));
/// # std::fs::create_dir(&directory)?;
/// leno::run(|| {
///     fs::write(directory.join("a"), "")?;
///     fs::remove_file(directory.join("a"))?;
///     assert!(!fs::exists(directory.join("a"))?);
///     std::io::Result::Ok(())
/// })?;
/// # std::fs::remove_dir_all(&directory)?;
/// # std::io::Result::Ok(())
/// ```
#[track_caller]
pub fn remove_file<P: AsRef<Path>>(path: P) -> io::Result<()> {
    let path = path.as_ref();
    call("removes", &path.display(), || std::fs::remove_file(path))
}

/// Renames a file or a directory, as [`std::fs::rename`].
///
/// # Errors
///
/// Those of rename(2). In an exploration.
///
/// # Cancellation
///
/// A cancellation point. What has begun is done to its end.
///
/// # Examples
///
/// ```
/// use leno::fs;
///
/// # let directory = std::env::temp_dir().join(format!("leno-doc-rename-{}", std::process::id()));
/// # std::fs::create_dir(&directory)?;
/// leno::run(|| {
///     fs::write(directory.join("a"), "hello")?;
///     fs::rename(directory.join("a"), directory.join("b"))?;
///     assert_eq!(fs::read(directory.join("b"))?, b"hello");
///     std::io::Result::Ok(())
/// })?;
/// # std::fs::remove_dir_all(&directory)?;
/// # std::io::Result::Ok(())
/// ```
#[track_caller]
pub fn rename<P: AsRef<Path>, Q: AsRef<Path>>(from: P, to: Q) -> io::Result<()> {
    let (from, to) = (from.as_ref(), to.as_ref());
    call("renames", &from.display(), || std::fs::rename(from, to))
}

/// Makes another name for a file, as [`std::fs::hard_link`].
///
/// # Errors
///
/// Those of linkat(2). In an exploration.
///
/// # Cancellation
///
/// A cancellation point. What has begun is done to its end.
///
/// # Examples
///
/// ```
/// use leno::fs;
///
/// # let directory = std::env::temp_dir().join(format!("leno-doc-hard_link-{}", std::process::id()));
/// # std::fs::create_dir(&directory)?;
/// leno::run(|| {
///     fs::write(directory.join("a"), "hello")?;
///     fs::hard_link(directory.join("a"), directory.join("b"))?;
///     assert_eq!(fs::read(directory.join("b"))?, b"hello");
///     std::io::Result::Ok(())
/// })?;
/// # std::fs::remove_dir_all(&directory)?;
/// # std::io::Result::Ok(())
/// ```
#[track_caller]
pub fn hard_link<P: AsRef<Path>, Q: AsRef<Path>>(original: P, link: Q) -> io::Result<()> {
    let (original, link) = (original.as_ref(), link.as_ref());
    call("links", &original.display(), || std::fs::hard_link(original, link))
}

/// Returns the path in a symbolic link, as [`std::fs::read_link`].
///
/// # Errors
///
/// Those of readlink(2). In an exploration.
///
/// # Cancellation
///
/// A cancellation point. What has begun is done to its end.
///
/// # Examples
///
/// ```
/// use leno::fs;
///
/// # let directory = std::env::temp_dir().join(format!("leno-doc-read_link-{}", std::process::id()));
/// # std::fs::create_dir(&directory)?;
/// leno::run(|| {
///     leno::os::unix::fs::symlink("target", directory.join("a"))?;
///     assert_eq!(fs::read_link(directory.join("a"))?.to_str(), Some("target"));
///     std::io::Result::Ok(())
/// })?;
/// # std::fs::remove_dir_all(&directory)?;
/// # std::io::Result::Ok(())
/// ```
#[track_caller]
pub fn read_link<P: AsRef<Path>>(path: P) -> io::Result<PathBuf> {
    let path = path.as_ref();
    call("reads", &path.display(), || std::fs::read_link(path))
}

/// Returns the absolute path without symbolic links, as [`std::fs::canonicalize`].
///
/// # Errors
///
/// Those of realpath(3). In an exploration.
///
/// # Cancellation
///
/// A cancellation point. What has begun is done to its end.
///
/// # Examples
///
/// ```
/// use leno::fs;
///
/// # let directory = std::env::temp_dir().join(format!("leno-doc-canonicalize-{}", std::process::id()));
/// # std::fs::create_dir(&directory)?;
/// leno::run(|| {
///     let path = fs::canonicalize(directory.join("."))?;
///     assert!(path.is_absolute() && path.ends_with(directory.file_name().unwrap()));
///     std::io::Result::Ok(())
/// })?;
/// # std::fs::remove_dir_all(&directory)?;
/// # std::io::Result::Ok(())
/// ```
#[track_caller]
pub fn canonicalize<P: AsRef<Path>>(path: P) -> io::Result<PathBuf> {
    let path = path.as_ref();
    call("resolves", &path.display(), || std::fs::canonicalize(path))
}

/// Returns what the system knows of a file, as [`std::fs::metadata`].
///
/// # Errors
///
/// Those of stat(2). In an exploration.
///
/// # Cancellation
///
/// A cancellation point. What has begun is done to its end.
///
/// # Examples
///
/// ```
/// use leno::fs;
///
/// # let directory = std::env::temp_dir().join(format!("leno-doc-metadata-{}", std::process::id()));
/// # std::fs::create_dir(&directory)?;
/// leno::run(|| {
///     fs::write(directory.join("a"), "hello")?;
///     assert_eq!(fs::metadata(directory.join("a"))?.len(), 5);
///     std::io::Result::Ok(())
/// })?;
/// # std::fs::remove_dir_all(&directory)?;
/// # std::io::Result::Ok(())
/// ```
#[track_caller]
pub fn metadata<P: AsRef<Path>>(path: P) -> io::Result<Metadata> {
    let path = path.as_ref();
    call("looks at", &path.display(), || std::fs::metadata(path))
}

/// Returns what the system knows of a file, or of a symbolic link itself, as
/// [`std::fs::symlink_metadata`].
///
/// # Errors
///
/// Those of lstat(2). In an exploration.
///
/// # Cancellation
///
/// A cancellation point. What has begun is done to its end.
///
/// # Examples
///
/// ```
/// use leno::fs;
///
/// # let directory = std::env::temp_dir().join(format!("leno-doc-symlink_metadata-{}", std::process::id()));
/// # std::fs::create_dir(&directory)?;
/// leno::run(|| {
///     leno::os::unix::fs::symlink("nowhere", directory.join("a"))?;
///     assert!(fs::symlink_metadata(directory.join("a"))?.is_symlink());
///     std::io::Result::Ok(())
/// })?;
/// # std::fs::remove_dir_all(&directory)?;
/// # std::io::Result::Ok(())
/// ```
#[track_caller]
pub fn symlink_metadata<P: AsRef<Path>>(path: P) -> io::Result<Metadata> {
    let path = path.as_ref();
    call("looks at", &path.display(), || std::fs::symlink_metadata(path))
}

/// Returns whether the path leads to something, as [`std::fs::exists`].
///
/// # Errors
///
/// If that cannot be told: those of stat(2). In an exploration.
///
/// # Cancellation
///
/// A cancellation point. What has begun is done to its end.
///
/// # Examples
///
/// ```
/// use leno::fs;
///
/// # let directory = std::env::temp_dir().join(format!("leno-doc-exists-{}", std::process::id()));
/// # std::fs::create_dir(&directory)?;
/// leno::run(|| {
///     assert!(!fs::exists(directory.join("a"))?);
///     fs::write(directory.join("a"), "")?;
///     assert!(fs::exists(directory.join("a"))?);
///     std::io::Result::Ok(())
/// })?;
/// # std::fs::remove_dir_all(&directory)?;
/// # std::io::Result::Ok(())
/// ```
#[track_caller]
pub fn exists<P: AsRef<Path>>(path: P) -> io::Result<bool> {
    let path = path.as_ref();
    call("looks at", &path.display(), || std::fs::exists(path))
}

/// Sets the permissions of a file, as [`std::fs::set_permissions`].
///
/// # Errors
///
/// Those of chmod(2). In an exploration.
///
/// # Cancellation
///
/// A cancellation point. What has begun is done to its end.
///
/// # Examples
///
/// ```
/// use leno::fs;
///
/// # let directory = std::env::temp_dir().join(format!("leno-doc-set_permissions-{}", std::process::id()));
/// # std::fs::create_dir(&directory)?;
/// leno::run(|| {
///     let path = directory.join("a");
///     fs::write(&path, "")?;
///     let mut permissions = fs::metadata(&path)?.permissions();
///     permissions.set_readonly(true);
///     fs::set_permissions(&path, permissions)?;
///     assert!(fs::metadata(&path)?.permissions().readonly());
///     std::io::Result::Ok(())
/// })?;
/// # std::fs::remove_dir_all(&directory)?;
/// # std::io::Result::Ok(())
/// ```
#[track_caller]
pub fn set_permissions<P: AsRef<Path>>(path: P, permissions: Permissions) -> io::Result<()> {
    let path = path.as_ref();
    call("changes", &path.display(), || std::fs::set_permissions(path, permissions))
}
