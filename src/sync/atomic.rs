//! Atomic types, with the interface of [`std::sync::atomic`].
//!
//! Each is an atomic of std with the same memory layout, so it may lie in a `static`, OS threads may
//! share it, and it works outside a runtime. An operation costs the test of one byte in addition to
//! that of std.
//!
//! **In an exploration** each operation is an access to shared state: with
//! [`preemptive`](crate::weave::Explorer::preemptive), other green threads may run before it. Threads
//! take turns, so explorations are sequentially consistent: an [`Ordering`] weaker than
//! [`SeqCst`](Ordering::SeqCst) does not show more outcomes, and a [`fence`] none less. Other
//! tools find orderings that are too weak: loom, or Miri. `compare_exchange_weak` does not fail
//! without a reason.
//!
//! An exploration knows an atomic by its address. It runs the program again and again, so a `static`
//! has to be set at the program's beginning, and programs with a `static` cannot be explored by several
//! [`workers`](crate::weave::Explorer::workers). What is done by way of `as_ptr`, and a change of the
//! pointer's target of an [`AtomicPtr`], is not observed. A global allocator and a signal handler use the
//! types of std, since they run inside leno as well.
//!
//! **A loop that waits for a value** has to [yield](crate::yield_now), since a green thread goes on until
//! it waits or yields. An [`Event`](super::Event) or a [`Condvar`](super::Condvar) waits without turns.
//!
//! # Examples
//!
//! An update that is lost, and one that is not:
//!
//! ```
//! # #[cfg(feature = "weave")] {
//! use leno::sync::atomic::{AtomicU32, Ordering};
//! use leno::weave::Explorer;
//!
//! let explore = |add: fn(&AtomicU32)| {
//!     Explorer::new().preemptive().explore(|| {
//!         let total = AtomicU32::new(0);
//!         leno::scope(|scope| {
//!             for _ in 0..2 {
//!                 scope.spawn(|| add(&total));
//!             }
//!         });
//!         total.into_inner()
//!     })
//! };
//! let lost = explore(|total| {
//!     let before = total.load(Ordering::SeqCst);
//!     total.store(before + 1, Ordering::SeqCst);
//! });
//! assert!(lost.outcomes().contains_key(&1));
//! let kept = explore(|total| _ = total.fetch_add(1, Ordering::SeqCst));
//! assert_eq!(kept.outcomes().keys().collect::<Vec<_>>(), [&2]);
//! # }
//! ```

use std::fmt;
use std::ptr;
use std::sync::atomic as of_std;

use crate::access::{Access, is_reported, note_atomic, report_location, tell_value};

pub use std::sync::atomic::{Ordering, compiler_fence, fence};

/// Performs an operation of std, after a report of the access.
#[inline(always)]
#[track_caller]
fn operate<A: fmt::Debug, T>(
    atomic: &A,
    access: Access,
    verb: &'static str,
    operation: impl Fn(&A) -> T,
) -> T {
    let Some(at) = report_location() else { return operation(atomic) };
    note_atomic(ptr::from_ref(atomic).addr(), access, verb, at);
    let result = operation(atomic);
    tell_value(&|| format!("{atomic:?}"));
    result
}

/// Returns the orderings of the store and of the load of an update with `order`.
fn orders_of_update(order: Ordering) -> (Ordering, Ordering) {
    match order {
        Ordering::AcqRel => (Ordering::AcqRel, Ordering::Acquire),
        Ordering::Release => (Ordering::Release, Ordering::Relaxed),
        order => (order, order),
    }
}

/// Defines what all atomics have.
macro_rules! atomic {
    ($Atomic:ident $(<$T:ident>)?, $value:ty, $example:expr) => {
        #[doc = concat!("[`std::sync::atomic::", stringify!($Atomic), "`], ")]
        #[doc = "with accesses that explorations observe; see the [module](self)."]
        #[doc = ""]
        #[doc = "# Examples"]
        #[doc = ""]
        #[doc = "```"]
        #[doc = $example]
        #[doc = "```"]
        #[repr(transparent)]
        pub struct $Atomic $(<$T>)?(of_std::$Atomic $(<$T>)?);

        impl $(<$T>)? $Atomic $(<$T>)? {
            /// Creates an atomic with this value.
            #[must_use]
            pub const fn new(value: $value) -> Self {
                Self(of_std::$Atomic::new(value))
            }

            /// Returns the value at `ptr` as an atomic, as the function of std does.
            ///
            /// # Safety
            ///
            /// As in std: `ptr` is aligned as the atomic is, and valid for reads and writes for the
            /// whole of `'a`; meanwhile no access to it that is not atomic conflicts with one by way
            /// of the returned reference.
            #[must_use]
            pub const unsafe fn from_ptr<'a>(ptr: *mut $value) -> &'a Self {
                // SAFETY: the caller's contract. The layout is that of the atomic of std, which has
                // the layout of the value.
                unsafe { &*ptr.cast() }
            }

            /// Returns a pointer to the value. Explorations do not observe what it is used for.
            #[must_use]
            pub const fn as_ptr(&self) -> *mut $value {
                self.0.as_ptr()
            }

            /// Returns a reference to the value, which no other thread uses meanwhile.
            pub fn get_mut(&mut self) -> &mut $value {
                self.0.get_mut()
            }

            /// Returns the value.
            #[must_use]
            pub const fn into_inner(self) -> $value {
                self.0.into_inner()
            }

            /// Returns the value.
            ///
            /// # Panics
            ///
            /// If `order` is `Release` or `AcqRel`.
            #[inline]
            #[track_caller]
            pub fn load(&self, order: Ordering) -> $value {
                operate(&self.0, Access::Read, "load", |it| it.load(order))
            }

            /// Sets the value.
            ///
            /// # Panics
            ///
            /// If `order` is `Acquire` or `AcqRel`.
            #[inline]
            #[track_caller]
            pub fn store(&self, value: $value, order: Ordering) {
                // mistake: store-as-read
                operate(&self.0, Access::Write, "store", |it| it.store(value, order));
            }

            /// Sets the value, and returns the previous one.
            #[inline]
            #[track_caller]
            pub fn swap(&self, value: $value, order: Ordering) -> $value {
                operate(&self.0, Access::Write, "swap", |it| it.swap(value, order))
            }

            /// Sets the value to `new` if it is `current`. Returns the previous value.
            ///
            /// # Errors
            ///
            /// The value, if it is not `current`.
            ///
            /// # Panics
            ///
            /// If `failure` is `Release` or `AcqRel`.
            #[inline]
            #[track_caller]
            pub fn compare_exchange(
                &self,
                current: $value,
                new: $value,
                success: Ordering,
                failure: Ordering,
            ) -> Result<$value, $value> {
                operate(&self.0, Access::Write, "compare and exchange", |it| {
                    it.compare_exchange(current, new, success, failure)
                })
            }

            /// Sets the value as [`compare_exchange`](Self::compare_exchange) does, but may fail
            /// although the value is `current`. In an exploration it does not.
            ///
            /// # Errors
            ///
            /// The value, if it is not `current`, and sometimes if it is.
            ///
            /// # Panics
            ///
            /// If `failure` is `Release` or `AcqRel`.
            #[inline]
            #[track_caller]
            pub fn compare_exchange_weak(
                &self,
                current: $value,
                new: $value,
                success: Ordering,
                failure: Ordering,
            ) -> Result<$value, $value> {
                if is_reported() {
                    return self.compare_exchange(current, new, success, failure);
                }
                self.0.compare_exchange_weak(current, new, success, failure)
            }

            /// Replaces the value by what `f` returns for it, unless that is `None`. Calls `f` again
            /// if another thread has changed the value meanwhile. Returns the previous value.
            ///
            /// # Errors
            ///
            /// The value, if `f` returned `None`.
            ///
            /// # Panics
            ///
            /// If `fetch` is `Release` or `AcqRel`.
            #[inline]
            #[track_caller]
            pub fn fetch_update(
                &self,
                set: Ordering,
                fetch: Ordering,
                mut f: impl FnMut($value) -> Option<$value>,
            ) -> Result<$value, $value> {
                let mut before = self.load(fetch);
                while let Some(next) = f(before) {
                    match self.compare_exchange_weak(before, next, set, fetch) {
                        Ok(before) => return Ok(before),
                        Err(now) => before = now,
                    }
                }
                Err(before)
            }

            /// Replaces the value as [`fetch_update`](Self::fetch_update).
            ///
            /// # Errors
            ///
            /// The value, if `f` returned `None`.
            ///
            /// # Panics
            ///
            /// If `fetch` is `Release` or `AcqRel`.
            #[inline]
            #[track_caller]
            pub fn try_update(
                &self,
                set: Ordering,
                fetch: Ordering,
                f: impl FnMut($value) -> Option<$value>,
            ) -> Result<$value, $value> {
                self.fetch_update(set, fetch, f)
            }

            /// Replaces the value by what `f` returns for it. Calls `f` again if another thread has
            /// changed the value meanwhile. Returns the previous value.
            ///
            /// # Panics
            ///
            /// If `fetch` is `Release` or `AcqRel`.
            #[inline]
            #[track_caller]
            pub fn update(
                &self,
                set: Ordering,
                fetch: Ordering,
                mut f: impl FnMut($value) -> $value,
            ) -> $value {
                let mut before = self.load(fetch);
                loop {
                    match self.compare_exchange_weak(before, f(before), set, fetch) {
                        Ok(before) => return before,
                        Err(now) => before = now,
                    }
                }
            }
        }

        impl $(<$T>)? Default for $Atomic $(<$T>)? {
            fn default() -> Self {
                Self(Default::default())
            }
        }

        impl $(<$T>)? From<$value> for $Atomic $(<$T>)? {
            fn from(value: $value) -> Self {
                Self::new(value)
            }
        }

        /// Formats the value, as a read.
        impl $(<$T>)? fmt::Debug for $Atomic $(<$T>)? {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                let load = |it: &of_std::$Atomic $(<$T>)?| it.load(Ordering::Relaxed);
                fmt::Debug::fmt(&operate(&self.0, Access::Read, "look at", load), f)
            }
        }
    };
}

/// Defines methods that combine the value with another one.
macro_rules! combine {
    ($Atomic:ident, $value:ty, $($(#[$doc:meta])* $name:ident $verb:literal),*) => {
        impl $Atomic {
            $(
                $(#[$doc])*
                #[inline]
                #[track_caller]
                pub fn $name(&self, value: $value, order: Ordering) -> $value {
                    operate(&self.0, Access::Write, $verb, |it| it.$name(value, order))
                }
            )*
        }
    };
}

macro_rules! integers {
    ($($Atomic:ident $value:ty),*) => {
        $(
            atomic!($Atomic, $value, concat!(
                "use leno::sync::atomic::{", stringify!($Atomic), ", Ordering};\n",
                "static NEXT: ", stringify!($Atomic), " = ", stringify!($Atomic), "::new(1);\n",
                "assert_eq!(NEXT.fetch_add(1, Ordering::Relaxed), 1);\n",
                "assert_eq!(NEXT.load(Ordering::Relaxed), 2);",
            ));
            combine!($Atomic, $value,
                /// Adds to the value, modulo its range. Returns the previous value.
                fetch_add "add to",
                /// Subtracts from the value, modulo its range. Returns the previous value.
                fetch_sub "subtract from",
                /// Replaces the value by its bitwise "and" with `value`. Returns the previous one.
                fetch_and "update",
                /// Replaces the value by its bitwise "nand" with `value`. Returns the previous one.
                fetch_nand "update",
                /// Replaces the value by its bitwise "or" with `value`. Returns the previous one.
                fetch_or "update",
                /// Replaces the value by its bitwise "xor" with `value`. Returns the previous one.
                fetch_xor "update",
                /// Replaces the value by the larger of it and `value`. Returns the previous one.
                fetch_max "update",
                /// Replaces the value by the smaller of it and `value`. Returns the previous one.
                fetch_min "update"
            );
        )*
    };
}

integers!(
    AtomicI8 i8, AtomicI16 i16, AtomicI32 i32, AtomicI64 i64, AtomicIsize isize,
    AtomicU8 u8, AtomicU16 u16, AtomicU32 u32, AtomicU64 u64, AtomicUsize usize
);

atomic!(
    AtomicBool,
    bool,
    "use leno::sync::atomic::{AtomicBool, Ordering};\n\
     static IS_TAKEN: AtomicBool = AtomicBool::new(false);\n\
     assert!(!IS_TAKEN.swap(true, Ordering::Acquire));"
);

combine!(
    AtomicBool,
    bool,
    /// Replaces the value by its logical "and" with `value`. Returns the previous one.
    fetch_and "update",
    /// Replaces the value by its logical "nand" with `value`. Returns the previous one.
    fetch_nand "update",
    /// Replaces the value by its logical "or" with `value`. Returns the previous one.
    fetch_or "update",
    /// Replaces the value by its logical "xor" with `value`. Returns the previous one.
    fetch_xor "update"
);

impl AtomicBool {
    /// Replaces the value by its negation. Returns the previous one.
    #[inline]
    #[track_caller]
    pub fn fetch_not(&self, order: Ordering) -> bool {
        self.fetch_xor(true, order)
    }
}

atomic!(
    AtomicPtr<T>,
    *mut T,
    "use leno::sync::atomic::{AtomicPtr, Ordering};\n\
     let mut number = 5;\n\
     let place = AtomicPtr::new(&mut number);\n\
     assert!(!place.load(Ordering::Acquire).is_null());"
);

impl<T> AtomicPtr<T> {
    /// Updates the pointer in one operation. Returns the previous one.
    #[inline(always)]
    #[track_caller]
    fn change(&self, order: Ordering, f: impl Fn(*mut T) -> *mut T) -> *mut T {
        let (set, fetch) = orders_of_update(order);
        operate(&self.0, Access::Write, "update", |it| {
            let changed = it.fetch_update(set, fetch, |pointer| Some(f(pointer)));
            changed.unwrap_or_else(|pointer| pointer)
        })
    }

    /// Moves the pointer by `count` values of `T`. Returns the previous one.
    #[inline]
    #[track_caller]
    pub fn fetch_ptr_add(&self, count: usize, order: Ordering) -> *mut T {
        self.change(order, |pointer| pointer.wrapping_add(count))
    }

    /// Moves the pointer back by `count` values of `T`. Returns the previous one.
    #[inline]
    #[track_caller]
    pub fn fetch_ptr_sub(&self, count: usize, order: Ordering) -> *mut T {
        self.change(order, |pointer| pointer.wrapping_sub(count))
    }

    /// Moves the pointer by `count` bytes. Returns the previous one.
    #[inline]
    #[track_caller]
    pub fn fetch_byte_add(&self, count: usize, order: Ordering) -> *mut T {
        self.change(order, |pointer| pointer.wrapping_byte_add(count))
    }

    /// Moves the pointer back by `count` bytes. Returns the previous one.
    #[inline]
    #[track_caller]
    pub fn fetch_byte_sub(&self, count: usize, order: Ordering) -> *mut T {
        self.change(order, |pointer| pointer.wrapping_byte_sub(count))
    }

    /// Replaces the address by its bitwise "and" with `value`. Returns the previous pointer.
    #[inline]
    #[track_caller]
    pub fn fetch_and(&self, value: usize, order: Ordering) -> *mut T {
        self.change(order, |pointer| pointer.map_addr(|address| address & value))
    }

    /// Replaces the address by its bitwise "or" with `value`. Returns the previous pointer.
    #[inline]
    #[track_caller]
    pub fn fetch_or(&self, value: usize, order: Ordering) -> *mut T {
        self.change(order, |pointer| pointer.map_addr(|address| address | value))
    }

    /// Replaces the address by its bitwise "xor" with `value`. Returns the previous pointer.
    #[inline]
    #[track_caller]
    pub fn fetch_xor(&self, value: usize, order: Ordering) -> *mut T {
        self.change(order, |pointer| pointer.map_addr(|address| address ^ value))
    }
}

impl<T> fmt::Pointer for AtomicPtr<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Pointer::fmt(&self.load(Ordering::Relaxed), f)
    }
}
