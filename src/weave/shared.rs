//! Plain data with accesses that explorations observe.

use std::cell::RefCell;
use std::fmt;

use crate::access::report::created;
use crate::access::{Access, Object, note, tell_value};
use crate::kernel::Resource;

/// A value that green threads share, as in an `Rc<Cell<T>>`. Explorations observe the accesses to it.
///
/// In a preemptive exploration, other green threads may run before each operation. In a reduced
/// exploration, the order of two operations counts, unless both only read. Otherwise this is plain
/// data, and an operation costs the test of a byte in addition.
///
/// # Examples
///
/// An update that is lost:
///
/// ```
/// use leno::weave::{Explorer, Shared};
///
/// let report = Explorer::new().preemptive().explore(|| {
///     let total = Shared::new(0);
///     leno::scope(|scope| {
///         for _ in 0..2 {
///             scope.spawn(|| {
///                 let before = total.get();
///                 total.set(before + 1);
///             });
///         }
///     });
///     total.into_inner()
/// });
/// assert_eq!(report.executions(), 6);
/// assert_eq!(report.outcomes()[&1].count(), 4);
/// ```
pub struct Shared<T> {
    resource: Resource,
    /// The format of the value in a story.
    show: Option<fn(&T) -> String>,
    value: RefCell<T>,
}

impl<T> Shared<T> {
    /// Creates shared data with this value.
    ///
    /// # Examples
    ///
    /// ```
    /// use leno::weave::Shared;
    ///
    /// assert_eq!(Shared::new(1).get(), 1);
    /// ```
    #[track_caller]
    pub fn new(value: T) -> Shared<T> {
        Shared { resource: created("shared value"), show: None, value: RefCell::new(value) }
    }

    /// Creates shared data with a name. A [`Story`](super::Story) uses the name, and shows the
    /// value at each operation.
    ///
    /// # Examples
    ///
    /// ```
    /// use leno::weave::Shared;
    ///
    /// let story = leno::weave::story("", || {
    ///     let total = Shared::named("total", 1);
    ///     total.set(total.get() + 1);
    /// });
    /// assert!(story.to_string().contains("set total: 2"));
    /// ```
    #[track_caller]
    pub fn named(name: impl Into<String>, value: T) -> Shared<T>
    where
        T: fmt::Debug,
    {
        let shared = Shared { show: Some(|value| format!("{value:?}")), ..Shared::new(value) };
        shared.set_name(name);
        shared
    }

    /// Returns a copy of the value.
    ///
    /// # Examples
    ///
    /// ```
    /// use leno::weave::Shared;
    ///
    /// let total = Shared::new(1);
    /// total.set(total.get() + 1);
    /// assert_eq!(total.get(), 2);
    /// ```
    #[track_caller]
    pub fn get(&self) -> T
    where
        T: Copy,
    {
        self.note(Access::Read, "get");
        let value = self.value.borrow();
        self.tell(&value);
        *value
    }

    /// Sets the value.
    ///
    /// # Examples
    ///
    /// See [`Shared::get`].
    #[track_caller]
    pub fn set(&self, value: T) {
        drop(self.replace_as("set", value));
    }

    /// Sets the value, and returns the previous one.
    ///
    /// # Examples
    ///
    /// ```
    /// use leno::weave::Shared;
    ///
    /// let words = Shared::new(vec!["a"]);
    /// assert_eq!(words.replace(Vec::new()), ["a"]);
    /// ```
    #[track_caller]
    pub fn replace(&self, value: T) -> T {
        self.replace_as("replace", value)
    }

    #[track_caller]
    fn replace_as(&self, verb: &'static str, value: T) -> T {
        self.note(Access::Write, verb);
        let before = self.value.replace(value);
        self.tell(&self.value.borrow());
        before
    }

    /// Sets the default value, and returns the previous value.
    ///
    /// # Examples
    ///
    /// ```
    /// use leno::weave::Shared;
    ///
    /// let words = Shared::new(vec!["a"]);
    /// assert_eq!(words.take(), ["a"]);
    /// assert!(words.into_inner().is_empty());
    /// ```
    #[track_caller]
    pub fn take(&self) -> T
    where
        T: Default,
    {
        self.replace_as("take", T::default())
    }

    /// Calls `f` with a reference to the value.
    ///
    /// # Panics
    ///
    /// In an [`update`](Shared::update) of the same value.
    ///
    /// # Examples
    ///
    /// ```
    /// use leno::weave::Shared;
    ///
    /// let words = Shared::new(vec!["a", "b"]);
    /// assert_eq!(words.with(Vec::len), 2);
    /// ```
    #[track_caller]
    pub fn with<R>(&self, f: impl FnOnce(&T) -> R) -> R {
        self.note(Access::Read, "look");
        let value = self.value.borrow();
        self.tell(&value);
        f(&value)
    }

    /// Calls `f` with a mutable reference to the value, as one operation: no other green thread
    /// runs in between, unless `f` itself switches.
    ///
    /// # Panics
    ///
    /// In a [`with`](Shared::with) or an `update` of the same value.
    ///
    /// # Examples
    ///
    /// ```
    /// use leno::weave::Shared;
    ///
    /// let total = Shared::new(1);
    /// total.update(|total| *total += 1);
    /// assert_eq!(total.get(), 2);
    /// ```
    #[track_caller]
    pub fn update<R>(&self, f: impl FnOnce(&mut T) -> R) -> R {
        self.note(Access::Write, "update");
        let mut value = self.value.borrow_mut();
        let result = f(&mut value);
        self.tell(&value);
        result
    }

    /// Sets the value to `new` if it is `current`, as one operation. Returns the previous value.
    ///
    /// # Errors
    ///
    /// The value, if it is not `current`.
    ///
    /// # Examples
    ///
    /// ```
    /// use leno::weave::Shared;
    ///
    /// let owner = Shared::new(0);
    /// assert_eq!(owner.compare_exchange(0, 7), Ok(0));
    /// assert_eq!(owner.compare_exchange(0, 8), Err(7));
    /// ```
    #[track_caller]
    pub fn compare_exchange(&self, current: T, new: T) -> Result<T, T>
    where
        T: Copy + PartialEq,
    {
        self.note(Access::Write, "compare and exchange");
        let mut value = self.value.borrow_mut();
        let before = *value;
        let is_equal = before == current;
        if is_equal {
            *value = new;
        }
        self.tell(&value);
        if is_equal { Ok(before) } else { Err(before) }
    }

    /// Returns the value.
    ///
    /// # Examples
    ///
    /// ```
    /// use leno::weave::Shared;
    ///
    /// assert_eq!(Shared::new(1).into_inner(), 1);
    /// ```
    pub fn into_inner(self) -> T {
        self.value.into_inner()
    }

    /// Sets the name for reports, unless it has one already.
    ///
    /// # Examples
    ///
    /// ```
    /// use leno::weave::Shared;
    ///
    /// let story = leno::weave::story("", || {
    ///     let total = Shared::new(1);
    ///     total.set_name("total");
    ///     total.set(2);
    /// });
    /// assert!(story.to_string().contains("set total"));
    /// ```
    pub fn set_name(&self, name: impl Into<String>) {
        self.resource.set_name(name.into());
    }

    /// Reports the value that the operation has read or left.
    #[inline(always)]
    fn tell(&self, value: &T) {
        if let Some(show) = self.show {
            tell_value(&|| show(value));
        }
    }

    #[inline(always)]
    #[track_caller]
    fn note(&self, access: Access, verb: &'static str) {
        note(Object::Resource(&self.resource), access, verb);
    }
}

impl<T: Default> Default for Shared<T> {
    #[track_caller]
    fn default() -> Shared<T> {
        Shared::new(T::default())
    }
}

/// Formats the value, as a read. A story that shows values calls this, and that is no operation.
impl<T: fmt::Debug> fmt::Debug for Shared<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.note(Access::Read, "look");
        match self.value.try_borrow() {
            Ok(value) => f.debug_tuple("Shared").field(&*value).finish(),
            Err(_) => f.debug_tuple("Shared").field(&format_args!("<in use>")).finish(),
        }
    }
}
