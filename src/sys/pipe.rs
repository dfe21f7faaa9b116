//! Writing to a pipe without a signal.

use std::io;
use std::mem::MaybeUninit;
use std::ptr;

/// Writes by `write`, which ends at the first error. SIGPIPE is not delivered for it, whatever the process does with
/// that signal: Rust's programs ignore it, others that call leno may end by it. Costs a system call, and
/// five where it is not ignored.
///
/// # Errors
///
/// Those of `write`.
pub(crate) fn without_signal<T>(write: impl FnOnce() -> io::Result<T>) -> io::Result<T> {
    // mistake: pipe-signals
    if is_ignored() {
        return write();
    }
    // SAFETY: the sets are plain data, which the calls fill before they are read, and all pointers are to
    // live values or null. The signal of a failed write is sent to this OS thread, where it is blocked and
    // thus stays pending: `sigwait` returns at once.
    unsafe {
        let mut sigpipe = MaybeUninit::<libc::sigset_t>::zeroed().assume_init();
        let mut before = sigpipe;
        libc::sigemptyset(&mut sigpipe);
        libc::sigaddset(&mut sigpipe, libc::SIGPIPE);
        libc::pthread_sigmask(libc::SIG_BLOCK, &sigpipe, &mut before);
        let was_pending = is_pending();
        let result = write();
        // It is also sent if a part was written before the last reader was closed.
        // mistake: signal-left
        if !was_pending && is_pending() {
            libc::sigwait(&sigpipe, &mut 0);
        }
        // mistake: signal-stays-blocked
        libc::pthread_sigmask(libc::SIG_SETMASK, &before, ptr::null_mut());
        result
    }
}

/// Returns `true` if the process ignores SIGPIPE.
fn is_ignored() -> bool {
    // SAFETY: the action is plain data, for which zeros are valid; sigaction fills it.
    let action = unsafe {
        let mut action: libc::sigaction = MaybeUninit::zeroed().assume_init();
        libc::sigaction(libc::SIGPIPE, ptr::null(), &mut action);
        action
    };
    action.sa_sigaction == libc::SIG_IGN
}

/// Returns `true` if SIGPIPE waits to be delivered to this OS thread.
fn is_pending() -> bool {
    // SAFETY: the set is plain data, for which zeros are valid; sigpending fills it.
    unsafe {
        let mut pending = MaybeUninit::<libc::sigset_t>::zeroed().assume_init();
        libc::sigpending(&mut pending);
        libc::sigismember(&pending, libc::SIGPIPE) == 1
    }
}
