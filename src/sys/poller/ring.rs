//! What the engine of io_uring(7) asks of a ring: requests, completions, and the system call between
//! them. Unit tests put another ring in the place of the system's.

use std::io;
use std::os::fd::{AsRawFd, BorrowedFd, RawFd};

use io_uring::types::{CancelBuilder, Fd, SubmitArgs, Timespec};
use io_uring::{IoUring, cqueue, opcode};

use crate::sys::wakeup;

/// The requests that one system call submits. It is halved where memory is short.
const ENTRIES: u32 = 256;

/// The fewest requests that a ring is made for.
const FEWEST_ENTRIES: u32 = 8;

/// The token of the answers to requests that remove others.
pub(super) const REMOVAL: u64 = u64::MAX - 1;

/// A request. None refers to memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Request {
    /// Reports each change of a descriptor until it ends. The flags are those of poll(2).
    Poll { descriptor: RawFd, token: u64, flags: u32 },
    /// Ends the request with this token.
    Remove { token: u64 },
    /// Ends all requests.
    RemoveAll,
}

/// The answer to a request, or one of its reports.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Completion {
    pub(super) token: u64,
    /// The flags of poll(2), or a negative error.
    pub(super) result: i32,
    /// The request has ended.
    pub(super) is_last: bool,
}

/// What the ring's memory tells.
#[derive(Clone, Copy, Debug)]
pub(crate) struct State {
    /// Requests have not been submitted.
    pub(super) has_requests: bool,
    pub(super) has_completions: bool,
    /// The kernel holds completions for which the queue had no room.
    pub(super) has_overflown: bool,
    /// The next system call puts completions into their queue.
    pub(super) has_work: bool,
}

/// A ring.
pub(crate) trait Ring: Sized {
    /// Makes a ring.
    fn new() -> io::Result<Self>;

    fn descriptor(&self) -> BorrowedFd<'_>;

    /// Appends a request to those that the next system call submits. Returns `false` if there is no room.
    fn push(&mut self, request: Request) -> bool;

    fn state(&mut self) -> State;

    /// Sends requests to the system, which puts completions into their queue. Returns the number of submitted
    /// requests, which is less than that of all if the system has no memory.
    ///
    /// # Errors
    ///
    /// If none was submitted.
    fn enter(&mut self) -> io::Result<usize>;

    /// Does the same, and waits for a completion, a signal, or until `nanos` nanoseconds have passed. It does
    /// not wait unless all requests have been submitted.
    fn wait(&mut self, nanos: Option<u64>) -> io::Result<usize>;

    /// Waits for a completion, a signal, or until `nanos` nanoseconds have passed, and submits nothing.
    fn pause(&mut self, nanos: u64);

    /// Takes at most so many completions, and gives them to `each`.
    fn take(&mut self, most: usize, each: impl FnMut(Completion));

    /// Closes a ring in a forked child, where its memory is not mapped.
    fn abandon(self);
}

/// The kernel's `io_uring_getevents_arg`, without a signal mask.
#[repr(C)]
#[derive(Default)]
struct Argument {
    mask: u64,
    mask_bytes: u32,
    least_wait_micros: u32,
    timeout: u64,
}

impl Ring for IoUring {
    /// Needs Linux 6.1, for the flags that make it fast.
    fn new() -> io::Result<IoUring> {
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

    fn descriptor(&self) -> BorrowedFd<'_> {
        // SAFETY: the ring is open.
        unsafe { BorrowedFd::borrow_raw(self.as_raw_fd()) }
    }

    #[inline]
    fn push(&mut self, request: Request) -> bool {
        let entry = match request {
            Request::Poll { descriptor, token, flags } => {
                opcode::PollAdd::new(Fd(descriptor), flags).multi(true).build().user_data(token)
            }
            // Not IORING_OP_POLL_REMOVE: it fails with EALREADY if an event has come that is not reported
            // yet, and the request would go on.
            Request::Remove { token } => opcode::AsyncCancel::new(token).build().user_data(REMOVAL),
            Request::RemoveAll => {
                opcode::AsyncCancel2::new(CancelBuilder::any().all()).build().user_data(REMOVAL)
            }
        };
        // SAFETY: the request refers to no memory.
        unsafe { self.submission().push(&entry) }.is_ok()
    }

    #[inline]
    fn state(&mut self) -> State {
        let (_, submission, completion) = self.split();
        State {
            has_requests: !submission.is_empty(),
            has_completions: !completion.is_empty(),
            has_overflown: submission.cq_overflow(),
            has_work: submission.taskrun(),
        }
    }

    #[inline]
    fn enter(&mut self) -> io::Result<usize> {
        const GETEVENTS: u32 = 1;
        let count = self.submission().len() as u32;
        // SAFETY: there is no argument. The flag is IORING_ENTER_GETEVENTS.
        unsafe { self.submitter().enter::<libc::sigset_t>(count, 0, GETEVENTS, None) }
    }

    #[inline]
    fn wait(&mut self, nanos: Option<u64>) -> io::Result<usize> {
        let Some(nanos) = nanos else { return self.submit_and_wait(1) };
        let seconds = nanos / 1_000_000_000;
        let timeout = Timespec::new().sec(seconds).nsec((nanos % 1_000_000_000) as u32);
        self.submitter().submit_with_args(1, &SubmitArgs::new().timespec(&timeout))
    }

    fn pause(&mut self, nanos: u64) {
        const GETEVENTS_WITH_ARGUMENT: u32 = 1 | 8;
        let (seconds, rest) = (nanos / 1_000_000_000, nanos % 1_000_000_000);
        let timeout = [seconds, rest];
        let argument = Argument { timeout: timeout.as_ptr().addr() as u64, ..Argument::default() };
        // SAFETY: the argument is the `io_uring_getevents_arg` that the flag IORING_ENTER_EXT_ARG announces,
        // with a `__kernel_timespec` that outlives the call.
        let waited =
            unsafe { self.submitter().enter(0, 1, GETEVENTS_WITH_ARGUMENT, Some(&argument)) };
        let is_over = |error: &io::Error| {
            matches!(error.raw_os_error(), Some(libc::ETIME | libc::EINTR | libc::EBADR))
        };
        if waited.is_err_and(|error| !is_over(&error)) {
            wakeup::sleep(nanos);
        }
    }

    #[inline]
    fn take(&mut self, most: usize, mut each: impl FnMut(Completion)) {
        for entry in self.completion().take(most) {
            each(Completion {
                token: entry.user_data(),
                result: entry.result(),
                is_last: !cqueue::more(entry.flags()),
            });
        }
    }

    fn abandon(self) {
        // SAFETY: the number is that of the ring, of which nothing else is used any more. It must not be
        // dropped, which would unmap its memory.
        unsafe { libc::close(self.as_raw_fd()) };
        std::mem::forget(self);
    }
}
