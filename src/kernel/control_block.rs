//! A green thread's control block.
//!
//! ```text
//!   |  stack header        |
//!   +----------------------+
//!   |  closure, then       |
//!   |  result              |  until somebody joins
//!   |  ControlBlock             |
//!   +----------------------+ <- JoinHandle and the run queue point here
//!   |  frames              |
//! ```
//!
//! It has two owners, the green thread itself and its join handle; the last one gives
//! the stack back, and the control block with it. The main green thread runs on the
//! stack of the OS thread, and its control block belongs to the runtime.

use std::any::Any;
use std::cell::{Cell, OnceCell, UnsafeCell};
use std::mem::{ManuallyDrop, align_of, needs_drop, size_of};
use std::panic::{self, AssertUnwindSafe, Location};
use std::ptr::{self, NonNull};
use std::rc::Rc;

use crate::arch::{self, Link, StackPointer, Word};
use crate::cancel::unwind::{self, Unwind};
use crate::kernel::scheduler::{Scheduler, chore};
use crate::kernel::scope_members::ScopeMembers;
use crate::kernel::thread_info::{Extra, ThreadId, ThreadInfo};
use crate::kernel::wait_reason::{Outcome, Wait, WaitFor};
use crate::stack::sanitizer::{self, Bounds};
use crate::stack::{self, Header, Stack};

pub(crate) type Payload = Box<dyn Any + Send>;

/// What a green thread does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum State {
    /// It runs, or is in the run queue.
    Runnable,
    /// It waits for somebody to wake it.
    Waiting,
    /// Its closure has ended.
    Finished,
}

/// The fields up to `extra` are zero at first: a few wide stores write them.
#[repr(C)]
pub(crate) struct ControlBlock {
    link: Link,
    /// Where it goes on, while it waits. One that is in the run queue has that
    /// in its entry.
    pub(crate) context: Cell<StackPointer>,
    /// What it waits for, on its own frame. Null while it does not.
    pub(crate) wait: Cell<*const Wait<'static>>,
    pub(crate) state: Cell<State>,
    /// How its last wait ended.
    pub(crate) outcome: Cell<Outcome>,
    /// Others use its frame: while it waits, only they end the wait; when it has
    /// ended, its stack is not given back yet.
    pub(crate) lent: Cell<bool>,
    /// `unpark` has been called, and no `park` since.
    pub(crate) token: Cell<bool>,
    /// The join handle is gone.
    detached: Cell<bool>,
    pub(crate) unwind: Unwind,
    /// The thread that is in `join` for this one.
    pub(crate) joiner: Cell<*const ControlBlock>,
    pub(crate) extra: OnceCell<Box<Extra>>,
    pub(crate) scheduler: *const Scheduler,
    pub(crate) number: u64,
    /// The runtime's serial number: the scheduler may be gone when it is wanted.
    runtime: u64,
    /// None for the main green thread.
    stack: Option<NonNull<Header>>,
    /// Where the closure's result goes, and what drops it.
    result: *mut (),
    drop_result: unsafe fn(*mut ()),
    scope: *const ScopeMembers,
    pub(crate) spawned_at: &'static Location<'static>,
    pub(crate) bounds: Cell<Bounds>,
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

impl ControlBlock {
    /// Puts a green thread that will run `closure` on `stack`. It is not in the
    /// run queue yet: the second value is where it starts.
    ///
    /// # Safety
    ///
    /// What `closure` borrows must live until the green thread has ended, and
    /// what `scope` points to, if anything, as well.
    #[inline(always)]
    pub(crate) unsafe fn create<F, T>(
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
        // A stack has at least 16 KiB, of which a small closure takes little.
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
        // SAFETY: the block is inside the stack, aligned, and the stack is ours
        // alone; `prepare` gets what is below it.
        unsafe {
            let body = (&raw mut (*block).body).cast::<Body<F, T>>();
            body.write(Body { closure: ManuallyDrop::new(closure) });
            let control: *mut ControlBlock = (&raw mut (*block).control).cast();
            header.as_ref().set_thread(control.cast(), number, stack::Body::of_thread::<F>());
            let start = arch::prepare(control.cast(), arch::thread_root, entry::<F, T>);
            control.write(ControlBlock {
                number,
                stack: Some(header),
                result: body.cast(),
                drop_result: drop_result::<T>,
                scope,
                spawned_at,
                bounds: Cell::new(Bounds::of(header.as_ref())),
                ..ControlBlock::blank(scheduler)
            });
            let control = NonNull::new_unchecked(control);
            if name.is_some() {
                control.as_ref().set_name(name);
            }
            (control, start)
        }
    }

    /// The main green thread, number 1.
    #[track_caller]
    pub(crate) fn main(scheduler: &Scheduler) -> ControlBlock {
        ControlBlock { number: 1, spawned_at: Location::caller(), ..ControlBlock::blank(scheduler) }
    }

    #[inline(always)]
    fn blank(scheduler: &Scheduler) -> ControlBlock {
        ControlBlock {
            link: Link { context: Cell::new(ptr::null_mut()), return_address: 0 },
            context: Cell::new(ptr::null_mut()),
            scheduler,
            state: Cell::new(State::Runnable),
            outcome: Cell::new(Outcome::Woken),
            lent: Cell::new(false),
            token: Cell::new(false),
            detached: Cell::new(false),
            unwind: Unwind::default(),
            wait: Cell::new(ptr::null()),
            number: 0,
            runtime: scheduler.serial(),
            stack: None,
            result: ptr::null_mut(),
            drop_result: drop_result::<()>,
            joiner: Cell::new(ptr::null()),
            scope: ptr::null(),
            spawned_at: Location::caller(),
            extra: OnceCell::new(),
            bounds: Cell::new(Bounds::UNKNOWN),
        }
    }

    #[cold]
    fn set_name(&self, name: Option<String>) {
        let state = self.new_thread_state(name.map(String::into_boxed_str));
        if let (Some(name), Some(stack)) = (&state.name, self.stack) {
            // SAFETY: the header is that of our stack.
            unsafe { stack.as_ref() }.set_name(NonNull::from(&**name));
        }
        let _ = self.extra().thread.set(state);
    }

    fn new_thread_state(&self, name: Option<Box<str>>) -> Rc<ThreadInfo> {
        let state =
            Rc::new(ThreadInfo { id: self.id(), name, control: Cell::new(ptr::from_ref(self)) });
        if !self.is_finished() {
            self.scheduler().register(&state);
        }
        state
    }

    pub(crate) fn thread_state(&self) -> &Rc<ThreadInfo> {
        self.extra().thread.get_or_init(|| {
            let name = (self.number == 1).then(|| "main".into());
            self.new_thread_state(name)
        })
    }

    pub(crate) fn extra(&self) -> &Extra {
        self.extra.get_or_init(Box::default)
    }

    /// The scheduler. Not to be asked of one that has ended, since that may
    /// outlive its runtime.
    pub(crate) fn scheduler(&self) -> &Scheduler {
        debug_assert!(!self.is_finished());
        // SAFETY: the scheduler outlives the green threads that have not ended.
        unsafe { &*self.scheduler }
    }

    pub(crate) fn id(&self) -> ThreadId {
        ThreadId { runtime: self.runtime, number: self.number }
    }

    pub(crate) fn number(&self) -> u64 {
        self.number
    }

    pub(crate) fn name(&self) -> Option<&str> {
        self.extra.get()?.thread.get()?.name.as_deref()
    }

    /// The name of the type of its closure.
    pub(crate) fn body(&self) -> &'static str {
        self.stack().map_or("", |stack| stack.occupant().body)
    }

    /// The scope that waits for its end. Null if there is none.
    pub(crate) fn scope(&self) -> *const ScopeMembers {
        self.scope
    }

    /// Its stack. None for the main green thread.
    pub(crate) fn stack(&self) -> Option<&Header> {
        // SAFETY: the header is that of our stack.
        self.stack.map(|stack| unsafe { stack.as_ref() })
    }

    /// What it waits for.
    pub(crate) fn waits_for(&self) -> Option<&Wait<'_>> {
        // SAFETY: the wait is on the frame of a green thread that waits, and the
        // pointer is cleared when that goes on.
        unsafe { self.wait.get().cast::<Wait<'_>>().as_ref() }
    }

    /// Is it the main green thread, whose closure has ended, and which waits for
    /// the others?
    pub(crate) fn waits_for_all(&self) -> bool {
        matches!(self.waits_for(), Some(Wait { what: WaitFor::AllEnded, .. }))
    }

    /// Is it the host, which waits until no green thread can run?
    pub(crate) fn waits_for_stall(&self) -> bool {
        matches!(self.waits_for(), Some(Wait { what: WaitFor::Stalled, .. }))
    }

    /// Does it wait in `park`?
    pub(crate) fn is_parked(&self) -> bool {
        matches!(self.waits_for(), Some(Wait { what: WaitFor::Unpark, .. }))
    }

    #[inline(always)]
    pub(crate) fn is_finished(&self) -> bool {
        self.state.get() == State::Finished
    }

    /// The closure has ended: wakes what waits for that. Returns `true` if the join
    /// handle is gone. `has_result` is `false` if the result needs no dropping.
    #[inline(always)]
    fn finish(&self, scheduler: &Scheduler, panicked: bool, has_result: bool) -> bool {
        if self.extra.get().is_some() {
            self.wake_waker();
        }
        let abandoned = self.detached.get();
        if abandoned && has_result {
            // It still counts as running: the result may borrow from the scope,
            // and dropping it may block.
            self.drop_result(scheduler);
        }
        if abandoned && self.extra.get().is_some() {
            // The result's destructor may have made some.
            self.drop_locals(scheduler);
        }
        self.forget_unwinding(scheduler);
        if self.extra.get().is_some() {
            scheduler.forget(self.number);
        }
        if scheduler.chores.get() & chore::OPERATIONS != 0 && scheduler.wants_operations() {
            scheduler.operate_on_end(self);
        }
        self.state.set(State::Finished);
        // SAFETY: a joiner waits, so its control block is there.
        if let Some(joiner) = unsafe { self.joiner.get().as_ref() } {
            // It may be another runtime's.
            joiner.scheduler().wake(joiner, Outcome::Woken);
        }
        // SAFETY: the scope waits until its green threads have ended.
        if let Some(scope) = unsafe { self.scope.as_ref() } {
            scope.one_ended(panicked);
        }
        abandoned
    }

    /// Wakes whoever awaits the end. That is somebody else's code: it may switch,
    /// and even drop the join handle.
    #[cold]
    fn wake_waker(&self) {
        while let Some(waker) = self.extra().waker.take() {
            self.scheduler().release_waker(&waker);
            waker.wake();
        }
    }

    /// Drops the result. A panic in its destructor has nowhere to go.
    fn drop_result(&self, scheduler: &Scheduler) {
        // SAFETY: the result has been written, and nobody takes it.
        let drop_it = || unsafe { (self.drop_result)(self.result) };
        // Nothing is left that could be cancelled.
        self.shield();
        let dropped = panic::catch_unwind(AssertUnwindSafe(drop_it));
        if dropped.is_err_and(|payload| !unwind::is_unwinding(&payload)) {
            scheduler.abort(b"the result of a green thread panicked when it was dropped\n");
        }
    }

    /// The join handle goes away.
    ///
    /// # Safety
    ///
    /// To be called once, by its owner.
    #[inline(always)]
    pub(crate) unsafe fn detach(&self) {
        self.joiner.set(ptr::null());
        if self.is_finished() {
            // SAFETY: it has left its stack, and the result is still there.
            unsafe {
                let (drop_result, result) = (self.drop_result, self.result);
                let _free = FreeOnDrop(self);
                drop_result(result);
            }
        } else {
            self.detached.set(true);
        }
    }

    /// Takes the result, and gives the stack back.
    ///
    /// # Safety
    ///
    /// It must be finished, `T` must be its type, and the join handle is given up.
    #[inline(always)]
    pub(crate) unsafe fn take_result<T>(&self) -> Result<T, Payload> {
        // SAFETY: as the caller says.
        unsafe {
            let result = self.result.cast::<Result<T, Payload>>().read();
            if result.as_ref().is_err_and(|payload| !unwind::is_unwinding(payload)) {
                self.panic_seen();
            }
            self.free();
            result
        }
    }

    #[cold]
    fn panic_seen(&self) {
        // SAFETY: the handle of a scoped green thread does not outlive the scope.
        if let Some(scope) = unsafe { self.scope.as_ref() } {
            scope.panic_seen();
        }
    }

    /// Handles to the main green thread lead nowhere from now on.
    pub(crate) fn retire(&self) {
        if let Some(thread) = self.extra.get().and_then(|extra| extra.thread.get()) {
            thread.control.set(ptr::null());
        }
    }

    /// Gives the stack back, and this control block with it.
    ///
    /// # Safety
    ///
    /// It must be finished and have left its stack, and nobody may refer to it.
    #[inline(always)]
    pub(crate) unsafe fn free(&self) {
        let Some(header) = self.stack else { return };
        if self.lent.get() {
            return self.free_later();
        }
        // SAFETY: the caller gives it up; what owns something is dropped by hand,
        // since nobody drops the control block.
        unsafe {
            header.as_ref().clear_thread();
            if self.extra.get().is_some() {
                self.free_extra(header.as_ref());
            }
            drop(Stack::from_header(header));
        }
    }

    /// It has ended, and is given up by code that runs on its stack: see
    /// [`Scheduler::apart`].
    #[cold]
    fn free_later(&self) {
        // SAFETY: the scheduler is looking for the next to run just now.
        unsafe { &*self.scheduler }.free_when_left(self);
    }

    /// # Safety
    ///
    /// As [`ControlBlock::free`].
    #[cold]
    unsafe fn free_extra(&self, header: &Header) {
        header.clear_name();
        self.retire();
        // SAFETY: as the caller says.
        unsafe { ptr::drop_in_place((&raw const self.extra).cast_mut()) };
    }
}

struct FreeOnDrop<'a>(&'a ControlBlock);

impl Drop for FreeOnDrop<'_> {
    fn drop(&mut self) {
        // SAFETY: made in `detach`, of a finished green thread without a handle.
        unsafe { self.0.free() }
    }
}

#[cold]
fn too_large(block_bytes: usize, stack_bytes: usize) -> ! {
    panic!(
        "the closure and its result take {block_bytes} bytes, more than half of the green \
         thread's stack of {stack_bytes} bytes; give it a larger one with \
         leno::thread::Builder::stack_size, or box what the closure captures"
    )
}

/// # Safety
///
/// `result` must point to a `Result<T, Payload>` that is given up.
unsafe fn drop_result<T>(result: *mut ()) {
    // SAFETY: as the caller says.
    unsafe { result.cast::<Result<T, Payload>>().drop_in_place() }
}

/// The first function on a green thread's stack.
///
/// # Safety
///
/// Called by the root, once, with the control block of a `Block<F, T>`.
unsafe extern "C" fn entry<F, T>(_word: Word, _resumer: StackPointer, control: *mut ()) -> !
where
    F: FnOnce() -> T,
{
    let arrived = sanitizer::arrive(None);
    // SAFETY: the block is on this stack and outlives this function; the
    // scheduler outlives all its green threads.
    let (control, scheduler, body) = unsafe {
        let block = control.cast::<Block<F, T>>();
        let control = &*control.cast::<ControlBlock>();
        (control, &*control.scheduler, (*block).body.get())
    };
    let result = panic::catch_unwind(AssertUnwindSafe(|| {
        // SAFETY: `create` put the closure there, and nobody else takes it. One
        // that is cancelled before it runs is dropped here.
        let closure = unsafe { ManuallyDrop::take(&mut (*body).closure) };
        scheduler.arrived(arrived);
        closure()
    }));
    if control.extra.get().is_some() {
        control.drop_locals(scheduler);
    }
    let (result, panicked) = match result {
        Ok(value) => (Ok(value), false),
        Err(payload) => scheduler.failed(control, payload),
    };
    let has_result = needs_drop::<T>() || result.is_err();
    // SAFETY: the closure has been moved out.
    unsafe { (*body).result = ManuallyDrop::new(result) };
    let unwanted = control.finish(scheduler, panicked, has_result);
    // SAFETY: nothing in this frame needs dropping.
    unsafe { scheduler.leave(control, unwanted) }
}
