//! Stack overflow: the fault handler and its report.
//!
//! All code that [`on_fault`] reaches is async-signal-safe: it reads memory that only this OS
//! thread writes, and calls write(2) and abort(3).

use std::cell::Cell;
use std::io;
use std::ptr::NonNull;

use super::header::{Header, Occupant};
use super::mapped;
use crate::sys;
use crate::sys::fault::{self, Cause};
use crate::sys::os_stack::OsStack;

/// The second line of a report where [`Cause::Unnamed`] was found.
const NO_ROOM_FOR_A_HANDLER: &[u8] =
    b"  a signal came whose handler runs on the stack that it interrupts (no SA_ONSTACK)\n";

/// The stack of an OS thread that has had a runtime. The main green threads run on it.
#[derive(Clone, Copy)]
struct Caller {
    stack: OsStack,
    /// Returns `true` if the current green thread is a main one. Async-signal-safe.
    runs_main: fn() -> bool,
}

thread_local! {
    // Without a destructor, because the fault handler reads it.
    static CALLER: Cell<Option<Caller>> = const { Cell::new(None) };
}

/// Installs the handler for overflows on this OS thread.
///
/// # Errors
///
/// If there is no memory for a signal stack.
pub(super) fn watch() -> io::Result<()> {
    fault::ensure_alternate_stack()?;
    fault::install(on_fault);
    Ok(())
}

/// Installs the handler for overflows of this OS thread's own stack while `runs_main` returns
/// `true`. That function must be async-signal-safe. Without memory for a signal stack, the report is
/// left to std.
pub(crate) fn watch_caller(runs_main: fn() -> bool) {
    if CALLER.get().is_none()
        && watch().is_ok()
        && let Some(stack) = OsStack::of_this_thread()
    {
        CALLER.set(Some(Caller { stack, runs_main }));
    }
}

/// Reports an overflow and aborts, or passes the fault on if it is not an overflow of a stack of
/// leno.
///
/// An overflow of the OS thread's own stack is reported and passed on: it is std that ends the
/// process, and a program may have a handler for it.
///
/// # Safety
///
/// Only the kernel may call it, as the handler of a memory fault.
unsafe extern "C" fn on_fault(
    signal: libc::c_int,
    info: *mut libc::siginfo_t,
    context: *mut libc::c_void,
) {
    // SAFETY: `info` and `context` are the arguments that the kernel passed to this handler.
    let (cause, stack_pointer) = unsafe { (fault::cause(info), fault::stack_pointer(context)) };
    let found = match cause {
        Cause::Access(address) => overflowed(address, stack_pointer),
        Cause::Unnamed => stack_pointer.and_then(too_full_for_a_handler),
        Cause::Sent => None,
    };
    if let Some(header) = found {
        // SAFETY: `find` returns only headers of opened stacks, which are initialised.
        report(unsafe { header.as_ref() }, cause);
    }
    if let Some(caller) = CALLER.get()
        && caller.overflowed(cause, stack_pointer)
    {
        caller.report(cause);
    }
    // SAFETY: this is the handler that was given to `install`, and the arguments are those that
    // the kernel passed to it.
    unsafe { fault::pass_on(signal, info, context) }
}

/// Returns the stack with `address` in its guard, if the faulting code runs on that stack: its
/// stack pointer is on the same stack or already in the guard. A stray pointer into the guard of
/// another stack is not an overflow.
fn overflowed(address: usize, stack_pointer: Option<usize>) -> Option<NonNull<Header>> {
    let (header, in_guard) = mapped::find(address)?;
    let runs_there =
        |stack_pointer| mapped::find(stack_pointer).is_some_and(|(other, _)| other == header);
    (in_guard && stack_pointer.is_none_or(runs_there)).then_some(header)
}

/// Returns the stack that `stack_pointer` is in, if the rest of that stack is too small for the frame
/// that the kernel writes before a handler without SA_ONSTACK runs there.
fn too_full_for_a_handler(stack_pointer: usize) -> Option<NonNull<Header>> {
    let (header, in_guard) = mapped::find(stack_pointer)?;
    // SAFETY: `find` returns only headers of opened stacks, which are initialised.
    let limit = unsafe { header.as_ref() }.limit().addr();
    (in_guard || stack_pointer - limit < bytes_of_a_handler()).then_some(header)
}

/// Returns the bytes that a stack needs below its frames for a handler to run there.
fn bytes_of_a_handler() -> usize {
    /// The kernel leaves the red zone of the ABI alone, and aligns the parts of its frame.
    const MORE_BYTES: usize = 512;
    fault::kernel_frame_bytes() + MORE_BYTES
}

impl Caller {
    /// Returns `true` if a main green thread has overflowed this stack. As with other stacks, the
    /// faulting code must run on it.
    fn overflowed(&self, cause: Cause, stack_pointer: Option<usize>) -> bool {
        let Caller { stack, runs_main } = self;
        let is_overflow = match cause {
            Cause::Access(address) => {
                stack.guards(address) && stack_pointer.is_none_or(|at| stack.contains(at))
            }
            Cause::Unnamed => stack_pointer
                .is_some_and(|at| stack.contains(at) && at < stack.limit + bytes_of_a_handler()),
            Cause::Sent => false,
        };
        is_overflow && runs_main()
    }

    /// Prints that the main green thread has overflowed this stack, and the alternative.
    fn report(&self, cause: Cause) {
        let (mut size, mut double) = ([0; 20], [0; 20]);
        let pieces: [&[u8]; 7] = [
            b"\nleno: the main green thread has overflowed the stack of its OS thread, of ",
            decimal(self.stack.bytes as u64, &mut size),
            b" bytes\n",
            if cause == Cause::Unnamed { NO_ROOM_FOR_A_HANDLER } else { b"" },
            b"  if it does not recurse for ever, run that code in a green thread with \
              thread::Builder::new().stack_size(",
            decimal(self.stack.bytes as u64 * 2, &mut double),
            b")\n",
        ];
        pieces.into_iter().for_each(sys::write_stderr);
    }
}

/// Prints which context has overflowed `stack` and how to enlarge it, and aborts.
fn report(stack: &Header, cause: Cause) -> ! {
    let Occupant { number, name, body } = stack.occupant();
    let (mut digits, mut size, mut double) = ([0; 20], [0; 20], [0; 20]);
    let size = decimal(stack.usable_bytes() as u64, &mut size);
    let double = decimal(stack.usable_bytes() as u64 * 2, &mut double);
    // SAFETY: the name stays valid until its green thread ends, and that thread is running now.
    let name = name.map(|name| unsafe { name.as_ref() }.as_bytes());
    let (kind, name): (&[u8], [&[u8]; 3]) = match (number, name) {
        (0, _) => (b"coroutine ", [b"`", body.as_bytes(), b"`"]),
        (_, Some(name)) => (b"green thread ", [b"'", name, b"'"]),
        (_, None) => (b"green thread ", [b"#", decimal(number, &mut digits), b""]),
    };
    let advice: [&[u8]; 3] = if number == 0 {
        [b"with Coroutine::with_stack(Stack::new(", double, b")?, ..)"]
    } else {
        [b"with thread::Builder::new().stack_size(", double, b")"]
    };
    sys::abort(&[
        b"\nleno: ",
        kind,
        name[0],
        name[1],
        name[2],
        b" has overflowed its stack of ",
        size,
        b" bytes\n",
        if number == 0 { b"" } else { b"  it runs `" },
        if number == 0 { b"" } else { body.as_bytes() },
        if number == 0 { b"" } else { b"`\n" },
        if cause == Cause::Unnamed { NO_ROOM_FOR_A_HANDLER } else { b"" },
        b"  if it does not recurse for ever, give it a larger one ",
        advice[0],
        advice[1],
        advice[2],
        b"\n",
    ])
}

/// Writes `number` in decimal to the end of `digits`, and returns the digits.
fn decimal(mut number: u64, digits: &mut [u8; 20]) -> &[u8] {
    let mut first = digits.len();
    loop {
        first -= 1;
        digits[first] = b'0' + (number % 10) as u8;
        number /= 10;
        if number == 0 {
            return &digits[first..];
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn decimal_prints_every_length() {
        for number in [0, 7, 10, 65_536, u64::MAX] {
            assert_eq!(decimal(number, &mut [0; 20]), number.to_string().as_bytes());
        }
    }
}
