//! A coroutine's control block, and the switches in and out of it, without the
//! types of its values.
//!
//! ```text
//!   |  stack header       |
//!   +---------------------+
//!   |  closure            |  moved out when the coroutine first runs
//!   |  Control            |
//!   +---------------------+ <- Coroutine and Yielder point here
//!   |  frames             |
//! ```

use std::any::{Any, type_name};
use std::cell::Cell;
use std::mem::{ManuallyDrop, align_of, size_of};
use std::panic::{self, AssertUnwindSafe};
use std::ptr::{self, NonNull};

use super::transfer::{decode, encode};
use super::unwind::{self, Payload};
use super::{Resumed, Yielder};
use crate::arch::{self, Link, StackPointer, Word};
use crate::stack::sanitizer::{self, Bounds};
use crate::stack::{self, Header, Stack};

/// What the tag of a switch means: into a coroutine ...
pub(super) mod into {
    /// The word is an input.
    pub(crate) const RUN: usize = 0;
    /// Unwind; the word means nothing.
    pub(crate) const UNWIND: usize = 1;
}

/// ... and out of it.
pub(super) mod out {
    /// The word is a yielded value.
    pub(crate) const YIELDED: usize = 0;
    /// The word is what the body returned.
    pub(crate) const RETURNED: usize = 1;
    /// The word is the payload of a panic that ended the body.
    pub(crate) const PANICKED: usize = 2;
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum State {
    New,
    Suspended,
    /// It, or another coroutine that it has resumed.
    Running,
    Done,
}

/// The state is not kept, it follows from where the link leads: nowhere when the
/// coroutine is done; into its own stack when it is new or suspended; into its
/// resumer's stack while it runs. So a resume and a suspend write one word each
/// beyond what they save, and it matters: on Intel's Golden Cove one more store
/// in the round trip costs a ninth of it.
#[repr(C)]
pub(crate) struct Control {
    link: Link,
    /// From the limit of the stack up to here.
    bytes_below: usize,
    /// It has been suspended by somebody on another stack: a coroutine nested in
    /// it. The link then leads there.
    suspended_elsewhere: Cell<bool>,
    stack: NonNull<Header>,
    drop_closure: unsafe fn(NonNull<Control>),
    /// Bounds of the stack to go on on, and of the resumer's, for the sanitizer.
    own_bounds: Cell<Bounds>,
    resumer_bounds: Cell<Bounds>,
}

/// What lies at the top of a coroutine's stack.
#[repr(C)]
struct Block<F> {
    control: Control,
    closure: F,
}

/// Why a closure cannot be put on a stack.
fn closure_too_large(closure_bytes: usize, stack_bytes: usize) -> ! {
    panic!(
        "the closure takes {closure_bytes} bytes, more than half of the coroutine's stack of \
         {stack_bytes} bytes; give it a larger one, or box what the closure captures"
    )
}

impl Control {
    /// Puts a coroutine that will run `closure` on `stack`.
    #[inline(always)]
    pub(super) fn create<I, Y, R, F>(stack: Stack, closure: F) -> NonNull<Control>
    where
        F: FnOnce(&Yielder<I, Y>, I) -> R,
    {
        let alignment = const {
            let block = align_of::<Block<F>>();
            if block > arch::STACK_ALIGN { block } else { arch::STACK_ALIGN }
        };
        let block_bytes = const { size_of::<Block<F>>() + align_of::<Block<F>>() };
        // A stack has at least 16 KiB, of which a small closure takes little.
        if block_bytes > 1024 && block_bytes > stack.size() / 2 {
            closure_too_large(size_of::<F>(), stack.size());
        }
        let top = stack.top();
        let block = top
            .wrapping_sub(size_of::<Block<F>>())
            .map_addr(|address| address & !(alignment - 1))
            .cast::<Block<F>>();
        let header = stack.into_header();
        // SAFETY: the block is inside the stack, aligned, and the stack is ours
        // alone; `prepare` gets what is below it.
        unsafe {
            (&raw mut (*block).closure).write(closure);
            let control = (&raw mut (*block).control).cast();
            header.as_ref().set_occupant(control, 0, type_name::<F>);
            let start = arch::prepare(control, arch::coroutine_root, entry::<I, Y, R, F>);
            let control = control.cast::<Control>();
            control.write(Control {
                link: Link {
                    context: Cell::new(start),
                    return_address: arch::coroutine_root as *const () as usize,
                },
                bytes_below: control.addr() - header.as_ref().limit().addr(),
                suspended_elsewhere: Cell::new(false),
                stack: header,
                drop_closure: drop_closure::<F>,
                own_bounds: Cell::new(Bounds::of(header.as_ref())),
                resumer_bounds: Cell::new(Bounds::UNKNOWN),
            });
            NonNull::new_unchecked(control)
        }
    }

    pub(super) fn state(&self) -> State {
        let context = self.link.context.get();
        if context.is_null() {
            return State::Done;
        }
        // SAFETY: the link leads to a context that is saved.
        if unsafe { (*context).is_first(arch::coroutine_root) } {
            State::New
        } else if self.is_own(context.addr()) || self.suspended_elsewhere.get() {
            State::Suspended
        } else {
            State::Running
        }
    }

    #[inline(always)]
    pub(super) fn is_done(&self) -> bool {
        self.link.context.get().is_null()
    }

    /// The coroutine has been left for good.
    #[inline(always)]
    fn set_done(&self) {
        self.link.context.set(ptr::null_mut());
    }

    /// Is `address` on this coroutine's stack?
    #[inline(always)]
    fn is_own(&self, address: usize) -> bool {
        ptr::from_ref(self).addr().wrapping_sub(address) <= self.bytes_below
    }

    /// Where to enter the coroutine.
    ///
    /// # Panics
    ///
    /// If it is running or done.
    #[inline(always)]
    pub(super) fn entrance(&self) -> StackPointer {
        let context = self.link.context.get();
        if !self.is_own(context.addr()) {
            self.check_entrance();
        }
        context
    }

    #[cold]
    #[inline(never)]
    fn check_entrance(&self) {
        match self.state() {
            State::New | State::Suspended => self.suspended_elsewhere.set(false),
            State::Done => {
                panic!("this coroutine is done and cannot be resumed; ask is_done() first")
            }
            State::Running => panic!(
                "this coroutine is running, here or further up the chain of resumes, and cannot \
                 be resumed until it suspends"
            ),
        }
    }

    /// Enters the coroutine at `to`, which its `entrance` gave just now. Comes
    /// back with the words of the switch out of it.
    ///
    /// # Safety
    ///
    /// `word` must be an encoded input, or the tag `UNWIND`.
    #[inline(always)]
    pub(super) unsafe fn enter(&self, to: StackPointer, word: Word, tag: usize) -> (Word, usize) {
        let away = sanitizer::depart(self.own_bounds.get());
        // SAFETY: the link leads to where the coroutine suspended or to its first
        // frame, as its state says.
        let answer = unsafe { arch::switch(self.link.context.as_ptr(), to, word, tag) };
        self.own_bounds.set(sanitizer::arrive(Some(away)));
        answer
    }

    /// Is whoever calls this running inside the coroutine?
    ///
    /// # Panics
    ///
    /// If not: what the link leads to is then not waiting for us.
    #[inline(always)]
    pub(super) fn check_inside(&self) {
        // On its own stack nobody else runs, and only while the coroutine does.
        if !self.is_own(arch::stack_pointer()) {
            self.check_inside_slow();
        }
    }

    /// Somebody on another stack: inside, if a chain of resumes leads there.
    #[cold]
    #[inline(never)]
    fn check_inside_slow(&self) {
        let mut here = arch::stack_pointer();
        while let Some(inner) = Control::on_stack(here) {
            if ptr::eq(inner, self) {
                return self.suspended_elsewhere.set(true);
            }
            here = inner.link.context.get().addr();
        }
        panic!(
            "a yielder suspends only what runs inside its coroutine, and this is a green thread \
             of its own; hand the value to the coroutine instead"
        );
    }

    /// The coroutine on whose stack `address` is.
    fn on_stack<'a>(address: usize) -> Option<&'a Control> {
        let header = stack::stack_at(address)?;
        // SAFETY: a stack whose number is 0 and that somebody runs on belongs to
        // a coroutine, whose control block is there as long as it runs.
        unsafe {
            let header = header.as_ref();
            (header.number() == 0).then(|| &*header.control().cast::<Control>())
        }
    }

    /// Leaves the coroutine for its resumer, until it is resumed.
    ///
    /// # Safety
    ///
    /// `check_inside` must have said so, and `word` be an encoded yield value.
    #[inline(always)]
    pub(super) unsafe fn suspend(&self, word: Word) -> Word {
        let away = sanitizer::depart(self.resumer_bounds.get());
        let link = &self.link.context;
        // SAFETY: the link leads to whoever entered us, who has been waiting since.
        let (word, tag) = unsafe { arch::switch(link.as_ptr(), link.get(), word, out::YIELDED) };
        self.resumer_bounds.set(sanitizer::arrive(Some(away)));
        if tag != into::RUN {
            unwind::throw(self);
        }
        word
    }

    /// Ends a coroutine that is not running, so that nothing is left on its
    /// stack. Gives the payload of a panic that the body ended with, if it is not
    /// our own.
    ///
    /// # Safety
    ///
    /// `Y` and `R` must be the coroutine's own.
    pub(super) unsafe fn close<Y, R>(&self) -> Result<(), Payload> {
        if self.state() == State::New {
            self.set_done();
            return unwind::catch(|| {
                // SAFETY: new, so the closure is still in its place; and it will
                // not be touched again, as the state says.
                unsafe { (self.drop_closure)(NonNull::from(self)) }
            });
        }
        let mut first_panic = Ok(());
        for attempt in 0.. {
            if self.is_done() {
                break;
            }
            unwind::check_attempts(attempt);
            // SAFETY: UNWIND needs no word. It comes back with a Y, an R or a
            // payload, as the tag says.
            let ended = unsafe {
                let (word, tag) = self.enter(self.entrance(), Word::uninit(), into::UNWIND);
                if tag != out::YIELDED {
                    self.set_done();
                }
                match tag {
                    out::YIELDED => unwind::catch(|| drop(decode::<Y>(word))),
                    out::RETURNED => unwind::catch(|| drop(decode::<R>(word))),
                    _ => unwind::unless_own(self, decode(word)),
                }
            };
            first_panic = first_panic.and(ended);
        }
        first_panic
    }

    /// Gives the stack back, and the control block with it.
    ///
    /// # Safety
    ///
    /// The coroutine must be done, and nobody may use `control` again.
    #[inline(always)]
    pub(super) unsafe fn free(control: NonNull<Control>) {
        // SAFETY: done, so the stack is unused; `create` took it out of a Stack.
        drop(unsafe { Stack::from_header(control.as_ref().stack) });
    }

    /// # Safety
    ///
    /// The coroutine must not be running.
    pub(super) unsafe fn stack(&self) -> &Header {
        // SAFETY: it lives as long as the control block, which is on it.
        unsafe { self.stack.as_ref() }
    }
}

/// Drops the closure of a coroutine that has never run.
///
/// # Safety
///
/// The control block must belong to a `Block<F>` whose closure is in its place.
unsafe fn drop_closure<F>(control: NonNull<Control>) {
    // SAFETY: the block begins with the control block.
    unsafe { (&raw mut (*control.cast::<Block<F>>().as_ptr()).closure).drop_in_place() }
}

/// The first function on a coroutine's stack.
///
/// # Safety
///
/// Called by the root, once, with the first input and the control block of a
/// `Block<F>`.
unsafe extern "C" fn entry<I, Y, R, F>(word: Word, _tag: usize, control: *mut ()) -> !
where
    F: FnOnce(&Yielder<I, Y>, I) -> R,
{
    // SAFETY: the resumer encoded an I (a coroutine that was never resumed is
    // not unwound); the block is on this stack and outlives this function.
    let (control, closure, input) = unsafe {
        let block = control.cast::<Block<F>>();
        let control = &*control.cast::<Control>();
        control.resumer_bounds.set(sanitizer::arrive(None));
        (control, (&raw const (*block).closure).read(), decode::<I>(word))
    };
    let yielder = Yielder::from_control(control);
    let result = panic::catch_unwind(AssertUnwindSafe(|| closure(yielder, input)));
    let resumer = control.link.context.get();
    sanitizer::depart_for_ever(control.resumer_bounds.get());
    // SAFETY: the resumer decodes the word before it does anything else, while
    // this frame is still there; nothing here needs dropping.
    unsafe {
        match result {
            Ok(value) => arch::leave(resumer, encode(&mut ManuallyDrop::new(value)), out::RETURNED),
            Err(payload) => {
                arch::leave(resumer, encode(&mut ManuallyDrop::new(payload)), out::PANICKED)
            }
        }
    }
}

/// Turns the words of a switch out of a coroutine into a result.
///
/// # Safety
///
/// The words must come from [`Control::enter`] just now, and `Y` and `R` must be
/// the coroutine's own.
#[inline(always)]
pub(super) unsafe fn resumed<Y, R>(control: &Control, word: Word, tag: usize) -> Resumed<Y, R> {
    // SAFETY: the tag says what the word is.
    unsafe {
        match tag {
            out::YIELDED => Resumed::Yield(decode(word)),
            out::RETURNED => {
                control.set_done();
                Resumed::Return(decode(word))
            }
            _ => {
                control.set_done();
                panic::resume_unwind(decode::<Box<dyn Any + Send>>(word))
            }
        }
    }
}
