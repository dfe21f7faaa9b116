//! The C++ exceptions that are thrown or handled, which the C++ runtime records for each OS thread.
//!
//! With the cargo feature `cxx` each context has its own record: a switch takes that of the context
//! that it leaves along, and the next context begins without exceptions or brings its own. Otherwise
//! `throw;` in a handler that has waited would rethrow the exception of another context.

/// `__cxa_eh_globals` (Itanium C++ ABI: Exception Handling, section 2.2.2).
#[cfg(feature = "cxx")]
#[repr(C)]
#[derive(Clone, Copy)]
struct Globals {
    caught: *mut (),
    uncaught: std::ffi::c_uint,
}

/// The exceptions of a context that is suspended. Without the feature it is empty.
#[must_use = "the exceptions belong to the context, which needs them back"]
pub(crate) struct Exceptions {
    #[cfg(feature = "cxx")]
    globals: Globals,
}

#[cfg(feature = "cxx")]
unsafe extern "C" {
    // From the C++ runtime, which build.rs links.
    safe fn __cxa_get_globals() -> *mut Globals;
}

/// Takes the exceptions of the current context, which is about to be left. The context that is
/// entered has none until it calls [`arrive`].
#[inline(always)]
pub(crate) fn depart() -> Exceptions {
    Exceptions {
        #[cfg(feature = "cxx")]
        // SAFETY: the record is the OS thread's own, and lives as long as the OS thread.
        globals: unsafe {
            __cxa_get_globals().replace(Globals { caught: std::ptr::null_mut(), uncaught: 0 })
        },
    }
}

/// Gives the current context, which has been entered again, its exceptions back.
#[inline(always)]
pub(crate) fn arrive(exceptions: Exceptions) {
    let Exceptions { .. } = exceptions;
    #[cfg(feature = "cxx")]
    // SAFETY: the record is the OS thread's own, and lives as long as the OS thread.
    unsafe {
        __cxa_get_globals().write(exceptions.globals);
    }
}
