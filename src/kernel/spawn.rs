//! The beginning and the end of a green thread: its block on the stack, its first function, and
//! what is left of it for the join handle.

use std::cell::UnsafeCell;
use std::io;
use std::marker::PhantomData;
use std::mem::{self, ManuallyDrop, align_of, needs_drop, size_of};
use std::panic::{self, AssertUnwindSafe, Location};
use std::ptr::{self, NonNull};

use super::control_block::{ControlBlock, Origin, Payload, State};
use super::current::try_scheduler;
use super::features::{Access, Object, Report, Stage};
use super::scheduler::Scheduler;
use super::thread_info::for_join;
use super::wait_reason::{Outcome, ScopeMembers};
use crate::arch::{self, StackPointer, Word};
use crate::stack::sanitizer::{self, Bounds};
use crate::stack::{self, DEFAULT_STACK_BYTES, Pool, Stack};

/// The join handle's part in the ownership of a green thread that returns a `T`.
pub(crate) struct Owned<T> {
    control: NonNull<ControlBlock>,
    result: PhantomData<T>,
}

impl<T> Owned<T> {
    #[inline(always)]
    pub(crate) fn control(&self) -> &ControlBlock {
        // SAFETY: the control block exists until both owners have given it up, and this is one.
        unsafe { self.control.as_ref() }
    }

    /// Takes the result of a thread that has ended.
    ///
    /// # Panics
    ///
    /// If it has not.
    #[inline(always)]
    pub(crate) fn take(self) -> Result<T, Payload> {
        assert!(self.control().is_finished());
        let control = self.control;
        mem::forget(self);
        // SAFETY: the thread has ended, `T` is its type, and the handle is given up.
        unsafe { control.as_ref().take_result() }
    }
}

impl<T> Owned<T> {
    /// Reports the drop of the handle: whether it or the end of the thread comes first decides
    /// which of them drops the result.
    #[cold]
    #[inline(never)]
    fn report_drop(&self, scheduler: &Scheduler) {
        let end = Object::End(self.control().number());
        (scheduler.upcalls().report)(scheduler, Report::Also(end, Access::Read));
    }
}

impl<T> Drop for Owned<T> {
    #[inline(always)]
    fn drop(&mut self) {
        if let Some(scheduler) = try_scheduler()
            && scheduler.is_observed()
        {
            self.report_drop(scheduler);
        }
        // SAFETY: the handle's part is given up once, here or in `take`.
        unsafe { self.control().detach() }
    }
}

/// Whether the limits of a runtime allow one more green thread.
pub(crate) enum Room {
    Free,
    /// Once others have ended.
    Full(io::Error),
    Never(io::Error),
}

/// What lies at the top of a green thread's stack.
#[repr(C)]
struct Block<F, T> {
    control: ControlBlock,
    body: UnsafeCell<Body<F, T>>,
}

union Body<F, T> {
    closure: ManuallyDrop<F>,
    result: ManuallyDrop<Result<T, Payload>>,
}

impl Scheduler {
    /// Takes a stack of `bytes` bytes, or of the runtime's default size.
    ///
    /// # Errors
    ///
    /// If the operating system has no memory, or the runtime or a controller allows no more threads.
    #[inline(always)]
    pub(crate) fn stack(&self, bytes: Option<usize>) -> io::Result<Stack> {
        if self.slow() == 0
            && bytes.or(self.stack_bytes()).is_none()
            && let Some(stack) = Stack::free_of_default_size()
        {
            return Ok(stack);
        }
        self.stack_with_care(bytes)
    }

    #[inline(never)]
    fn stack_with_care(&self, bytes: Option<usize>) -> io::Result<Stack> {
        let has_limits = self.most_stack_bytes().get() != usize::MAX;
        if (has_limits || self.running() >= self.most_threads().get())
            && let Room::Full(error) | Room::Never(error) = self.room(bytes)
        {
            return Err(error);
        }
        match bytes.or(self.stack_bytes()) {
            None => Stack::with_default_size(),
            Some(bytes) => Stack::new(bytes),
        }
    }

    /// Returns whether the limits allow one more thread, with a stack of `bytes` bytes or of the default
    /// size.
    pub(crate) fn room(&self, bytes: Option<usize>) -> Room {
        let most = self.most_threads().get();
        if self.running() >= most {
            let whole = if self.is_controlled() {
                (self.upcalls().report)(self, Report::Refused);
                "exploration"
            } else {
                "runtime"
            };
            let plural = if most == 1 { "" } else { "s" };
            let error = io::Error::other(format!(
                "the {whole} allows no more than {most} green thread{plural} at a time"
            ));
            return if most == 0 { Room::Never(error) } else { Room::Full(error) };
        }
        let most = self.most_stack_bytes().get();
        if most == usize::MAX {
            return Room::Free;
        }
        let bytes = bytes.or(self.stack_bytes()).unwrap_or(DEFAULT_STACK_BYTES);
        let wanted = match Pool::taken_by(bytes) {
            Ok(wanted) => wanted,
            Err(error) => return Room::Never(error),
        };
        let (used, _) = Pool::bytes();
        let text = format!(
            "the runtime allows no more than {most} bytes of stacks: {used} are in use, and a stack of \
             {bytes} bytes takes {wanted}"
        );
        match most.checked_sub(wanted) {
            None => Room::Never(io::Error::other(text)),
            Some(rest) if used > rest => Room::Full(io::Error::other(text)),
            Some(_) => Room::Free,
        }
    }

    /// Spawns a green thread that borrows nothing, at this line. It runs when its turn comes.
    #[inline(always)]
    #[track_caller]
    pub(crate) fn spawn<F, T>(
        &self,
        stack: Stack,
        name: Option<String>,
        at: &'static Location<'static>,
        f: F,
    ) -> Owned<T>
    where
        F: FnOnce() -> T + 'static,
        T: 'static,
    {
        // SAFETY: the closure and its result borrow nothing, and there is no scope.
        unsafe { self.spawn_unchecked(stack, name, None, at, f) }
    }

    /// Spawns a green thread that may borrow. It runs when its turn comes.
    ///
    /// # Safety
    ///
    /// What `closure` borrows must live until the thread has ended, `scope` until its last
    /// thread has ended and their handles are gone, and what `T` borrows as long as the handle.
    #[inline(always)]
    #[track_caller]
    pub(crate) unsafe fn spawn_unchecked<F, T>(
        &self,
        stack: Stack,
        name: Option<String>,
        scope: Option<&ScopeMembers>,
        at: &'static Location<'static>,
        closure: F,
    ) -> Owned<T>
    where
        F: FnOnce() -> T,
    {
        let running = self.running() + 1;
        // The main green thread needs a place, too.
        self.queue().make_room(running + 1);
        let scope_members = scope.map_or(ptr::null(), ptr::from_ref);
        // SAFETY: the caller keeps alive what the closure borrows, and the scope.
        let (control, context) = unsafe { create(self, stack, name, scope_members, at, closure) };
        self.set_running(running);
        if let Some(scope) = scope {
            scope.one_started();
        }
        if self.slow() != 0 {
            self.held_queue().make_room(running + 1);
        }
        // SAFETY: `create` has made the control block and its first context, and there is room.
        unsafe { self.make_runnable(context, control.as_ref()) };
        Owned { control, result: PhantomData }
    }
}

/// Puts a green thread that will run `closure` on `stack`. It is not in the run queue yet: the
/// second value is its first context.
///
/// # Safety
///
/// As for [`Scheduler::spawn_unchecked`].
#[inline(always)]
#[track_caller]
unsafe fn create<F, T>(
    scheduler: &Scheduler,
    stack: Stack,
    name: Option<String>,
    scope: *const ScopeMembers,
    spawned_at: &'static Location<'static>,
    closure: F,
) -> (NonNull<ControlBlock>, StackPointer)
where
    F: FnOnce() -> T,
{
    let alignment = const {
        let block = align_of::<Block<F, T>>();
        if block > arch::STACK_ALIGN { block } else { arch::STACK_ALIGN }
    };
    let block_bytes = const { size_of::<Block<F, T>>() + align_of::<Block<F, T>>() };
    // A stack has at least 32 KiB, of which a small closure takes little.
    if block_bytes > 1024 && block_bytes > stack.size() / 2 {
        too_large(block_bytes, stack.size());
    }
    let block = stack
        .top()
        .wrapping_sub(size_of::<Block<F, T>>())
        .map_addr(|address| address & !(alignment - 1))
        .cast::<Block<F, T>>();
    let header = stack.into_header();
    let number = scheduler.next_number();
    // SAFETY: the block is inside the stack, aligned, and nothing else uses the stack; `prepare`
    // gets what is below the block.
    unsafe {
        let body = (&raw mut (*block).body).cast::<Body<F, T>>();
        body.write(Body { closure: ManuallyDrop::new(closure) });
        let control: *mut ControlBlock = (&raw mut (*block).control).cast();
        header.as_ref().set_thread(control.cast(), number, stack::Body::of_thread::<F>());
        let start = arch::prepare(control.cast(), arch::thread_root, entry::<F, T>);
        let origin = Origin {
            number,
            stack: Some(header),
            result: body.cast(),
            drop_result: drop_result::<T>,
            scope,
            spawned_at,
            bounds: Bounds::of(header.as_ref()),
        };
        control.write(ControlBlock::new(scheduler, origin));
        let control = NonNull::new_unchecked(control);
        if name.is_some() {
            control.as_ref().set_name(name);
        }
        (control, start)
    }
}

#[cold]
#[track_caller]
fn too_large(block_bytes: usize, stack_bytes: usize) -> ! {
    panic!(
        "the closure and its result take {block_bytes} bytes, more than half of the green \
         thread's stack of {stack_bytes} bytes; give it a larger one with \
         leno::thread::Builder::stack_size, or box what the closure captures"
    )
}

/// Drops the result of a thread.
///
/// # Safety
///
/// `result` must point to a `Result<T, Payload>` that is given up.
unsafe fn drop_result<T>(result: *mut ()) {
    // SAFETY: the caller gives the value up.
    unsafe { result.cast::<Result<T, Payload>>().drop_in_place() }
}

/// Runs the closure: the first function on a green thread's stack.
///
/// # Safety
///
/// Called by the root, once, with the control block of a `Block<F, T>`.
unsafe extern "C" fn entry<F, T>(_word: Word, _resumer: StackPointer, control: *mut ()) -> !
where
    F: FnOnce() -> T,
{
    let arrived = sanitizer::arrive(None);
    // SAFETY: the block is on this stack and outlives this function; the scheduler outlives all
    // threads that have not ended.
    let (control, scheduler, body) = unsafe {
        let block = control.cast::<Block<F, T>>();
        let control = &*control.cast::<ControlBlock>();
        (control, control.scheduler(), (*block).body.get())
    };
    let result = panic::catch_unwind(AssertUnwindSafe(|| {
        // SAFETY: `create` put the closure there, and this is the only place that takes it. The
        // closure of a thread that is cancelled before it runs is dropped here.
        let closure = unsafe { ManuallyDrop::take(&mut (*body).closure) };
        scheduler.arrived(arrived);
        closure()
    }));
    let (result, left) = match result {
        Ok(value) => (Ok(value), Left::Returned),
        Err(payload) => {
            let (payload, left) = scheduler.failed(control, payload);
            (Err(payload), left)
        }
    };
    let has_result = needs_drop::<T>() || result.is_err();
    // SAFETY: the closure has been moved out.
    unsafe { (*body).result = ManuallyDrop::new(result) };
    // SAFETY: nothing in this frame needs dropping.
    unsafe { end(scheduler, control, left, has_result) }
}

/// How the closure of a thread was left.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Left {
    Returned,
    Unwound,
    Panicked,
}

impl Scheduler {
    /// Reports that the closure of a thread was left by unwinding with `payload`, and returns what
    /// `join` gives.
    #[cold]
    #[inline(never)]
    fn failed(&self, control: &ControlBlock, payload: Payload) -> (Payload, Left) {
        if control.has_extra() {
            self.report_left(control, Some(&payload));
        }
        let panicked = !control.is_unwound_by(&payload);
        control.cancel_flags().set_panicked(panicked);
        self.report_failed(control, &payload, panicked);
        (for_join(payload), if panicked { Left::Panicked } else { Left::Unwound })
    }

    /// Reports that the closure of a thread was left by unwinding with `payload`.
    #[cold]
    #[inline(never)]
    pub(crate) fn report_failed(&self, control: &ControlBlock, payload: &Payload, panicked: bool) {
        (self.upcalls().report)(self, Report::Failed { control, payload, panicked });
    }

    #[cold]
    #[inline(never)]
    fn report_ending(&self, control: &ControlBlock, stage: Stage) {
        (self.upcalls().report)(self, Report::Ending(control, stage));
    }

    /// Reports that the closure has been left. If it was unwound, destructors of what the thread
    /// leaves may wait, as those on its stack may.
    #[cold]
    #[inline(never)]
    pub(crate) fn report_left(&self, control: &ControlBlock, payload: Option<&Payload>) {
        control.end_unwinding();
        let report = || self.report_ending(control, Stage::Left);
        match payload {
            Some(payload) if control.is_unwound_by(payload) => {
                control.cancel_flags().protect(report);
            }
            _ => report(),
        }
    }

    /// Ends the cancellation of a thread that has ended. Few threads have anything to forget.
    #[inline(always)]
    pub(crate) fn uncancel(&self, control: &ControlBlock) {
        if control.has_extra() || control.cancel_flags().reasons() != 0 {
            self.report_ending(control, Stage::Uncancelled);
        }
        control.cancel_flags().forget_shields();
    }
}

/// Ends a thread after its result has been written: wakes what waits for the end, and leaves the stack.
/// `has_result` is `false` if the result needs no dropping. It is not inlined: there is an [`entry`] for
/// each type of closure, and one `end` for all.
///
/// # Safety
///
/// Nothing on the stack may need dropping.
#[inline(never)]
unsafe fn end(scheduler: &Scheduler, control: &ControlBlock, left: Left, has_result: bool) -> ! {
    // If the scheduler is not eventful, no access is observed and no thread is cancelled.
    let needs_care =
        control.has_extra() || scheduler.is_eventful() || (has_result && control.is_detached());
    let abandoned = if needs_care {
        finish_with_care(scheduler, control, left, has_result)
    } else {
        control.cancel_flags().forget_shields();
        control.is_detached()
    };
    control.set_state(State::Finished);
    if let Some(joiner) = control.joiner() {
        // It may be a thread of another runtime.
        joiner.scheduler().wake(joiner, Outcome::Woken);
    }
    if let Some(scope) = control.scope() {
        scope.one_ended(left == Left::Panicked);
    }
    // SAFETY: as the caller says, and nothing in this frame does.
    unsafe { scheduler.leave(control, abandoned) }
}

/// Reports the stages of a thread's end, and drops its result if the join handle is gone. Returns
/// `true` if it is.
#[inline(never)]
fn finish_with_care(
    scheduler: &Scheduler,
    control: &ControlBlock,
    left: Left,
    has_result: bool,
) -> bool {
    if control.has_extra() {
        if left == Left::Returned {
            scheduler.report_left(control, None);
        }
        // A waker may run any code: it may switch, and even drop the join handle.
        scheduler.report_ending(control, Stage::Announced);
    }
    let abandoned = control.is_detached();
    if abandoned && has_result {
        // The thread still counts as running: the result may borrow from the scope, and
        // dropping it may block.
        drop_unwanted(scheduler, control);
    }
    if abandoned && control.has_extra() {
        // The result's destructor may have used slots.
        scheduler.report_ending(control, Stage::Left);
    }
    scheduler.uncancel(control);
    if control.has_extra() {
        scheduler.forget(control.number());
    }
    if scheduler.is_observed() {
        scheduler.report_ending(control, Stage::Ended);
    }
    abandoned
}

/// Drops the result of a thread that nothing joins. A panic in its destructor has nowhere to go.
fn drop_unwanted(scheduler: &Scheduler, control: &ControlBlock) {
    // SAFETY: the result has been written, and the join handle is gone.
    let drop_it = || unsafe { control.drop_result() };
    // Nothing is left that could be cancelled.
    control.cancel_flags().shield();
    let dropped = panic::catch_unwind(AssertUnwindSafe(drop_it));
    if dropped.is_err_and(|payload| !control.is_unwound_by(&payload)) {
        scheduler.abort(b"the result of a green thread panicked when it was dropped\n");
    }
}
