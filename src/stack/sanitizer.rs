//! Calls to AddressSanitizer (ASan), with the cargo feature `sanitizer`. Without the feature every
//! function here is empty.
//!
//! ASan keeps the bounds of the stack that it assumes to be the current one, and a "fake stack"
//! for frames with variables that may be used after their return. Before each switch ASan must be
//! given the bounds of the other stack, and after the switch it must be told that the switch has
//! happened. See sanitizer/common_interface_defs.h.

#[cfg(feature = "sanitizer")]
pub(crate) use enabled::*;

#[cfg(not(feature = "sanitizer"))]
pub(crate) use disabled::*;

#[cfg(feature = "sanitizer")]
mod enabled {
    use std::ffi::c_void;
    use std::ptr;

    use crate::stack::Header;

    unsafe extern "C" {
        fn __sanitizer_start_switch_fiber(
            fake_stack_save: *mut *mut c_void,
            bottom: *const c_void,
            bytes: usize,
        );
        fn __sanitizer_finish_switch_fiber(
            fake_stack_save: *mut c_void,
            old_bottom: *mut *const c_void,
            old_bytes: *mut usize,
        );
        fn __asan_unpoison_memory_region(address: *const c_void, bytes: usize);
    }

    /// The bounds of a stack.
    #[derive(Clone, Copy, Debug)]
    pub(crate) struct Bounds {
        bottom: *const c_void,
        bytes: usize,
    }

    impl Bounds {
        /// The bounds of the resumer's stack before the first switch.
        pub(crate) const UNKNOWN: Bounds = Bounds { bottom: ptr::null(), bytes: 0 };

        /// Returns the bounds of `stack`.
        pub(crate) fn of(stack: &Header) -> Bounds {
            let (bottom, end) = (stack.limit(), ptr::from_ref(stack));
            Bounds { bottom: bottom.cast(), bytes: end.addr() - bottom.addr() }
        }
    }

    /// The fake stack of a suspended context.
    pub(crate) struct Away(*mut c_void);

    /// Announces a switch to the stack with the given bounds. The switch must follow at once.
    #[inline(always)]
    pub(crate) fn depart(to: Bounds) -> Away {
        let mut fake_stack = ptr::null_mut();
        // SAFETY: the bounds are those of a live stack, or ASan itself has returned them.
        unsafe { __sanitizer_start_switch_fiber(&mut fake_stack, to.bottom, to.bytes) };
        Away(fake_stack)
    }

    /// Announces the last switch of a context, which will not be entered again.
    #[inline(always)]
    pub(crate) fn depart_for_ever(to: Bounds) {
        // SAFETY: the bounds are those of a live stack, or ASan itself has returned them. Null
        // makes ASan free the fake stack.
        unsafe { __sanitizer_start_switch_fiber(ptr::null_mut(), to.bottom, to.bytes) };
    }

    /// Completes a switch, as the first call after it. Returns the bounds of the stack that was
    /// left. A context that has just begun passes `None`.
    #[inline(always)]
    pub(crate) fn arrive(away: Option<Away>) -> Bounds {
        let mut left = Bounds::UNKNOWN;
        let fake_stack = away.map_or(ptr::null_mut(), |away| away.0);
        // SAFETY: the fake stack is the one that `depart` received from ASan for this context.
        unsafe {
            __sanitizer_finish_switch_fiber(fake_stack, &mut left.bottom, &mut left.bytes);
        }
        left
    }

    /// Removes the poison of frames that were abandoned on the stack without their epilogues.
    pub(crate) fn unpoison(stack: &Header) {
        let Bounds { bottom, bytes } = Bounds::of(stack);
        // SAFETY: the range is the usable part of a mapped stack.
        unsafe { __asan_unpoison_memory_region(bottom, bytes) };
    }
}

#[cfg(not(feature = "sanitizer"))]
mod disabled {
    use crate::stack::Header;

    /// The bounds of a stack.
    #[derive(Clone, Copy, Debug)]
    pub(crate) struct Bounds;

    impl Bounds {
        pub(crate) const UNKNOWN: Bounds = Bounds;

        #[inline(always)]
        pub(crate) fn of(_stack: &Header) -> Bounds {
            Bounds
        }
    }

    /// The fake stack of a suspended context.
    pub(crate) struct Away;

    #[inline(always)]
    pub(crate) fn depart(_to: Bounds) -> Away {
        Away
    }

    #[inline(always)]
    pub(crate) fn depart_for_ever(_to: Bounds) {}

    #[inline(always)]
    pub(crate) fn arrive(_away: Option<Away>) -> Bounds {
        Bounds
    }

    #[inline(always)]
    pub(crate) fn unpoison(_stack: &Header) {}
}
