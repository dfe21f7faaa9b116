//! What the crate `socket2` lacks: accepting into a non-blocking descriptor by one system call, reading a
//! socket into memory that is initialised, and telling files.

use std::io;
use std::mem::MaybeUninit;
#[cfg(target_os = "linux")]
use std::os::fd::FromRawFd;
use std::os::fd::{AsRawFd, BorrowedFd};

use socket2::{SockAddr, Socket};

/// Accepts a connection. Its descriptor does not block, and is closed by exec(3).
///
/// # Errors
///
/// Those of accept(2); [`io::ErrorKind::WouldBlock`] if there is no connection.
#[cfg(target_os = "linux")]
pub(crate) fn accept(listener: &Socket) -> io::Result<(Socket, SockAddr)> {
    // SAFETY: the storage and its length are live, and accept4 writes at most the length; a
    // descriptor that it returns is open, and nothing else owns it.
    unsafe {
        SockAddr::try_init(|storage, length| {
            // mistake: accepted-survives-exec
            let flags = libc::SOCK_CLOEXEC | libc::SOCK_NONBLOCK;
            let accepted = libc::accept4(listener.as_raw_fd(), storage.cast(), length, flags);
            if accepted == -1 {
                return Err(io::Error::last_os_error());
            }
            Ok(Socket::from_raw_fd(accepted))
        })
    }
}

/// Accepts a connection. Its descriptor does not block, and is closed by exec(3).
///
/// # Errors
///
/// Those of accept(2); [`io::ErrorKind::WouldBlock`] if there is no connection.
#[cfg(not(target_os = "linux"))]
pub(crate) fn accept(listener: &Socket) -> io::Result<(Socket, SockAddr)> {
    let (accepted, address) = listener.accept()?;
    accepted.set_nonblocking(true)?;
    Ok((accepted, address))
}

/// Returns the error of a call that would block: that of a timeout, too, as for sockets of std.
#[cold]
pub(crate) fn would_block() -> io::Error {
    io::Error::from_raw_os_error(libc::EAGAIN)
}

/// Returns `true` if the descriptor is that of a file on a disk, which poll(2) takes for ready.
pub(crate) fn is_file(descriptor: BorrowedFd<'_>) -> bool {
    // SAFETY: a stat is plain data, for which zeros are valid; fstat fills it for an open descriptor.
    let kind = unsafe {
        let mut stat: libc::stat = std::mem::zeroed();
        libc::fstat(descriptor.as_raw_fd(), &mut stat);
        stat.st_mode & libc::S_IFMT
    };
    [libc::S_IFREG, libc::S_IFDIR, libc::S_IFBLK].contains(&kind)
}

/// Returns the bytes as a buffer for a call that only writes to it.
///
/// # Safety
///
/// Nothing uninitialised may be written to the buffer.
pub(crate) unsafe fn as_uninit(bytes: &mut [u8]) -> &mut [MaybeUninit<u8>] {
    // SAFETY: both have one layout, and the caller writes only initialised bytes.
    unsafe { &mut *(std::ptr::from_mut(bytes) as *mut [MaybeUninit<u8>]) }
}

/// Receives bytes with flags of recv(2). Returns their number.
///
/// # Errors
///
/// Those of recv(2).
pub(crate) fn receive(socket: &Socket, bytes: &mut [u8], flags: i32) -> io::Result<usize> {
    // SAFETY: recv writes initialised bytes.
    socket.recv_with_flags(unsafe { as_uninit(bytes) }, flags)
}

/// Receives a datagram with flags of recvfrom(2). Returns the number of bytes, and the sender.
///
/// # Errors
///
/// Those of recvfrom(2).
pub(crate) fn receive_from(
    socket: &Socket,
    bytes: &mut [u8],
    flags: i32,
) -> io::Result<(usize, SockAddr)> {
    // SAFETY: recvfrom writes initialised bytes.
    socket.recv_from_with_flags(unsafe { as_uninit(bytes) }, flags)
}
