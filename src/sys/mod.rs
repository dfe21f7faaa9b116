//! The operating system: memory, signals, the clock, sleeping. No other module makes system calls.

#[cfg(feature = "net")]
pub(crate) mod child;
pub(crate) mod clock;
pub(crate) mod cxx;
pub(crate) mod fault;
#[cfg(feature = "net")]
pub(crate) mod file;
#[cfg(feature = "net")]
pub(crate) mod inherit;
#[cfg(feature = "debug")]
pub(crate) mod interrupt;
pub(crate) mod memory;
pub(crate) mod os_stack;
pub(crate) mod panics;
#[cfg(feature = "net")]
pub(crate) mod pipe;
#[cfg(feature = "net")]
pub(crate) mod poller;
pub(crate) mod process;
#[cfg(any(feature = "debug", feature = "net"))]
pub(crate) mod signal;
#[cfg(feature = "net")]
pub(crate) mod socket;
pub(crate) mod wakeup;

/// Keeps the object that leno is linked into loaded until the process ends.
///
/// It is called before the operating system gets the address of a signal handler. A plugin with a
/// copy of leno may be unloaded by dlclose(3), and the handler would then be in memory that is no
/// longer mapped. (An OS thread of the plugin needs no such call: as long as it has variables to
/// destroy, the C library keeps the plugin.)
pub(crate) fn stay_loaded() {
    // A program without dynamic linking unloads nothing.
    #[cfg(all(
        any(target_os = "linux", target_os = "macos", target_os = "freebsd"),
        not(target_feature = "crt-static")
    ))]
    {
        use std::mem::MaybeUninit;
        use std::sync::Once;
        static ONCE: Once = Once::new();
        ONCE.call_once(|| {
            let mut object: MaybeUninit<libc::Dl_info> = MaybeUninit::zeroed();
            // SAFETY: `object` is a live Dl_info, which dladdr fills if it finds the address. The
            // name that it finds is then a string that lives as long as the object. With
            // RTLD_NOLOAD nothing is loaded, so no initialiser of another object runs.
            unsafe {
                let address = stay_loaded as *const () as *const libc::c_void;
                if libc::dladdr(address, object.as_mut_ptr()) != 0 {
                    // The handle is never closed. For the program itself there may be none: it
                    // stays anyway.
                    let flags = libc::RTLD_LAZY | libc::RTLD_NOLOAD | libc::RTLD_NODELETE;
                    libc::dlopen(object.assume_init().dli_fname, flags);
                }
            }
        });
    }
}

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
