//! Calls on files that do not wait for a disk, and what a file tells of itself.

use std::io::{self, IoSlice, IoSliceMut};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd};

/// What is known of an open file.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Nature {
    /// A FIFO, a terminal, a device or a socket: a call on it may wait for ever.
    pub(crate) is_stream: bool,
    /// No call waits: its bytes are in memory and not on a disk, or it is a stream in non-blocking mode.
    pub(crate) never_waits: bool,
    /// A write waits until the bytes are on the disk.
    pub(crate) is_synchronous: bool,
}

/// Returns what is known of an open file.
pub(crate) fn nature(descriptor: BorrowedFd<'_>) -> Nature {
    let number = descriptor.as_raw_fd();
    // SAFETY: fcntl with F_GETFL has no preconditions.
    let flags = unsafe { libc::fcntl(number, libc::F_GETFL) };
    let is_stream = !super::socket::is_file(descriptor);
    let is_nonblocking = is_stream && flags & libc::O_NONBLOCK != 0;
    Nature {
        is_stream,
        never_waits: is_nonblocking || is_in_memory(descriptor),
        // O_SYNC includes O_DSYNC.
        is_synchronous: flags & (libc::O_SYNC | libc::O_DSYNC) != 0,
    }
}

#[cfg(target_os = "linux")]
fn is_in_memory(descriptor: BorrowedFd<'_>) -> bool {
    // SAFETY: the structure is plain data, for which zeros are valid; fstatfs fills it.
    let system = unsafe {
        let mut system: libc::statfs = std::mem::zeroed();
        if libc::fstatfs(descriptor.as_raw_fd(), &mut system) == -1 {
            return false;
        }
        system
    };
    #[allow(clippy::unnecessary_cast, reason = "C libraries differ in the types")]
    let is_tmpfs = system.f_type as i64 == libc::TMPFS_MAGIC as i64;
    is_tmpfs
}

#[cfg(not(target_os = "linux"))]
fn is_in_memory(_: BorrowedFd<'_>) -> bool {
    false
}

/// Returns `true` if a call on the file at this path may wait for ever. A path that leads nowhere may not.
pub(crate) fn is_stream(path: &std::path::Path) -> bool {
    use std::os::unix::fs::FileTypeExt;
    std::fs::metadata(path).is_ok_and(|metadata| {
        let kind = metadata.file_type();
        kind.is_fifo() || kind.is_char_device() || kind.is_socket()
    })
}

/// Reads what is in the cache, at the offset or at the cursor. Returns the number of bytes.
///
/// # Errors
///
/// [`io::ErrorKind::WouldBlock`] if nothing is in the cache; [`io::ErrorKind::Unsupported`] if the system
/// cannot tell; those of preadv2(2).
#[cfg(target_os = "linux")]
pub(crate) fn read_cached(
    file: impl AsFd,
    buffers: &mut [IoSliceMut<'_>],
    offset: Option<u64>,
) -> io::Result<usize> {
    let (number, offset) = (file.as_fd().as_raw_fd(), offset_of(offset)?);
    let count = buffers.len().min(MOST_BUFFERS) as libc::c_int;
    // SAFETY: `IoSliceMut` has the layout of iovec, and each is a live buffer that is borrowed for the
    // call.
    let read = unsafe {
        libc::preadv2(number, buffers.as_mut_ptr().cast(), count, offset, libc::RWF_NOWAIT)
    };
    result_of(read)
}

/// Writes what the system takes without a wait, at the offset or at the cursor. Returns the number of
/// bytes.
///
/// # Errors
///
/// As [`read_cached`], and those of pwritev2(2).
#[cfg(target_os = "linux")]
pub(crate) fn write_cached(
    file: impl AsFd,
    buffers: &[IoSlice<'_>],
    offset: Option<u64>,
) -> io::Result<usize> {
    let (number, offset) = (file.as_fd().as_raw_fd(), offset_of(offset)?);
    let count = buffers.len().min(MOST_BUFFERS) as libc::c_int;
    // SAFETY: `IoSlice` has the layout of iovec, and each is a live buffer that is borrowed for the call.
    let written =
        unsafe { libc::pwritev2(number, buffers.as_ptr().cast(), count, offset, libc::RWF_NOWAIT) };
    result_of(written)
}

/// The most buffers of a call: IOV_MAX.
#[cfg(target_os = "linux")]
const MOST_BUFFERS: usize = 1024;

/// Returns an offset in the form of preadv2(2), for which -1 is the cursor.
#[cfg(target_os = "linux")]
fn offset_of(offset: Option<u64>) -> io::Result<i64> {
    offset.map_or(Ok(-1), |it| i64::try_from(it).map_err(|_| io::ErrorKind::Unsupported.into()))
}

#[cfg(target_os = "linux")]
fn result_of(count: isize) -> io::Result<usize> {
    if let Ok(count) = usize::try_from(count) {
        return Ok(count);
    }
    let error = io::Error::last_os_error();
    // A system without the call, or one that forbids it, cannot tell either.
    match error.raw_os_error() {
        Some(libc::ENOSYS | libc::EPERM | libc::EINVAL) => Err(io::ErrorKind::Unsupported.into()),
        _ => Err(error),
    }
}

/// Fails: only Linux can tell what is in the cache.
#[cfg(not(target_os = "linux"))]
pub(crate) fn read_cached(
    _: impl AsFd,
    _: &mut [IoSliceMut<'_>],
    _: Option<u64>,
) -> io::Result<usize> {
    Err(io::ErrorKind::Unsupported.into())
}

/// Fails: only Linux can tell whether a write waits.
#[cfg(not(target_os = "linux"))]
pub(crate) fn write_cached(_: impl AsFd, _: &[IoSlice<'_>], _: Option<u64>) -> io::Result<usize> {
    Err(io::ErrorKind::Unsupported.into())
}

/// Reads from a descriptor. Returns the number of bytes.
///
/// # Errors
///
/// Those of read(2).
pub(crate) fn read(descriptor: BorrowedFd<'_>, bytes: &mut [u8]) -> io::Result<usize> {
    let number = descriptor.as_raw_fd();
    // SAFETY: the pointer and the length are those of a live slice, which nothing else uses.
    let read = unsafe { libc::read(number, bytes.as_mut_ptr().cast(), bytes.len()) };
    usize::try_from(read).map_err(|_| io::Error::last_os_error())
}

/// Writes to a descriptor. Returns the number of bytes.
///
/// # Errors
///
/// Those of write(2).
pub(crate) fn write(descriptor: BorrowedFd<'_>, bytes: &[u8]) -> io::Result<usize> {
    let number = descriptor.as_raw_fd();
    // SAFETY: the pointer and the length are those of a live slice.
    let written = unsafe { libc::write(number, bytes.as_ptr().cast(), bytes.len()) };
    usize::try_from(written).map_err(|_| io::Error::last_os_error())
}
