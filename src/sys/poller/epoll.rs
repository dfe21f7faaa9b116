//! epoll(7).

use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, FromRawFd, OwnedFd, RawFd};
use std::ptr;
use std::sync::atomic::{AtomicBool, Ordering};

use super::events::{Event, Events, MOST_EVENTS, Raw};
use crate::sys::wakeup;

/// An epoll instance. Any OS thread may add and remove descriptors.
#[derive(Debug)]
pub(crate) struct Poller {
    epoll: OwnedFd,
    /// The kernel has no epoll_pwait2 (before Linux 5.11): timeouts are in milliseconds.
    is_coarse: AtomicBool,
}

/// Returns the event that the flags of poll(2) tell of; those of epoll(7) are the same.
pub(super) fn event(token: u64, flags: u32) -> Event {
    let has = |wanted: libc::c_int| flags & wanted as u32 != 0;
    // The calls that read and write return an error of the socket.
    let failed = has(libc::EPOLLERR);
    let (write_closed, read_closed) = (has(libc::EPOLLHUP), has(libc::EPOLLRDHUP));
    Event {
        token,
        readable: failed || write_closed || read_closed || has(libc::EPOLLIN),
        writable: failed || write_closed || has(libc::EPOLLOUT),
        read_closed: write_closed || read_closed,
        write_closed,
        is_last: false,
    }
}

impl Poller {
    /// Makes an instance.
    ///
    /// # Errors
    ///
    /// If the process or the system has no more descriptors.
    pub(crate) fn new() -> io::Result<Poller> {
        // SAFETY: epoll_create1 has no preconditions.
        let descriptor = unsafe { libc::epoll_create1(libc::EPOLL_CLOEXEC) };
        if descriptor == -1 {
            return Err(io::Error::last_os_error());
        }
        // SAFETY: the descriptor was opened above, and nothing else owns it.
        let epoll = unsafe { OwnedFd::from_raw_fd(descriptor) };
        Ok(Poller { epoll, is_coarse: AtomicBool::new(false) })
    }

    /// Replaces the instance in a forked child, which shares that of its parent, by a new one under
    /// the same number. Nothing is added to it.
    ///
    /// # Errors
    ///
    /// As [`Poller::new`].
    pub(crate) fn renew(&self) -> io::Result<()> {
        wakeup::replace(&self.epoll, &Poller::new()?.epoll);
        Ok(())
    }

    /// Adds a descriptor, for both directions. If it is ready, the next look reports it.
    ///
    /// # Errors
    ///
    /// If the system has no more memory for it, the limit of the user is reached
    /// (`fs.epoll.max_user_watches`), or the descriptor is that of a file that is always ready.
    pub(crate) fn add(&self, descriptor: RawFd, token: u64) -> io::Result<()> {
        let both = libc::EPOLLIN | libc::EPOLLOUT | libc::EPOLLRDHUP;
        self.control(descriptor, token, both | libc::EPOLLET)
    }

    /// Adds a descriptor that is reported as long as it is readable.
    ///
    /// # Errors
    ///
    /// As [`Poller::add`].
    pub(crate) fn add_bell(&self, descriptor: RawFd, token: u64) -> io::Result<()> {
        self.control(descriptor, token, libc::EPOLLIN)
    }

    fn control(&self, descriptor: RawFd, token: u64, flags: libc::c_int) -> io::Result<()> {
        let mut event = libc::epoll_event { events: flags as u32, u64: token };
        let epoll = self.epoll.as_raw_fd();
        // SAFETY: `event` is a live epoll_event, which the call copies.
        if unsafe { libc::epoll_ctl(epoll, libc::EPOLL_CTL_ADD, descriptor, &mut event) } == -1 {
            return Err(io::Error::last_os_error());
        }
        Ok(())
    }

    /// Removes a descriptor. Events of it that have been reported may still be with the caller.
    pub(crate) fn remove(&self, descriptor: RawFd) {
        let epoll = self.epoll.as_raw_fd();
        // SAFETY: the call takes no event. It fails only if the descriptor is not there.
        unsafe { libc::epoll_ctl(epoll, libc::EPOLL_CTL_DEL, descriptor, ptr::null_mut()) };
    }

    /// Waits until a descriptor has become ready, `nanos` nanoseconds have passed, or a signal has
    /// arrived. Leaves in `events` what has become ready.
    pub(crate) fn wait(&self, events: &mut Events, nanos: Option<u64>) {
        let Events { raw: buffer, events } = events;
        buffer.clear();
        buffer.reserve(MOST_EVENTS);
        let room = MOST_EVENTS as libc::c_int;
        let count = match nanos {
            Some(nanos) if nanos > 0 && !self.is_coarse.load(Ordering::Relaxed) => {
                self.wait_exactly(buffer, nanos)
            }
            _ => {
                // Rounded up, because an early return would make the caller a busy loop.
                let millis = nanos.map_or(-1, |nanos| {
                    nanos.div_ceil(1_000_000).min(i32::MAX as u64) as libc::c_int
                });
                let epoll = self.epoll.as_raw_fd();
                // SAFETY: the buffer has room for so many events.
                unsafe { libc::epoll_wait(epoll, buffer.as_mut_ptr(), room, millis) as isize }
            }
        };
        // SAFETY: the kernel has written so many events, at most the capacity; none if it failed.
        unsafe { buffer.set_len(usize::try_from(count).unwrap_or(0)) };
        events.clear();
        events.extend(buffer.iter().map(|raw| event(raw.u64, raw.events)));
    }

    /// Waits with a timeout in nanoseconds. Returns the number of events, or -1.
    fn wait_exactly(&self, buffer: &mut Vec<Raw>, nanos: u64) -> isize {
        let timeout = libc::timespec {
            tv_sec: (nanos / 1_000_000_000) as _,
            tv_nsec: (nanos % 1_000_000_000) as _,
        };
        // SAFETY: the buffer has room for so many events, `timeout` is a live timespec, and the
        // mask of signals is absent.
        let count = unsafe {
            libc::syscall(
                libc::SYS_epoll_pwait2,
                self.epoll.as_raw_fd(),
                buffer.as_mut_ptr(),
                MOST_EVENTS as libc::c_int,
                &raw const timeout,
                ptr::null::<libc::sigset_t>(),
                0usize,
            )
        };
        let refused = |error: io::Error| {
            matches!(error.raw_os_error(), Some(libc::ENOSYS | libc::EPERM | libc::EINVAL))
        };
        if count == -1 && refused(io::Error::last_os_error()) {
            // The caller waits again.
            self.is_coarse.store(true, Ordering::Relaxed);
        }
        count as isize
    }
}

impl AsFd for Poller {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.epoll.as_fd()
    }
}
