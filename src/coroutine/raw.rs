//! A coroutine without the types of its values: where it goes on, and the switches
//! into it.

use std::cell::Cell;
use std::hint;
use std::mem::ManuallyDrop;
use std::panic;
use std::ptr::{self, NonNull};

use super::Resumed;
use super::control::{Control, PANICKED, RETURNED, UNWIND};
use super::transfer::{decode, encode};
use super::unwind::{self, Payload};
use crate::arch::{self, StackPointer, Word};
use crate::stack::sanitizer;
use crate::stack::{Header, Stack};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum State {
    New,
    Suspended,
    /// It runs, or a coroutine that it has resumed does.
    Running,
    Done,
}

/// The values of `entrance` where there is none.
const DONE: StackPointer = ptr::null_mut();
const RUNNING: StackPointer = ptr::without_provenance_mut(1);

/// What a [`Coroutine`](super::Coroutine) is made of. It has no destructor.
pub(super) struct RawCoroutine {
    control: NonNull<Control>,
    /// Where the coroutine goes on when it is resumed; [`DONE`] or [`RUNNING`] if it cannot
    /// be resumed.
    ///
    /// It is in the handle and not in the control block, so that the compiler can keep it
    /// in a register from one resume to the next if the handle is a local variable. Then
    /// `RUNNING` is never written, and a round trip neither loads nor stores where the two
    /// sides are, so that no load waits for a store.
    entrance: Cell<StackPointer>,
}

impl RawCoroutine {
    /// Returns the handle of a new coroutine, which starts at `entrance`.
    ///
    /// # Safety
    ///
    /// `control` must be its control block, and `entrance` a context that `arch::prepare` has laid
    /// out below that.
    #[inline(always)]
    pub(super) unsafe fn new(control: NonNull<Control>, entrance: StackPointer) -> RawCoroutine {
        // SAFETY: a context is an address on a stack. Told of this, the compiler leaves out the
        // check of the first resume.
        unsafe { hint::assert_unchecked(is_context(entrance)) };
        RawCoroutine { control, entrance: Cell::new(entrance) }
    }

    #[inline(always)]
    fn control(&self) -> &Control {
        // SAFETY: the control block lives until `free`, after which the handle is not used.
        unsafe { self.control.as_ref() }
    }

    pub(super) fn stack(&self) -> &Header {
        self.control().stack()
    }

    pub(super) fn state(&self) -> State {
        match self.entrance.get() {
            DONE => State::Done,
            RUNNING => State::Running,
            // SAFETY: the entrance of a coroutine that neither runs nor is done is a saved
            // context.
            entrance if unsafe { (*entrance).is_first(arch::coroutine_root) } => State::New,
            _ => State::Suspended,
        }
    }

    #[inline(always)]
    pub(super) fn is_done(&self) -> bool {
        self.entrance.get() == DONE
    }

    /// Runs the coroutine until it suspends or ends.
    ///
    /// # Panics
    ///
    /// If it is running or done. If its body panics.
    ///
    /// # Safety
    ///
    /// The types must be the coroutine's own.
    #[inline(always)]
    pub(super) unsafe fn resume<I, Y, R>(&self, input: I) -> Resumed<Y, R> {
        self.check_resumable();
        let mut input = ManuallyDrop::new(input);
        // SAFETY: the coroutine is resumable, and takes an encoded input first thing. Where
        // `from` is a context, the coroutine has suspended itself with a yielded value;
        // otherwise `from` says what the word is.
        unsafe {
            let (from, word) = self.enter::<0>(encode(&mut input));
            if is_context(from) {
                self.entrance.set(from);
                return Resumed::Yield(decode(word));
            }
            // Otherwise the paths of a yield and of a return are merged, and a yield
            // takes one more jump.
            unlikely();
            self.entrance.set(DONE);
            if from.addr() == RETURNED {
                return Resumed::Return(decode(word));
            }
            panic::resume_unwind(decode::<Payload>(word))
        }
    }

    #[inline(always)]
    fn check_resumable(&self) {
        if !is_context(self.entrance.get()) {
            self.refuse();
        }
    }

    #[cold]
    #[inline(never)]
    fn refuse(&self) -> ! {
        if self.is_done() {
            panic!("this coroutine is done and cannot be resumed; ask is_done() first");
        }
        panic!(
            "this coroutine is running, here or further up the chain of resumes, and cannot be \
             resumed until it suspends"
        )
    }

    /// Enters the coroutine, and returns what comes out of it. The coroutine counts as
    /// running until the caller sets `entrance`.
    ///
    /// # Safety
    ///
    /// The coroutine must be resumable. Without a mark, `word` must be an encoded input; with
    /// [`UNWIND`], it is not read, and the coroutine must not be new.
    #[inline(always)]
    unsafe fn enter<const MARK: usize>(&self, word: Word) -> (StackPointer, Word) {
        let control = self.control();
        let to = self.entrance.replace(RUNNING);
        let away = sanitizer::depart(control.own_bounds.get());
        // SAFETY: the entrance is the saved context of a coroutine that is not running.
        let answer = unsafe { arch::resume::<MARK>(control.resumer(), to, word) };
        control.own_bounds.set(sanitizer::arrive(Some(away)));
        answer
    }

    /// Ends a coroutine that is not running: unwinds its stack, or drops its closure if it is
    /// new. Returns the payload of a panic with which the body has ended, unless that is
    /// the unwinding itself.
    ///
    /// # Panics
    ///
    /// If the coroutine is resumed while a value that it has yielded during the unwinding is
    /// dropped, and still runs after that.
    ///
    /// # Safety
    ///
    /// `Y` and `R` must be the coroutine's own.
    pub(super) unsafe fn close<Y, R>(&self) -> Result<(), Payload> {
        if self.state() == State::New {
            self.entrance.set(DONE);
            // SAFETY: it was new, so the closure is in its place, and as it is done nothing
            // uses the closure again.
            return unwind::catch(|| unsafe { Control::drop_closure(self.control) });
        }
        let mut first_panic = Ok(());
        for attempt in 0.. {
            if self.is_done() {
                break;
            }
            unwind::check_attempts(attempt);
            self.check_resumable();
            // SAFETY: the coroutine is resumable, and is not new. It comes back with a Y, an
            // R or a payload, as in `resume`.
            let ended = unsafe {
                let (from, word) = self.enter::<UNWIND>(Word::uninit());
                self.entrance.set(if is_context(from) { from } else { DONE });
                match from.addr() {
                    RETURNED => unwind::catch(|| drop(decode::<R>(word))),
                    PANICKED => unwind::unless_own(self.control(), decode(word)),
                    _ => unwind::catch(|| drop(decode::<Y>(word))),
                }
            };
            first_panic = first_panic.and(ended);
        }
        first_panic
    }

    /// Returns a second handle, for a handle that is not used again.
    #[inline(always)]
    pub(super) fn copy(&self) -> RawCoroutine {
        RawCoroutine { control: self.control, entrance: self.entrance.clone() }
    }

    /// Takes the coroutine out of its handle, which counts as running from then on.
    pub(super) fn take(&self) -> RawCoroutine {
        let taken = self.copy();
        self.entrance.set(RUNNING);
        taken
    }

    /// Gives the stack back, and the control block with it.
    ///
    /// # Safety
    ///
    /// The coroutine must be done, and neither this nor another handle of it be used again.
    #[inline(always)]
    pub(super) unsafe fn free(&self) {
        // SAFETY: done, so the stack is unused; `create` took it out of a Stack.
        drop(unsafe { Stack::from_header(self.control().header()) });
    }
}

/// Returns `true` if `place` is a saved context, and `false` if it is one of the small
/// numbers that stand where there is none.
#[inline(always)]
fn is_context(place: StackPointer) -> bool {
    place.addr() > RUNNING.addr()
}

/// Marks the path that calls it as unlikely, as `hint::cold_path` of Rust 1.95 does.
#[cold]
#[inline]
fn unlikely() {}
