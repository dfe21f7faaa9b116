//! io_uring(7), as a queue of reports: each descriptor has one request of IORING_OP_POLL_ADD, which
//! reports each change until it is removed.
//!
//! Adding a descriptor costs no system call: the request goes along with the next look. Removing one does:
//! a request refers to the file, and would keep a closed socket open.
//!
//! A ring belongs to the OS thread that made it. It is not shared with a forked child: the child must
//! not touch its memory, which is not mapped there.

use std::cell::{Cell, RefCell};
use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd, RawFd};
use std::ptr;

use io_uring::types::{CancelBuilder, Fd, SubmitArgs, Timespec};
use io_uring::{IoUring, cqueue, opcode, squeue};

use super::epoll::event;
use super::events::{Event, Events, MOST_EVENTS};
use crate::sys::wakeup;

/// The requests that one system call submits. It is halved where memory is short.
const ENTRIES: u32 = 256;

/// The fewest requests that a ring is made for.
const FEWEST_ENTRIES: u32 = 8;

/// The token of requests that remove another.
const REMOVAL: u64 = u64::MAX - 1;

thread_local! {
    /// Its address tells OS threads apart.
    static HERE: Cell<u8> = const { Cell::new(0) };
}

fn here() -> usize {
    HERE.with(|here| ptr::from_ref(here).addr())
}

/// A ring.
pub(crate) struct Uring {
    /// The OS thread that the ring belongs to.
    owner: usize,
    /// `None` once the runtime has ended.
    ring: RefCell<Option<IoUring>>,
    /// A duplicate of the ring's, with a number that stays in a forked child.
    descriptor: OwnedFd,
}

// SAFETY: the ring is reached by `with` only, which returns early on any OS thread but the owner. The
// runtime closes it there before the OS thread ends, so no later OS thread is taken for the owner.
unsafe impl Send for Uring {}
// SAFETY: as above.
unsafe impl Sync for Uring {}

/// Makes a ring. Needs Linux 6.1, for the flags that make it fast.
fn ring() -> io::Result<IoUring> {
    let mut entries = ENTRIES;
    loop {
        let made = IoUring::builder()
            .setup_single_issuer()
            .setup_defer_taskrun()
            .setup_taskrun_flag()
            .setup_cqsize(entries * 16)
            .dontfork()
            .build(entries);
        match made {
            Err(error)
                if error.kind() == io::ErrorKind::OutOfMemory && entries > FEWEST_ENTRIES =>
            {
                entries /= 2;
            }
            made => return made,
        }
    }
}

impl Uring {
    /// Makes a ring for this OS thread.
    ///
    /// # Errors
    ///
    /// If the kernel has no io_uring or an old one, or refuses it to this process.
    pub(crate) fn new() -> io::Result<Uring> {
        let ring = ring()?;
        // SAFETY: the ring is open.
        let descriptor =
            unsafe { BorrowedFd::borrow_raw(ring.as_raw_fd()) }.try_clone_to_owned()?;
        Ok(Uring { owner: here(), ring: RefCell::new(Some(ring)), descriptor })
    }

    /// Calls `f` with the ring. Returns `None` on other OS threads, and after the runtime has ended.
    fn with<T>(&self, f: impl FnOnce(&mut IoUring) -> T) -> Option<T> {
        if here() != self.owner {
            return None;
        }
        self.ring.borrow_mut().as_mut().map(f)
    }

    /// Replaces the ring in a forked child by a new one. Nothing is added to it.
    ///
    /// # Errors
    ///
    /// As [`Uring::new`].
    pub(crate) fn renew(&self) -> io::Result<()> {
        let new = ring()?;
        // SAFETY: the ring is open.
        let duplicate = unsafe { BorrowedFd::borrow_raw(new.as_raw_fd()) }.try_clone_to_owned()?;
        wakeup::replace(&self.descriptor, &duplicate);
        if let Some(old) = self.ring.borrow_mut().replace(new) {
            // SAFETY: the number is that of the old ring, of which nothing else is used any more. Its
            // memory is not mapped here, so it must not be dropped.
            unsafe { libc::close(old.as_raw_fd()) };
            std::mem::forget(old);
        }
        Ok(())
    }

    /// Adds a descriptor, for both directions. If it is ready, the next look reports it. A failure is
    /// reported as readiness: the call that is made then finds it.
    ///
    /// # Errors
    ///
    /// If requests cannot be submitted.
    pub(crate) fn add(&self, descriptor: RawFd, token: u64) -> io::Result<()> {
        let both = libc::POLLIN | libc::POLLOUT | libc::POLLRDHUP;
        self.poll(descriptor, token, both as u32)
    }

    /// Adds a descriptor that is reported when it becomes readable.
    ///
    /// # Errors
    ///
    /// As [`Uring::add`].
    pub(crate) fn add_bell(&self, descriptor: RawFd, token: u64) -> io::Result<()> {
        self.poll(descriptor, token, libc::POLLIN as u32)
    }

    fn poll(&self, descriptor: RawFd, token: u64, flags: u32) -> io::Result<()> {
        let request = opcode::PollAdd::new(Fd(descriptor), flags).multi(true).build();
        self.with(|ring| push(ring, &request.user_data(token))).unwrap_or(Ok(()))
    }

    /// Removes a descriptor, so that closing it closes the file. Returns `false` on other OS threads than
    /// that of the runtime.
    pub(crate) fn remove(&self, token: u64) -> bool {
        // Not IORING_OP_POLL_REMOVE: it fails with EALREADY if an event has come that is not reported
        // yet, and the request would go on.
        let request = opcode::AsyncCancel::new(token).build().user_data(REMOVAL);
        let removed = self.with(|ring| {
            push(ring, &request)?;
            // mistake: removal-unsubmitted
            enter(ring)
        });
        removed.is_some()
    }

    /// Returns `true` if a look would submit or find something. Costs no system call.
    pub(crate) fn has_news(&self) -> bool {
        let has_news = self.with(|ring| {
            let (_, submission, completion) = ring.split();
            // A small queue may be empty while the kernel holds completions that it had no room for.
            // mistake: overflow-unheard
            let is_queued = !completion.is_empty() || submission.cq_overflow();
            is_queued || !submission.is_empty() || submission.taskrun()
        });
        has_news.unwrap_or(false)
    }

    /// Sends what has been added to the system.
    pub(crate) fn flush(&self) {
        // What cannot be submitted now goes along with the next look.
        self.with(|ring| if ring.submission().is_empty() { Ok(()) } else { enter(ring) });
    }

    /// Waits until a descriptor has become ready, `nanos` nanoseconds have passed, or a signal has
    /// arrived. Leaves in `events` what has become ready.
    pub(crate) fn wait(&self, events: &mut Events, nanos: Option<u64>) {
        events.events.clear();
        self.with(|ring| {
            // An error is a signal or the end of the time, or comes with completions to be taken.
            let _ = match nanos {
                Some(0) => enter(ring),
                _ if !ring.completion().is_empty() => enter(ring),
                None => ring.submit_and_wait(1).map(drop),
                Some(nanos) => {
                    let seconds = nanos / 1_000_000_000;
                    let timeout = Timespec::new().sec(seconds).nsec((nanos % 1_000_000_000) as u32);
                    ring.submitter()
                        .submit_with_args(1, &SubmitArgs::new().timespec(&timeout))
                        .map(drop)
                }
            };
            let found = ring.completion().take(MOST_EVENTS);
            events.events.extend(found.filter_map(|completion| event_of(&completion)));
        });
    }

    /// Ends all requests, and closes the ring: the runtime has ended. The kernel ends what is left in a
    /// closed ring at some later time, and until then a closed socket would stay open.
    pub(crate) fn close(&self) {
        let all = opcode::AsyncCancel2::new(CancelBuilder::any().all()).build().user_data(REMOVAL);
        // If that fails, the kernel ends them later.
        let _ = self.with(|ring| {
            push(ring, &all)?;
            enter(ring)
        });
        if here() == self.owner {
            drop(self.ring.take());
        }
    }
}

/// Adds a request to those that the next system call submits.
fn push(ring: &mut IoUring, request: &squeue::Entry) -> io::Result<()> {
    if ring.submission().is_full() {
        enter(ring)?;
    }
    // SAFETY: the request refers to no memory.
    unsafe { ring.submission().push(request) }
        .map_err(|_| io::Error::from(io::ErrorKind::ResourceBusy))
}

/// Sends all requests to the system, which puts completions into their queue. Does not wait.
fn enter(ring: &mut IoUring) -> io::Result<()> {
    const GETEVENTS: u32 = 1;
    let count = ring.submission().len() as u32;
    // SAFETY: there is no argument. The flag is IORING_ENTER_GETEVENTS.
    unsafe { ring.submitter().enter::<libc::sigset_t>(count, 0, GETEVENTS, None) }.map(drop)
}

/// Returns the event of a completion; `None` if it is of a removal, or of a removed request.
fn event_of(completion: &cqueue::Entry) -> Option<Event> {
    let (token, result) = (completion.user_data(), completion.result());
    if token == REMOVAL || result == -libc::ECANCELED {
        return None;
    }
    // Of a request that has failed, the next call finds the reason.
    let flags = u32::try_from(result).unwrap_or(libc::POLLERR as u32);
    let is_last = !cqueue::more(completion.flags());
    Some(Event { is_last, ..event(token, flags) })
}

impl AsFd for Uring {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.descriptor.as_fd()
    }
}
