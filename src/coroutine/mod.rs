//! Stackful coroutines: functions that suspend themselves and can be resumed.
//!
//! A [`Coroutine`] runs a closure on a stack of its own. [`Coroutine::resume`] enters the closure
//! with a value. [`Yielder::suspend`], called from any depth of calls inside the closure, leaves
//! it with a value, and returns when the coroutine is resumed again.
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
//! | the body panics | the panic continues out of `resume`; the coroutine is done |
//! | dropped or closed before the first resume | the closure is dropped; its body never runs |
//! | dropped or closed while suspended | its stack is unwound: every destructor runs once, and no panic hook |
//! | the body catches that unwinding and returns | the coroutine is done; the value is dropped |
//! | the body catches that unwinding and suspends again | the value is dropped, and the stack is unwound again; after 1,000 times the process aborts with a message |
//! | a destructor suspends during that unwinding | the process aborts, as for any panic in a destructor during unwinding |
//! | the body ends that unwinding with a panic of its own | the panic continues out of `close` or `drop` |
//! | dropped while the dropping thread panics | its stack is unwound in the same way |
//! | dropped while it waits inside another coroutine that is suspended | not possible in safe code; the process aborts with a message |
//! | forgotten | nothing runs; its stack is never freed |
//! | dropped while suspended, `panic = "abort"` | the process aborts with a message |
//!
//! The unwinding is a panic with a private payload. As with any panic, `std::thread::panicking()`
//! returns `true` during it, and a `std::sync::Mutex` is poisoned if the unwinding drops its guard. std counts
//! panics for each OS thread: if a body suspends in a destructor during a panic, the count stays
//! raised for the code that runs next on the OS thread.

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
/// The [module documentation](self) says what happens when a coroutine is dropped, panics, or is
/// forgotten.
///
/// A coroutine cannot be sent to another OS thread. It is resumed through a shared reference, so
/// several owners can share a coroutine in an [`Rc`](std::rc::Rc).
///
/// Creating a coroutine takes a stack from the [pool](crate::stack::Pool) and allocates nothing
/// else: the control block and the closure lie on the stack.
///
/// # Examples
///
/// ```
/// use leno::coroutine::{Coroutine, Resumed};
/// use std::rc::Rc;
///
/// let counter = Rc::new(Coroutine::<(), u32, ()>::new(|yielder, ()| {
///     for number in 0.. {
///         yielder.suspend(number);
///     }
/// }));
/// let shared = Rc::clone(&counter);
/// assert_eq!(counter.resume(()), Resumed::Yield(0));
/// assert_eq!(shared.resume(()), Resumed::Yield(1));
/// ```
#[repr(transparent)]
pub struct Coroutine<Input, Yield, Return> {
    raw: RawCoroutine,
    // Contravariant in Input, covariant in Yield and Return; not Send.
    #[allow(clippy::type_complexity)]
    marker: PhantomData<(fn(Input) -> Resumed<Yield, Return>, *mut ())>,
}

impl<Input, Yield, Return> Coroutine<Input, Yield, Return> {
    /// Creates a coroutine that will run `body` on a stack of
    /// [`DEFAULT_STACK_BYTES`](crate::stack::DEFAULT_STACK_BYTES).
    ///
    /// The first [`resume`](Coroutine::resume) calls `body` with the yielder and the first input.
    ///
    /// # Panics
    ///
    /// If no stack can be mapped, with a text that names the limit of the operating system. To get
    /// an error instead, use [`Stack::new`] and [`with_stack`](Coroutine::with_stack). Also if
    /// `body`, with everything that it captures, takes more than half of the stack.
    ///
    /// # Examples
    ///
    /// ```
    /// use leno::coroutine::{Coroutine, Resumed};
    ///
    /// let double = Coroutine::<u32, (), u32>::new(|_, number| 2 * number);
    /// assert_eq!(double.resume(21), Resumed::Return(42));
    /// ```
    #[inline(always)]
    #[track_caller]
    pub fn new<F>(body: F) -> Self
    where
        F: FnOnce(&Yielder<Input, Yield>, Input) -> Return + 'static,
        Input: 'static,
        Yield: 'static,
        Return: 'static,
    {
        Self::shown_as::<F, F>(body)
    }

    /// Creates a coroutine like [`Coroutine::new`]. Reports name its body after the type `N`
    /// instead of `F`.
    #[inline(always)]
    #[track_caller]
    fn shown_as<N, F>(body: F) -> Self
    where
        F: FnOnce(&Yielder<Input, Yield>, Input) -> Return + 'static,
        Input: 'static,
        Yield: 'static,
        Return: 'static,
    {
        // SAFETY: the body and the types of its values are `'static`, so they outlive the
        // coroutine.
        unsafe { Self::new_unchecked::<N, F>(default_stack(), body) }
    }

    /// Creates a coroutine that will run `body` on `stack`.
    ///
    /// # Panics
    ///
    /// If `body`, with everything that it captures, takes more than half of the stack.
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
    #[track_caller]
    pub fn with_stack<F>(stack: Stack, body: F) -> Self
    where
        F: FnOnce(&Yielder<Input, Yield>, Input) -> Return + 'static,
        Input: 'static,
        Yield: 'static,
        Return: 'static,
    {
        // SAFETY: the body and the types of its values are `'static`, so they outlive the
        // coroutine.
        unsafe { Self::new_unchecked::<F, F>(stack, body) }
    }

    /// Creates a coroutine without a bound on the lifetimes of its body and values. Reports name
    /// the body after the type `N`.
    ///
    /// # Safety
    ///
    /// The data that `body` borrows, and the types of its values, must live until the coroutine is
    /// done, or for ever if it is never done.
    #[inline(always)]
    #[track_caller]
    unsafe fn new_unchecked<N, F>(stack: Stack, body: F) -> Self
    where
        F: FnOnce(&Yielder<Input, Yield>, Input) -> Return,
    {
        let raw = create::create::<Input, Yield, Return, N, F>(stack, body);
        Coroutine { raw, marker: PhantomData }
    }

    /// Runs the coroutine until it suspends itself or ends.
    ///
    /// The pending [`Yielder::suspend`] returns `input`. At the first resume, `input` is the second
    /// argument of the body.
    ///
    /// # Panics
    ///
    /// If the coroutine is done, or is already running: a body cannot resume its own coroutine. If
    /// the body panics, the panic continues here.
    ///
    /// # Examples
    ///
    /// ```
    /// use leno::coroutine::{Coroutine, Resumed};
    ///
    /// let echo = Coroutine::<&str, String, ()>::new(|yielder, first| {
    ///     let mut line = first;
    ///     while !line.is_empty() {
    ///         line = yielder.suspend(format!("{line}!"));
    ///     }
    /// });
    /// assert_eq!(echo.resume("warp"), Resumed::Yield("warp!".to_owned()));
    /// assert_eq!(echo.resume("weft"), Resumed::Yield("weft!".to_owned()));
    /// assert_eq!(echo.resume(""), Resumed::Return(()));
    /// ```
    #[inline(always)]
    #[track_caller]
    pub fn resume(&self, input: Input) -> Resumed<Yield, Return> {
        // SAFETY: `new_unchecked` has created the coroutine with the types of this handle.
        unsafe { self.raw.resume(input) }
    }

    /// Returns `true` if the coroutine has been resumed or closed.
    ///
    /// # Examples
    ///
    /// ```
    /// use leno::coroutine::Coroutine;
    ///
    /// let coroutine = Coroutine::<(), (), ()>::new(|yielder, ()| yielder.suspend(()));
    /// assert!(!coroutine.is_started());
    /// coroutine.resume(());
    /// assert!(coroutine.is_started());
    /// ```
    #[must_use]
    #[inline]
    pub fn is_started(&self) -> bool {
        self.raw.state() != State::New
    }

    /// Returns `true` if the coroutine is done: its body has returned or panicked, or it has been
    /// closed.
    ///
    /// # Examples
    ///
    /// ```
    /// use leno::coroutine::Coroutine;
    ///
    /// let coroutine = Coroutine::<(), (), ()>::new(|yielder, ()| yielder.suspend(()));
    /// coroutine.resume(());
    /// assert!(!coroutine.is_done());
    /// coroutine.resume(());
    /// assert!(coroutine.is_done());
    /// ```
    #[must_use]
    #[inline]
    pub fn is_done(&self) -> bool {
        self.raw.is_done()
    }

    /// Ends the coroutine now.
    ///
    /// If the coroutine is suspended, its stack is unwound. If it has never been resumed, its
    /// closure is dropped. If it is done, nothing happens. Dropping the coroutine does the same.
    ///
    /// # Panics
    ///
    /// If the coroutine is running. If the body ends the unwinding with a panic of its own, that
    /// panic continues here.
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
    #[track_caller]
    pub fn close(&self) {
        let is_running = self.raw.state() == State::Running;
        assert!(!is_running, "this coroutine is running and cannot be closed");
        // SAFETY: `new_unchecked` has created the coroutine with the types of this handle.
        if let Err(payload) = unsafe { self.raw.close::<Yield, Return>() } {
            panic::resume_unwind(payload);
        }
    }

    /// Returns how deep the coroutine's stack has been used, in bytes; see [`Stack::high_water`].
    ///
    /// # Examples
    ///
    /// ```
    /// use leno::coroutine::Coroutine;
    /// use leno::stack::DEFAULT_STACK_BYTES;
    ///
    /// let coroutine = Coroutine::<(), (), ()>::new(|yielder, ()| yielder.suspend(()));
    /// coroutine.resume(());
    /// let bytes = coroutine.high_water();
    /// assert!(0 < bytes && bytes <= DEFAULT_STACK_BYTES);
    /// ```
    #[must_use]
    pub fn high_water(&self) -> usize {
        self.raw.stack().high_water()
    }
}

/// Returns a stack of the default size.
///
/// The pool usually has a free one. The cold function returns a stack or panics, so the caller
/// has no result to test in either case.
#[inline(always)]
#[track_caller]
fn default_stack() -> Stack {
    match Stack::free_of_default_size() {
        Some(stack) => stack,
        None => new_default_stack(),
    }
}

#[cold]
#[inline(never)]
#[track_caller]
fn new_default_stack() -> Stack {
    match Stack::with_default_size() {
        Ok(stack) => stack,
        Err(error) => panic!("{error}"),
    }
}

impl<Input, Yield, Return> Drop for Coroutine<Input, Yield, Return> {
    #[inline(always)]
    fn drop(&mut self) {
        // SAFETY: `new_unchecked` has created the coroutine with the types of this handle, which
        // is dropped and therefore not used again.
        unsafe { free::<Yield, Return>(self.raw.copy()) }
    }
}

/// Frees a coroutine, after ending it if it is not done.
///
/// It takes a copy of the handle and does not change the handle itself. Where unwinding drops a
/// handle, the compiler therefore passes the fields of the handle instead of its address, and a
/// loop that resumes can keep the fields in registers. (2.3 ns instead of 2.7 on a Golden Cove.)
///
/// # Safety
///
/// `Yield` and `Return` must be the types with which the coroutine was created, and no other
/// handle of the coroutine may be used again.
#[inline(always)]
unsafe fn free<Yield, Return>(raw: RawCoroutine) {
    if raw.is_done() {
        // SAFETY: the coroutine is done, and no handle of it is used again (see # Safety).
        unsafe { raw.free() }
    } else {
        // SAFETY: the types are the coroutine's, and no handle of it is used again (see # Safety).
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
    // Read before `close`: when `close` returns, a panic elsewhere on this OS thread may be in
    // progress although nothing panics on this stack. A panic of another green thread, which is
    // suspended, does not count.
    let panicking = thread::panicking() && sys::panics::own() != Some(0);
    // SAFETY: the types are the coroutine's (see # Safety).
    let ended = unsafe { raw.close::<Yield, Return>() };
    if ended.is_err() && panicking {
        sys::abort(&[b"leno: a coroutine that was dropped during a panic has panicked itself\n"]);
    }
    // SAFETY: `close` has returned, so the coroutine is done, and no handle of it is used again
    // (see # Safety).
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
