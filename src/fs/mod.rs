//! Files, with the interface of [`std::fs`]. Only the green thread waits.
//!
//! A read of what is in the cache is made at once (Linux, on file systems that can tell what is), as is each
//! read and write of a file in memory (tmpfs). Every other call is made on the pool of OS threads of
//! [`unblock`](crate::unblock), which costs 10 to 20 microseconds: buffer small writes. Outside a runtime,
//! the calls are those of std.
//!
//! A program moves to this module by its imports, with these exceptions:
//!
//! - `impl Read for Arc<File>`, and the likes, as well as `IsTerminal`, cannot be had outside std: use
//!   `&File` ([`AsFd`](std::os::fd::AsFd) has the descriptor);
//! - [`std::io::copy`] copies between files of leno by a buffer;
//! - a signal interrupts no read or write, so that none fails with [`io::ErrorKind::Interrupted`];
//! - std's `read_dir` reads ahead, and this one reads ahead further: up to 256 entries.
//!
//! The locks of files came to std later than Rust 1.88.
//!
//! # Cancellation
//!
//! Each call is a cancellation point before it begins. What has begun goes on to its end, and its result is
//! returned; the cancellation comes at the next call. So a call on a disk that does not answer cannot be
//! cancelled. There are two exceptions, which may wait for ever: a thread that opens a FIFO, a terminal or
//! another device leaves that at once, and the file is closed once it has been opened; a read of one, or a
//! write, is cancelled while there is nothing to read, or no room.
//!
//! An open FIFO that no other process opens keeps an OS thread of the pool for as long as it waits.
//!
//! # Closing
//!
//! Dropping a [`File`] closes it at once, on the OS thread of the runtime, as in std. That may wait: on a
//! file system of a network for the last writes, on a disk for the blocks of a large file that had been
//! removed. [`unblock`](crate::unblock)`(|| drop(file))` closes elsewhere.
//!
//! # fork and forgotten frames
//!
//! In a forked child the OS threads of the pool do not exist. A call that was under way there never ends;
//! later ones do. A buffer that is lent to the pool is on a frame that waits. If the runtime or a coroutine
//! around that frame is forgotten, its stack is never freed.
//!
//! # Examples
//!
//! ```
//! use leno::fs;
//!
//! # let directory = std::env::temp_dir().join(format!("leno-doc-fs-{}", std::process::id()));
//! leno::run(|| {
//!     fs::create_dir(&directory)?;
//!     fs::write(directory.join("note"), "hello")?;
//!     assert_eq!(fs::read_to_string(directory.join("note"))?, "hello");
//!     fs::remove_dir_all(&directory)
//! })?;
//! # std::io::Result::Ok(())
//! ```
//!
//! [`io::ErrorKind::Interrupted`]: std::io::ErrorKind::Interrupted

#![forbid(unsafe_code)]

mod contents;
mod directory;
mod file;
mod paths;

pub use contents::{copy, read, read_to_string, write};
pub use directory::{DirBuilder, DirEntry, ReadDir, read_dir};
pub use file::{File, OpenOptions};
pub use paths::{
    canonicalize, create_dir, create_dir_all, exists, hard_link, metadata, read_link, remove_dir,
    remove_dir_all, remove_file, rename, set_permissions, symlink_metadata,
};
pub use std::fs::{FileTimes, FileType, Metadata, Permissions};
