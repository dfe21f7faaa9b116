//! A visit to the stack of a suspended green thread: the visitor switches to it, does something
//! there, for example a backtrace, and switches back.

use std::cell::Cell;
use std::ptr;

use crate::arch::{self, Link, StackPointer};
use crate::kernel::features::{SchedulerState, Upcalls};
use crate::kernel::run_queue::Runnable;
use crate::kernel::slow_path::pending;
use crate::kernel::{ControlBlock, Scheduler, State};
use crate::stack::{self, Header};

/// A visit to the stack of another thread.
#[derive(Clone, Copy)]
struct Visit {
    visitor: *const ControlBlock,
    /// The place of the visitor's context, once it has switched away.
    context: *const StackPointer,
    action: *mut dyn FnMut(),
}

/// The visit that is due.
#[derive(Default)]
pub(super) struct Visits(Cell<Option<Visit>>);

// SAFETY: no other type has slot 5, and every scheduler gets such a state.
unsafe impl SchedulerState for Visits {
    const SLOT: usize = 5;
}

/// Returns the number of bytes that a green thread uses of its own stack. The thread has not
/// ended, and may run a coroutine on another stack. Returns `None` if it runs on a stack that is not
/// leno's, from which nothing leads back to its own.
pub(super) fn bytes_in_use(
    scheduler: &Scheduler,
    control: &ControlBlock,
    own: &Header,
) -> Option<usize> {
    let mut address = match suspended_at(scheduler, control) {
        Some(context) => context.addr(),
        None if scheduler.is_current(control) => arch::stack_pointer(),
        // It has not begun.
        None => return Some(ptr::from_ref(own).addr() - ptr::from_ref(control).addr()),
    };
    loop {
        let header = stack::stack_at(address)?;
        if ptr::eq(header.as_ptr(), own) {
            return Some(ptr::from_ref(own).addr() - address);
        }
        // SAFETY: `stack_at` returns stacks that have been opened. This one belongs to a
        // coroutine that runs: its control block begins with the link to its resumer.
        address = unsafe { (*header.as_ref().control().cast::<Link>()).context.get() }.addr();
    }
}

/// Returns the context of `control`, if the thread is suspended and has begun.
pub(super) fn suspended_at(scheduler: &Scheduler, control: &ControlBlock) -> Option<StackPointer> {
    if scheduler.is_current(control) || control.is_finished() {
        return None;
    }
    // SAFETY: a suspended thread has its context in this place.
    let context = unsafe { *place_of_context(scheduler, control) };
    // SAFETY: the context of a thread that is suspended, or has not begun, is on its stack.
    let has_begun = unsafe { !(*context).is_first(arch::thread_root) };
    has_begun.then_some(context)
}

/// Returns the place for the context of a suspended thread.
fn place_of_context(scheduler: &Scheduler, control: &ControlBlock) -> *mut StackPointer {
    match control.state() {
        State::Runnable => scheduler.ready().place_of(control),
        State::Waiting | State::Finished => control.context().as_ptr(),
    }
}

/// Runs `action` on the stack of `control`, below its frames. Returns `false` if the thread is not
/// suspended, or has not begun. `action` must neither switch to another green thread nor panic,
/// and takes little stack: the room that is left is unknown.
pub(super) fn on_stack_of(
    scheduler: &Scheduler,
    control: &ControlBlock,
    mut action: impl FnMut(),
) -> bool {
    let Some(context) = suspended_at(scheduler, control) else { return false };
    let own = Cell::new(ptr::null_mut());
    let action: &mut dyn FnMut() = &mut action;
    // SAFETY: only the lifetime is left out: the visit is over before this function returns.
    let action: *mut (dyn FnMut() + 'static) =
        unsafe { std::mem::transmute::<*mut dyn FnMut(), _>(ptr::from_mut(action)) };
    let visit = Visit { visitor: scheduler.current(), context: own.as_ptr(), action };
    scheduler.state::<Visits>().0.set(Some(visit));
    let upcalls = Upcalls { arrived: show_stack, ..**scheduler.upcalls() };
    // SAFETY: nothing keeps a reference to the table: the upcalls above are copied.
    let upcalls = unsafe { scheduler.upcalls().exchange(upcalls) };
    scheduler.add_pending(pending::SHOW_STACK);
    // SAFETY: the context is entered once, and `show_stack` saves it again where it was. The
    // visitor's own context is entered from there.
    unsafe { scheduler.switch(own.as_ptr(), Runnable::new(context, control)) };
    // SAFETY: as above.
    unsafe { scheduler.upcalls().exchange(upcalls) };
    true
}

/// Runs the action of a visitor and switches back to it, in place of the upcall `arrived`. Makes that
/// upcall when the current green thread is to go on, which may be after more visits. It comes last,
/// since a visitor may be just leaving its own stack for good.
fn show_stack(scheduler: &Scheduler, may_unwind: bool) {
    let Visits(due) = scheduler.state();
    while let Some(Visit { visitor, context, action }) = due.take() {
        scheduler.clear_pending(pending::SHOW_STACK);
        let control = scheduler.current();
        // SAFETY: the visitor waits for this thread, with the action on its frame.
        unsafe { (*action)() };
        let place = place_of_context(scheduler, control);
        // SAFETY: the visitor has left its context there, and the context of this thread goes
        // to where it was.
        unsafe { scheduler.switch(place, Runnable::new(*context, &*visitor)) };
    }
    (scheduler.upcalls().arrived)(scheduler, may_unwind);
}
