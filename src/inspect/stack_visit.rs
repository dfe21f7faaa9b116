//! Looking at the stack of a green thread that does not run: somebody switches
//! to it, does there what it came for, a backtrace say, and switches back.

use std::cell::Cell;
use std::ptr;

use crate::arch::{self, Link, StackPointer};
use crate::kernel::control_block::{ControlBlock, State};
use crate::kernel::run_queue::Runnable;
use crate::kernel::scheduler::{Scheduler, chore};
use crate::stack::{self, Header};

/// A visit to another's stack.
#[derive(Clone, Copy)]
pub(crate) struct Visit {
    visitor: *const ControlBlock,
    /// Where the visitor's context is, once it has switched away.
    context: *const StackPointer,
    action: *mut dyn FnMut(),
}

impl Scheduler {
    /// Does `control` run right now?
    pub(crate) fn is_current(&self, control: &ControlBlock) -> bool {
        ptr::eq(control, self.current.get())
    }

    /// How much of its own stack a green thread uses that has not ended, which may
    /// run a coroutine on another one.
    pub(crate) fn bytes_in_use(&self, control: &ControlBlock, own: &Header) -> usize {
        let mut address = match self.suspended_at(control) {
            Some(context) => context.addr(),
            None if self.is_current(control) => arch::stack_pointer(),
            // It has not begun.
            None => return ptr::from_ref(own).addr() - ptr::from_ref(control).addr(),
        };
        while let Some(header) = stack::stack_at(address)
            && !ptr::eq(header.as_ptr(), own)
        {
            // SAFETY: `stack_at` gives stacks that have been opened, and this one
            // belongs to a coroutine that runs: its control block begins with
            // the link to its resumer.
            address = unsafe { (*header.as_ref().control().cast::<Link>()).context.get() }.addr();
        }
        ptr::from_ref(own).addr().saturating_sub(address)
    }

    /// Where `control` goes on, if it is suspended and has begun.
    pub(crate) fn suspended_at(&self, control: &ControlBlock) -> Option<StackPointer> {
        if self.is_current(control) || control.is_finished() {
            return None;
        }
        // SAFETY: whoever is suspended has left a context there.
        let context = unsafe { *self.place_of_context(control) };
        // SAFETY: as above.
        let has_begun = unsafe { !(*context).is_first(arch::thread_root) };
        has_begun.then_some(context)
    }

    /// The place for the context of one who is suspended.
    fn place_of_context(&self, control: &ControlBlock) -> *mut StackPointer {
        match control.state.get() {
            State::Runnable => self.ready().place_of(control),
            State::Waiting | State::Finished => control.context.as_ptr(),
        }
    }

    /// Runs `action` on the stack of `control`, below its frames. False if it is
    /// not suspended, or has not begun. `action` must neither switch to another
    /// green thread nor panic, and takes little stack: it is not known how much is
    /// left.
    pub(crate) fn on_stack_of(&self, control: &ControlBlock, mut action: impl FnMut()) -> bool {
        let Some(context) = self.suspended_at(control) else { return false };
        let own = Cell::new(ptr::null_mut());
        let action: &mut dyn FnMut() = &mut action;
        // SAFETY: only the lifetime is left out: the visit is over before this
        // function returns.
        let action: *mut (dyn FnMut() + 'static) =
            unsafe { std::mem::transmute::<*mut dyn FnMut(), _>(ptr::from_mut(action)) };
        let visit = Visit { visitor: self.current.get(), context: own.as_ptr(), action };
        self.visit.set(Some(visit));
        self.add_chore(chore::SHOW_STACK);
        // SAFETY: the context is entered once and saved again where it was, by
        // `show_stack`; our own is entered from there.
        unsafe { self.switch(own.as_ptr(), Runnable { context, control }) };
        true
    }

    /// If there is a visitor, lets it act and go back to its own stack. Comes back
    /// when the current green thread is to go on, which may be after more visits.
    #[inline(never)]
    pub(crate) fn show_stack(&self) {
        while let Some(Visit { visitor, context, action }) = self.visit.take() {
            self.chores.set(self.chores.get() & !chore::SHOW_STACK);
            let control = self.current();
            // SAFETY: the visitor waits for us, with the action on its frame.
            unsafe { (*action)() };
            let place = self.place_of_context(control);
            // SAFETY: the visitor has left its context there, and ours goes to
            // where it was.
            unsafe { self.switch(place, Runnable { context: *context, control: visitor }) };
        }
    }
}
