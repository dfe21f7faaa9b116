//! Coroutines that borrow from the frame that creates them.
//!
//! A handle can be forgotten, so it cannot be the handle's drop that protects
//! what the coroutine borrows. The scope keeps a list of all its coroutines, and
//! closes those that are left before it returns or unwinds.

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

/// Runs `f` with a [`Scope`] in which coroutines can be created that borrow from
/// outside it. Those that are not done when `f` returns are closed.
///
/// # Panics
///
/// If `f` panics, or the body of a coroutine does while it is closed here.
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
pub struct Scope<'scope, 'env: 'scope> {
    /// The first of the coroutines that are not closed.
    first: Cell<Option<NonNull<Node>>>,
    // Invariant, so that neither lifetime can shrink or grow.
    scope: PhantomData<Cell<&'scope ()>>,
    env: PhantomData<Cell<&'env ()>>,
}

/// One of a scope's coroutines. It is allocated: a [`ScopedCoroutine`] can move and be
/// forgotten, and the scope has to find what it closes.
struct Node {
    previous: Cell<Option<NonNull<Node>>>,
    next: Cell<Option<NonNull<Node>>>,
    coroutine: RawCoroutine,
    close: unsafe fn(&RawCoroutine) -> Result<(), Payload>,
    /// The scope has taken it out of the list, and closes and frees it; dropping the
    /// handle does nothing.
    taken: Cell<bool>,
}

impl<'scope> Scope<'scope, '_> {
    /// Creates a coroutine on a stack of the default size; see
    /// [`Coroutine::new`].
    ///
    /// # Panics
    ///
    /// As [`Coroutine::new`].
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
    /// As [`Coroutine::with_stack`].
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

    /// As [`Scope::coroutine_with_stack`]; reports name the body after the type `N`.
    ///
    /// The scope closes the coroutine before anything that lives for `'scope` ends.
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
            // SAFETY: a node in the list is alive.
            unsafe { next.as_ref() }.previous.set(Some(node));
        }
        ScopedCoroutine { node, first: &self.first, marker: PhantomData }
    }

    /// Creates a generator; see [`Generator`](super::Generator).
    ///
    /// # Panics
    ///
    /// As [`Coroutine::new`].
    pub fn generator<T, F>(&'scope self, body: F) -> ScopedGenerator<'scope, T>
    where
        F: FnOnce(&Yielder<(), T>) + 'scope,
        T: 'scope,
    {
        let body = |yielder: &_, ()| body(yielder);
        ScopedGenerator { coroutine: self.shown_as::<F, _, _, _, _>(default_stack(), body) }
    }

    /// Closes what is left. Gives the payload of the first panic.
    ///
    /// Nothing is freed before all are done: until then a destructor may come
    /// across the handle of one that is closed already, or just now.
    fn close_all(&self) -> Result<(), Payload> {
        let mut first_panic = Ok(());
        let mut closed = None;
        while let Some(node) = self.next_to_close() {
            // SAFETY: a node in the list is alive, and so is its coroutine.
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
            // SAFETY: done, and ours alone: handles that are left were forgotten.
            unsafe {
                closed = node.as_ref().next.get();
                node.as_ref().coroutine.free();
                drop(Box::from_raw(node.as_ptr()));
            }
        }
        first_panic
    }

    /// A coroutine that is not running. One that runs was suspended together with
    /// another that it was resumed from, and ends when that one is closed.
    fn next_to_close(&self) -> Option<NonNull<Node>> {
        self.first.get()?;
        let closable = self.nodes().find(|node| {
            // SAFETY: nodes in the list, and their coroutines, are alive.
            unsafe { node.as_ref() }.coroutine.state() != State::Running
        });
        if closable.is_none() {
            sys::abort(&[b"leno: a coroutine scope ends while its coroutines run\n"]);
        }
        closable
    }

    fn nodes(&self) -> impl Iterator<Item = NonNull<Node>> {
        // SAFETY: nodes in the list are alive.
        std::iter::successors(self.first.get(), |node| unsafe { node.as_ref() }.next.get())
    }
}

/// Takes a node out of the list that begins at `first`.
///
/// # Safety
///
/// It must be in that list.
unsafe fn unlink(first: &Cell<Option<NonNull<Node>>>, node: NonNull<Node>) {
    // SAFETY: nodes in the list are alive.
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
pub struct ScopedCoroutine<'scope, Input, Yield, Return> {
    node: NonNull<Node>,
    first: &'scope Cell<Option<NonNull<Node>>>,
    // As a reference to a `Coroutine`.
    #[allow(clippy::type_complexity)]
    marker: PhantomData<&'scope Coroutine<Input, Yield, Return>>,
}

// Shared access only: with an exclusive reference one could swap the coroutine
// for one that outlives the scope.
impl<Input, Yield, Return> Deref for ScopedCoroutine<'_, Input, Yield, Return> {
    type Target = Coroutine<Input, Yield, Return>;

    #[inline(always)]
    fn deref(&self) -> &Self::Target {
        // SAFETY: the node lives as long as the handle, and its coroutine has these types.
        // A Coroutine is nothing but its RawCoroutine.
        unsafe { NonNull::from(&self.node.as_ref().coroutine).cast::<Self::Target>().as_ref() }
    }
}

impl<Input, Yield, Return> Drop for ScopedCoroutine<'_, Input, Yield, Return> {
    fn drop(&mut self) {
        // SAFETY: the scope frees the node when no handle can be dropped any more.
        let node = unsafe { self.node.as_ref() };
        if node.taken.get() || node.coroutine.state() == State::Running {
            // The scope has closed it or is just closing it; or it waits inside
            // another suspended coroutine. The scope frees it.
            return;
        }
        // Unlinked last: if the coroutine's drop unwinds, the handle is gone.
        let _unlink = Unlink { first: self.first, node: self.node };
        // While its destructors run, the scope must find it running.
        let coroutine = node.coroutine.take();
        // SAFETY: the types are its own, and the node goes away.
        unsafe { super::free::<Yield, Return>(coroutine) }
    }
}

struct Unlink<'scope> {
    first: &'scope Cell<Option<NonNull<Node>>>,
    node: NonNull<Node>,
}

impl Drop for Unlink<'_> {
    fn drop(&mut self) {
        // SAFETY: the node is in the list as long as the handle is there.
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
pub struct ScopedGenerator<'scope, T> {
    coroutine: ScopedCoroutine<'scope, (), T, ()>,
}

impl<T> Iterator for ScopedGenerator<'_, T> {
    type Item = T;

    /// Runs the body until it yields or returns.
    ///
    /// # Panics
    ///
    /// If the body panics, the panic goes on here, and the generator is at its
    /// end.
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
