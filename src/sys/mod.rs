//! The operating system: memory, signals, the clock, sleeping. No other module
//! calls it.

pub(crate) mod clock;
pub(crate) mod fault;
#[cfg(feature = "debug")]
pub(crate) mod interrupt;
pub(crate) mod memory;
pub(crate) mod panics;
#[cfg(feature = "debug")]
pub(crate) mod signal;
pub(crate) mod wakeup;

/// Writes to standard error and nothing else: no lock, no buffer, no
/// allocation, so that a signal handler may call it.
pub(crate) fn write_stderr(mut text: &[u8]) {
    while !text.is_empty() {
        // SAFETY: `text` is a valid buffer; write(2) is async-signal-safe.
        let written = unsafe { libc::write(libc::STDERR_FILENO, text.as_ptr().cast(), text.len()) };
        match usize::try_from(written) {
            Ok(0) | Err(_) => return,
            Ok(count) => text = &text[count..],
        }
    }
}

/// Prints `text` and ends the process by SIGABRT. Async-signal-safe.
pub(crate) fn abort(text: &[&[u8]]) -> ! {
    for piece in text {
        write_stderr(piece);
    }
    // SAFETY: abort(3) is async-signal-safe and has no preconditions.
    unsafe { libc::abort() }
}

/// The kernel's number for this OS thread, which is what debuggers call it.
pub(crate) fn thread_number() -> usize {
    #[cfg(target_os = "linux")]
    // SAFETY: gettid has no preconditions.
    return unsafe { libc::gettid() } as usize;
    #[cfg(not(target_os = "linux"))]
    // SAFETY: pthread_self has no preconditions.
    return unsafe { libc::pthread_self() } as usize;
}
