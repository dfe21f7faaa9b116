//! Signals that a user sends to ask for something.

use std::io;
use std::mem::MaybeUninit;
use std::ptr;

/// Which signal.
#[derive(Clone, Copy)]
pub(crate) enum Signal {
    /// SIGUSR1
    User1,
}

/// A handler as sigaction(2) wants it. It may run between any two instructions of
/// the program, so it may do little: atomic operations, and what signal-safety(7)
/// lists.
pub(crate) type Handler = extern "C" fn(libc::c_int);

/// Makes `handler` what the process does about `signal`. System calls that it
/// interrupts go on, where they can.
pub(crate) fn handle(signal: Signal, handler: Handler) -> io::Result<()> {
    let Signal::User1 = signal;
    // SAFETY: all zeros is a valid sigaction, the pointers are null or to live
    // values, and the handler is one for this kind of action.
    unsafe {
        let mut action: libc::sigaction = MaybeUninit::zeroed().assume_init();
        action.sa_sigaction = handler as *const () as usize;
        // On the signal stack: a green thread may have little left of its own.
        action.sa_flags = libc::SA_RESTART | libc::SA_ONSTACK;
        libc::sigemptyset(&mut action.sa_mask);
        match libc::sigaction(libc::SIGUSR1, &action, ptr::null_mut()) {
            0 => Ok(()),
            _ => Err(io::Error::last_os_error()),
        }
    }
}

/// Calls `f` in a handler: whoever was interrupted finds errno as it was.
pub(crate) fn keeping_errno(f: impl FnOnce()) {
    #[cfg(any(target_os = "android", target_os = "netbsd", target_os = "openbsd"))]
    use libc::__errno as location;
    #[cfg(any(target_os = "linux", target_os = "redox"))]
    use libc::__errno_location as location;
    #[cfg(any(target_os = "macos", target_os = "ios", target_os = "freebsd"))]
    use libc::__error as location;
    // SAFETY: the location is this OS thread's own.
    let errno = unsafe { *location() };
    f();
    // SAFETY: as above.
    unsafe { *location() = errno };
}
