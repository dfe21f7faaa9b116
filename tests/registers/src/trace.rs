//! Backtraces with the registers of each frame, as far as the unwinder knows them.

use std::ffi::{c_int, c_void};

use super::isa;

// From the unwinder that std links; see the Itanium C++ ABI, "Exception Handling".
unsafe extern "C" {
    fn _Unwind_Backtrace(
        visit: extern "C" fn(*mut c_void, *mut c_void) -> c_int,
        argument: *mut c_void,
    ) -> c_int;
    fn _Unwind_GetIPInfo(context: *mut c_void, exact: *mut c_int) -> usize;
    fn _Unwind_GetGR(context: *mut c_void, register: c_int) -> usize;
    fn _Unwind_FindEnclosingFunction(address: *mut c_void) -> *mut c_void;
}

const NO_REASON: c_int = 0;
const END_OF_STACK: c_int = 5;
const MOST_FRAMES: usize = 200;

#[derive(Clone, Debug)]
pub struct Frame {
    /// The address at which the function begins.
    pub function: usize,
    /// Whether the frame was left between two instructions instead of in a call. Then
    /// its caller is a signal frame, or claims to be.
    pub exact: bool,
    /// The callee-saved registers that [`isa::DWARF_NUMBERS`] lists.
    pub registers: Vec<u64>,
}

/// Returns the frames from the caller outwards, as the unwind tables describe them.
#[inline(never)]
pub fn trace() -> Vec<Frame> {
    let mut frames: Vec<Frame> = Vec::with_capacity(MOST_FRAMES);
    // SAFETY: `visit` gets a pointer to the vector.
    unsafe { _Unwind_Backtrace(visit, (&raw mut frames).cast()) };
    assert!(frames.len() < MOST_FRAMES, "the backtrace does not end");
    frames
}

/// Returns the function that the byte before `address` is in.
pub fn function_before(address: usize) -> usize {
    // SAFETY: the unwinder only looks the address up.
    unsafe { _Unwind_FindEnclosingFunction(address as *mut c_void) as usize }
}

extern "C" fn visit(context: *mut c_void, frames: *mut c_void) -> c_int {
    // SAFETY: the context is the unwinder's, and `frames` is the vector of `trace`,
    // which never grows beyond its capacity.
    unsafe {
        let frames = &mut *frames.cast::<Vec<Frame>>();
        let mut exact = 0;
        let address = _Unwind_GetIPInfo(context, &mut exact);
        // The unwinder also visits the end of the stack.
        if address != 0 {
            let registers = isa::DWARF_NUMBERS.map(|number| _Unwind_GetGR(context, number) as u64);
            let exact = exact != 0;
            // It looks up the byte before.
            let inside = (address + usize::from(exact)) as *mut c_void;
            frames.push(Frame {
                function: _Unwind_FindEnclosingFunction(inside) as usize,
                exact,
                registers: registers.to_vec(),
            });
        }
        if frames.len() < MOST_FRAMES { NO_REASON } else { END_OF_STACK }
    }
}
