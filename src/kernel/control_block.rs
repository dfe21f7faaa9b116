//! A green thread's control block.
//!
//! ```text
//!   |  stack header        |
//!   +----------------------+
//!   |  closure, then       |
//!   |  result              |  until the thread is joined
//!   |  ControlBlock        |
//!   +----------------------+ <- JoinHandle and the run queue point here
//!   |  frames              |
//! ```
//!
//! It has two owners, the green thread itself and its join handle. The last one frees the stack,
//! and the control block with it. The main green thread runs on the stack of the OS thread, and
//! its control block belongs to the runtime.

use std::any::Any;
use std::cell::{Cell, OnceCell};
use std::mem::offset_of;
use std::panic::Location;
use std::ptr::{self, NonNull};
use std::rc::Rc;

use super::features::{ThreadSlots, ThreadState};
use super::scheduler::Scheduler;
use super::thread_info::{CancelFlags, Extra, ThreadId, ThreadInfo};
use super::wait_reason::{Outcome, ScopeMembers, Wait, WaitFor};
use crate::arch::{Link, StackPointer};
use crate::stack::sanitizer::Bounds;
use crate::stack::{Header, Stack};

pub(crate) type Payload = Box<dyn Any + Send>;

/// The state of a green thread.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum State {
    /// It runs, or is in the run queue.
    Runnable,
    /// It waits to be woken.
    Waiting,
    /// Its closure has ended.
    Finished,
}

/// The fields up to `extra` are zero at first: a few wide stores write them.
#[repr(C)]
pub(crate) struct ControlBlock {
    link: Link,
    /// The context at which the thread goes on, while it waits. A thread in the run queue has
    /// its context in its entry.
    context: Cell<StackPointer>,
    /// What the thread waits for, on its own frame. Null while it does not wait.
    wait: Cell<*const Wait<'static>>,
    state: Cell<State>,
    /// How the last wait ended.
    outcome: Cell<Outcome>,
    /// Set while other threads use the frame of this one: while it waits, only they end the
    /// wait; when it has ended, its stack is not freed yet.
    frame_borrowed: Cell<bool>,
    /// Set by `unpark`, cleared by `park`.
    token: Cell<bool>,
    /// The join handle has been dropped.
    detached: Cell<bool>,
    cancel: CancelFlags,
    /// The thread that waits in `join` for this one.
    joiner: Cell<*const ControlBlock>,
    extra: OnceCell<Box<Extra>>,
    scheduler: *const Scheduler,
    number: u64,
    /// The serial number of the runtime, which may be gone when it is asked for.
    runtime: u64,
    /// `None` for the main green thread.
    stack: Option<NonNull<Header>>,
    /// Where the closure's result goes, and the function that drops it.
    result: *mut (),
    drop_result: unsafe fn(*mut ()),
    scope: *const ScopeMembers,
    spawned_at: &'static Location<'static>,
    bounds: Cell<Bounds>,
}

/// The offsets for a debugger: of the context, the scheduler, the state and the number.
pub(crate) const LAYOUT: [usize; 4] = [
    offset_of!(ControlBlock, context),
    offset_of!(ControlBlock, scheduler),
    offset_of!(ControlBlock, state),
    offset_of!(ControlBlock, number),
];

/// How a new control block differs from a blank one.
pub(super) struct Origin {
    pub(super) number: u64,
    pub(super) stack: Option<NonNull<Header>>,
    pub(super) result: *mut (),
    pub(super) drop_result: unsafe fn(*mut ()),
    pub(super) scope: *const ScopeMembers,
    pub(super) spawned_at: &'static Location<'static>,
    pub(super) bounds: Bounds,
}

impl ControlBlock {
    /// Returns the control block of a thread that has not begun.
    ///
    /// # Safety
    ///
    /// `scheduler` must outlive the thread's end, and `scope`, if it is not null, as well.
    /// `drop_result` must drop what the thread leaves at `result`, and `stack` must be the
    /// stack that the control block is on.
    #[inline(always)]
    pub(super) unsafe fn new(scheduler: &Scheduler, origin: Origin) -> ControlBlock {
        let Origin { number, stack, result, drop_result, scope, spawned_at, bounds } = origin;
        ControlBlock {
            link: Link { context: Cell::new(ptr::null_mut()), return_address: Cell::new(0) },
            context: Cell::new(ptr::null_mut()),
            scheduler,
            state: Cell::new(State::Runnable),
            outcome: Cell::new(Outcome::Woken),
            frame_borrowed: Cell::new(false),
            token: Cell::new(false),
            detached: Cell::new(false),
            cancel: CancelFlags::default(),
            wait: Cell::new(ptr::null()),
            number,
            runtime: scheduler.serial(),
            stack,
            result,
            drop_result,
            joiner: Cell::new(ptr::null()),
            scope,
            spawned_at,
            extra: OnceCell::new(),
            bounds: Cell::new(bounds),
        }
    }

    /// Returns the control block of the main green thread, number 1.
    #[track_caller]
    pub(crate) fn main(scheduler: &Scheduler) -> ControlBlock {
        let origin = Origin {
            number: 1,
            stack: None,
            result: ptr::null_mut(),
            // It leaves no result.
            drop_result: |_| {},
            scope: ptr::null(),
            spawned_at: Location::caller(),
            bounds: Bounds::UNKNOWN,
        };
        // SAFETY: the runtime drops the scheduler after the main green thread's control block
        // is last used. There is no scope, no result and no stack.
        unsafe { ControlBlock::new(scheduler, origin) }
    }

    #[cold]
    pub(super) fn set_name(&self, name: Option<String>) {
        let info = self.new_info(name.map(String::into_boxed_str));
        if let (Some(name), Some(stack)) = (info.name(), self.stack()) {
            stack.set_name(NonNull::from(name));
        }
        let _ = self.extra().info().set(info);
    }

    fn new_info(&self, name: Option<Box<str>>) -> Rc<ThreadInfo> {
        // SAFETY: `free_extra` and `retire` retire it before the control block goes away.
        let info = Rc::new(unsafe { ThreadInfo::new(self, name) });
        if !self.is_finished() {
            self.scheduler().register(&info);
        }
        info
    }

    pub(crate) fn info(&self) -> &Rc<ThreadInfo> {
        self.extra().info().get_or_init(|| {
            let name = (self.number == 1).then(|| "main".into());
            self.new_info(name)
        })
    }

    pub(super) fn extra(&self) -> &Extra {
        self.extra.get_or_init(Box::default)
    }

    pub(super) fn extra_if_used(&self) -> Option<&Extra> {
        self.extra.get().map(|extra| &**extra)
    }

    /// Returns `true` if a feature keeps state with the thread, or the thread has a name or a
    /// handle.
    #[inline(always)]
    pub(crate) fn has_extra(&self) -> bool {
        self.extra.get().is_some()
    }

    /// Returns the state of a feature, if it has any.
    pub(crate) fn state_of<T: ThreadState>(&self) -> Option<&T> {
        self.extra.get()?.slots().get()
    }

    /// Returns the state of a feature. Allocates it at the first use.
    pub(crate) fn state_or_default<T: ThreadState>(&self) -> &T {
        let slots: &ThreadSlots = self.extra().slots();
        slots.get_or_default()
    }

    /// Returns the scheduler. A thread that has ended may outlive it.
    #[inline(always)]
    pub(crate) fn scheduler(&self) -> &Scheduler {
        debug_assert!(!self.is_finished());
        // SAFETY: the scheduler outlives the green threads that have not ended.
        unsafe { &*self.scheduler }
    }

    /// Returns `true` if this is a thread of `scheduler`.
    pub(crate) fn belongs_to(&self, scheduler: &Scheduler) -> bool {
        ptr::eq(self.scheduler, scheduler)
    }

    pub(crate) fn id(&self) -> ThreadId {
        ThreadId { runtime: self.runtime, number: self.number }
    }

    #[inline(always)]
    pub(crate) fn number(&self) -> u64 {
        self.number
    }

    pub(crate) fn name(&self) -> Option<&str> {
        self.extra.get()?.info().get()?.name()
    }

    /// Returns the type name of the closure.
    pub(crate) fn body(&self) -> &'static str {
        self.stack().map_or("", |stack| stack.occupant().body)
    }

    #[inline(always)]
    pub(crate) fn spawned_at(&self) -> &'static Location<'static> {
        self.spawned_at
    }

    /// Returns the scope that waits for the thread's end.
    #[inline(always)]
    pub(crate) fn scope(&self) -> Option<&ScopeMembers> {
        // SAFETY: a scope waits until its threads have ended, and the handle of a scoped thread
        // does not outlive the scope.
        unsafe { self.scope.as_ref() }
    }

    /// Returns the thread's stack; `None` for the main green thread.
    pub(crate) fn stack(&self) -> Option<&Header> {
        // SAFETY: the control block is on this stack, so the stack and its header exist.
        self.stack.map(|stack| unsafe { stack.as_ref() })
    }

    #[inline(always)]
    pub(crate) fn state(&self) -> State {
        self.state.get()
    }

    #[inline(always)]
    pub(super) fn set_state(&self, state: State) {
        self.state.set(state);
    }

    #[inline(always)]
    pub(crate) fn is_finished(&self) -> bool {
        self.state.get() == State::Finished
    }

    /// Returns how the last wait ended.
    #[inline(always)]
    pub(crate) fn outcome(&self) -> Outcome {
        self.outcome.get()
    }

    #[inline(always)]
    pub(super) fn set_outcome(&self, outcome: Outcome) {
        self.outcome.set(outcome);
    }

    /// Returns the place for the context.
    #[inline(always)]
    pub(crate) fn context(&self) -> &Cell<StackPointer> {
        &self.context
    }

    #[inline(always)]
    pub(super) fn bounds(&self) -> &Cell<Bounds> {
        &self.bounds
    }

    /// Notes what the thread is going to wait for.
    ///
    /// # Safety
    ///
    /// [`ControlBlock::clear_wait`] must be called before `wait`, or what it refers to, goes
    /// away.
    #[inline(always)]
    pub(super) unsafe fn set_wait(&self, wait: &Wait<'_>) {
        self.wait.set(ptr::from_ref(wait).cast());
    }

    #[inline(always)]
    pub(super) fn clear_wait(&self) {
        self.wait.set(ptr::null());
    }

    /// Returns what the thread waits for.
    pub(crate) fn waits_for(&self) -> Option<&Wait<'_>> {
        // SAFETY: the wait is on the frame of a thread that waits, and `clear_wait` is called
        // when the thread goes on.
        unsafe { self.wait.get().cast::<Wait<'_>>().as_ref() }
    }

    /// Returns `true` if this is the main green thread and waits for the end of the others.
    pub(crate) fn waits_for_all(&self) -> bool {
        matches!(self.waits_for().map(Wait::what), Some(WaitFor::AllEnded))
    }

    /// Returns `true` if the host waits here until no green thread can run.
    pub(crate) fn waits_for_stall(&self) -> bool {
        matches!(self.waits_for().map(Wait::what), Some(WaitFor::Stalled))
    }

    /// Returns the token of `park` and `unpark`.
    #[inline(always)]
    pub(crate) fn token(&self) -> &Cell<bool> {
        &self.token
    }

    pub(crate) fn is_frame_borrowed(&self) -> bool {
        self.frame_borrowed.get()
    }

    /// Notes whether other threads use the frame. Returns the previous note.
    pub(crate) fn borrow_frame(&self, borrowed: bool) -> bool {
        self.frame_borrowed.replace(borrowed)
    }

    #[inline(always)]
    pub(crate) fn cancel_flags(&self) -> &CancelFlags {
        &self.cancel
    }

    /// Notes that `joiner` waits for the end of this thread, or that none does any more.
    ///
    /// # Safety
    ///
    /// The note must be taken back before `joiner` stops waiting, unless this thread has ended.
    #[inline(always)]
    pub(super) unsafe fn set_joiner(&self, joiner: *const ControlBlock) {
        self.joiner.set(joiner);
    }

    #[inline(always)]
    pub(super) fn joiner(&self) -> Option<&ControlBlock> {
        // SAFETY: a joiner waits, so its control block exists; see `set_joiner`.
        unsafe { self.joiner.get().as_ref() }
    }

    #[inline(always)]
    pub(super) fn is_detached(&self) -> bool {
        self.detached.get()
    }

    /// Drops the result in place.
    ///
    /// # Safety
    ///
    /// The result must have been written, and is given up.
    pub(super) unsafe fn drop_result(&self) {
        // SAFETY: `drop_result` is the function for what is at `result`.
        unsafe { (self.drop_result)(self.result) }
    }

    /// Gives up the join handle's part of the ownership.
    ///
    /// # Safety
    ///
    /// Called once, by the handle that owns that part.
    #[inline(always)]
    pub(crate) unsafe fn detach(&self) {
        self.joiner.set(ptr::null());
        if self.is_finished() {
            // SAFETY: the handle's part is given up.
            unsafe { self.detach_finished() }
        } else {
            self.detached.set(true);
        }
    }

    /// Frees a thread that has ended. Out of line, since that is the rarer case.
    ///
    /// # Safety
    ///
    /// The thread must have ended, and both parts of its ownership must be given up.
    #[inline(never)]
    unsafe fn detach_finished(&self) {
        let _free = FreeOnDrop(self);
        // SAFETY: the thread has left its stack, and the result is still there.
        unsafe { (self.drop_result)(self.result) }
    }

    /// Takes the result, and frees the stack.
    ///
    /// # Safety
    ///
    /// The thread must have ended, `T` must be the type of its result, and the join handle is
    /// given up.
    #[inline(always)]
    pub(crate) unsafe fn take_result<T>(&self) -> Result<T, Payload> {
        // SAFETY: an ended thread has left a `Result<T, Payload>`. The caller gives up the
        // handle, so nothing refers to the stack after this.
        unsafe {
            let result = self.result.cast::<Result<T, Payload>>().read();
            if result.is_err() && self.cancel.has_panicked() {
                self.see_panic();
            }
            self.free();
            result
        }
    }

    #[cold]
    fn see_panic(&self) {
        if let Some(scope) = self.scope() {
            scope.panic_seen();
        }
    }

    /// Makes handles to the main green thread lead nowhere from now on.
    pub(crate) fn retire(&self) {
        if let Some(info) = self.extra.get().and_then(|extra| extra.info().get()) {
            info.retire();
        }
    }

    /// Frees the stack, and this control block with it.
    ///
    /// # Safety
    ///
    /// The thread must have ended and left its stack, and nothing may refer to it.
    #[inline(always)]
    pub(super) unsafe fn free(&self) {
        let Some(header) = self.stack else { return };
        if self.frame_borrowed.get() {
            return self.free_later();
        }
        // SAFETY: nothing refers to the stack, and what the control block owns is dropped by
        // hand since its memory is not.
        unsafe {
            header.as_ref().clear_thread();
            if self.extra.get().is_some() {
                self.free_extra(header.as_ref());
            }
            drop(Stack::from_header(header));
        }
    }

    /// Defers the freeing: the thread has ended, and is given up by code that runs on its
    /// stack; see [`Scheduler::without_switching`].
    #[cold]
    fn free_later(&self) {
        // SAFETY: the scheduler runs that code while it looks for the next thread.
        unsafe { &*self.scheduler }.free_when_left(self);
    }

    /// Frees what few threads have.
    ///
    /// # Safety
    ///
    /// As for [`ControlBlock::free`].
    #[cold]
    unsafe fn free_extra(&self, header: &Header) {
        header.clear_name();
        self.retire();
        // SAFETY: the control block is given up, and its memory is not dropped otherwise.
        unsafe { ptr::drop_in_place((&raw const self.extra).cast_mut()) };
    }
}

struct FreeOnDrop<'a>(&'a ControlBlock);

impl Drop for FreeOnDrop<'_> {
    fn drop(&mut self) {
        // SAFETY: `detach_finished` makes it, of an ended thread without a handle.
        unsafe { self.0.free() }
    }
}
