//! Functions on the contents of files at a path.

use std::io::{self, Write};
use std::path::Path;

use super::File;
use crate::driver::io::file::{copy_files, opening_call};

/// Returns the bytes of a file, as [`std::fs::read`].
///
/// # Errors
///
/// Those of open(2) and read(2). In an exploration.
///
/// # Cancellation
///
/// A cancellation point. A file of a disk is read to its end; a wait for a FIFO or a device is left.
///
/// # Examples
///
/// ```
/// use leno::fs;
///
/// # let directory = std::env::temp_dir().join(format!("leno-doc-read-{}", std::process::id()));
/// # std::fs::create_dir(&directory)?;
/// leno::run(|| {
///     fs::write(directory.join("a"), [1, 2, 3])?;
///     assert_eq!(fs::read(directory.join("a"))?, [1, 2, 3]);
///     std::io::Result::Ok(())
/// })?;
/// # std::fs::remove_dir_all(&directory)?;
/// # std::io::Result::Ok(())
/// ```
#[track_caller]
pub fn read<P: AsRef<Path>>(path: P) -> io::Result<Vec<u8>> {
    let path = path.as_ref();
    let owned = path.to_owned();
    opening_call("reads", [path, Path::new("")], move || std::fs::read(owned))
}

/// Returns the text of a file, as [`std::fs::read_to_string`].
///
/// # Errors
///
/// Those of open(2) and read(2); [`io::ErrorKind::InvalidData`] if it is not UTF-8. In an exploration.
///
/// # Cancellation
///
/// A cancellation point. A file of a disk is read to its end; a wait for a FIFO or a device is left.
///
/// # Examples
///
/// ```
/// use leno::fs;
///
/// # let directory = std::env::temp_dir().join(format!("leno-doc-read_to_string-{}", std::process::id()));
/// # std::fs::create_dir(&directory)?;
/// leno::run(|| {
///     fs::write(directory.join("a"), "hello")?;
///     assert_eq!(fs::read_to_string(directory.join("a"))?, "hello");
///     std::io::Result::Ok(())
/// })?;
/// # std::fs::remove_dir_all(&directory)?;
/// # std::io::Result::Ok(())
/// ```
#[track_caller]
pub fn read_to_string<P: AsRef<Path>>(path: P) -> io::Result<String> {
    let path = path.as_ref();
    let owned = path.to_owned();
    opening_call("reads", [path, Path::new("")], move || std::fs::read_to_string(owned))
}

/// Writes a file, which replaces one that exists, as [`std::fs::write`].
///
/// # Errors
///
/// Those of open(2) and write(2). In an exploration.
///
/// # Cancellation
///
/// A cancellation point: before the file is opened, and before it is written to.
///
/// # Examples
///
/// ```
/// use leno::fs;
///
/// # let directory = std::env::temp_dir().join(format!("leno-doc-write-{}", std::process::id()));
/// # std::fs::create_dir(&directory)?;
/// leno::run(|| {
///     fs::write(directory.join("a"), "hello")?;
///     fs::write(directory.join("a"), "bye")?;
///     assert_eq!(fs::read(directory.join("a"))?, b"bye");
///     std::io::Result::Ok(())
/// })?;
/// # std::fs::remove_dir_all(&directory)?;
/// # std::io::Result::Ok(())
/// ```
#[track_caller]
pub fn write<P: AsRef<Path>, C: AsRef<[u8]>>(path: P, contents: C) -> io::Result<()> {
    File::create(path)?.write_all(contents.as_ref())
}

/// Copies the bytes and the permissions of a file. Returns the number of bytes, as [`std::fs::copy`].
///
/// # Errors
///
/// Those of open(2) and copy_file_range(2), among others. In an exploration.
///
/// # Cancellation
///
/// A cancellation point. Files of a disk are copied to the end, however large; a wait for a FIFO or a
/// device is left.
///
/// # Examples
///
/// ```
/// use leno::fs;
///
/// # let directory = std::env::temp_dir().join(format!("leno-doc-copy-{}", std::process::id()));
/// # std::fs::create_dir(&directory)?;
/// leno::run(|| {
///     fs::write(directory.join("a"), "hello")?;
///     assert_eq!(fs::copy(directory.join("a"), directory.join("b"))?, 5);
///     assert_eq!(fs::read(directory.join("b"))?, b"hello");
///     std::io::Result::Ok(())
/// })?;
/// # std::fs::remove_dir_all(&directory)?;
/// # std::io::Result::Ok(())
/// ```
#[track_caller]
pub fn copy<P: AsRef<Path>, Q: AsRef<Path>>(from: P, to: Q) -> io::Result<u64> {
    copy_files(from.as_ref(), to.as_ref())
}
