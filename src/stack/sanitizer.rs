//! What AddressSanitizer has to be told, with the cargo feature `sanitizer`.
//! Without it everything here is empty.
//!
//! ASan keeps the bounds of the stack that it thinks it is on, and a "fake
//! stack" for frames whose variables may be used after their return. Before each
//! switch it must learn the bounds of the other stack; after it, that the switch
//! has happened. See sanitizer/common_interface_defs.h.

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
        pub(crate) const UNKNOWN: Bounds = Bounds { bottom: ptr::null(), bytes: 0 };

        pub(crate) fn of(stack: &Header) -> Bounds {
            let (bottom, end) = (stack.limit(), ptr::from_ref(stack));
            Bounds { bottom: bottom.cast(), bytes: end.addr() - bottom.addr() }
        }
    }

    /// What a context keeps while it is away.
    pub(crate) struct Away(*mut c_void);

    /// To be called right before a switch to the stack with the given bounds.
    #[inline(always)]
    pub(crate) fn depart(to: Bounds) -> Away {
        let mut fake_stack = ptr::null_mut();
        // SAFETY: the bounds are those of a live stack, or were learnt from ASan.
        unsafe { __sanitizer_start_switch_fiber(&mut fake_stack, to.bottom, to.bytes) };
        Away(fake_stack)
    }

    /// The same, by a context that will not come back.
    #[inline(always)]
    pub(crate) fn depart_for_ever(to: Bounds) {
        // SAFETY: as above; null tells ASan to free the fake stack.
        unsafe { __sanitizer_start_switch_fiber(ptr::null_mut(), to.bottom, to.bytes) };
    }

    /// To be called first thing after a switch. Gives the bounds of the stack
    /// that was left. A context that has just begun passes `None`.
    #[inline(always)]
    pub(crate) fn arrive(away: Option<Away>) -> Bounds {
        let mut left = Bounds::UNKNOWN;
        let fake_stack = away.map_or(ptr::null_mut(), |away| away.0);
        // SAFETY: the fake stack is what `depart` got for this context.
        unsafe {
            __sanitizer_finish_switch_fiber(fake_stack, &mut left.bottom, &mut left.bytes);
        }
        left
    }

    /// The frames on the stack are gone, without their epilogues.
    pub(crate) fn unpoison(stack: &Header) {
        let Bounds { bottom, bytes } = Bounds::of(stack);
        // SAFETY: nobody uses the stack.
        unsafe { __asan_unpoison_memory_region(bottom, bytes) };
    }
}

#[cfg(not(feature = "sanitizer"))]
mod disabled {
    use crate::stack::Header;

    #[derive(Clone, Copy, Debug)]
    pub(crate) struct Bounds;

    impl Bounds {
        pub(crate) const UNKNOWN: Bounds = Bounds;

        #[inline(always)]
        pub(crate) fn of(_stack: &Header) -> Bounds {
            Bounds
        }
    }

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
