//! The operating system: memory, signals, the clock, sleeping. No other module makes system calls.

pub(crate) mod clock;
pub(crate) mod fault;
#[cfg(feature = "debug")]
pub(crate) mod interrupt;
pub(crate) mod memory;
pub(crate) mod panics;
#[cfg(feature = "debug")]
pub(crate) mod signal;
pub(crate) mod wakeup;

/// Writes `text` to standard error, without a lock, a buffer or an allocation. Async-signal-safe.
pub(crate) fn write_stderr(mut text: &[u8]) {
    while !text.is_empty() {
        // SAFETY: the pointer and the length are those of the live slice `text`.
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
    // SAFETY: abort(3) has no preconditions, and is async-signal-safe.
    unsafe { libc::abort() }
}

/// Returns the kernel's number for this OS thread, which debuggers show.
pub(crate) fn thread_number() -> usize {
    #[cfg(target_os = "linux")]
    // SAFETY: gettid has no preconditions.
    return unsafe { libc::gettid() } as usize;
    #[cfg(not(target_os = "linux"))]
    // SAFETY: pthread_self has no preconditions.
    return unsafe { libc::pthread_self() } as usize;
}
