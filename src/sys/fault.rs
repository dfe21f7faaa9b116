//! Memory faults: the handler for SIGSEGV and SIGBUS, its signal stack, and passing other faults on
//! to the previous handler.

use std::cell::Cell;
use std::io;
use std::mem::{self, MaybeUninit};
use std::ptr;
use std::sync::{Once, OnceLock};

use super::memory::page_bytes;

/// A handler for sigaction(2) with SA_SIGINFO.
pub(crate) type Handler =
    unsafe extern "C" fn(libc::c_int, *mut libc::siginfo_t, *mut libc::c_void);

/// The room on a signal stack for leno's handler and for the previous handler that it may call,
/// beyond the frame that the kernel writes.
const HANDLER_BYTES: usize = 32 * 1024;

/// The signals that touching a guard can raise.
const SIGNALS: [libc::c_int; 2] = [libc::SIGSEGV, libc::SIGBUS];

/// The previous action for each of [`SIGNALS`].
static PREVIOUS: OnceLock<[libc::sigaction; 2]> = OnceLock::new();

/// Installs `handler` as the process's handler for memory faults, once.
pub(crate) fn install(handler: Handler) {
    static INSTALLED: Once = Once::new();
    INSTALLED.call_once(|| {
        super::stay_loaded();
        // Recorded before the new handler is installed: another OS thread may fault immediately
        // after that, and its fault is for the previous handler.
        PREVIOUS.get_or_init(|| SIGNALS.map(|signal| exchange(signal, None)));
        for signal in SIGNALS {
            // SAFETY: all zeros is a valid sigaction, and the mask that sigemptyset writes is part
            // of it.
            let action = unsafe {
                let mut action: libc::sigaction = MaybeUninit::zeroed().assume_init();
                action.sa_sigaction = handler as *const () as usize;
                action.sa_flags = libc::SA_SIGINFO | libc::SA_ONSTACK;
                libc::sigemptyset(&mut action.sa_mask);
                action
            };
            exchange(signal, Some(&action));
        }
    });
}

/// Returns the action for `signal`, and replaces it if `action` is given.
///
/// # Panics
///
/// If sigaction(2) fails.
fn exchange(signal: libc::c_int, action: Option<&libc::sigaction>) -> libc::sigaction {
    // SAFETY: all zeros is a valid sigaction, and every pointer is null or points to a live value.
    unsafe {
        let mut previous: libc::sigaction = MaybeUninit::zeroed().assume_init();
        let action = action.map_or(ptr::null(), ptr::from_ref);
        if libc::sigaction(signal, action, &mut previous) != 0 {
            panic!("sigaction({signal}): {}", io::Error::last_os_error());
        }
        previous
    }
}

/// The cause of one of [`SIGNALS`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Cause {
    /// An access to this address.
    Access(usize),
    /// The kernel names no address. Either it could not write the frame of a handler to the stack
    /// on which the handler was to run, or the access was to an address that no pointer can have
    /// (x86_64).
    Unnamed,
    /// A process has sent the signal.
    Sent,
}

/// Returns the cause of a signal. Async-signal-safe.
///
/// # Safety
///
/// `info` must be the argument that the kernel passed to a handler of one of [`SIGNALS`].
pub(crate) unsafe fn cause(info: *const libc::siginfo_t) -> Cause {
    // SAFETY: the kernel always fills si_code, and fills si_addr if the signal is a fault, in which
    // case si_code is positive (sigaction(2)).
    unsafe {
        match (*info).si_code {
            #[cfg(target_os = "linux")]
            libc::SI_KERNEL => Cause::Unnamed,
            1.. => Cause::Access((*info).si_addr() as usize),
            _ => Cause::Sent,
        }
    }
}

/// Returns the stack pointer of the faulting code, on systems with a known layout of the context.
/// Async-signal-safe.
///
/// # Safety
///
/// `context` must be the argument that the kernel passed to a handler with SA_SIGINFO.
pub(crate) unsafe fn stack_pointer(context: *const libc::c_void) -> Option<usize> {
    #[cfg(all(target_os = "linux", target_arch = "x86_64"))]
    // SAFETY: with SA_SIGINFO the third argument is a ucontext_t (sigaction(2)).
    let stack_pointer = unsafe {
        let registers = &(*context.cast::<libc::ucontext_t>()).uc_mcontext.gregs;
        Some(registers[libc::REG_RSP as usize] as usize)
    };
    #[cfg(all(target_os = "linux", target_arch = "aarch64"))]
    // SAFETY: with SA_SIGINFO the third argument is a ucontext_t (sigaction(2)).
    let stack_pointer =
        unsafe { Some((*context.cast::<libc::ucontext_t>()).uc_mcontext.sp as usize) };
    #[cfg(not(target_os = "linux"))]
    let stack_pointer = {
        let _ = context;
        None
    };
    stack_pointer
}

/// Passes a fault on to the previous handler of the signal, as the kernel would have called it. If
/// there was none, the default action is restored: the access faults again, and the process ends.
/// Async-signal-safe.
///
/// # Safety
///
/// The caller must be the handler that was given to [`install`], and pass its own arguments.
pub(crate) unsafe fn pass_on(
    signal: libc::c_int,
    info: *mut libc::siginfo_t,
    context: *mut libc::c_void,
) {
    let index = SIGNALS.iter().position(|&ours| ours == signal);
    // OnceLock::get does not block, so a handler may call it.
    let previous = PREVIOUS.get().zip(index).map(|(all, index)| &all[index]);
    // SAFETY: `info` is the argument that the kernel passed to the handler (see # Safety).
    let cause = unsafe { cause(info) };
    match previous {
        Some(action) if action.sa_sigaction == libc::SIG_IGN && cause == Cause::Sent => {}
        Some(action) if !is_default(action) => {
            prepare_for(signal, action);
            // SAFETY: the program has installed this handler for this signal, and the arguments are
            // those that the kernel passed for the signal.
            unsafe { call(action, signal, info, context) }
            // std's handler restores the default action for a fault that it does not know, and
            // returns to the access, which faults again. Without an access, the program would go
            // on with neither the signal nor a handler for faults.
            let once = action.sa_flags & libc::SA_RESETHAND != 0;
            if cause == Cause::Unnamed && !once && is_default(&exchange(signal, None)) {
                // SAFETY: raise has no preconditions, and is async-signal-safe.
                unsafe { libc::raise(signal) };
            }
        }
        // SAFETY: SIG_DFL is a valid action for every signal.
        _ => unsafe {
            libc::signal(signal, libc::SIG_DFL);
            // The faulting access is repeated after the return, if there was one.
            if !matches!(cause, Cause::Access(_)) {
                libc::raise(signal);
            }
        },
    }
}

/// Returns `true` if a fault with this action ends the process. SIG_IGN counts, because an ignored
/// fault would repeat for ever.
fn is_default(action: &libc::sigaction) -> bool {
    action.sa_sigaction == libc::SIG_DFL || action.sa_sigaction == libc::SIG_IGN
}

/// Performs what the kernel does before it calls the handler of `action`. The kernel restores the signal
/// mask when leno's handler returns.
fn prepare_for(signal: libc::c_int, action: &libc::sigaction) {
    // SAFETY: the calls are async-signal-safe, and the pointers are to live signal sets. All zeros is
    // a valid, empty sigset_t on the systems that leno runs on.
    unsafe {
        if action.sa_flags & libc::SA_RESETHAND != 0 {
            libc::signal(signal, libc::SIG_DFL);
        }
        libc::pthread_sigmask(libc::SIG_BLOCK, &action.sa_mask, ptr::null_mut());
        if action.sa_flags & libc::SA_NODEFER != 0
            && libc::sigismember(&action.sa_mask, signal) == 0
        {
            let mut only_this: libc::sigset_t = MaybeUninit::zeroed().assume_init();
            libc::sigaddset(&mut only_this, signal);
            libc::pthread_sigmask(libc::SIG_UNBLOCK, &only_this, ptr::null_mut());
        }
    }
}

/// Calls the handler of `action`.
///
/// # Safety
///
/// `action` must have a handler, and the other arguments must be those that the kernel passed to
/// leno's handler.
unsafe fn call(
    action: &libc::sigaction,
    signal: libc::c_int,
    info: *mut libc::siginfo_t,
    context: *mut libc::c_void,
) {
    // SAFETY: `action` has a handler (see # Safety), and SA_SIGINFO decides which of the two function
    // types it has (sigaction(2)).
    unsafe {
        if action.sa_flags & libc::SA_SIGINFO != 0 {
            let handler: Handler = mem::transmute(action.sa_sigaction);
            handler(signal, info, context);
        } else {
            let handler: unsafe extern "C" fn(libc::c_int) = mem::transmute(action.sa_sigaction);
            handler(signal);
        }
    }
}

/// Returns the most bytes that the kernel writes to a stack before a handler runs on it.
/// Async-signal-safe.
pub(crate) fn kernel_frame_bytes() -> usize {
    #[cfg(target_os = "linux")]
    // SAFETY: getauxval has no preconditions, and returns 0 for a key that it does not know.
    let minimum = unsafe { libc::getauxval(libc::AT_MINSIGSTKSZ) } as usize;
    #[cfg(not(target_os = "linux"))]
    let minimum = 0;
    minimum.max(libc::MINSIGSTKSZ)
}

thread_local! {
    static ALTERNATE: AlternateStack = const { AlternateStack { mapping: Cell::new(None) } };
}

/// The signal stack that leno has mapped for this OS thread, if the OS thread had none that is large
/// enough.
struct AlternateStack {
    mapping: Cell<Option<Mapping>>,
}

/// A mapped signal stack, and the signal stack that it replaced.
#[derive(Clone, Copy)]
struct Mapping {
    address: *mut libc::c_void,
    bytes: usize,
    previous: libc::stack_t,
}

/// Maps a signal stack for this OS thread, if it has none that is large enough. A handler cannot run
/// on the stack that overflowed.
///
/// # Errors
///
/// If there is no memory for the signal stack.
pub(crate) fn ensure_alternate_stack() -> io::Result<()> {
    // An OS thread that already runs its destructors keeps the signal stack that it has.
    ALTERNATE.try_with(AlternateStack::ensure).unwrap_or(Ok(()))
}

impl AlternateStack {
    /// Maps a signal stack, if there is none that is large enough.
    fn ensure(&self) -> io::Result<()> {
        if self.mapping.get().is_some() {
            return Ok(());
        }
        let wanted = kernel_frame_bytes() + HANDLER_BYTES;
        let page = page_bytes();
        // The lowest page stays inaccessible, as a guard.
        let bytes = wanted.next_multiple_of(page) + page;
        // SAFETY: all zeros is a valid stack_t, and the pointers are null or to live values. The
        // signal stack is a new mapping, which stays mapped until the drop below has taken it out
        // of use.
        unsafe {
            let mut previous: libc::stack_t = MaybeUninit::zeroed().assume_init();
            if libc::sigaltstack(ptr::null(), &mut previous) != 0 {
                return Err(io::Error::last_os_error());
            }
            if previous.ss_flags & libc::SS_DISABLE == 0 && previous.ss_size >= wanted {
                return Ok(());
            }
            let address = libc::mmap(
                ptr::null_mut(),
                bytes,
                libc::PROT_NONE,
                libc::MAP_PRIVATE | libc::MAP_ANON,
                -1,
                0,
            );
            if address == libc::MAP_FAILED {
                return Err(io::Error::last_os_error());
            }
            let usable = address.byte_add(page);
            let ours = libc::stack_t { ss_sp: usable, ss_flags: 0, ss_size: bytes - page };
            if libc::mprotect(usable, bytes - page, libc::PROT_READ | libc::PROT_WRITE) != 0
                || libc::sigaltstack(&ours, ptr::null_mut()) != 0
            {
                let error = io::Error::last_os_error();
                libc::munmap(address, bytes);
                return Err(error);
            }
            self.mapping.set(Some(Mapping { address, bytes, previous }));
        }
        Ok(())
    }
}

impl Drop for AlternateStack {
    fn drop(&mut self) {
        let Some(mapping) = self.mapping.take() else { return };
        // SAFETY: the mapping is unmapped only when it is not the signal stack any more: if it still
        // is, the previous signal stack, which std keeps mapped until the OS thread ends, replaces
        // it first.
        unsafe {
            let mut current: libc::stack_t = MaybeUninit::zeroed().assume_init();
            libc::sigaltstack(ptr::null(), &mut current);
            if current.ss_sp == mapping.address.byte_add(page_bytes()) {
                libc::sigaltstack(&mapping.previous, ptr::null_mut());
            }
            libc::munmap(mapping.address, mapping.bytes);
        }
    }
}
