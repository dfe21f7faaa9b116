//! A green thread's control block.
//!
//! ```text
//!   |  stack header        |
//!   +----------------------+
//!   |  closure, then       |
//!   |  result              |  until somebody joins
//!   |  Control             |
//!   +----------------------+ <- JoinHandle and the run queue point here
//!   |  frames              |
//! ```
//!
//! It has two owners, the green thread itself and its join handle. Whoever is
//! last gives the stack back, and the control block with it. The main green
//! thread runs on the OS thread's stack, and its control block is in the frame of
//! [`run`](super::run).

use std::any::{Any, type_name};
use std::cell::{Cell, OnceCell, UnsafeCell};
use std::mem::{ManuallyDrop, align_of, size_of};
use std::panic::{self, AssertUnwindSafe, Location};
use std::ptr::{self, NonNull};
use std::rc::Rc;

use super::scheduler::Scheduler;
use super::unwind::{self, Unwind};
use crate::arch::{self, Link, StackPointer, Word};
use crate::stack::sanitizer::{self, Bounds};
use crate::stack::{Header, Stack};

pub(crate) type Payload = Box<dyn Any + Send>;

/// What a green thread does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum State {
    /// It runs, or is in the run queue.
    Runnable,
    /// It waits for somebody to wake it.
    Waiting,
    /// Its closure has ended.
    Finished,
}

/// What a green thread waits for, and since which line.
#[derive(Clone, Copy)]
pub(crate) struct Wait {
    pub(crate) what: WaitFor,
    pub(crate) at: &'static Location<'static>,
}

#[derive(Clone, Copy)]
pub(crate) enum WaitFor {
    Unpark,
    /// The end of the green thread that `Control::awaited` says.
    Join,
    /// The end of all green threads of a scope.
    Scope,
    /// The end of all green threads of the runtime.
    AllEnded,
}

#[repr(C)]
pub(crate) struct Control {
    link: Link,
    /// Where it goes on, while it waits. One that is in the run queue has that
    /// in its entry.
    pub(super) context: Cell<StackPointer>,
    pub(super) scheduler: *const Scheduler,
    pub(super) state: Cell<State>,
    /// `unpark` has been called, and no `park` since.
    pub(crate) token: Cell<bool>,
    /// The join handle is gone.
    detached: Cell<bool>,
    pub(super) wait: Cell<Option<Wait>>,
    number: u64,
    /// The runtime's serial number: the scheduler may be gone when it is wanted.
    runtime: u64,
    /// None for the main green thread.
    stack: Option<NonNull<Header>>,
    /// Where the closure's result goes, and what drops it.
    result: *mut (),
    drop_result: unsafe fn(*mut ()),
    /// Who is in `join` for this one, and whom this one is in `join` for.
    pub(super) joiner: Cell<*const Control>,
    pub(super) awaited: Cell<*const Control>,
    scope: *const ScopeState,
    /// Made when it has a name, or when somebody asks for it.
    thread: OnceCell<Rc<ThreadState>>,
    pub(super) unwind: Unwind,
    pub(super) bounds: Cell<Bounds>,
}

/// What a `Thread` handle refers to. It outlives the green thread.
pub(crate) struct ThreadState {
    pub(crate) runtime: u64,
    pub(crate) number: u64,
    pub(crate) name: Option<Box<str>>,
    /// Null once the green thread has ended.
    pub(crate) control: Cell<*const Control>,
}

impl ThreadState {
    /// Gives the green thread its token, and wakes it if it waits for that.
    pub(crate) fn unpark(&self) {
        // SAFETY: cleared before the control block goes away; the scheduler is
        // there as long as any of its green threads waits.
        unsafe {
            let Some(control) = self.control.get().as_ref() else { return };
            control.token.set(true);
            if control.is_parked() {
                (*control.scheduler).wake(control);
            }
        }
    }
}

/// What the green threads of a scope share, in the frame that waits for them.
#[derive(Default)]
pub(crate) struct ScopeState {
    pub(super) running: Cell<usize>,
    pub(super) waiter: Cell<Option<NonNull<Control>>>,
    /// How many have panicked without anybody learning of it from `join`.
    unseen_panics: Cell<usize>,
}

/// What lies at the top of a green thread's stack.
#[repr(C)]
struct Block<F, T> {
    control: Control,
    body: UnsafeCell<Body<F, T>>,
}

union Body<F, T> {
    closure: ManuallyDrop<F>,
    result: ManuallyDrop<Result<T, Payload>>,
}

impl Control {
    /// Puts a green thread that will run `closure` on `stack`. It is not in the
    /// run queue yet: the second value is where it starts.
    ///
    /// # Safety
    ///
    /// What `closure` borrows must live until the green thread has ended, and
    /// what `scope` points to, if anything, as well.
    #[inline(always)]
    pub(super) unsafe fn create<F, T>(
        scheduler: &Scheduler,
        stack: Stack,
        name: Option<String>,
        scope: *const ScopeState,
        closure: F,
    ) -> (NonNull<Control>, StackPointer)
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
            let control: *mut Control = (&raw mut (*block).control).cast();
            header.as_ref().set_occupant(control.cast(), number, type_name::<F>);
            let start = arch::prepare(control.cast(), arch::thread_root, entry::<F, T>);
            control.write(Control {
                number,
                stack: Some(header),
                result: body.cast(),
                drop_result: drop_result::<T>,
                scope,
                bounds: Cell::new(Bounds::of(header.as_ref())),
                ..Control::blank(scheduler)
            });
            let control = NonNull::new_unchecked(control);
            if name.is_some() {
                control.as_ref().set_name(name);
            }
            (control, start)
        }
    }

    /// The main green thread, number 1.
    pub(super) fn main(scheduler: &Scheduler) -> Control {
        Control { number: 1, ..Control::blank(scheduler) }
    }

    #[inline(always)]
    fn blank(scheduler: &Scheduler) -> Control {
        Control {
            link: Link { context: Cell::new(ptr::null_mut()), return_address: 0 },
            context: Cell::new(ptr::null_mut()),
            scheduler,
            state: Cell::new(State::Runnable),
            token: Cell::new(false),
            detached: Cell::new(false),
            wait: Cell::new(None),
            number: 0,
            runtime: scheduler.serial(),
            stack: None,
            result: ptr::null_mut(),
            drop_result: drop_result::<()>,
            joiner: Cell::new(ptr::null()),
            awaited: Cell::new(ptr::null()),
            scope: ptr::null(),
            thread: OnceCell::new(),
            unwind: Unwind::default(),
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
        let _ = self.thread.set(state);
    }

    fn new_thread_state(&self, name: Option<Box<str>>) -> Rc<ThreadState> {
        let control = Cell::new(ptr::from_ref(self));
        Rc::new(ThreadState { runtime: self.runtime, number: self.number, name, control })
    }

    pub(crate) fn thread_state(&self) -> &Rc<ThreadState> {
        self.thread.get_or_init(|| {
            let name = (self.number == 1).then(|| "main".into());
            self.new_thread_state(name)
        })
    }

    pub(super) fn number(&self) -> u64 {
        self.number
    }

    pub(super) fn name(&self) -> Option<&str> {
        self.thread.get()?.name.as_deref()
    }

    /// The name of the type of its closure.
    pub(super) fn body(&self) -> &'static str {
        // SAFETY: the header is that of our stack.
        self.stack.map_or("", |stack| unsafe { stack.as_ref() }.occupant().body)
    }

    /// Whom this one waits for in `join`.
    pub(super) fn awaited(&self) -> Option<&Control> {
        // SAFETY: set while `Scheduler::wait_for` runs, whose caller holds the
        // join handle of the other.
        unsafe { self.awaited.get().as_ref() }
    }

    /// Is it the main green thread, whose closure has ended, and which waits for
    /// the others?
    pub(super) fn waits_for_all(&self) -> bool {
        matches!(self.wait.get(), Some(Wait { what: WaitFor::AllEnded, .. }))
    }

    /// Does it wait in `park`?
    fn is_parked(&self) -> bool {
        self.state.get() == State::Waiting
            && matches!(self.wait.get(), Some(Wait { what: WaitFor::Unpark, .. }))
    }

    #[inline(always)]
    pub(crate) fn is_finished(&self) -> bool {
        self.state.get() == State::Finished
    }

    /// The closure has ended: tells who has to know. Gives whether nobody is left
    /// who wants the result.
    #[inline(always)]
    fn finish(&self, scheduler: &Scheduler, panicked: bool) -> bool {
        let abandoned = self.detached.get();
        if abandoned {
            // It still counts as running: the result may borrow from the scope,
            // and dropping it may block.
            self.drop_result(scheduler);
        }
        self.state.set(State::Finished);
        // SAFETY: a joiner waits, so its control block is there.
        if let Some(joiner) = unsafe { self.joiner.get().as_ref() } {
            scheduler.wake(joiner);
        }
        // SAFETY: the scope waits until its green threads have ended.
        if let Some(scope) = unsafe { self.scope.as_ref() } {
            scope.one_ended(scheduler, panicked);
        }
        abandoned
    }

    /// Drops the result. A panic in its destructor has nowhere to go.
    fn drop_result(&self, scheduler: &Scheduler) {
        // SAFETY: the result has been written, and nobody takes it.
        let drop_it = || unsafe { (self.drop_result)(self.result) };
        if panic::catch_unwind(AssertUnwindSafe(drop_it)).is_err() {
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
            scope.unseen_panics.set(scope.unseen_panics.get() - 1);
        }
    }

    /// Handles to the main green thread lead nowhere from now on.
    pub(super) fn retire(&self) {
        if let Some(thread) = self.thread.get() {
            thread.control.set(ptr::null());
        }
    }

    /// Gives the stack back, and this control block with it.
    ///
    /// # Safety
    ///
    /// It must be finished and have left its stack, and nobody may refer to it.
    #[inline(always)]
    pub(super) unsafe fn free(&self) {
        let named = match self.thread.get() {
            Some(thread) => {
                thread.control.set(ptr::null());
                thread.name.is_some()
            }
            None => false,
        };
        let Some(header) = self.stack else { return };
        // SAFETY: the caller gives it up; the fields that own something are
        // dropped by hand, since nobody drops the control block.
        unsafe {
            header.as_ref().clear_thread(named);
            if self.thread.get().is_some() || self.unwind.is_wanted() {
                self.drop_owned();
            }
            drop(Stack::from_header(header));
        }
    }

    /// # Safety
    ///
    /// As [`Control::free`].
    #[cold]
    unsafe fn drop_owned(&self) {
        let control = ptr::from_ref(self).cast_mut();
        // SAFETY: as the caller says.
        unsafe {
            ptr::drop_in_place(&raw mut (*control).thread);
            ptr::drop_in_place(&raw mut (*control).unwind);
        }
    }
}

struct FreeOnDrop<'a>(&'a Control);

impl Drop for FreeOnDrop<'_> {
    fn drop(&mut self) {
        // SAFETY: made in `detach`, of a finished green thread without a handle.
        unsafe { self.0.free() }
    }
}

impl ScopeState {
    pub(crate) fn one_started(&self) {
        self.running.set(self.running.get() + 1);
    }

    fn one_ended(&self, scheduler: &Scheduler, panicked: bool) {
        if panicked {
            self.unseen_panics.set(self.unseen_panics.get() + 1);
        }
        self.running.set(self.running.get() - 1);
        if self.running.get() == 0
            && let Some(waiter) = self.waiter.take()
        {
            // SAFETY: the waiter waits, so its control block is there.
            scheduler.wake(unsafe { waiter.as_ref() });
        }
    }

    pub(super) fn has_unseen_panics(&self) -> bool {
        self.unseen_panics.get() > 0
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
unsafe extern "C" fn entry<F, T>(_word: Word, _tag: usize, control: *mut ()) -> !
where
    F: FnOnce() -> T,
{
    let arrived = sanitizer::arrive(None);
    // SAFETY: the block is on this stack and outlives this function; the
    // scheduler outlives all its green threads.
    let (control, scheduler, body) = unsafe {
        let block = control.cast::<Block<F, T>>();
        let control = &*control.cast::<Control>();
        (control, &*control.scheduler, (*block).body.get())
    };
    let result = panic::catch_unwind(AssertUnwindSafe(|| {
        scheduler.arrived(arrived);
        // SAFETY: `create` put the closure there, and nobody else takes it.
        let closure = unsafe { ManuallyDrop::take(&mut (*body).closure) };
        closure()
    }));
    let panicked = result.as_ref().is_err_and(|payload| !unwind::is_unwinding(payload));
    // SAFETY: the closure has been moved out.
    unsafe { (*body).result = ManuallyDrop::new(result) };
    let unwanted = control.finish(scheduler, panicked);
    // SAFETY: nothing in this frame needs dropping.
    unsafe { scheduler.leave(control, unwanted) }
}
