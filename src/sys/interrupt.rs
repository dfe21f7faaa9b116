//! Interrupting one OS thread of this process, so that it looks at what it is
//! doing: SIGURG.
//!
//! That signal does nothing in a program that does not handle it, so one that
//! comes late does no harm, and hardly any program does. (Go's runtime has chosen
//! it for the same reasons.)

use std::io;

/// A handler as sigaction(2) wants it with SA_SIGINFO. It may run between any two
/// instructions of the program.
pub(crate) type Handler =
    unsafe extern "C" fn(libc::c_int, *mut libc::siginfo_t, *mut libc::c_void);

/// An OS thread of this process, or one that was: its number may then be another
/// one's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct OsThread(i32);

impl OsThread {
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
        /// The caller's. Async-signal-safe.
        pub(crate) fn current() -> OsThread {
            // SAFETY: gettid has no preconditions.
            OsThread(unsafe { libc::gettid() })
        }

        /// Has it run the handler. False if there is no such OS thread any more.
        pub(crate) fn interrupt(self) -> bool {
            // SAFETY: tgkill(2) looks whether there is such an OS thread in this
            // process; pthread_kill(3) would have to be told.
            unsafe { libc::syscall(libc::SYS_tgkill, libc::getpid(), self.0, libc::SIGURG) == 0 }
        }
    }

    /// Makes `handler` what the process does about the signal. System calls that
    /// it interrupts go on, where they can.
    ///
    /// # Errors
    ///
    /// If somebody else handles the signal.
    pub(crate) fn install(handler: Handler) -> io::Result<()> {
        let ours = handler as *const () as usize;
        // SAFETY: all zeros is a valid sigaction, the pointers are null or to live
        // values, and the handler is one for this kind of action.
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
            // On the signal stack: a green thread may have little left of its own.
            action.sa_flags = libc::SA_SIGINFO | libc::SA_RESTART | libc::SA_ONSTACK;
            libc::sigemptyset(&mut action.sa_mask);
            check(libc::sigaction(libc::SIGURG, &action, ptr::null_mut()))
        }
    }

    fn check(result: libc::c_int) -> io::Result<()> {
        if result == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
    }

    /// The instruction that the interrupted code was about to run.
    /// Async-signal-safe.
    ///
    /// # Safety
    ///
    /// `context` must be what the kernel gave to a handler.
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

    /// # Safety
    ///
    /// None is needed: nobody installs a handler here.
    pub(crate) unsafe fn instruction_pointer(_context: *const libc::c_void) -> usize {
        0
    }
}

pub(crate) use system::{install, instruction_pointer};

/// Sees to a signal stack for this OS thread that a backtrace fits on.
pub(crate) fn prepare_this_thread() -> io::Result<OsThread> {
    super::fault::ensure_alternate_stack()?;
    Ok(OsThread::current())
}
