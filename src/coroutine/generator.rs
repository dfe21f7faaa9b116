//! Coroutines as iterators.

#![forbid(unsafe_code)]

use std::fmt;
use std::iter::FusedIterator;

use super::{Coroutine, Resumed, Yielder};

/// An iterator over the values that a closure yields.
///
/// The closure may yield from any depth of calls: from a recursion, or from a callback that other
/// code calls. If the generator is dropped early, the stack of the closure is unwound: the
/// destructors on it run, and the rest of the closure does not.
///
/// # Examples
///
/// ```
/// use leno::coroutine::{Generator, Yielder};
///
/// enum Tree {
///     Leaf(i32),
///     Node(Vec<Tree>),
/// }
///
/// fn walk(tree: &Tree, yielder: &Yielder<(), i32>) {
///     match tree {
///         Tree::Leaf(value) => yielder.suspend(*value),
///         Tree::Node(children) => children.iter().for_each(|child| walk(child, yielder)),
///     }
/// }
///
/// let tree = Tree::Node(vec![Tree::Leaf(1), Tree::Node(vec![Tree::Leaf(2), Tree::Leaf(3)])]);
/// let leaves = Generator::new(move |yielder| walk(&tree, yielder));
/// assert_eq!(leaves.collect::<Vec<_>>(), [1, 2, 3]);
/// ```
pub struct Generator<T> {
    coroutine: Coroutine<(), T, ()>,
}

impl<T> Generator<T> {
    /// Creates a generator that will run `body` when its first value is requested.
    ///
    /// # Panics
    ///
    /// As for [`Coroutine::new`].
    ///
    /// # Examples
    ///
    /// ```
    /// use leno::coroutine::Generator;
    ///
    /// let squares = Generator::new(|yielder| (1..=3).for_each(|n| yielder.suspend(n * n)));
    /// assert_eq!(squares.collect::<Vec<_>>(), [1, 4, 9]);
    /// ```
    #[inline(always)]
    #[track_caller]
    pub fn new<F>(body: F) -> Self
    where
        F: FnOnce(&Yielder<(), T>) + 'static,
        T: 'static,
    {
        Generator { coroutine: Coroutine::shown_as::<F, _>(|yielder, ()| body(yielder)) }
    }
}

/// Returns the next value, or `None` if the body has returned.
#[inline(always)]
#[track_caller]
pub(super) fn next<T>(coroutine: &Coroutine<(), T, ()>) -> Option<T> {
    if coroutine.is_done() {
        return None;
    }
    match coroutine.resume(()) {
        Resumed::Yield(value) => Some(value),
        Resumed::Return(()) => None,
    }
}

impl<T> Iterator for Generator<T> {
    type Item = T;

    /// Runs the body until it yields or returns.
    ///
    /// # Panics
    ///
    /// If the body panics, the panic continues here, and every later call returns `None`.
    #[inline(always)]
    fn next(&mut self) -> Option<T> {
        next(&self.coroutine)
    }
}

impl<T> FusedIterator for Generator<T> {}

impl<T> fmt::Debug for Generator<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Generator").field(&self.coroutine).finish()
    }
}
