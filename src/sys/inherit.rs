//! Descriptors that a started program gets, and those that this process was started with.

use std::io;
use std::mem::MaybeUninit;
use std::os::fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd, RawFd};
use std::os::unix::process::CommandExt;
use std::process::Command;
use std::sync::atomic::{AtomicBool, Ordering};

/// The first descriptor of systemd (sd_listen_fds(3)).
const FIRST: RawFd = 3;

/// Lets the program that `command` starts have descriptors, under the same numbers. They stay closed in
/// programs that are started meanwhile: the flag is cleared in the new process alone.
pub(crate) fn pass_on(command: &mut Command, descriptors: Vec<RawFd>) {
    // SAFETY: fcntl(2) is async-signal-safe, and a closed descriptor is an error of it. The closure
    // allocates nothing.
    unsafe {
        command.pre_exec(move || {
            for &descriptor in &descriptors {
                // mistake: workers-pass-nothing
                if libc::fcntl(descriptor, libc::F_SETFD, 0) == -1 {
                    return Err(io::Error::last_os_error());
                }
            }
            Ok(())
        });
    }
}

/// Returns the number that tells the object of a descriptor from other open ones.
pub(crate) fn identity(descriptor: RawFd) -> io::Result<u64> {
    let mut stat = MaybeUninit::<libc::stat>::zeroed();
    // SAFETY: fstat fills the structure, for which zeros are valid; a closed descriptor is an error.
    unsafe {
        match libc::fstat(descriptor, stat.as_mut_ptr()) {
            0 => Ok(stat.assume_init().st_ino as _),
            _ => Err(io::Error::last_os_error()),
        }
    }
}

/// Takes over descriptors that the parent has passed on to this process. exec(3) closes them from now on.
/// Returns `None` if one of them is closed, and from the second call on.
pub(crate) fn take_passed(descriptors: &[RawFd]) -> Option<Vec<OwnedFd>> {
    static TAKEN: AtomicBool = AtomicBool::new(false);
    let is_first = !TAKEN.swap(true, Ordering::Relaxed);
    is_first.then(|| take(descriptors)).flatten()
}

/// Takes over the first `count` descriptors that systemd has passed on to this process. exec(3) closes them
/// from now on. Returns `None` if one of them is closed, and from the second call on.
pub(crate) fn take_systemds(count: usize) -> Option<Vec<OwnedFd>> {
    static TAKEN: AtomicBool = AtomicBool::new(false);
    let is_first = !TAKEN.swap(true, Ordering::Relaxed);
    let last = FIRST.checked_add(count.try_into().ok()?)?;
    is_first.then(|| take(&(FIRST..last).collect::<Vec<_>>())).flatten()
}

/// Takes over open descriptors. The callers take each of them once.
fn take(descriptors: &[RawFd]) -> Option<Vec<OwnedFd>> {
    let take = |&descriptor| {
        // SAFETY: a closed descriptor is an error of fcntl. An open one was passed on by the parent, which
        // says so in the environment, so nothing in this process has opened it, and it is taken once.
        unsafe {
            // mistake: workers-descriptor-leaks
            let flags = libc::FD_CLOEXEC;
            let is_open = libc::fcntl(descriptor, libc::F_SETFD, flags) != -1;
            is_open.then(|| OwnedFd::from_raw_fd(descriptor))
        }
    };
    descriptors.iter().map(take).collect()
}

/// Blocks until the peer of a stream of the Unix domain has closed it.
pub(crate) fn wait_for_hangup(stream: BorrowedFd<'_>) {
    let mut polled = libc::pollfd { fd: stream.as_raw_fd(), events: 0, revents: 0 };
    // SAFETY: `polled` is one live pollfd. Without events poll(2) reports a hangup and errors only.
    while unsafe { libc::poll(&mut polled, 1, -1) } != 1 {}
}

/// Ends the process at once. No destructor and no exit handler runs.
pub(crate) fn exit_now(code: i32) -> ! {
    // SAFETY: _exit has no preconditions.
    unsafe { libc::_exit(code) }
}
