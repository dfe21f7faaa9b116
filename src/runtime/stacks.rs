//! Looking at the stack of a green thread that does not run: somebody switches
//! to it, does there what it came for, a backtrace say, and switches back.

use std::cell::Cell;
use std::ptr;

use super::control::{Control, State};
use super::queue::Runnable;
use super::scheduler::{Scheduler, chore};
use crate::arch::{self, StackPointer};

/// A visit to another's stack.
#[derive(Clone, Copy)]
pub(super) struct Visit {
    visitor: Runnable,
    action: *mut dyn FnMut(),
}

impl Scheduler {
    /// Runs `action` on the stack of `control`, which is suspended, above its
    /// frames. False if it is not, or has not begun. `action` must neither switch
    /// nor panic.
    pub(super) fn on_stack_of(&self, control: &Control, mut action: impl FnMut()) -> bool {
        let place = match control.state.get() {
            _ if ptr::eq(control, self.current.get()) => return false,
            State::Finished => return false,
            State::Waiting => control.context.as_ptr(),
            State::Runnable => self.ready().place_of(control),
        };
        // SAFETY: the place holds a saved context.
        let context = unsafe { *place };
        // SAFETY: as above.
        if unsafe { (*context).is_first(arch::thread_root) } {
            return false;
        }
        let action: &mut dyn FnMut() = &mut action;
        let own = Cell::new(ptr::null_mut::<arch::Saved>());
        let visitor = Runnable { context: own.as_ptr().cast(), control: self.current.get() };
        // SAFETY: only the lifetime is left out: the visit is over before this
        // function returns.
        let action: *mut (dyn FnMut() + 'static) =
            unsafe { std::mem::transmute::<*mut dyn FnMut(), _>(ptr::from_mut(action)) };
        self.visit.set(Some(Visit { visitor, action }));
        self.add_chore(chore::SHOW_STACK);
        // SAFETY: the context is entered once and saved again where it was, by
        // `show_stack`; our own is entered from there.
        unsafe { self.switch(own.as_ptr(), Runnable { context, control }) };
        true
    }

    /// We have a visitor: lets it act, and go back to its own stack.
    #[cold]
    #[inline(never)]
    pub(super) fn show_stack(&self) {
        let Some(Visit { visitor, action }) = self.visit.take() else { return };
        let control = self.current();
        // SAFETY: the visitor waits for us, with the action on its frame.
        unsafe { (*action)() };
        let place: *mut StackPointer = match control.state.get() {
            State::Waiting => control.context.as_ptr(),
            _ => self.ready().place_of(control),
        };
        // SAFETY: the visitor has left its context where `visitor.context` says,
        // and ours goes to where it was.
        unsafe {
            let context = *visitor.context.cast::<StackPointer>();
            self.switch(place, Runnable { context, control: visitor.control });
        }
    }
}
