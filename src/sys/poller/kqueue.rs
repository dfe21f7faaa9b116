//! kqueue(2).

use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, FromRawFd, OwnedFd, RawFd};
use std::ptr;

use super::events::{Event, Events, MOST_EVENTS, Raw};
use crate::sys::wakeup;

/// A kqueue. Any OS thread may add and remove descriptors.
#[derive(Debug)]
pub(crate) struct Poller {
    queue: OwnedFd,
}

fn event(raw: &Raw) -> Event {
    let is_end = raw.flags & libc::EV_EOF != 0;
    let (readable, writable) = (raw.filter == libc::EVFILT_READ, raw.filter == libc::EVFILT_WRITE);
    Event {
        token: raw.udata.addr() as u64,
        readable,
        writable,
        read_closed: readable && is_end,
        write_closed: writable && is_end,
        is_last: false,
    }
}

/// Returns a change of the filter of a descriptor.
fn change(descriptor: RawFd, filter: i16, flags: u16, token: u64) -> libc::kevent {
    // SAFETY: a kevent is plain data, for which zeros are valid.
    let mut change: libc::kevent = unsafe { std::mem::zeroed() };
    change.ident = descriptor as _;
    change.filter = filter as _;
    change.flags = flags as _;
    change.udata = ptr::without_provenance_mut(token as usize);
    change
}

impl Poller {
    /// Makes a queue.
    ///
    /// # Errors
    ///
    /// If the process or the system has no more descriptors.
    pub(crate) fn new() -> io::Result<Poller> {
        // SAFETY: kqueue has no preconditions.
        let descriptor = unsafe { libc::kqueue() };
        if descriptor == -1 {
            return Err(io::Error::last_os_error());
        }
        // SAFETY: the descriptor was opened above, and nothing else owns it.
        let queue = unsafe { OwnedFd::from_raw_fd(descriptor) };
        // SAFETY: the descriptor is open, and the command takes an integer.
        unsafe { libc::fcntl(queue.as_raw_fd(), libc::F_SETFD, libc::FD_CLOEXEC) };
        Ok(Poller { queue })
    }

    /// Replaces the queue in a forked child, which does not inherit that of its parent, by a new one
    /// under the same number. Nothing is added to it.
    ///
    /// # Errors
    ///
    /// As [`Poller::new`].
    pub(crate) fn renew(&self) -> io::Result<()> {
        wakeup::replace(&self.queue, &Poller::new()?.queue);
        Ok(())
    }

    /// Adds a descriptor, for both directions. If it is ready, the next look reports it.
    ///
    /// # Errors
    ///
    /// If the system has no more memory for it, or the descriptor cannot be waited for.
    pub(crate) fn add(&self, descriptor: RawFd, token: u64) -> io::Result<()> {
        let flags = libc::EV_ADD | libc::EV_CLEAR;
        self.change(&[
            change(descriptor, libc::EVFILT_READ as _, flags as _, token),
            change(descriptor, libc::EVFILT_WRITE as _, flags as _, token),
        ])
    }

    /// Adds a descriptor that is reported as long as it is readable.
    ///
    /// # Errors
    ///
    /// As [`Poller::add`].
    pub(crate) fn add_bell(&self, descriptor: RawFd, token: u64) -> io::Result<()> {
        self.change(&[change(descriptor, libc::EVFILT_READ as _, libc::EV_ADD as _, token)])
    }

    /// Removes a descriptor. Events of it that have been reported may still be with the caller.
    pub(crate) fn remove(&self, descriptor: RawFd) {
        for filter in [libc::EVFILT_READ, libc::EVFILT_WRITE] {
            // It fails only if the descriptor is not there.
            let _ = self.change(&[change(descriptor, filter as _, libc::EV_DELETE as _, 0)]);
        }
    }

    fn change(&self, changes: &[libc::kevent]) -> io::Result<()> {
        let queue = self.queue.as_raw_fd();
        // SAFETY: the pointer and the count are those of a live slice; no event is returned.
        let result = unsafe {
            libc::kevent(
                queue,
                changes.as_ptr(),
                changes.len() as _,
                ptr::null_mut(),
                0,
                ptr::null(),
            )
        };
        if result == -1 { Err(io::Error::last_os_error()) } else { Ok(()) }
    }

    /// Waits until a descriptor has become ready, `nanos` nanoseconds have passed, or a signal has
    /// arrived. Leaves in `events` what has become ready.
    pub(crate) fn wait(&self, events: &mut Events, nanos: Option<u64>) {
        let Events { raw: buffer, events } = events;
        buffer.clear();
        buffer.reserve(MOST_EVENTS);
        let timeout = nanos.map(|nanos| libc::timespec {
            tv_sec: (nanos / 1_000_000_000) as _,
            tv_nsec: (nanos % 1_000_000_000) as _,
        });
        let timeout = timeout.as_ref().map_or(ptr::null(), ptr::from_ref);
        // SAFETY: the buffer has room for so many events, and `timeout` is null or points to a live
        // timespec. The kernel has written as many events as it returns; none if it failed.
        unsafe {
            let count = libc::kevent(
                self.queue.as_raw_fd(),
                ptr::null(),
                0,
                buffer.as_mut_ptr(),
                MOST_EVENTS as _,
                timeout,
            );
            buffer.set_len(usize::try_from(count).unwrap_or(0));
        }
        events.clear();
        events.extend(buffer.iter().map(event));
    }
}

impl AsFd for Poller {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.queue.as_fd()
    }
}
