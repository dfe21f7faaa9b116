//! Green-thread-local values.

use std::cell::{Cell, RefCell};
use std::error::Error;
use std::fmt;
use std::ptr;

use crate::runtime::{LocalError, with_local};

/// A value of its own for each green thread, made when it is first asked for;
/// [`green_local!`](crate::green_local!) declares one. As
/// [`std::thread::LocalKey`].
///
/// **When a green thread ends,** its values are dropped on its own stack, the
/// last made first, before `join` returns. Such a destructor may wait, spawn, and
/// ask for the values of other keys, even make them; they are dropped after it.
/// What has been dropped, or is just being dropped, is not made again: there
/// [`with`](LocalKey::with) panics, and [`try_with`](LocalKey::try_with) gives an
/// error. Nothing is cancelled in these destructors. If one panics, the process
/// aborts.
///
/// **The main green thread** has values like any other; they are dropped when the
/// closure of [`run`](crate::run) has ended, before `run` waits for the others.
/// Its next `run` begins without any.
///
/// **Two runtimes** on one OS thread, or on two, share nothing: values belong to
/// green threads.
///
/// **The initial value** may be made from those of other keys. One that needs
/// itself panics. If making it panics, the next who asks tries again.
///
/// # Examples
///
/// ```
/// use std::cell::Cell;
///
/// leno::green_local!(static STEPS: Cell<u32> = const { Cell::new(0) });
///
/// leno::run(|| {
///     STEPS.set(5);
///     leno::spawn(|| assert_eq!(STEPS.replace(1), 0)).join().unwrap();
///     assert_eq!(STEPS.get(), 5);
/// });
/// ```
pub struct LocalKey<T: 'static> {
    // Not of size zero, so that each key has an address of its own.
    init: fn() -> T,
}

/// Why a [`LocalKey`] gives no value.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct AccessError {
    reason: LocalError,
}

/// Declares green-thread-local values, with the syntax of
/// [`std::thread_local!`]: each is a [`LocalKey`](crate::thread::LocalKey).
///
/// # Examples
///
/// ```
/// use std::cell::RefCell;
///
/// leno::green_local! {
///     /// Who is logged in.
///     pub static USER: RefCell<Option<String>> = RefCell::new(None);
///     static DEPTH: RefCell<u32> = const { RefCell::new(0) };
/// }
///
/// leno::run(|| {
///     USER.set(Some("ann".to_owned()));
///     leno::spawn(|| assert!(USER.with_borrow(Option::is_none))).join().unwrap();
///     DEPTH.with_borrow_mut(|depth| *depth += 1);
///     assert_eq!(DEPTH.take(), 1);
/// });
/// ```
#[macro_export]
macro_rules! green_local {
    () => {};
    (
        $(#[$attribute:meta])* $visibility:vis static $name:ident: $type:ty = const $init:block
        $(; $($rest:tt)*)?
    ) => {
        $crate::green_local! {
            $(#[$attribute])* $visibility static $name: $type = (const $init)
        }
        $($crate::green_local! { $($rest)* })?
    };
    (
        $(#[$attribute:meta])* $visibility:vis static $name:ident: $type:ty = $init:expr
        $(; $($rest:tt)*)?
    ) => {
        $(#[$attribute])*
        $visibility static $name: $crate::thread::LocalKey<$type> = {
            fn init() -> $type {
                $init
            }
            $crate::thread::LocalKey::__new(init)
        };
        $($crate::green_local! { $($rest)* })?
    };
}

impl<T: 'static> LocalKey<T> {
    /// For [`green_local!`](crate::green_local!).
    #[doc(hidden)]
    #[must_use]
    pub const fn __new(init: fn() -> T) -> LocalKey<T> {
        LocalKey { init }
    }

    /// Gives `f` the green thread's value.
    ///
    /// # Panics
    ///
    /// If `f` panics, or making the value does. Outside a runtime. If the value
    /// has been dropped, in a destructor at the end of the green thread.
    #[track_caller]
    pub fn with<F, R>(&'static self, f: F) -> R
    where
        F: FnOnce(&T) -> R,
    {
        self.make_with(self.init, "LocalKey::with", f)
    }

    /// Gives `f` the green thread's value, if it can have one.
    ///
    /// # Errors
    ///
    /// Outside a runtime. If the value has been dropped, in a destructor at the
    /// end of the green thread.
    ///
    /// # Panics
    ///
    /// If `f` panics, or making the value does.
    #[track_caller]
    pub fn try_with<F, R>(&'static self, f: F) -> Result<R, AccessError>
    where
        F: FnOnce(&T) -> R,
    {
        self.try_make_with(self.init, f)
    }

    #[track_caller]
    fn try_make_with<R>(
        &'static self,
        init: impl FnOnce() -> T,
        f: impl FnOnce(&T) -> R,
    ) -> Result<R, AccessError> {
        with_local(ptr::from_ref(self).addr(), init, f).map_err(|reason| AccessError { reason })
    }

    #[track_caller]
    fn make_with<R>(
        &'static self,
        init: impl FnOnce() -> T,
        function: &'static str,
        f: impl FnOnce(&T) -> R,
    ) -> R {
        self.try_make_with(init, f).unwrap_or_else(|error| panic!("{function}: {error}"))
    }

    /// Gives `f` the value, which is made by `wrap` out of `content` if there is
    /// none yet. What is left of `content` is given to `f`.
    #[track_caller]
    fn with_content<C, R>(
        &'static self,
        function: &'static str,
        content: C,
        wrap: fn(C) -> T,
        f: impl FnOnce(&T, Option<C>) -> R,
    ) -> R {
        let content = Cell::new(Some(content));
        let init = || wrap(content.take().expect("it is made once"));
        self.make_with(init, function, |value| f(value, content.take()))
    }
}

impl<T: 'static> LocalKey<Cell<T>> {
    /// Sets the value. If there is none yet, it is made of `value`, and the
    /// initial one is not computed.
    ///
    /// # Panics
    ///
    /// As [`with`](LocalKey::with).
    #[track_caller]
    pub fn set(&'static self, value: T) {
        self.with_content("LocalKey::set", value, Cell::new, |cell, value| {
            if let Some(value) = value {
                cell.set(value);
            }
        });
    }

    /// A copy of the value.
    ///
    /// # Panics
    ///
    /// As [`with`](LocalKey::with).
    #[must_use]
    #[track_caller]
    pub fn get(&'static self) -> T
    where
        T: Copy,
    {
        self.with(Cell::get)
    }

    /// Takes the value, and leaves the default one.
    ///
    /// # Panics
    ///
    /// As [`with`](LocalKey::with).
    #[track_caller]
    pub fn take(&'static self) -> T
    where
        T: Default,
    {
        self.with(Cell::take)
    }

    /// Sets the value, and gives the one before.
    ///
    /// # Panics
    ///
    /// As [`with`](LocalKey::with).
    #[track_caller]
    pub fn replace(&'static self, value: T) -> T {
        self.with(|cell| cell.replace(value))
    }
}

impl<T: 'static> LocalKey<RefCell<T>> {
    /// Gives `f` the value.
    ///
    /// # Panics
    ///
    /// As [`with`](LocalKey::with). If it is mutably borrowed.
    #[track_caller]
    pub fn with_borrow<F, R>(&'static self, f: F) -> R
    where
        F: FnOnce(&T) -> R,
    {
        self.with(|cell| f(&cell.borrow()))
    }

    /// Gives `f` the value, to change it.
    ///
    /// # Panics
    ///
    /// As [`with`](LocalKey::with). If it is borrowed.
    #[track_caller]
    pub fn with_borrow_mut<F, R>(&'static self, f: F) -> R
    where
        F: FnOnce(&mut T) -> R,
    {
        self.with(|cell| f(&mut cell.borrow_mut()))
    }

    /// Sets the value. If there is none yet, it is made of `value`, and the
    /// initial one is not computed.
    ///
    /// # Panics
    ///
    /// As [`with`](LocalKey::with). If it is borrowed.
    #[track_caller]
    pub fn set(&'static self, value: T) {
        self.with_content("LocalKey::set", value, RefCell::new, |cell, value| {
            if let Some(value) = value {
                cell.replace(value);
            }
        });
    }

    /// Takes the value, and leaves the default one.
    ///
    /// # Panics
    ///
    /// As [`with`](LocalKey::with). If it is borrowed.
    #[track_caller]
    pub fn take(&'static self) -> T
    where
        T: Default,
    {
        self.with(RefCell::take)
    }

    /// Sets the value, and gives the one before.
    ///
    /// # Panics
    ///
    /// As [`with`](LocalKey::with). If it is borrowed.
    #[track_caller]
    pub fn replace(&'static self, value: T) -> T {
        self.with(|cell| cell.replace(value))
    }
}

impl<T: 'static> fmt::Debug for LocalKey<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LocalKey").finish_non_exhaustive()
    }
}

impl fmt::Debug for AccessError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AccessError").field("reason", &self.reason).finish()
    }
}

impl fmt::Display for AccessError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self.reason {
            LocalError::Outside => {
                "a green-thread-local value needs a runtime: call it from inside leno::run"
            }
            LocalError::Dropped => {
                "the green thread ends, and its value of this key has been dropped: a destructor \
                 at the end of a green thread may use `try_with`"
            }
        })
    }
}

impl Error for AccessError {}
