//! Sleeping in the kernel, and being woken from another OS thread or from a
//! signal handler: a descriptor that becomes readable.
//!
//! A forked child has the descriptors of its parent, and would take rings that are
//! meant for the parent. So the reader asks which process it is in, and makes
//! itself new ones under the same numbers.

use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, FromRawFd, OwnedFd};
use std::process;
use std::ptr;
use std::sync::atomic::{AtomicU32, Ordering};

/// A descriptor that is readable from a [`Wakeup::notify`] to the next
/// [`Wakeup::clear`]: an eventfd(2), or a pipe where there is none.
#[derive(Debug)]
pub(crate) struct Wakeup {
    readable: OwnedFd,
    #[cfg(not(target_os = "linux"))]
    writable: OwnedFd,
    /// Whose it is.
    process: AtomicU32,
}

impl Wakeup {
    #[cfg(target_os = "linux")]
    pub(crate) fn new() -> io::Result<Wakeup> {
        // SAFETY: eventfd has no preconditions.
        let descriptor = unsafe { libc::eventfd(0, libc::EFD_NONBLOCK | libc::EFD_CLOEXEC) };
        if descriptor == -1 {
            return Err(io::Error::last_os_error());
        }
        // SAFETY: just made, and nobody else has it.
        let readable = unsafe { OwnedFd::from_raw_fd(descriptor) };
        Ok(Wakeup { readable, process: process::id().into() })
    }

    #[cfg(not(target_os = "linux"))]
    pub(crate) fn new() -> io::Result<Wakeup> {
        let mut ends = [0; 2];
        // SAFETY: pipe fills the array it is given.
        if unsafe { libc::pipe(ends.as_mut_ptr()) } == -1 {
            return Err(io::Error::last_os_error());
        }
        // SAFETY: just made, and nobody else has them.
        let [readable, writable] = ends.map(|end| unsafe { OwnedFd::from_raw_fd(end) });
        for end in [&readable, &writable] {
            // SAFETY: fcntl on descriptors of our own.
            unsafe {
                libc::fcntl(end.as_raw_fd(), libc::F_SETFL, libc::O_NONBLOCK);
                libc::fcntl(end.as_raw_fd(), libc::F_SETFD, libc::FD_CLOEXEC);
            }
        }
        Ok(Wakeup { readable, writable, process: process::id().into() })
    }

    fn writable(&self) -> &OwnedFd {
        #[cfg(target_os = "linux")]
        return &self.readable;
        #[cfg(not(target_os = "linux"))]
        &self.writable
    }

    /// Makes it readable. Async-signal-safe.
    pub(crate) fn notify(&self) {
        let one = 1u64.to_ne_bytes();
        let descriptor = self.writable().as_raw_fd();
        // SAFETY: write(2) is async-signal-safe, and the buffer is valid. A full
        // pipe or counter is readable already.
        unsafe { libc::write(descriptor, one.as_ptr().cast(), one.len()) };
    }

    /// To be called by the reader before it uses the descriptor: in a forked child,
    /// makes one of its own in the place of the parent's. It is readable, since
    /// what was rung before is lost.
    fn belongs_here(&self) {
        if self.process.load(Ordering::Relaxed) != process::id() {
            self.renew();
        }
    }

    #[cold]
    fn renew(&self) {
        let new = Wakeup::new().unwrap_or_else(|error| {
            panic!("a forked child cannot make a descriptor for its copy of the runtime: {error}")
        });
        replace(&self.readable, &new.readable);
        #[cfg(not(target_os = "linux"))]
        replace(&self.writable, &new.writable);
        self.process.store(process::id(), Ordering::Relaxed);
        self.notify();
    }

    /// Makes it unreadable.
    pub(crate) fn clear(&self) {
        self.belongs_here();
        let mut count = [0u8; 64];
        loop {
            // SAFETY: read fills at most the buffer it is given.
            let read = unsafe {
                libc::read(self.readable.as_raw_fd(), count.as_mut_ptr().cast(), count.len())
            };
            // An eventfd is empty after one read, a pipe when a read was short.
            if read < count.len() as isize {
                return;
            }
        }
    }

    /// Sleeps until it is readable, until `nanos` have passed, or until a signal
    /// has come.
    pub(crate) fn wait(&self, nanos: Option<u64>) {
        self.belongs_here();
        let descriptor = self.readable.as_raw_fd();
        poll(&mut [libc::pollfd { fd: descriptor, events: libc::POLLIN, revents: 0 }], nanos);
    }
}

impl AsFd for Wakeup {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.belongs_here();
        self.readable.as_fd()
    }
}

/// Has the number of `old` stand for what `new` is.
fn replace(old: &OwnedFd, new: &OwnedFd) {
    // SAFETY: dup2 and fcntl on descriptors that are open.
    unsafe {
        libc::dup2(new.as_raw_fd(), old.as_raw_fd());
        libc::fcntl(old.as_raw_fd(), libc::F_SETFD, libc::FD_CLOEXEC);
    }
}

/// Sleeps for `nanos`, or until a signal has come.
pub(crate) fn sleep(nanos: u64) {
    poll(&mut [], Some(nanos));
}

#[cfg(target_os = "linux")]
fn poll(descriptors: &mut [libc::pollfd], nanos: Option<u64>) {
    let timeout = nanos.map(|nanos| libc::timespec {
        tv_sec: (nanos / 1_000_000_000) as libc::time_t,
        tv_nsec: (nanos % 1_000_000_000) as _,
    });
    let timeout = timeout.as_ref().map_or(ptr::null(), ptr::from_ref);
    // SAFETY: the pointers and the count are those of live values.
    unsafe {
        libc::ppoll(descriptors.as_mut_ptr(), descriptors.len() as _, timeout, ptr::null());
    }
}

#[cfg(not(target_os = "linux"))]
fn poll(descriptors: &mut [libc::pollfd], nanos: Option<u64>) {
    // Up to the next millisecond: too early would be a busy loop.
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
