//! A coroutine without the types of its values: its stack pointer while it is suspended, and the
//! switches into it.

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
use crate::stack::{Header, Stack, sanitizer};
use crate::sys::cxx;

/// The state of a coroutine.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum State {
    /// It has never been resumed.
    New,
    Suspended,
    /// It runs, or has resumed another coroutine that runs.
    Running,
    Done,
}

/// The value of `entrance` in a coroutine that is done.
const DONE: StackPointer = ptr::null_mut();
/// The value of `entrance` in a coroutine that is running.
const RUNNING: StackPointer = ptr::without_provenance_mut(1);

/// The handle of a coroutine without its types and without a destructor.
pub(super) struct RawCoroutine {
    control: NonNull<Control>,
    /// The stack pointer with which the coroutine is resumed; [`DONE`] or [`RUNNING`] if it cannot
    /// be resumed.
    ///
    /// It is in the handle instead of the control block, so that the compiler can keep it in a
    /// register from one resume to the next if the handle is a local variable. Then `RUNNING` is
    /// never written, and a round trip neither loads nor stores a stack pointer, so no load waits
    /// for a store.
    entrance: Cell<StackPointer>,
}

impl RawCoroutine {
    /// Returns the handle of a new coroutine, which starts at `entrance`.
    ///
    /// # Safety
    ///
    /// `control` must be the coroutine's control block, and `entrance` a context that
    /// `arch::prepare` has laid out below it.
    #[inline(always)]
    pub(super) unsafe fn new(control: NonNull<Control>, entrance: StackPointer) -> RawCoroutine {
        // SAFETY: a context is an address on a stack, so it is greater than RUNNING. With this
        // fact the compiler omits the check of the first resume.
        unsafe { hint::assert_unchecked(is_context(entrance)) };
        RawCoroutine { control, entrance: Cell::new(entrance) }
    }

    /// Returns the control block.
    #[inline(always)]
    fn control(&self) -> &Control {
        // SAFETY: the control block lives until `free`, after which no handle is used.
        unsafe { self.control.as_ref() }
    }

    /// Returns the header of the coroutine's stack.
    pub(super) fn stack(&self) -> &Header {
        self.control().stack()
    }

    /// Returns the state of the coroutine.
    pub(super) fn state(&self) -> State {
        match self.entrance.get() {
            DONE => State::Done,
            RUNNING => State::Running,
            // SAFETY: the coroutine is neither running nor done, so its entrance is the address of
            // a saved context.
            entrance if unsafe { (*entrance).is_first(arch::coroutine_root) } => State::New,
            _ => State::Suspended,
        }
    }

    /// Returns `true` if the coroutine is done.
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
    /// The types must be those with which the coroutine was created.
    #[inline(always)]
    #[track_caller]
    pub(super) unsafe fn resume<I, Y, R>(&self, input: I) -> Resumed<Y, R> {
        self.check_resumable();
        let mut input = ManuallyDrop::new(input);
        // SAFETY: the coroutine is resumable, and decodes the input before anything else, while
        // `input` is still on this stack. If `from` is a context, the word is an encoded Y.
        // Otherwise `from` is RETURNED and the word an encoded R, or `from` is PANICKED and the
        // word an encoded payload.
        unsafe {
            let (from, word) = self.enter::<0>(encode(&mut input));
            if is_context(from) {
                self.entrance.set(from);
                return Resumed::Yield(decode(word));
            }
            // Without this hint the compiler merges the paths of a yield and of a return, and a
            // yield takes one more jump.
            unlikely();
            self.entrance.set(DONE);
            if from.addr() == RETURNED {
                return Resumed::Return(decode(word));
            }
            panic::resume_unwind(decode::<Payload>(word))
        }
    }

    /// Checks that the coroutine can be resumed.
    ///
    /// # Panics
    ///
    /// If the coroutine is running or done.
    #[inline(always)]
    #[track_caller]
    fn check_resumable(&self) {
        if !is_context(self.entrance.get()) {
            self.refuse();
        }
    }

    /// Panics with the reason why the coroutine cannot be resumed.
    #[cold]
    #[inline(never)]
    #[track_caller]
    fn refuse(&self) -> ! {
        if self.is_done() {
            panic!("this coroutine is done and cannot be resumed; ask is_done() first");
        }
        panic!(
            "this coroutine is running, here or further up the chain of resumes, and cannot be \
             resumed until it suspends"
        )
    }

    /// Enters the coroutine, and returns what the coroutine passes when it suspends or ends. The
    /// coroutine counts as running until the caller sets `entrance`.
    ///
    /// # Safety
    ///
    /// The coroutine must be resumable. Without a mark, `word` must be an encoded input. With
    /// [`UNWIND`], `word` must be the number of the closing, and the coroutine must not be new.
    #[inline(always)]
    unsafe fn enter<const MARK: usize>(&self, word: Word) -> (StackPointer, Word) {
        let control = self.control();
        let to = self.entrance.replace(RUNNING);
        let away = sanitizer::depart(control.own_bounds.get());
        let exceptions = cxx::depart();
        // SAFETY: the coroutine is resumable, so `to` is its saved context, and its stack is alive
        // and belongs to this OS thread. The link in its control block is valid for a write.
        let answer = unsafe { arch::resume::<MARK>(control.resumer(), to, word) };
        cxx::arrive(exceptions);
        control.own_bounds.set(sanitizer::arrive(Some(away)));
        answer
    }

    /// Ends a coroutine that is not running: unwinds its stack, or drops its closure if it is new.
    ///
    /// # Errors
    ///
    /// The payload of the panic with which the body has ended, unless that panic is the unwinding
    /// itself.
    ///
    /// # Panics
    ///
    /// If the destructor of a value that the body yields during the unwinding resumes the
    /// coroutine, which is still running after that.
    ///
    /// # Safety
    ///
    /// `Y` and `R` must be the types with which the coroutine was created.
    #[track_caller]
    pub(super) unsafe fn close<Y, R>(&self) -> Result<(), Payload> {
        if self.state() == State::New {
            self.entrance.set(DONE);
            // SAFETY: the coroutine was new, so its closure is still on the stack. It is done now,
            // so nothing uses the closure again.
            return unwind::catch(|| unsafe { Control::drop_closure(self.control) });
        }
        let closing = unwind::begin_closing();
        let mut first_panic = Ok(());
        for attempt in 0.. {
            if self.is_done() {
                break;
            }
            unwind::check_attempts(attempt);
            self.check_resumable();
            // SAFETY: the coroutine is resumable and not new. The word is an encoded R if `from` is
            // RETURNED, an encoded payload if it is PANICKED, and an encoded Y otherwise.
            let ended = unsafe {
                let (from, word) = self.enter::<UNWIND>(Word::new(closing));
                self.entrance.set(if is_context(from) { from } else { DONE });
                match from.addr() {
                    RETURNED => unwind::catch(|| drop(decode::<R>(word))),
                    PANICKED => unwind::unless_own(closing, decode(word)),
                    _ => unwind::catch(|| drop(decode::<Y>(word))),
                }
            };
            first_panic = first_panic.and(ended);
        }
        first_panic
    }

    /// Returns a copy of a handle that is not used again.
    #[inline(always)]
    pub(super) fn copy(&self) -> RawCoroutine {
        RawCoroutine { control: self.control, entrance: self.entrance.clone() }
    }

    /// Moves the coroutine out of its handle, in which it counts as running from then on.
    pub(super) fn take(&self) -> RawCoroutine {
        let taken = self.copy();
        self.entrance.set(RUNNING);
        taken
    }

    /// Returns the stack, with the control block on it, to the pool.
    ///
    /// # Safety
    ///
    /// The coroutine must be done, and neither this nor another handle of it may be used again.
    #[inline(always)]
    pub(super) unsafe fn free(&self) {
        // SAFETY: `create` has taken the header out of a Stack, and this is the only call for that
        // Stack: no handle is used after it. The coroutine is done, so nothing runs on the stack.
        drop(unsafe { Stack::from_header(self.control().header()) });
    }
}

/// Returns `true` if `place` is a saved context, and `false` if it is one of the small numbers
/// that are used instead of a context.
#[inline(always)]
fn is_context(place: StackPointer) -> bool {
    place.addr() > RUNNING.addr()
}

/// Marks the path that calls it as unlikely, as `hint::cold_path` of Rust 1.95 does.
#[cold]
#[inline]
fn unlikely() {}
