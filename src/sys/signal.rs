//! Signals that a user sends to request a report.

use std::io;
use std::mem::MaybeUninit;
use std::ptr;

/// A signal that a handler can be installed for.
#[derive(Clone, Copy)]
pub(crate) enum Signal {
    /// SIGUSR1
    User1,
}

/// A handler for sigaction(2). It may run between any two instructions of the program, so it may
/// use only atomic operations and the functions that signal-safety(7) lists.
pub(crate) type Handler = extern "C" fn(libc::c_int);

/// Installs `handler` as the process's handler for `signal`. System calls that it interrupts are
/// restarted where the kernel can restart them.
///
/// # Errors
///
/// If sigaction(2) fails.
pub(crate) fn handle(signal: Signal, handler: Handler) -> io::Result<()> {
    let Signal::User1 = signal;
    super::stay_loaded();
    // SAFETY: all zeros is a valid sigaction, and every pointer is null or points to a live value.
    // Without SA_SIGINFO a handler takes one integer, as `Handler` does.
    unsafe {
        let mut action: libc::sigaction = MaybeUninit::zeroed().assume_init();
        action.sa_sigaction = handler as *const () as usize;
        // On the signal stack, because a green thread may have little of its own stack left.
        action.sa_flags = libc::SA_RESTART | libc::SA_ONSTACK;
        libc::sigemptyset(&mut action.sa_mask);
        match libc::sigaction(libc::SIGUSR1, &action, ptr::null_mut()) {
            0 => Ok(()),
            _ => Err(io::Error::last_os_error()),
        }
    }
}

/// Calls `f` in a handler and restores errno after it, because the interrupted code may read errno.
pub(crate) fn keeping_errno(f: impl FnOnce()) {
    #[cfg(any(target_os = "android", target_os = "netbsd", target_os = "openbsd"))]
    use libc::__errno as location;
    #[cfg(any(target_os = "linux", target_os = "redox"))]
    use libc::__errno_location as location;
    #[cfg(any(target_os = "macos", target_os = "ios", target_os = "freebsd"))]
    use libc::__error as location;
    // SAFETY: the location is valid as long as this OS thread runs, and belongs to it alone.
    let errno = unsafe { *location() };
    f();
    // SAFETY: the location is valid as long as this OS thread runs, and belongs to it alone.
    unsafe { *location() = errno };
}
