//! Sleeping in the kernel until another OS thread or a signal handler makes a descriptor readable.
//!
//! A forked child has the descriptors of its parent, and would consume notifications for the
//! parent. The reader therefore looks whether it is in a child, and there opens new descriptors
//! under the same numbers.

use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, FromRawFd, OwnedFd};
use std::ptr;
use std::sync::atomic::{AtomicU32, Ordering};

use super::process;

/// A descriptor that is readable from a [`Wakeup::notify`] to the next
/// [`Wakeup::clear`]: an eventfd(2), or a pipe where there is none.
#[derive(Debug)]
pub(crate) struct Wakeup {
    readable: OwnedFd,
    #[cfg(not(target_os = "linux"))]
    writable: OwnedFd,
    /// The [`process::generation`] that the descriptor belongs to.
    process: AtomicU32,
}

impl Wakeup {
    /// Opens a descriptor, which is not readable at first.
    ///
    /// # Errors
    ///
    /// If the process has no more descriptors.
    #[cfg(target_os = "linux")]
    pub(crate) fn new() -> io::Result<Wakeup> {
        // SAFETY: eventfd has no preconditions.
        let descriptor = unsafe { libc::eventfd(0, libc::EFD_NONBLOCK | libc::EFD_CLOEXEC) };
        if descriptor == -1 {
            return Err(io::Error::last_os_error());
        }
        // SAFETY: the descriptor was opened above, and nothing else owns it.
        let readable = unsafe { OwnedFd::from_raw_fd(descriptor) };
        Ok(Wakeup { readable, process: process::generation().into() })
    }

    /// Opens a pipe, which is not readable at first.
    ///
    /// # Errors
    ///
    /// If the process has no more descriptors.
    #[cfg(not(target_os = "linux"))]
    pub(crate) fn new() -> io::Result<Wakeup> {
        let mut ends = [0; 2];
        // SAFETY: `ends` is a live array of two descriptors, which pipe fills.
        if unsafe { libc::pipe(ends.as_mut_ptr()) } == -1 {
            return Err(io::Error::last_os_error());
        }
        // SAFETY: the descriptors were opened above, and nothing else owns them.
        let [readable, writable] = ends.map(|end| unsafe { OwnedFd::from_raw_fd(end) });
        for end in [&readable, &writable] {
            // SAFETY: the descriptor is open, and these commands take integers.
            unsafe {
                libc::fcntl(end.as_raw_fd(), libc::F_SETFL, libc::O_NONBLOCK);
                libc::fcntl(end.as_raw_fd(), libc::F_SETFD, libc::FD_CLOEXEC);
            }
        }
        Ok(Wakeup { readable, writable, process: process::generation().into() })
    }

    /// Returns the descriptor to write to.
    fn writable(&self) -> &OwnedFd {
        #[cfg(target_os = "linux")]
        return &self.readable;
        #[cfg(not(target_os = "linux"))]
        &self.writable
    }

    /// Makes the descriptor readable. Async-signal-safe.
    pub(crate) fn notify(&self) {
        let one = 1u64.to_ne_bytes();
        let descriptor = self.writable().as_raw_fd();
        // A full pipe or counter is already readable, so a failed write is no loss.
        // SAFETY: the pointer and the length are those of the live array `one`.
        unsafe { libc::write(descriptor, one.as_ptr().cast(), one.len()) };
    }

    /// Replaces the descriptor in a forked child. The reader calls this before each use of the
    /// descriptor. The new descriptor is readable at first, because earlier notifications are lost.
    fn ensure_own(&self) {
        if self.process.load(Ordering::Relaxed) != process::generation() {
            self.renew();
        }
    }

    /// Opens a descriptor of this process under the number of the parent's.
    ///
    /// # Panics
    ///
    /// If the process has no more descriptors.
    #[cold]
    fn renew(&self) {
        let new = Wakeup::new().unwrap_or_else(|error| {
            panic!("a forked child cannot make a descriptor for its copy of the runtime: {error}")
        });
        replace(&self.readable, &new.readable);
        #[cfg(not(target_os = "linux"))]
        replace(&self.writable, &new.writable);
        self.process.store(process::generation(), Ordering::Relaxed);
        self.notify();
    }

    /// Makes the descriptor unreadable.
    pub(crate) fn clear(&self) {
        self.ensure_own();
        let mut count = [0u8; 64];
        loop {
            // SAFETY: the pointer and the length are those of the live array `count`.
            let read = unsafe {
                libc::read(self.readable.as_raw_fd(), count.as_mut_ptr().cast(), count.len())
            };
            // An eventfd is empty after one read, a pipe after a short read.
            if read < count.len() as isize {
                return;
            }
        }
    }

    /// Sleeps until the descriptor is readable, `nanos` nanoseconds have passed, or a signal has
    /// arrived.
    pub(crate) fn wait(&self, nanos: Option<u64>) {
        self.ensure_own();
        let descriptor = self.readable.as_raw_fd();
        poll(&mut [libc::pollfd { fd: descriptor, events: libc::POLLIN, revents: 0 }], nanos);
    }
}

/// For signals. Their handler runs in forked children, too.
#[cfg(feature = "net")]
impl super::signal::Notify for Wakeup {
    fn notify(&self) {
        // A child notifies itself when it renews the descriptor.
        // mistake: signal-reaches-parent
        if self.process.load(Ordering::Relaxed) == process::generation() {
            Wakeup::notify(self);
        }
    }

    fn renew(&self) {
        self.ensure_own();
    }
}

impl AsFd for Wakeup {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.ensure_own();
        self.readable.as_fd()
    }
}

/// Makes the number of `old` refer to the file of `new`.
pub(super) fn replace(old: &OwnedFd, new: &OwnedFd) {
    // SAFETY: both descriptors are open, and stay owned by `old` and `new`.
    unsafe {
        libc::dup2(new.as_raw_fd(), old.as_raw_fd());
        libc::fcntl(old.as_raw_fd(), libc::F_SETFD, libc::FD_CLOEXEC);
    }
}

/// Sleeps for `nanos` nanoseconds, or until a signal has arrived.
pub(crate) fn sleep(nanos: u64) {
    poll(&mut [], Some(nanos));
}

/// Sleeps until a descriptor is readable, or else writable, `nanos` nanoseconds have passed, or a
/// signal has arrived. Returns `true` if the descriptor is ready, or has an error.
#[cfg(feature = "net")]
pub(crate) fn wait_for(descriptor: BorrowedFd<'_>, is_read: bool, nanos: Option<u64>) -> bool {
    let mut one = [polled(descriptor, is_read)];
    poll(&mut one, nanos);
    one[0].revents != 0
}

/// Sleeps as [`wait_for`] does, until one of several descriptors is ready.
#[cfg(feature = "net")]
pub(crate) fn wait_for_any(descriptors: &[BorrowedFd<'_>], is_read: bool, nanos: Option<u64>) {
    let mut all: Vec<_> = descriptors.iter().map(|&it| polled(it, is_read)).collect();
    poll(&mut all, nanos);
}

/// Returns what poll(2) waits for.
#[cfg(feature = "net")]
fn polled(descriptor: BorrowedFd<'_>, is_read: bool) -> libc::pollfd {
    let events = if is_read { libc::POLLIN } else { libc::POLLOUT };
    libc::pollfd { fd: descriptor.as_raw_fd(), events, revents: 0 }
}

/// Sleeps until a descriptor is ready, `nanos` nanoseconds have passed, or a signal has arrived.
#[cfg(target_os = "linux")]
fn poll(descriptors: &mut [libc::pollfd], nanos: Option<u64>) {
    let timeout = nanos.map(|nanos| libc::timespec {
        tv_sec: (nanos / 1_000_000_000) as _,
        tv_nsec: (nanos % 1_000_000_000) as _,
    });
    let timeout = timeout.as_ref().map_or(ptr::null(), ptr::from_ref);
    // SAFETY: the pointer and the count are those of a live slice, and `timeout` is null or points
    // to a live timespec.
    unsafe {
        libc::ppoll(descriptors.as_mut_ptr(), descriptors.len() as _, timeout, ptr::null());
    }
}

/// Sleeps until a descriptor is ready, `nanos` nanoseconds have passed, or a signal has arrived.
#[cfg(not(target_os = "linux"))]
fn poll(descriptors: &mut [libc::pollfd], nanos: Option<u64>) {
    // Rounded up to a millisecond, because an early return would make the caller a busy loop.
    let timeout =
        nanos.map_or(-1, |nanos| nanos.div_ceil(1_000_000).min(i32::MAX as u64) as libc::c_int);
    // SAFETY: the pointer and the count are those of a live slice.
    unsafe { libc::poll(descriptors.as_mut_ptr(), descriptors.len() as _, timeout) };
    let _ = ptr::null::<()>();
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn is_readable_from_a_notification_until_it_is_cleared() {
        let wakeup = Wakeup::new().unwrap();
        let is_readable = || {
            let mut descriptors = [libc::pollfd {
                fd: wakeup.readable.as_raw_fd(),
                events: libc::POLLIN,
                revents: 0,
            }];
            poll(&mut descriptors, Some(0));
            descriptors[0].revents & libc::POLLIN != 0
        };
        assert!(!is_readable());
        wakeup.notify();
        wakeup.notify();
        assert!(is_readable());
        wakeup.wait(None);
        wakeup.clear();
        assert!(!is_readable());
        wakeup.clear();
        wakeup.wait(Some(1));
    }
}
