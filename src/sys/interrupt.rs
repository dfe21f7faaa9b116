//! Interrupting one OS thread of this process with SIGURG, so that a handler can inspect what the
//! OS thread is running.
//!
//! SIGURG has no effect in a program that does not handle it, so a late signal does no harm, and
//! few programs handle it. (Go's runtime uses it for the same reasons.)

use std::io;

/// A handler for sigaction(2) with SA_SIGINFO. It may run between any two instructions of the
/// program.
pub(crate) type Handler =
    unsafe extern "C" fn(libc::c_int, *mut libc::siginfo_t, *mut libc::c_void);

/// An OS thread of this process. After it has ended, its number may belong to another OS thread.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct OsThread(i32);

impl OsThread {
    /// Returns the kernel's number for the OS thread.
    pub(crate) fn number(self) -> i32 {
        self.0
    }
}

#[cfg(target_os = "linux")]
mod system {
    use std::io;
    use std::mem::MaybeUninit;
    use std::ptr;

    use super::{Handler, OsThread};

    impl OsThread {
        /// Returns the OS thread of the caller. Async-signal-safe.
        pub(crate) fn current() -> OsThread {
            // SAFETY: gettid has no preconditions.
            OsThread(unsafe { libc::gettid() })
        }

        /// Makes the OS thread run the handler. Returns `false` if the OS thread has ended.
        pub(crate) fn interrupt(self) -> bool {
            // SAFETY: tgkill(2) takes integers, and fails if the OS thread is not one of this
            // process. (pthread_kill(3) would require that it exists.)
            unsafe { libc::syscall(libc::SYS_tgkill, libc::getpid(), self.0, libc::SIGURG) == 0 }
        }
    }

    /// Installs `handler` as the process's handler for the signal. System calls that it interrupts
    /// are restarted where the kernel can restart them.
    ///
    /// # Errors
    ///
    /// If the program already has a handler for the signal.
    pub(crate) fn install(handler: Handler) -> io::Result<()> {
        crate::sys::stay_loaded();
        crate::sys::signal::reserve(libc::SIGURG, || install_alone(handler))
    }

    fn install_alone(handler: Handler) -> io::Result<()> {
        let ours = handler as *const () as usize;
        // SAFETY: all zeros is a valid sigaction, and every pointer is null or points to a live
        // value. With SA_SIGINFO a handler takes the three arguments of `Handler`.
        unsafe {
            let mut action: libc::sigaction = MaybeUninit::zeroed().assume_init();
            check(libc::sigaction(libc::SIGURG, ptr::null(), &mut action))?;
            if ![libc::SIG_DFL, libc::SIG_IGN, ours].contains(&action.sa_sigaction) {
                return Err(io::Error::new(
                    io::ErrorKind::AlreadyExists,
                    "the program has a handler for SIGURG, which leno needs to look at a green \
                     thread that runs; let the program do without, or without the watchdog",
                ));
            }
            action.sa_sigaction = ours;
            // On the signal stack, because a green thread may have little of its own stack left.
            action.sa_flags = libc::SA_SIGINFO | libc::SA_RESTART | libc::SA_ONSTACK;
            libc::sigemptyset(&mut action.sa_mask);
            check(libc::sigaction(libc::SIGURG, &action, ptr::null_mut()))
        }
    }

    /// Returns the error of a system call that has failed.
    fn check(result: libc::c_int) -> io::Result<()> {
        if result == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
    }

    /// Returns the address of the instruction that the interrupted code was about to run.
    /// Async-signal-safe.
    ///
    /// # Safety
    ///
    /// `context` must be the argument that the kernel passed to a handler with SA_SIGINFO.
    pub(crate) unsafe fn instruction_pointer(context: *const libc::c_void) -> usize {
        // SAFETY: with SA_SIGINFO the third argument is a ucontext_t
        // (sigaction(2)).
        let machine = unsafe { &(*context.cast::<libc::ucontext_t>()).uc_mcontext };
        #[cfg(target_arch = "x86_64")]
        return machine.gregs[libc::REG_RIP as usize] as usize;
        #[cfg(target_arch = "aarch64")]
        return machine.pc as usize;
    }
}

#[cfg(not(target_os = "linux"))]
mod system {
    use std::io;

    use super::{Handler, OsThread};

    impl OsThread {
        pub(crate) fn current() -> OsThread {
            OsThread(0)
        }

        pub(crate) fn interrupt(self) -> bool {
            false
        }
    }

    pub(crate) fn install(_handler: Handler) -> io::Result<()> {
        Err(io::Error::new(
            io::ErrorKind::Unsupported,
            "leno can look at a green thread that runs on Linux only",
        ))
    }

    /// Returns 0: no handler is ever installed on this system.
    ///
    /// # Safety
    ///
    /// Unsafe only to have the signature of the Linux version.
    pub(crate) unsafe fn instruction_pointer(_context: *const libc::c_void) -> usize {
        0
    }
}

pub(crate) use system::{install, instruction_pointer};

/// Ensures that this OS thread has a signal stack on which a backtrace fits.
///
/// # Errors
///
/// If there is no memory for the signal stack.
pub(crate) fn prepare_this_thread() -> io::Result<OsThread> {
    super::fault::ensure_alternate_stack()?;
    Ok(OsThread::current())
}
