//! Stack overflow: the fault handler and its report.
//!
//! All code that [`on_fault`] reaches is async-signal-safe: it reads memory that only this OS
//! thread writes, and calls write(2) and abort(3).

use std::io;
use std::ptr::NonNull;

use super::header::{Header, Occupant};
use super::mapped;
use crate::sys;
use crate::sys::fault::{self, Cause};

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

/// Reports an overflow and aborts, or passes the fault on if it is not an overflow.
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
    /// The kernel leaves the red zone of the ABI alone, and aligns the parts of its frame.
    const MORE_BYTES: usize = 512;
    let (header, in_guard) = mapped::find(stack_pointer)?;
    // SAFETY: `find` returns only headers of opened stacks, which are initialised.
    let limit = unsafe { header.as_ref() }.limit().addr();
    let is_full = in_guard || stack_pointer - limit < fault::kernel_frame_bytes() + MORE_BYTES;
    is_full.then_some(header)
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
        match cause {
            Cause::Unnamed => {
                b"  a signal came whose handler runs on the stack that it interrupts (no SA_ONSTACK)\n"
            }
            _ => b"",
        },
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
