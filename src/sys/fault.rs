//! Memory faults: who handles SIGSEGV and SIGBUS, on which stack, and how one
//! that is not ours is passed on.

use std::cell::Cell;
use std::io;
use std::mem::{self, MaybeUninit};
use std::ptr;
use std::sync::{Once, OnceLock};

use super::memory::page_bytes;

/// A handler as sigaction(2) wants it.
pub(crate) type Handler =
    unsafe extern "C" fn(libc::c_int, *mut libc::siginfo_t, *mut libc::c_void);

/// Room for our handler and for one that it may pass the fault on to, beyond
/// what the kernel itself writes.
const HANDLER_BYTES: usize = 32 * 1024;

/// The signals that touching a guard can raise.
const SIGNALS: [libc::c_int; 2] = [libc::SIGSEGV, libc::SIGBUS];

/// Who handled each of [`SIGNALS`] before us.
static PREVIOUS: OnceLock<[libc::sigaction; 2]> = OnceLock::new();

/// Makes `handler` the process's handler for memory faults, once.
pub(crate) fn install(handler: Handler) {
    static INSTALLED: Once = Once::new();
    INSTALLED.call_once(|| {
        // Known before ours is there: another OS thread may fault right then, and
        // mean it for whoever handles it now.
        PREVIOUS.get_or_init(|| SIGNALS.map(|signal| exchange(signal, None)));
        for signal in SIGNALS {
            // SAFETY: all zeros is a valid sigaction, and the mask is a live set.
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

/// What is done about `signal`, which is replaced if `action` is given.
fn exchange(signal: libc::c_int, action: Option<&libc::sigaction>) -> libc::sigaction {
    // SAFETY: all zeros is a valid sigaction; the pointers are null or to live
    // values.
    unsafe {
        let mut previous: libc::sigaction = MaybeUninit::zeroed().assume_init();
        let action = action.map_or(ptr::null(), ptr::from_ref);
        if libc::sigaction(signal, action, &mut previous) != 0 {
            panic!("sigaction({signal}): {}", io::Error::last_os_error());
        }
        previous
    }
}

/// The address whose access raised the fault; `None` for a signal that a
/// process sent. Async-signal-safe.
///
/// # Safety
///
/// `info` must be what the kernel gave to a handler of one of [`SIGNALS`].
pub(crate) unsafe fn fault_address(info: *const libc::siginfo_t) -> Option<usize> {
    // SAFETY: the kernel fills si_code always, and si_addr when si_code says
    // that the signal is a fault (sigaction(2)): it is then positive.
    unsafe { ((*info).si_code > 0).then(|| (*info).si_addr() as usize) }
}

/// The stack pointer of the code that faulted, where we know how to read it.
/// Async-signal-safe.
///
/// # Safety
///
/// `context` must be what the kernel gave to a handler.
pub(crate) unsafe fn stack_pointer(context: *const libc::c_void) -> Option<usize> {
    #[cfg(all(target_os = "linux", target_arch = "x86_64"))]
    // SAFETY: with SA_SIGINFO the third argument is a ucontext_t (sigaction(2)).
    let stack_pointer = unsafe {
        let registers = &(*context.cast::<libc::ucontext_t>()).uc_mcontext.gregs;
        Some(registers[libc::REG_RSP as usize] as usize)
    };
    #[cfg(all(target_os = "linux", target_arch = "aarch64"))]
    // SAFETY: as above.
    let stack_pointer =
        unsafe { Some((*context.cast::<libc::ucontext_t>()).uc_mcontext.sp as usize) };
    #[cfg(not(target_os = "linux"))]
    let stack_pointer = {
        let _ = context;
        None
    };
    stack_pointer
}

/// Hands a fault to whoever handled the signal before us, as the kernel would
/// have. If that was the default, it is put back and the access faults again, for
/// good. Async-signal-safe.
///
/// # Safety
///
/// To be called from the handler that was given to [`install`], with its
/// arguments.
pub(crate) unsafe fn pass_on(
    signal: libc::c_int,
    info: *mut libc::siginfo_t,
    context: *mut libc::c_void,
) {
    let index = SIGNALS.iter().position(|&ours| ours == signal);
    // `get` does not block.
    let previous = PREVIOUS.get().zip(index).map(|(all, index)| &all[index]);
    // SAFETY: the arguments are the kernel's.
    let was_sent = unsafe { fault_address(info) }.is_none();
    match previous {
        Some(action) if action.sa_sigaction == libc::SIG_IGN && was_sent => {}
        Some(action) if !is_default(action) => {
            prepare_for(signal, action);
            // SAFETY: the handler was installed for this signal by somebody who
            // expects these arguments.
            unsafe { call(action, signal, info, context) }
        }
        // SAFETY: the default action has no preconditions.
        _ => unsafe {
            libc::signal(signal, libc::SIG_DFL);
            // A fault repeats by itself; a signal that was sent does not.
            if was_sent {
                libc::raise(signal);
            }
        },
    }
}

/// Nobody can ignore a fault: it would repeat for ever.
fn is_default(action: &libc::sigaction) -> bool {
    action.sa_sigaction == libc::SIG_DFL || action.sa_sigaction == libc::SIG_IGN
}

/// Does what the kernel does before it calls the handler of `action`. What it
/// does after that, to restore the signal mask, it does for ours.
fn prepare_for(signal: libc::c_int, action: &libc::sigaction) {
    // SAFETY: both calls are async-signal-safe, and the sets are live values.
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

/// # Safety
///
/// `action` must have a handler, and the rest be what the kernel gave to ours.
unsafe fn call(
    action: &libc::sigaction,
    signal: libc::c_int,
    info: *mut libc::siginfo_t,
    context: *mut libc::c_void,
) {
    // SAFETY: the flag says which of the two kinds of function it is.
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

/// What the kernel may write to a signal stack before the handler runs.
fn kernel_frame_bytes() -> usize {
    #[cfg(target_os = "linux")]
    // SAFETY: getauxval has no preconditions, and answers 0 to what it does not know.
    let minimum = unsafe { libc::getauxval(libc::AT_MINSIGSTKSZ) } as usize;
    #[cfg(not(target_os = "linux"))]
    let minimum = 0;
    minimum.max(libc::MINSIGSTKSZ)
}

thread_local! {
    static ALTERNATE: AlternateStack = const { AlternateStack { mapping: Cell::new(None) } };
}

/// The signal stack that we gave this OS thread, if it had none that is large
/// enough.
struct AlternateStack {
    mapping: Cell<Option<Mapping>>,
}

#[derive(Clone, Copy)]
struct Mapping {
    address: *mut libc::c_void,
    bytes: usize,
    previous: libc::stack_t,
}

/// Sees to it that a handler on this OS thread has a stack to run on: the one
/// that overflowed is no good.
pub(crate) fn ensure_alternate_stack() -> io::Result<()> {
    // A thread that is already ending keeps what it has.
    ALTERNATE.try_with(AlternateStack::ensure).unwrap_or(Ok(()))
}

impl AlternateStack {
    fn ensure(&self) -> io::Result<()> {
        if self.mapping.get().is_some() {
            return Ok(());
        }
        let wanted = kernel_frame_bytes() + HANDLER_BYTES;
        let page = page_bytes();
        // One page below it is left out of reach, as a guard.
        let bytes = wanted.next_multiple_of(page) + page;
        // SAFETY: a query, then a fresh mapping that becomes the signal stack;
        // it stays mapped until the drop below has taken it out of use.
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
        // SAFETY: if the signal stack is still ours, the previous one (which
        // std keeps mapped until the thread is over) takes its place; only then
        // is ours unmapped.
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
