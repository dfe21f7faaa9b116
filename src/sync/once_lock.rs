//! Values that are computed once: by the first thread that needs them, or by their own
//! closure.

use std::cell::{Cell, OnceCell};
use std::fmt;
use std::ops::Deref;
use std::panic::{RefUnwindSafe, UnwindSafe};

use super::once::Once;

/// A value that is written once, as [`std::sync::OnceLock`]. Computing it may wait.
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
    /// Reports each access to the value, which is written while its closure runs.
    once: Once,
    value: OnceCell<T>,
}

impl<T> OnceLock<T> {
    /// Creates a cell without a value.
    ///
    /// # Examples
    ///
    /// ```
    /// assert_eq!(leno::sync::OnceLock::<i32>::new().get(), None);
    /// ```
    #[track_caller]
    #[must_use]
    pub const fn new() -> OnceLock<T> {
        OnceLock { once: Once::of("once cell"), value: OnceCell::new() }
    }

    /// Returns the value, if there is one. Costs one comparison.
    ///
    /// # Examples
    ///
    /// See [`OnceLock`].
    #[inline]
    #[track_caller]
    pub fn get(&self) -> Option<&T> {
        if self.once.is_completed() { self.value.get() } else { None }
    }

    /// Returns the value, if there is one.
    ///
    /// # Examples
    ///
    /// ```
    /// let mut answer = leno::sync::OnceLock::from(41);
    /// *answer.get_mut().unwrap() += 1;
    /// assert_eq!(answer.get(), Some(&42));
    /// ```
    #[inline]
    pub fn get_mut(&mut self) -> Option<&mut T> {
        self.value.get_mut()
    }

    /// Waits until there is a value, and returns it.
    ///
    /// # Panics
    ///
    /// If it has to wait outside a runtime.
    ///
    /// # Cancellation
    ///
    /// A cancellation point, unless there is a value.
    ///
    /// # Examples
    ///
    /// ```
    /// use leno::sync::OnceLock;
    ///
    /// leno::run(|| {
    ///     let answer = OnceLock::new();
    ///     leno::scope(|scope| {
    ///         scope.spawn(|| answer.set(42).unwrap());
    ///         assert_eq!(answer.wait(), &42);
    ///     });
    /// });
    /// ```
    #[track_caller]
    pub fn wait(&self) -> &T {
        self.once.wait_for_end("OnceLock::wait", true);
        self.written()
    }

    /// Writes the value. Waits while another thread computes one.
    ///
    /// # Errors
    ///
    /// If there is a value already. The error gives `value` back.
    ///
    /// # Panics
    ///
    /// If it has to wait outside a runtime.
    ///
    /// # Cancellation
    ///
    /// A cancellation point, unless there is a value.
    ///
    /// # Examples
    ///
    /// See [`OnceLock`].
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

    /// Returns the value, which `f` computes if there is none. Waits while another thread
    /// computes one.
    ///
    /// # Panics
    ///
    /// If `f` panics: then there is no value, and the next call computes it. If it has to
    /// wait outside a runtime.
    ///
    /// # Cancellation
    ///
    /// A cancellation point, unless there is a value.
    ///
    /// # Examples
    ///
    /// See [`OnceLock`].
    #[inline]
    #[track_caller]
    pub fn get_or_init(&self, f: impl FnOnce() -> T) -> &T {
        self.once.call("OnceLock::get_or_init", true, |_| self.write(f()));
        self.written()
    }

    /// Returns the value, if there is one.
    ///
    /// # Examples
    ///
    /// ```
    /// assert_eq!(leno::sync::OnceLock::from(42).into_inner(), Some(42));
    /// ```
    pub fn into_inner(self) -> Option<T> {
        self.value.into_inner()
    }

    /// Takes the value out, so that there is none.
    ///
    /// # Examples
    ///
    /// ```
    /// let mut answer = leno::sync::OnceLock::from(42);
    /// assert_eq!((answer.take(), answer.take()), (Some(42), None));
    /// ```
    pub fn take(&mut self) -> Option<T> {
        self.once.reset();
        self.value.take()
    }

    /// Writes the value, inside the closure of the `Once`.
    fn write(&self, value: T) {
        // The cell is empty, since the closure runs once.
        let _ = self.value.set(value);
    }

    /// Returns the value, which has been written.
    fn written(&self) -> &T {
        self.value.get().expect("it is written before its `Once` is done")
    }

    /// Names the cell for reports. The first name stays.
    ///
    /// # Examples
    ///
    /// ```
    /// leno::sync::OnceLock::<i32>::new().set_name("answer");
    /// ```
    pub fn set_name(&self, name: impl Into<String>) {
        self.once.set_name(name);
    }
}

/// A value that is computed at its first use, as [`std::sync::LazyLock`]. Computing it may
/// wait.
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
    /// Creates a value that `make` computes at its first use.
    ///
    /// # Examples
    ///
    /// See [`LazyLock`].
    #[track_caller]
    #[must_use]
    pub const fn new(make: F) -> LazyLock<T, F> {
        let once = Once::of("lazy value");
        LazyLock { once, value: OnceCell::new(), make: Cell::new(Some(make)) }
    }

    /// Returns the value. Waits while another thread computes it.
    ///
    /// # Panics
    ///
    /// If the closure panics, or has panicked or been cancelled before. If it has to wait
    /// outside a runtime.
    ///
    /// # Cancellation
    ///
    /// A cancellation point, unless there is a value.
    ///
    /// # Examples
    ///
    /// ```
    /// use leno::sync::LazyLock;
    ///
    /// assert_eq!(LazyLock::force(&LazyLock::new(|| 42)), &42);
    /// ```
    #[inline]
    #[track_caller]
    pub fn force(this: &LazyLock<T, F>) -> &T {
        this.once.call("LazyLock::force", false, |_| {
            let make = this.make.take().expect("it is taken once");
            // The cell is empty, since the closure runs once.
            let _ = this.value.set(make());
        });
        this.value.get().expect("it is written before its `Once` is done")
    }

    /// Returns the value, which nothing else borrows.
    ///
    /// # Panics
    ///
    /// As [`force`](LazyLock::force).
    ///
    /// # Cancellation
    ///
    /// As [`force`](LazyLock::force).
    ///
    /// # Examples
    ///
    /// ```
    /// use leno::sync::LazyLock;
    ///
    /// let mut lazy = LazyLock::new(|| 41);
    /// *LazyLock::force_mut(&mut lazy) += 1;
    /// assert_eq!(*lazy, 42);
    /// ```
    #[track_caller]
    pub fn force_mut(this: &mut LazyLock<T, F>) -> &mut T {
        LazyLock::force(this);
        this.value.get_mut().expect("it is written before its `Once` is done")
    }
}

impl<T, F> LazyLock<T, F> {
    /// Returns the value, if it has been computed.
    ///
    /// # Examples
    ///
    /// ```
    /// use leno::sync::LazyLock;
    ///
    /// let lazy = LazyLock::new(|| 42);
    /// assert_eq!(LazyLock::get(&lazy), None);
    /// assert_eq!(*lazy, 42);
    /// assert_eq!(LazyLock::get(&lazy), Some(&42));
    /// ```
    #[track_caller]
    #[must_use]
    pub fn get(this: &LazyLock<T, F>) -> Option<&T> {
        if this.once.is_completed() { this.value.get() } else { None }
    }

    /// Returns the value, if it has been computed.
    ///
    /// # Examples
    ///
    /// ```
    /// use leno::sync::LazyLock;
    ///
    /// let mut lazy = LazyLock::new(|| 42);
    /// assert_eq!(LazyLock::get_mut(&mut lazy), None);
    /// ```
    #[must_use]
    pub fn get_mut(this: &mut LazyLock<T, F>) -> Option<&mut T> {
        this.value.get_mut()
    }

    /// Names the value for reports. The first name stays.
    ///
    /// # Examples
    ///
    /// ```
    /// use leno::sync::LazyLock;
    ///
    /// LazyLock::set_name(&LazyLock::new(|| 42), "answer");
    /// ```
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
        let value = if self.once.is_completed() { self.value.get() } else { None };
        debug("LazyLock", value, f)
    }
}

/// Writes the value, or `<uninit>`.
fn debug<T: fmt::Debug>(name: &str, value: Option<&T>, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    let mut text = f.debug_tuple(name);
    match value {
        Some(value) => text.field(value),
        None => text.field(&format_args!("<uninit>")),
    };
    text.finish()
}
