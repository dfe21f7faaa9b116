//! Coroutines that borrow from the frame that creates them.
//!
//! A handle can be forgotten, so the drop of a handle cannot protect the data that the coroutine
//! borrows. The scope keeps a list of all its coroutines, and closes the remaining ones before it
//! returns or unwinds.

use std::cell::Cell;
use std::fmt;
use std::iter::FusedIterator;
use std::marker::PhantomData;
use std::ops::Deref;
use std::panic::{self, AssertUnwindSafe};
use std::ptr::NonNull;

use super::raw::{RawCoroutine, State};
use super::unwind::Payload;
use super::{Coroutine, Yielder, create, default_stack, generator};
use crate::stack::Stack;
use crate::sys;

/// Runs `f` with a [`Scope`]. Coroutines of the scope may borrow from outside it.
///
/// When `f` returns or panics, coroutines that are not done are closed.
///
/// # Panics
///
/// If `f` panics, or if the body of a coroutine panics while the scope closes it.
///
/// # Examples
///
/// ```
/// use leno::coroutine;
///
/// let words = vec!["warp", "weft"];
/// let mut lengths = Vec::new();
/// coroutine::scope(|scope| {
///     let mut letters = scope.generator(|yielder| {
///         for word in &words {
///             word.chars().for_each(|letter| yielder.suspend(letter));
///             lengths.push(word.len());
///         }
///     });
///     assert_eq!(letters.by_ref().take(5).collect::<String>(), "warpw");
/// });
/// assert_eq!(lengths, [4]);
/// ```
pub fn scope<'env, F, T>(f: F) -> T
where
    F: for<'scope> FnOnce(&'scope Scope<'scope, 'env>) -> T,
{
    let scope = Scope { first: Cell::new(None), scope: PhantomData, env: PhantomData };
    let result = panic::catch_unwind(AssertUnwindSafe(|| f(&scope)));
    let closed = scope.close_all();
    match result.and_then(|value| closed.map(|()| value)) {
        Ok(value) => value,
        Err(payload) => panic::resume_unwind(payload),
    }
}

/// A scope for coroutines that borrow; see [`scope`].
///
/// # Examples
///
/// ```
/// use leno::coroutine::{self, Scope};
///
/// fn count<'scope>(scope: &'scope Scope<'scope, '_>, text: &'scope str) -> usize {
///     scope.generator(|yielder| text.chars().for_each(|c| yielder.suspend(c))).count()
/// }
///
/// let text = String::from("warp");
/// assert_eq!(coroutine::scope(|scope| count(scope, &text)), 4);
/// ```
pub struct Scope<'scope, 'env: 'scope> {
    /// The first coroutine in the list of those that are not closed.
    first: Cell<Option<NonNull<Node>>>,
    // Invariant, so that neither lifetime can be shortened or lengthened.
    scope: PhantomData<Cell<&'scope ()>>,
    env: PhantomData<Cell<&'env ()>>,
}

/// A coroutine of a scope. It is allocated, because a [`ScopedCoroutine`] can move and be forgotten
/// and the scope has to find the coroutine to close.
struct Node {
    previous: Cell<Option<NonNull<Node>>>,
    next: Cell<Option<NonNull<Node>>>,
    coroutine: RawCoroutine,
    close: unsafe fn(&RawCoroutine) -> Result<(), Payload>,
    /// `true` if the scope has taken the node out of the list. The scope then closes and frees the
    /// coroutine, and dropping the handle does nothing.
    taken: Cell<bool>,
}

impl<'scope> Scope<'scope, '_> {
    /// Creates a coroutine on a stack of the default size; see [`Coroutine::new`].
    ///
    /// Its control block and closure lie on its stack. In addition the scope allocates a node for
    /// it.
    ///
    /// # Panics
    ///
    /// As for [`Coroutine::new`].
    ///
    /// # Examples
    ///
    /// ```
    /// use leno::coroutine::{self, Resumed};
    ///
    /// let mut sum = 0;
    /// coroutine::scope(|scope| {
    ///     let adder = scope.coroutine(|yielder, first: i32| {
    ///         sum += first;
    ///         sum += yielder.suspend(());
    ///     });
    ///     assert_eq!(adder.resume(40), Resumed::Yield(()));
    ///     assert_eq!(adder.resume(2), Resumed::Return(()));
    /// });
    /// assert_eq!(sum, 42);
    /// ```
    #[track_caller]
    pub fn coroutine<Input, Yield, Return, F>(
        &'scope self,
        body: F,
    ) -> ScopedCoroutine<'scope, Input, Yield, Return>
    where
        F: FnOnce(&Yielder<Input, Yield>, Input) -> Return + 'scope,
        Input: 'scope,
        Yield: 'scope,
        Return: 'scope,
    {
        self.coroutine_with_stack(default_stack(), body)
    }

    /// Creates a coroutine on `stack`; see [`Coroutine::with_stack`].
    ///
    /// # Panics
    ///
    /// As for [`Coroutine::with_stack`].
    ///
    /// # Examples
    ///
    /// ```
    /// use leno::coroutine::{self, Resumed};
    /// use leno::stack::Stack;
    ///
    /// let words = ["warp", "weft"];
    /// let stack = Stack::new(1 << 20)?;
    /// coroutine::scope(|scope| {
    ///     let length = scope.coroutine_with_stack::<usize, (), usize, _>(stack, |_, index| {
    ///         words[index].len()
    ///     });
    ///     assert_eq!(length.resume(0), Resumed::Return(4));
    /// });
    /// # Ok::<(), std::io::Error>(())
    /// ```
    #[track_caller]
    pub fn coroutine_with_stack<Input, Yield, Return, F>(
        &'scope self,
        stack: Stack,
        body: F,
    ) -> ScopedCoroutine<'scope, Input, Yield, Return>
    where
        F: FnOnce(&Yielder<Input, Yield>, Input) -> Return + 'scope,
        Input: 'scope,
        Yield: 'scope,
        Return: 'scope,
    {
        self.shown_as::<F, _, _, _, _>(stack, body)
    }

    /// Creates a coroutine like [`Scope::coroutine_with_stack`]. Reports name its body after the
    /// type `N`.
    ///
    /// The body may borrow for `'scope`, because the scope closes the coroutine before `'scope`
    /// ends.
    #[track_caller]
    fn shown_as<N, Input, Yield, Return, F>(
        &'scope self,
        stack: Stack,
        body: F,
    ) -> ScopedCoroutine<'scope, Input, Yield, Return>
    where
        F: FnOnce(&Yielder<Input, Yield>, Input) -> Return + 'scope,
        Input: 'scope,
        Yield: 'scope,
        Return: 'scope,
    {
        let node = NonNull::from(Box::leak(Box::new(Node {
            previous: Cell::new(None),
            next: Cell::new(self.first.get()),
            coroutine: create::create::<Input, Yield, Return, N, F>(stack, body),
            close: RawCoroutine::close::<Yield, Return>,
            taken: Cell::new(false),
        })));
        if let Some(next) = self.first.replace(Some(node)) {
            // SAFETY: a node is freed only after it has been taken out of the list.
            unsafe { next.as_ref() }.previous.set(Some(node));
        }
        ScopedCoroutine { node, first: &self.first, marker: PhantomData }
    }

    /// Creates a generator on a stack of the default size; see [`Generator`](super::Generator).
    ///
    /// # Panics
    ///
    /// As for [`Coroutine::new`].
    ///
    /// # Examples
    ///
    /// ```
    /// use leno::coroutine;
    ///
    /// let words = vec!["warp", "weft"];
    /// let lengths: Vec<usize> = coroutine::scope(|scope| {
    ///     scope.generator(|yielder| words.iter().for_each(|word| yielder.suspend(word.len()))).collect()
    /// });
    /// assert_eq!(lengths, [4, 4]);
    /// ```
    #[track_caller]
    pub fn generator<T, F>(&'scope self, body: F) -> ScopedGenerator<'scope, T>
    where
        F: FnOnce(&Yielder<(), T>) + 'scope,
        T: 'scope,
    {
        let body = |yielder: &_, ()| body(yielder);
        ScopedGenerator { coroutine: self.shown_as::<F, _, _, _, _>(default_stack(), body) }
    }

    /// Closes the remaining coroutines.
    ///
    /// It frees no node before all coroutines are done: until then a destructor may use the handle
    /// of a coroutine that is closed or is being closed.
    ///
    /// # Errors
    ///
    /// The payload of the first panic.
    fn close_all(&self) -> Result<(), Payload> {
        let mut first_panic = Ok(());
        let mut closed = None;
        while let Some(node) = self.next_to_close() {
            // SAFETY: `next_to_close` returns a node of the list, which is freed only below. Its
            // coroutine is not running. `close` is the instance for the coroutine's types.
            let ended = unsafe {
                unlink(&self.first, node);
                let Node { next, coroutine, close, taken, .. } = node.as_ref();
                taken.set(true);
                next.set(closed.replace(node));
                close(coroutine)
            };
            first_panic = first_panic.and(ended);
        }
        while let Some(node) = closed {
            // SAFETY: the coroutine is done, and the node is out of the list. `f` has returned and
            // all coroutines are done, so every remaining handle was forgotten and is not used.
            unsafe {
                closed = node.as_ref().next.get();
                node.as_ref().coroutine.free();
                drop(Box::from_raw(node.as_ptr()));
            }
        }
        first_panic
    }

    /// Returns a coroutine that is not running, or `None` if the list is empty.
    ///
    /// A coroutine that counts as running was resumed by another coroutine that is suspended now,
    /// and ends when that other coroutine is closed. If all remaining coroutines are running, the
    /// process aborts.
    fn next_to_close(&self) -> Option<NonNull<Node>> {
        self.first.get()?;
        let closable = self.nodes().find(|node| {
            // SAFETY: a node and its coroutine are freed only after the node has been taken out of
            // the list.
            unsafe { node.as_ref() }.coroutine.state() != State::Running
        });
        if closable.is_none() {
            sys::abort(&[b"leno: a coroutine scope ends while its coroutines run\n"]);
        }
        closable
    }

    /// Returns the nodes of the list.
    fn nodes(&self) -> impl Iterator<Item = NonNull<Node>> {
        // SAFETY: a node is freed only after it has been taken out of the list.
        std::iter::successors(self.first.get(), |node| unsafe { node.as_ref() }.next.get())
    }
}

/// Takes `node` out of the list that begins at `first`.
///
/// # Safety
///
/// `node` must be in that list.
unsafe fn unlink(first: &Cell<Option<NonNull<Node>>>, node: NonNull<Node>) {
    // SAFETY: `node` and its neighbours are in the list, and a node is freed only after it has been
    // taken out of the list.
    unsafe {
        let Node { previous, next, .. } = node.as_ref();
        match previous.get() {
            Some(previous) => previous.as_ref().next.set(next.get()),
            None => first.set(next.get()),
        }
        if let Some(following) = next.get() {
            following.as_ref().previous.set(previous.get());
        }
    }
}

impl fmt::Debug for Scope<'_, '_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Scope").field("open", &self.nodes().count()).finish_non_exhaustive()
    }
}

/// A coroutine of a [`Scope`]. It has all the methods of [`Coroutine`].
///
/// # Examples
///
/// ```
/// use leno::coroutine::{self, Resumed, ScopedCoroutine};
///
/// coroutine::scope(|scope| {
///     let echo: ScopedCoroutine<'_, u8, u8, ()> = scope.coroutine(|yielder, mut byte| {
///         loop {
///             byte = yielder.suspend(byte);
///         }
///     });
///     assert_eq!(echo.resume(1), Resumed::Yield(1));
///     assert!(!echo.is_done(), "the scope closes it");
/// });
/// ```
pub struct ScopedCoroutine<'scope, Input, Yield, Return> {
    node: NonNull<Node>,
    first: &'scope Cell<Option<NonNull<Node>>>,
    // Variance and auto traits of a reference to a `Coroutine`.
    #[allow(clippy::type_complexity)]
    marker: PhantomData<&'scope Coroutine<Input, Yield, Return>>,
}

// Without DerefMut: an exclusive reference would allow swapping the coroutine with one that
// outlives the scope.
impl<Input, Yield, Return> Deref for ScopedCoroutine<'_, Input, Yield, Return> {
    type Target = Coroutine<Input, Yield, Return>;

    #[inline(always)]
    fn deref(&self) -> &Self::Target {
        // SAFETY: the node lives as long as the handle, and `shown_as` has created its coroutine
        // with these types. A Coroutine is a transparent wrapper of its RawCoroutine.
        unsafe { NonNull::from(&self.node.as_ref().coroutine).cast::<Self::Target>().as_ref() }
    }
}

impl<Input, Yield, Return> Drop for ScopedCoroutine<'_, Input, Yield, Return> {
    fn drop(&mut self) {
        // SAFETY: the node lives as long as the handle: it is freed below, or by the scope when
        // no handle can be dropped any more.
        let node = unsafe { self.node.as_ref() };
        if node.taken.get() || node.coroutine.state() == State::Running {
            // The scope has closed the coroutine or is closing it, or the coroutine waits inside
            // another suspended coroutine. In each case the scope frees the node.
            return;
        }
        // A guard, so that the node is unlinked last, and also if the coroutine's drop unwinds.
        let _unlink = Unlink { first: self.first, node: self.node };
        // The scope must find the coroutine running while its destructors run.
        let coroutine = node.coroutine.take();
        // SAFETY: `shown_as` has created the coroutine with these types. The handle in the node
        // counts as running, and the node is freed without using that handle again.
        unsafe { super::free::<Yield, Return>(coroutine) }
    }
}

/// Takes a node out of its list and frees it, when it is dropped.
struct Unlink<'scope> {
    first: &'scope Cell<Option<NonNull<Node>>>,
    node: NonNull<Node>,
}

impl Drop for Unlink<'_> {
    fn drop(&mut self) {
        // SAFETY: the node is in the list: `taken` was `false`, and only the scope and this drop
        // take nodes out. It was allocated as a box, and no reference to it is left.
        unsafe {
            unlink(self.first, self.node);
            drop(Box::from_raw(self.node.as_ptr()));
        }
    }
}

impl<Input, Yield, Return> fmt::Debug for ScopedCoroutine<'_, Input, Yield, Return> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("ScopedCoroutine").field(&**self).finish()
    }
}

/// A generator of a [`Scope`]; see [`Generator`](super::Generator).
///
/// # Examples
///
/// ```
/// use leno::coroutine::{self, ScopedGenerator};
///
/// let words = vec!["warp", "weft"];
/// coroutine::scope(|scope| {
///     let mut lengths: ScopedGenerator<'_, usize> =
///         scope.generator(|yielder| words.iter().for_each(|word| yielder.suspend(word.len())));
///     assert_eq!(lengths.next(), Some(4));
/// });
/// ```
pub struct ScopedGenerator<'scope, T> {
    coroutine: ScopedCoroutine<'scope, (), T, ()>,
}

impl<T> Iterator for ScopedGenerator<'_, T> {
    type Item = T;

    /// Runs the body until it yields or returns.
    ///
    /// # Panics
    ///
    /// If the body panics, the panic continues here, and every later call returns `None`.
    #[inline(always)]
    fn next(&mut self) -> Option<T> {
        generator::next(&self.coroutine)
    }
}

impl<T> FusedIterator for ScopedGenerator<'_, T> {}

impl<T> fmt::Debug for ScopedGenerator<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("ScopedGenerator").field(&*self.coroutine).finish()
    }
}
