//! Values that are made once: by whoever comes first, or by a closure that they
//! bring along.

use std::cell::{Cell, OnceCell};
use std::fmt;
use std::ops::Deref;
use std::panic::{RefUnwindSafe, UnwindSafe};

use super::once::Once;

/// A value that is written once, as [`std::sync::OnceLock`]. Making it may wait.
///
/// # Examples
///
/// ```
/// use leno::sync::OnceLock;
///
/// let answer = OnceLock::new();
/// assert_eq!(answer.get(), None);
/// assert_eq!(answer.get_or_init(|| 42), &42);
/// assert_eq!(answer.set(43), Err(43));
/// ```
pub struct OnceLock<T> {
    once: Once,
    value: OnceCell<T>,
}

impl<T> OnceLock<T> {
    /// One without a value.
    #[track_caller]
    #[must_use]
    pub const fn new() -> OnceLock<T> {
        OnceLock { once: Once::of("once cell"), value: OnceCell::new() }
    }

    /// The value, if there is one.
    #[inline]
    #[track_caller]
    pub fn get(&self) -> Option<&T> {
        if self.once.is_completed() { self.value.get() } else { None }
    }

    /// The value, if there is one.
    #[inline]
    pub fn get_mut(&mut self) -> Option<&mut T> {
        self.value.get_mut()
    }

    /// Waits until there is a value.
    ///
    /// # Panics
    ///
    /// If it has to wait outside a runtime.
    #[track_caller]
    pub fn wait(&self) -> &T {
        self.once.wait_for_end("OnceLock::wait", true);
        self.written()
    }

    /// Writes the value. If somebody is about to make one, waits for that.
    ///
    /// # Errors
    ///
    /// If there is one already; gives the other back.
    ///
    /// # Panics
    ///
    /// If it has to wait outside a runtime.
    #[track_caller]
    pub fn set(&self, value: T) -> Result<(), T> {
        let mut value = Some(value);
        self.once.call("OnceLock::set", true, |_| {
            if let Some(value) = value.take() {
                self.write(value);
            }
        });
        value.map_or(Ok(()), Err)
    }

    /// The value, made by `f` if there is none. If somebody else is about to make
    /// one, waits for that.
    ///
    /// # Panics
    ///
    /// If `f` panics: then there is no value, and the next one makes it. If it has
    /// to wait outside a runtime.
    #[inline]
    #[track_caller]
    pub fn get_or_init(&self, f: impl FnOnce() -> T) -> &T {
        self.once.call("OnceLock::get_or_init", true, |_| self.write(f()));
        self.written()
    }

    /// The value, if there is one.
    pub fn into_inner(self) -> Option<T> {
        self.value.into_inner()
    }

    /// Takes the value out; afterwards there is none.
    pub fn take(&mut self) -> Option<T> {
        self.once.reset();
        self.value.take()
    }

    fn write(&self, value: T) {
        // There is none: this runs once.
        let _ = self.value.set(value);
    }

    fn written(&self) -> &T {
        self.value.get().expect("it is written before its `Once` is done")
    }

    /// Names it, for reports. The first name stays.
    pub fn set_name(&self, name: impl Into<String>) {
        self.once.set_name(name);
    }
}

/// A value that is made when it is first used, as [`std::sync::LazyLock`]. Making
/// it may wait.
///
/// # Examples
///
/// ```
/// use leno::sync::LazyLock;
///
/// let squares = LazyLock::new(|| (1..=3).map(|n| n * n).collect::<Vec<_>>());
/// assert_eq!(squares.len(), 3);
/// ```
pub struct LazyLock<T, F = fn() -> T> {
    once: Once,
    value: OnceCell<T>,
    make: Cell<Option<F>>,
}

impl<T, F: FnOnce() -> T> LazyLock<T, F> {
    /// A value that `make` will make.
    #[track_caller]
    #[must_use]
    pub const fn new(make: F) -> LazyLock<T, F> {
        let once = Once::of("lazy value");
        LazyLock { once, value: OnceCell::new(), make: Cell::new(Some(make)) }
    }

    /// The value. If somebody else is about to make it, waits for that.
    ///
    /// # Panics
    ///
    /// If the closure panics, or has panicked or been cancelled before. If it has
    /// to wait outside a runtime.
    #[inline]
    #[track_caller]
    pub fn force(this: &LazyLock<T, F>) -> &T {
        this.once.call("LazyLock::force", false, |_| {
            let make = this.make.take().expect("it is taken once");
            // There is none: this runs once.
            let _ = this.value.set(make());
        });
        this.value.get().expect("it is written before its `Once` is done")
    }
}

impl<T, F> LazyLock<T, F> {
    /// Names it, for reports. The first name stays.
    pub fn set_name(this: &LazyLock<T, F>, name: impl Into<String>) {
        this.once.set_name(name);
    }
}

impl<T, F: FnOnce() -> T> Deref for LazyLock<T, F> {
    type Target = T;

    #[inline]
    #[track_caller]
    fn deref(&self) -> &T {
        LazyLock::force(self)
    }
}

impl<T: UnwindSafe> UnwindSafe for OnceLock<T> {}
impl<T: RefUnwindSafe + UnwindSafe> RefUnwindSafe for OnceLock<T> {}
impl<T: UnwindSafe, F: UnwindSafe> UnwindSafe for LazyLock<T, F> {}
impl<T: RefUnwindSafe + UnwindSafe, F: UnwindSafe> RefUnwindSafe for LazyLock<T, F> {}

impl<T> Default for OnceLock<T> {
    #[track_caller]
    fn default() -> Self {
        OnceLock::new()
    }
}

impl<T: Default> Default for LazyLock<T> {
    #[track_caller]
    fn default() -> Self {
        LazyLock::new(T::default)
    }
}

impl<T> From<T> for OnceLock<T> {
    #[track_caller]
    fn from(value: T) -> Self {
        let lock = OnceLock::new();
        lock.once.call("OnceLock::from", true, |_| lock.write(value));
        lock
    }
}

impl<T: Clone> Clone for OnceLock<T> {
    #[track_caller]
    fn clone(&self) -> Self {
        self.get().cloned().map_or_else(OnceLock::new, OnceLock::from)
    }
}

impl<T: PartialEq> PartialEq for OnceLock<T> {
    fn eq(&self, other: &Self) -> bool {
        self.get() == other.get()
    }
}

impl<T: Eq> Eq for OnceLock<T> {}

impl<T: fmt::Debug> fmt::Debug for OnceLock<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        debug("OnceLock", self.get(), f)
    }
}

impl<T: fmt::Debug, F> fmt::Debug for LazyLock<T, F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        debug("LazyLock", self.value.get().filter(|_| self.once.is_completed()), f)
    }
}

fn debug<T: fmt::Debug>(name: &str, value: Option<&T>, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    let mut text = f.debug_tuple(name);
    match value {
        Some(value) => text.field(value),
        None => text.field(&format_args!("<uninit>")),
    };
    text.finish()
}
