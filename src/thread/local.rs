//! Green-thread-local values: the public interface.

use std::cell::{Cell, RefCell};
use std::error::Error;
use std::fmt;
use std::ptr;

use crate::runtime::{LocalError, with_local};

/// A separate value for each green thread, computed at its first use;
/// [`green_local!`](crate::green_local!) declares one. As [`std::thread::LocalKey`].
///
/// **At the end of a green thread,** its values are dropped on its own stack, the last one
/// created first, before `join` returns. Such a destructor may wait, spawn, and access the
/// values of other keys, or create them; they are dropped after it. A value that has been
/// dropped, or is being dropped, is not created again: [`with`](LocalKey::with) panics then,
/// and [`try_with`](LocalKey::try_with) returns an error. These destructors cannot be
/// cancelled. If one of them panics, the process aborts.
///
/// **The main green thread** has values like any other. They are dropped when the closure of
/// [`run`](crate::run) has ended, before `run` waits for the other threads. Its next `run`
/// begins without values.
///
/// **Runtimes** share no values, not even on one OS thread: values belong to green threads.
///
/// **The initial value** may be computed from the values of other keys. An initial value that
/// needs itself panics. If computing it panics, the next access tries again.
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
    // Not of size zero, so that each key has a distinct address.
    init: fn() -> T,
}

/// The reason why a [`LocalKey`] has no value.
///
/// # Examples
///
/// See [`LocalKey::try_with`].
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
///     /// The name of the user that is logged in.
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
    /// Returns the key of a static that [`green_local!`](crate::green_local!) declares.
    #[doc(hidden)]
    #[must_use]
    pub const fn __new(init: fn() -> T) -> LocalKey<T> {
        LocalKey { init }
    }

    /// Calls `f` with the green thread's value.
    ///
    /// # Panics
    ///
    /// If `f` panics, or computing the value does. Outside a runtime. If the value has been
    /// dropped, in a destructor at the end of the green thread.
    ///
    /// # Examples
    ///
    /// ```
    /// leno::green_local!(static GREETING: String = "hello".to_owned());
    ///
    /// leno::run(|| assert_eq!(GREETING.with(|greeting| greeting.len()), 5));
    /// ```
    #[track_caller]
    pub fn with<F, R>(&'static self, f: F) -> R
    where
        F: FnOnce(&T) -> R,
    {
        self.make_with(self.init, "LocalKey::with", f)
    }

    /// Calls `f` with the green thread's value, if it can have one.
    ///
    /// # Errors
    ///
    /// Outside a runtime. If the value has been dropped, in a destructor at the end of the
    /// green thread.
    ///
    /// # Panics
    ///
    /// If `f` panics, or computing the value does.
    ///
    /// # Examples
    ///
    /// ```
    /// leno::green_local!(static DEPTH: u32 = 1);
    ///
    /// assert!(DEPTH.try_with(|depth| *depth).is_err());
    /// leno::run(|| assert_eq!(DEPTH.try_with(|depth| *depth), Ok(1)));
    /// ```
    #[track_caller]
    pub fn try_with<F, R>(&'static self, f: F) -> Result<R, AccessError>
    where
        F: FnOnce(&T) -> R,
    {
        self.try_make_with(self.init, f)
    }

    /// Calls `f` with the value, which `init` computes if there is none yet.
    #[track_caller]
    fn try_make_with<R>(
        &'static self,
        init: impl FnOnce() -> T,
        f: impl FnOnce(&T) -> R,
    ) -> Result<R, AccessError> {
        with_local(ptr::from_ref(self).addr(), init, f).map_err(|reason| AccessError { reason })
    }

    /// Calls `f` as `try_make_with`, but panics if there can be no value.
    #[track_caller]
    fn make_with<R>(
        &'static self,
        init: impl FnOnce() -> T,
        function: &'static str,
        f: impl FnOnce(&T) -> R,
    ) -> R {
        match self.try_make_with(init, f) {
            Ok(result) => result,
            Err(error) => panic!("{function}: {error}"),
        }
    }

    /// Calls `f` with the value, which `wrap` creates from `content` if there is none yet.
    /// Otherwise `f` gets `content` as well.
    #[track_caller]
    fn with_content<C, R>(
        &'static self,
        function: &'static str,
        content: C,
        wrap: fn(C) -> T,
        f: impl FnOnce(&T, Option<C>) -> R,
    ) -> R {
        let content = Cell::new(Some(content));
        let init = || wrap(content.take().expect("the initial value is created once"));
        self.make_with(init, function, |value| f(value, content.take()))
    }
}

impl<T: 'static> LocalKey<Cell<T>> {
    /// Sets the value. If there is none yet, the initial value is not computed.
    ///
    /// # Panics
    ///
    /// As [`with`](LocalKey::with).
    ///
    /// # Examples
    ///
    /// ```
    /// use std::cell::Cell;
    ///
    /// leno::green_local!(static DEPTH: Cell<u32> = Cell::new(1));
    ///
    /// leno::run(|| {
    ///     DEPTH.set(2);
    ///     assert_eq!(DEPTH.get(), 2);
    /// });
    /// ```
    #[track_caller]
    pub fn set(&'static self, value: T) {
        self.with_content("LocalKey::set", value, Cell::new, |cell, value| {
            if let Some(value) = value {
                cell.set(value);
            }
        });
    }

    /// Returns a copy of the value.
    ///
    /// # Panics
    ///
    /// As [`with`](LocalKey::with).
    ///
    /// # Examples
    ///
    /// ```
    /// use std::cell::Cell;
    ///
    /// leno::green_local!(static DEPTH: Cell<u32> = Cell::new(1));
    ///
    /// leno::run(|| {
    ///     assert_eq!(DEPTH.get(), 1);
    /// });
    /// ```
    #[must_use]
    #[track_caller]
    pub fn get(&'static self) -> T
    where
        T: Copy,
    {
        self.with(Cell::get)
    }

    /// Takes the value, and leaves the default value.
    ///
    /// # Panics
    ///
    /// As [`with`](LocalKey::with).
    ///
    /// # Examples
    ///
    /// ```
    /// use std::cell::Cell;
    ///
    /// leno::green_local!(static DEPTH: Cell<u32> = Cell::new(1));
    ///
    /// leno::run(|| {
    ///     assert_eq!((DEPTH.take(), DEPTH.get()), (1, 0));
    /// });
    /// ```
    #[track_caller]
    pub fn take(&'static self) -> T
    where
        T: Default,
    {
        self.with(Cell::take)
    }

    /// Sets the value, and returns the previous one.
    ///
    /// # Panics
    ///
    /// As [`with`](LocalKey::with).
    ///
    /// # Examples
    ///
    /// ```
    /// use std::cell::Cell;
    ///
    /// leno::green_local!(static DEPTH: Cell<u32> = Cell::new(1));
    ///
    /// leno::run(|| {
    ///     assert_eq!((DEPTH.replace(2), DEPTH.get()), (1, 2));
    /// });
    /// ```
    #[track_caller]
    pub fn replace(&'static self, value: T) -> T {
        self.with(|cell| cell.replace(value))
    }
}

impl<T: 'static> LocalKey<RefCell<T>> {
    /// Calls `f` with the value.
    ///
    /// # Panics
    ///
    /// As [`with`](LocalKey::with). If the value is mutably borrowed.
    ///
    /// # Examples
    ///
    /// ```
    /// use std::cell::RefCell;
    ///
    /// leno::green_local!(static NAME: RefCell<String> = RefCell::new("ann".to_owned()));
    ///
    /// leno::run(|| {
    ///     assert_eq!(NAME.with_borrow(|name| name.len()), 3);
    /// });
    /// ```
    #[track_caller]
    pub fn with_borrow<F, R>(&'static self, f: F) -> R
    where
        F: FnOnce(&T) -> R,
    {
        self.with(|cell| f(&cell.borrow()))
    }

    /// Calls `f` with the value, which it may change.
    ///
    /// # Panics
    ///
    /// As [`with`](LocalKey::with). If the value is borrowed.
    ///
    /// # Examples
    ///
    /// ```
    /// use std::cell::RefCell;
    ///
    /// leno::green_local!(static NAME: RefCell<String> = RefCell::new("ann".to_owned()));
    ///
    /// leno::run(|| {
    ///     NAME.with_borrow_mut(|name| name.push('a'));
    ///     assert_eq!(NAME.take(), "anna");
    /// });
    /// ```
    #[track_caller]
    pub fn with_borrow_mut<F, R>(&'static self, f: F) -> R
    where
        F: FnOnce(&mut T) -> R,
    {
        self.with(|cell| f(&mut cell.borrow_mut()))
    }

    /// Sets the value. If there is none yet, the initial value is not computed.
    ///
    /// # Panics
    ///
    /// As [`with`](LocalKey::with). If the value is borrowed.
    ///
    /// # Examples
    ///
    /// ```
    /// use std::cell::RefCell;
    ///
    /// leno::green_local!(static NAME: RefCell<String> = RefCell::new("ann".to_owned()));
    ///
    /// leno::run(|| {
    ///     NAME.set("bo".to_owned());
    ///     assert_eq!(NAME.take(), "bo");
    /// });
    /// ```
    #[track_caller]
    pub fn set(&'static self, value: T) {
        self.with_content("LocalKey::set", value, RefCell::new, |cell, value| {
            if let Some(value) = value {
                cell.replace(value);
            }
        });
    }

    /// Takes the value, and leaves the default value.
    ///
    /// # Panics
    ///
    /// As [`with`](LocalKey::with). If the value is borrowed.
    ///
    /// # Examples
    ///
    /// ```
    /// use std::cell::RefCell;
    ///
    /// leno::green_local!(static NAME: RefCell<String> = RefCell::new("ann".to_owned()));
    ///
    /// leno::run(|| {
    ///     assert_eq!((NAME.take(), NAME.take()), ("ann".to_owned(), String::new()));
    /// });
    /// ```
    #[track_caller]
    pub fn take(&'static self) -> T
    where
        T: Default,
    {
        self.with(RefCell::take)
    }

    /// Sets the value, and returns the previous one.
    ///
    /// # Panics
    ///
    /// As [`with`](LocalKey::with). If the value is borrowed.
    ///
    /// # Examples
    ///
    /// ```
    /// use std::cell::RefCell;
    ///
    /// leno::green_local!(static NAME: RefCell<String> = RefCell::new("ann".to_owned()));
    ///
    /// leno::run(|| {
    ///     assert_eq!(NAME.replace("bo".to_owned()), "ann");
    /// });
    /// ```
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
