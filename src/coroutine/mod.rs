//! Stackful coroutines: functions that can be left in the middle and resumed.
//!
//! A [`Coroutine`] runs a closure on a stack of its own. [`Coroutine::resume`]
//! enters it with a value; [`Yielder::suspend`], called from however deep inside
//! it, leaves it with one, and returns when it is resumed again.
//!
//! # Examples
//!
//! ```
//! use leno::coroutine::{Coroutine, Resumed};
//!
//! let adder = Coroutine::new(|yielder, first: u32| {
//!     let mut sum = first;
//!     while sum < 100 {
//!         sum += yielder.suspend(sum);
//!     }
//!     "enough"
//! });
//! assert_eq!(adder.resume(1), Resumed::Yield(1));
//! assert_eq!(adder.resume(10), Resumed::Yield(11));
//! assert_eq!(adder.resume(89), Resumed::Return("enough"));
//! assert!(adder.is_done());
//! ```
//!
//! # How a coroutine ends
//!
//! | what happens | outcome |
//! | --- | --- |
//! | the body returns | `resume` returns [`Resumed::Return`] |
//! | the body panics | the panic goes on out of `resume`; the coroutine is done |
//! | dropped or closed before the first resume | the closure is dropped; its body never runs |
//! | dropped or closed while suspended | its stack is unwound: every destructor runs once, and no panic hook |
//! | the body catches that unwinding and returns | it is done; the value is dropped |
//! | ... and suspends again | the value is dropped, and it is unwound again; after 1,000 times the process aborts with a message |
//! | a destructor suspends while it is unwound | as for any panic in a destructor during unwinding, the process aborts |
//! | the body ends that unwinding with a panic of its own | the panic goes on out of `close` or `drop` |
//! | dropped while the dropping thread panics | it is unwound all the same |
//! | dropped while it waits inside another that is suspended | not possible in safe code; the process aborts with a message |
//! | forgotten | nothing runs; its stack stays as it is for ever |
//! | dropped while suspended, `panic = "abort"` | the process aborts with a message |
//!
//! The unwinding is a panic with a private payload. As with any panic,
//! `std::thread::panicking()` is true while it lasts, and a `std::sync::Mutex`
//! whose guard it drops is poisoned. The panic count is kept by std for each OS
//! thread: a body that suspends in a destructor while it panics leaves it raised
//! for whoever runs next.

mod control;
mod create;
mod generator;
mod raw;
mod resumed;
mod scope;
mod transfer;
mod unwind;
mod yielder;

use std::fmt;
use std::marker::PhantomData;
use std::panic;
use std::thread;

use crate::stack::Stack;
use crate::sys;
use raw::{RawCoroutine, State};

pub use generator::Generator;
pub use resumed::Resumed;
pub use scope::{Scope, ScopedCoroutine, ScopedGenerator, scope};
pub use yielder::Yielder;

/// A closure on a stack of its own, which can suspend itself and be resumed.
///
/// See the [module documentation](self) for an example, and for what happens
/// when one is dropped, panics, or is forgotten.
///
/// A coroutine cannot leave its OS thread. It is resumed through a shared
/// reference, so that several owners can share one in an [`Rc`](std::rc::Rc).
///
/// Creating one takes a stack from the [pool](crate::stack::Pool) and allocates
/// nothing else: the control block and the closure lie on the stack.
#[repr(transparent)]
pub struct Coroutine<Input, Yield, Return> {
    raw: RawCoroutine,
    // Contravariant in Input, covariant in Yield and Return; not Send.
    #[allow(clippy::type_complexity)]
    marker: PhantomData<(fn(Input) -> Resumed<Yield, Return>, *mut ())>,
}

impl<Input, Yield, Return> Coroutine<Input, Yield, Return> {
    /// Creates a coroutine that will run `body` on a stack of
    /// [`DEFAULT_STACK_BYTES`](crate::stack::DEFAULT_STACK_BYTES). The first
    /// [`resume`](Coroutine::resume) calls it with the yielder and the first
    /// input.
    ///
    /// # Panics
    ///
    /// If the system has no more stacks, with a text that names the limit.
    /// [`Stack::new`] and [`with_stack`](Coroutine::with_stack) give an error
    /// instead.
    #[inline(always)]
    pub fn new<F>(body: F) -> Self
    where
        F: FnOnce(&Yielder<Input, Yield>, Input) -> Return + 'static,
        Input: 'static,
        Yield: 'static,
        Return: 'static,
    {
        Self::shown_as::<F, F>(body)
    }

    /// As [`Coroutine::new`]; reports name the body after the type `N`, not `F`.
    #[inline(always)]
    fn shown_as<N, F>(body: F) -> Self
    where
        F: FnOnce(&Yielder<Input, Yield>, Input) -> Return + 'static,
        Input: 'static,
        Yield: 'static,
        Return: 'static,
    {
        // SAFETY: nothing is borrowed.
        unsafe { Self::new_unchecked::<N, F>(default_stack(), body) }
    }

    /// Creates a coroutine that will run `body` on `stack`.
    ///
    /// # Panics
    ///
    /// If `body` itself, with all that it captures, takes more than half of the
    /// stack.
    ///
    /// # Examples
    ///
    /// ```
    /// use leno::coroutine::{Coroutine, Resumed};
    /// use leno::stack::Stack;
    ///
    /// fn depth(n: u32) -> u32 {
    ///     if n == 0 { 0 } else { 1 + std::hint::black_box(depth(n - 1)) }
    /// }
    ///
    /// let roomy = Stack::new(16 << 20)?;
    /// let recursion = Coroutine::<u32, (), u32>::with_stack(roomy, |_, n| depth(n));
    /// assert_eq!(recursion.resume(50_000), Resumed::Return(50_000));
    /// # Ok::<(), std::io::Error>(())
    /// ```
    #[inline(always)]
    pub fn with_stack<F>(stack: Stack, body: F) -> Self
    where
        F: FnOnce(&Yielder<Input, Yield>, Input) -> Return + 'static,
        Input: 'static,
        Yield: 'static,
        Return: 'static,
    {
        // SAFETY: nothing is borrowed.
        unsafe { Self::new_unchecked::<F, F>(stack, body) }
    }

    /// Reports name the body after the type `N`.
    ///
    /// # Safety
    ///
    /// What `body` borrows, and the types of its values, must live until the
    /// coroutine is done, or for ever if it never is.
    #[inline(always)]
    unsafe fn new_unchecked<N, F>(stack: Stack, body: F) -> Self
    where
        F: FnOnce(&Yielder<Input, Yield>, Input) -> Return,
    {
        let raw = create::create::<Input, Yield, Return, N, F>(stack, body);
        Coroutine { raw, marker: PhantomData }
    }

    /// Runs the coroutine until it suspends itself or ends.
    ///
    /// Inside it, `input` is what the pending [`Yielder::suspend`] returns; at
    /// the first resume, the body's second argument.
    ///
    /// # Panics
    ///
    /// If the coroutine is done, or running already (it may only be resumed from
    /// inside itself once it has suspended). If the body panics, the panic goes
    /// on here.
    #[inline(always)]
    pub fn resume(&self, input: Input) -> Resumed<Yield, Return> {
        // SAFETY: the types are its own.
        unsafe { self.raw.resume(input) }
    }

    /// Returns `true` if the coroutine has been resumed, or been closed.
    #[must_use]
    #[inline]
    pub fn is_started(&self) -> bool {
        self.raw.state() != State::New
    }

    /// Returns `true` if the coroutine is over: it has returned, panicked, or been closed.
    #[must_use]
    #[inline]
    pub fn is_done(&self) -> bool {
        self.raw.is_done()
    }

    /// Ends the coroutine now: a suspended one is unwound, one that has not been
    /// resumed is dropped, one that is done stays so. Dropping it does the same.
    ///
    /// # Panics
    ///
    /// If the coroutine is running. If its body ends the unwinding with a panic
    /// of its own, that goes on here.
    ///
    /// # Examples
    ///
    /// ```
    /// use leno::coroutine::Coroutine;
    /// use std::rc::Rc;
    ///
    /// let guard = Rc::new(());
    /// let held = guard.clone();
    /// let coroutine = Coroutine::<(), (), ()>::new(move |yielder, ()| {
    ///     let _held = held;
    ///     yielder.suspend(());
    ///     unreachable!("it is closed before it is resumed again");
    /// });
    /// coroutine.resume(());
    /// assert_eq!(Rc::strong_count(&guard), 2);
    /// coroutine.close();
    /// assert_eq!(Rc::strong_count(&guard), 1);
    /// assert!(coroutine.is_done());
    /// ```
    pub fn close(&self) {
        let is_running = self.raw.state() == State::Running;
        assert!(!is_running, "this coroutine is running and cannot be closed");
        // SAFETY: the types are its own.
        if let Err(payload) = unsafe { self.raw.close::<Yield, Return>() } {
            panic::resume_unwind(payload);
        }
    }

    /// How deep the coroutine's stack has been used, in bytes; see
    /// [`Stack::high_water`].
    #[must_use]
    pub fn high_water(&self) -> usize {
        self.raw.stack().high_water()
    }
}

/// Returns a stack of the default size.
///
/// Most are free ones of the pool. The cold function either returns a stack or panics, so
/// that the caller has no result to look at in both cases.
#[inline(always)]
fn default_stack() -> Stack {
    Stack::free_of_default_size().unwrap_or_else(new_default_stack)
}

#[cold]
#[inline(never)]
fn new_default_stack() -> Stack {
    Stack::with_default_size().unwrap_or_else(|error| panic!("{error}"))
}

impl<Input, Yield, Return> Drop for Coroutine<Input, Yield, Return> {
    #[inline(always)]
    fn drop(&mut self) {
        // SAFETY: the types are its own, and the handle goes away.
        unsafe { free::<Yield, Return>(self.raw.copy()) }
    }
}

/// Frees a coroutine, after ending it if it is not done.
///
/// It is given a copy of the handle and changes nothing in the handle itself: so where an
/// unwinding drops a handle, the compiler passes the handle's fields and not its address, and
/// a loop that resumes need not keep them in memory. (2.3 ns instead of 2.7 on a Golden Cove.)
///
/// # Safety
///
/// `Yield` and `Return` must be the coroutine's own, and no other handle be used again.
#[inline(always)]
unsafe fn free<Yield, Return>(raw: RawCoroutine) {
    if raw.is_done() {
        // SAFETY: as the caller says.
        unsafe { raw.free() }
    } else {
        // SAFETY: as the caller says.
        unsafe { free_unfinished::<Yield, Return>(raw) }
    }
}

/// Ends a coroutine that is not done, and frees it.
///
/// # Safety
///
/// As for [`free`].
#[cold]
#[inline(never)]
unsafe fn free_unfinished<Yield, Return>(raw: RawCoroutine) {
    if raw.state() == State::Running {
        sys::abort(&[b"leno: a coroutine was dropped while it runs\n"]);
    }
    // Asked first: close may come back on a stack where nothing panics, while
    // a panic elsewhere on this OS thread is what made it come back. A panic of a green
    // thread that waits in the middle of it does not count.
    let panicking = thread::panicking() && sys::panics::own() != Some(0);
    // SAFETY: the types are its own.
    let ended = unsafe { raw.close::<Yield, Return>() };
    if ended.is_err() && panicking {
        sys::abort(&[b"leno: a coroutine that was dropped during a panic has panicked itself\n"]);
    }
    // SAFETY: closed, so done, and the handle is not used again.
    unsafe { raw.free() };
    if let Err(payload) = ended {
        panic::resume_unwind(payload);
    }
}

impl<Input, Yield, Return> fmt::Debug for Coroutine<Input, Yield, Return> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let state = match self.raw.state() {
            State::New => "new",
            State::Done => "done",
            State::Running => "running",
            State::Suspended => "suspended",
        };
        f.debug_struct("Coroutine")
            .field("body", &self.raw.stack().occupant().body)
            .field("state", &state)
            .finish()
    }
}
