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
mod generator;
mod scope;
mod transfer;
mod unwind;

use std::fmt;
use std::marker::PhantomData;
use std::mem::ManuallyDrop;
use std::panic;
use std::ptr::NonNull;
use std::thread;

use crate::stack::{Header, Stack};
use crate::sys;
use control::{Control, State, into};
use transfer::{decode, encode};

pub use generator::Generator;
pub use scope::{Scope, ScopedCoroutine, ScopedGenerator, scope};

/// What [`Coroutine::resume`] came back with.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Resumed<Yield, Return> {
    /// The coroutine has suspended itself, with this value.
    Yield(Yield),
    /// The coroutine's body has returned this value. It is done.
    Return(Return),
}

impl<Yield, Return> Resumed<Yield, Return> {
    /// The yielded value, if it is one.
    ///
    /// # Examples
    ///
    /// ```
    /// use leno::coroutine::Resumed;
    ///
    /// assert_eq!(Resumed::<u8, ()>::Yield(1).as_yield(), Some(1));
    /// assert_eq!(Resumed::<u8, ()>::Return(()).as_yield(), None);
    /// ```
    #[inline]
    pub fn as_yield(self) -> Option<Yield> {
        match self {
            Resumed::Yield(value) => Some(value),
            Resumed::Return(_) => None,
        }
    }

    /// The returned value, if it is one.
    ///
    /// # Examples
    ///
    /// ```
    /// use leno::coroutine::Resumed;
    ///
    /// assert_eq!(Resumed::<(), u8>::Return(1).as_return(), Some(1));
    /// assert_eq!(Resumed::<(), u8>::Yield(()).as_return(), None);
    /// ```
    #[inline]
    pub fn as_return(self) -> Option<Return> {
        match self {
            Resumed::Yield(_) => None,
            Resumed::Return(value) => Some(value),
        }
    }
}

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
pub struct Coroutine<Input, Yield, Return> {
    control: NonNull<Control>,
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
        // SAFETY: nothing is borrowed.
        unsafe { Self::new_unchecked(default_stack(), body) }
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
        unsafe { Self::new_unchecked(stack, body) }
    }

    /// # Safety
    ///
    /// What `body` borrows, and the types of its values, must live until the
    /// coroutine is done, or for ever if it never is.
    #[inline(always)]
    unsafe fn new_unchecked<F>(stack: Stack, body: F) -> Self
    where
        F: FnOnce(&Yielder<Input, Yield>, Input) -> Return,
    {
        Coroutine { control: Control::create(stack, body), marker: PhantomData }
    }

    #[inline(always)]
    fn control(&self) -> &Control {
        // SAFETY: the control block lives until the coroutine is dropped.
        unsafe { self.control.as_ref() }
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
        let control = self.control();
        let entrance = control.entrance();
        let mut input = ManuallyDrop::new(input);
        // SAFETY: an encoded input, and an answer that is taken at once.
        unsafe {
            let (word, tag) = control.enter(entrance, encode(&mut input), into::RUN);
            control::resumed(control, word, tag)
        }
    }

    /// Has the coroutine been resumed, or been closed?
    #[must_use]
    #[inline]
    pub fn is_started(&self) -> bool {
        self.control().state() != State::New
    }

    /// Is the coroutine over: has it returned, panicked, or been closed?
    #[must_use]
    #[inline]
    pub fn is_done(&self) -> bool {
        self.control().is_done()
    }

    /// Is the coroutine neither suspended nor over, nor still to be started?
    fn is_running(&self) -> bool {
        self.control().state() == State::Running
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
        let control = self.control();
        assert!(!self.is_running(), "this coroutine is running and cannot be closed");
        // SAFETY: the types are its own.
        if let Err(payload) = unsafe { control.close::<Yield, Return>() } {
            panic::resume_unwind(payload);
        }
    }

    /// How deep the coroutine's stack has been used, in bytes; see
    /// [`Stack::high_water`].
    #[must_use]
    pub fn high_water(&self) -> usize {
        self.stack().high_water()
    }

    fn stack(&self) -> &Header {
        // SAFETY: it is looked at only.
        unsafe { self.control().stack() }
    }
}

#[inline(always)]
fn default_stack() -> Stack {
    Stack::with_default_size().unwrap_or_else(|error| no_stack(&error))
}

#[cold]
#[inline(never)]
fn no_stack(error: &std::io::Error) -> ! {
    panic!("{error}")
}

impl<Input, Yield, Return> Drop for Coroutine<Input, Yield, Return> {
    #[inline(always)]
    fn drop(&mut self) {
        if !self.control().is_done() {
            self.drop_unfinished();
        }
        // SAFETY: done, and the handle goes away.
        unsafe { Control::free(self.control) }
    }
}

impl<Input, Yield, Return> Coroutine<Input, Yield, Return> {
    #[cold]
    #[inline(never)]
    fn drop_unfinished(&mut self) {
        let control = self.control();
        if self.is_running() {
            sys::abort(&[b"leno: a coroutine was dropped while it runs\n"]);
        }
        // Asked first: close may come back on a stack where nobody panics, while
        // a panic elsewhere on this OS thread is what made it come back. A green
        // thread that waits in the middle of a panic is none of ours.
        let panicking = thread::panicking() && sys::panics::own() != Some(0);
        // SAFETY: the types are its own.
        let Err(payload) = (unsafe { control.close::<Yield, Return>() }) else { return };
        if panicking {
            sys::abort(&[
                b"leno: a coroutine that was dropped during a panic has panicked itself\n",
            ]);
        }
        // SAFETY: done, and the handle is dropped no further than this.
        unsafe { Control::free(self.control) };
        panic::resume_unwind(payload);
    }
}

impl<Input, Yield, Return> fmt::Debug for Coroutine<Input, Yield, Return> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let control = self.control();
        let state = match control.state() {
            State::New => "new",
            State::Done => "done",
            State::Running => "running",
            State::Suspended => "suspended",
        };
        f.debug_struct("Coroutine")
            .field("body", &self.stack().occupant().body)
            .field("state", &state)
            .finish()
    }
}

/// A coroutine's own end: it suspends the coroutine that it was given to.
///
/// The body gets a reference to it, and may lend it to whatever it calls,
/// nested coroutines included: if one of those suspends an outer coroutine, all
/// of them wait until the outer one is resumed.
pub struct Yielder<Input, Yield> {
    control: Control,
    // Covariant in Input, contravariant in Yield; not Sync.
    #[allow(clippy::type_complexity)]
    marker: PhantomData<(fn(Yield) -> Input, *mut ())>,
}

impl<Input, Yield> Yielder<Input, Yield> {
    /// A yielder is its coroutine's control block under a type that knows the
    /// values.
    #[inline(always)]
    fn from_control(control: &Control) -> &Self {
        // SAFETY: Yielder is a Control and a marker without a size.
        unsafe { NonNull::from(control).cast::<Self>().as_ref() }
    }

    /// Suspends the coroutine: its pending [`Coroutine::resume`] returns
    /// `Resumed::Yield(value)`. Returns the input of the next resume.
    ///
    /// # Panics
    ///
    /// If the coroutine is dropped or closed instead, this unwinds. If this is
    /// called on another green thread than the one that has resumed the
    /// coroutine, it panics.
    #[inline(always)]
    pub fn suspend(&self, value: Yield) -> Input {
        self.control.check_inside();
        let mut value = ManuallyDrop::new(value);
        // SAFETY: an encoded yield value; an answer that is taken at once.
        unsafe { decode(self.control.suspend(encode(&mut value))) }
    }
}

impl<Input, Yield> fmt::Debug for Yielder<Input, Yield> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Yielder").finish_non_exhaustive()
    }
}
