//! Plain data that is seen to be shared.

use std::cell::RefCell;
use std::fmt;

use crate::access::{Access, Object, note, tell_value};
use crate::kernel::Resource;

/// A value that green threads share, as in a `Rc<Cell<T>>`, and of whose use an
/// exploration is told.
///
/// In a preemptive exploration each operation is a place where others may run
/// first; in a reduced one the order of two operations counts, unless both only
/// read. Otherwise this is plain data, and costs the test of a byte.
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
    /// How a story tells the value.
    show: Option<fn(&T) -> String>,
    value: RefCell<T>,
}

impl<T> Shared<T> {
    /// Shared data with this value.
    #[track_caller]
    pub fn new(value: T) -> Shared<T> {
        Shared { resource: Resource::known("shared value"), show: None, value: RefCell::new(value) }
    }

    /// Shared data with a name: a [`Story`](super::Story) calls it so, and tells the
    /// value at each use.
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

    /// The value.
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

    /// Another value.
    #[track_caller]
    pub fn set(&self, value: T) {
        drop(self.replace_as("set", value));
    }

    /// Another value; gives the one before.
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

    /// The default value; gives the one before.
    #[track_caller]
    pub fn take(&self) -> T
    where
        T: Default,
    {
        self.replace_as("take", T::default())
    }

    /// Looks at the value.
    ///
    /// # Panics
    ///
    /// If it is being changed: if this is called in an
    /// [`update`](Shared::update) of the same value.
    #[track_caller]
    pub fn with<R>(&self, f: impl FnOnce(&T) -> R) -> R {
        self.note(Access::Read, "look");
        let value = self.value.borrow();
        self.tell(&value);
        f(&value)
    }

    /// Changes the value, in one operation: nobody sees it in between, unless `f`
    /// itself lets others run.
    ///
    /// # Panics
    ///
    /// If it is being looked at or changed: if this is called in a
    /// [`with`](Shared::with) or an `update` of the same value.
    #[track_caller]
    pub fn update<R>(&self, f: impl FnOnce(&mut T) -> R) -> R {
        self.note(Access::Write, "update");
        let mut value = self.value.borrow_mut();
        let result = f(&mut value);
        self.tell(&value);
        result
    }

    /// The value, if it is `current`, becomes `new`, in one operation.
    ///
    /// # Errors
    ///
    /// Gives the value that it has, if that is another.
    #[track_caller]
    pub fn compare_exchange(&self, current: T, new: T) -> Result<T, T>
    where
        T: Copy + PartialEq,
    {
        self.note(Access::Write, "compare and exchange");
        let mut value = self.value.borrow_mut();
        let before = *value;
        let is_it = before == current;
        if is_it {
            *value = new;
        }
        self.tell(&value);
        if is_it { Ok(before) } else { Err(before) }
    }

    /// The value.
    pub fn into_inner(self) -> T {
        self.value.into_inner()
    }

    /// Names it, for reports. The first name stays.
    pub fn set_name(&self, name: impl Into<String>) {
        self.resource.set_name(name.into());
    }

    /// The operation has come to this.
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

/// Not an operation: a report may look at any time.
impl<T: fmt::Debug> fmt::Debug for Shared<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.value.try_borrow() {
            Ok(value) => f.debug_tuple("Shared").field(&*value).finish(),
            Err(_) => f.debug_tuple("Shared").field(&format_args!("<in use>")).finish(),
        }
    }
}
