//! The scheduler: who runs next, and the switches between green threads.
//!
//! Switches are symmetric: whoever waits or yields goes straight to the next in
//! the run queue. There is no context for the scheduler itself.

use std::cell::{Cell, RefCell};
use std::panic::Location;
use std::ptr;
use std::sync::atomic::{AtomicU64, Ordering};

use super::control::{Control, ScopeState, State, Wait, WaitFor};
use super::queue::{RunQueue, Runnable};
use super::report;
use crate::arch::{self, StackPointer, Word};
use crate::stack::sanitizer::{self, Bounds};
use crate::stack::{self, Stack};
use crate::sys;

/// What whoever arrives after a switch has to see to, as bits.
mod chore {
    /// A green thread has left its stack for good, and nobody joins it.
    pub(crate) const FREE_DEAD: u8 = 1;
    /// Some green thread is to be unwound.
    pub(crate) const UNWIND: u8 = 2;
}

pub(crate) struct Scheduler {
    queue: RunQueue,
    current: Cell<*const Control>,
    /// Who switched here last, for the sanitizer.
    previous: Cell<*const Control>,
    /// One word to look at after a switch, for all that can have come up.
    chores: Cell<u8>,
    dead: Cell<*const Control>,
    /// Green threads that have not ended, the main one not counted.
    running: Cell<usize>,
    last_number: Cell<u64>,
    serial: u64,
    main: Cell<*const Control>,
    /// Set once nothing can run: why.
    deadlock: RefCell<Option<String>>,
}

thread_local! {
    static SCHEDULER: Cell<*const Scheduler> = const { Cell::new(ptr::null()) };
}

/// The scheduler of the runtime that the caller runs in.
///
/// # Panics
///
/// If there is none. `function` is the name of the public function that needs it.
#[inline(always)]
#[track_caller]
pub(crate) fn scheduler(function: &'static str) -> &'static Scheduler {
    let scheduler = SCHEDULER.get();
    if scheduler.is_null() {
        outside(function);
    }
    // SAFETY: `Installed` clears the pointer before the scheduler goes away. The
    // lifetime is a white lie: it ends with the runtime that the caller is in,
    // and callers keep it no longer than that.
    unsafe { &*scheduler }
}

#[cold]
#[inline(never)]
#[track_caller]
fn outside(function: &'static str) -> ! {
    panic!("{function} needs a runtime: call it from inside leno::run")
}

/// The scheduler is this OS thread's for as long as this lives.
pub(super) struct Installed(());

impl Installed {
    /// # Panics
    ///
    /// If the OS thread has one already.
    #[track_caller]
    pub(super) fn new(scheduler: &Scheduler, main: &Control) -> Installed {
        assert!(
            SCHEDULER.get().is_null(),
            "leno::run was called inside leno::run: this OS thread has a runtime already; use \
             leno::spawn or leno::scope to run more green threads in it"
        );
        scheduler.main.set(main);
        scheduler.current.set(main);
        SCHEDULER.set(scheduler);
        Installed(())
    }
}

impl Drop for Installed {
    fn drop(&mut self) {
        SCHEDULER.set(ptr::null());
    }
}

impl Scheduler {
    pub(super) fn new() -> Scheduler {
        static SERIAL: AtomicU64 = AtomicU64::new(1);
        Scheduler {
            queue: RunQueue::new(),
            current: Cell::new(ptr::null()),
            previous: Cell::new(ptr::null()),
            chores: Cell::new(0),
            dead: Cell::new(ptr::null()),
            running: Cell::new(0),
            last_number: Cell::new(1),
            serial: SERIAL.fetch_add(1, Ordering::Relaxed),
            main: Cell::new(ptr::null()),
            deadlock: RefCell::new(None),
        }
    }

    /// Tells this runtime from every other of the process.
    #[inline(always)]
    pub(super) fn serial(&self) -> u64 {
        self.serial
    }

    #[inline(always)]
    pub(super) fn next_number(&self) -> u64 {
        let number = self.last_number.get() + 1;
        self.last_number.set(number);
        number
    }

    #[inline(always)]
    pub(crate) fn current(&self) -> &Control {
        // SAFETY: whoever runs has a control block.
        unsafe { &*self.current.get() }
    }

    /// Starts a green thread, which runs when its turn comes.
    ///
    /// # Safety
    ///
    /// As [`Control::create`]; and the caller takes the join handle's part in
    /// owning it.
    #[inline(always)]
    pub(super) unsafe fn start<F, T>(
        &self,
        stack: Stack,
        name: Option<String>,
        scope: Option<&ScopeState>,
        closure: F,
    ) -> ptr::NonNull<Control>
    where
        F: FnOnce() -> T,
    {
        let running = self.running.get() + 1;
        // The main green thread needs a place, too.
        self.queue.make_room(running + 1);
        let scope_state = scope.map_or(ptr::null(), ptr::from_ref);
        // SAFETY: as the caller says.
        let (control, context) =
            unsafe { Control::create(self, stack, name, scope_state, closure) };
        self.running.set(running);
        if let Some(scope) = scope {
            scope.one_started();
        }
        self.queue.push(Runnable { context, control: control.as_ptr() });
        control
    }

    /// Lets every other green thread that can run have a turn.
    #[inline(always)]
    pub(crate) fn yield_now(&self) {
        if let Some((next, context)) = self.queue.rotate(self.current.get()) {
            // SAFETY: the context goes where the run queue wants it.
            unsafe { self.switch(context, next) };
        }
        self.do_chores();
    }

    /// Waits until somebody calls [`Scheduler::wake`]. Unwinds instead if the
    /// green thread is to be unwound.
    pub(crate) fn wait(&self, wait: Wait) {
        self.do_chores();
        self.wait_to_the_end(wait);
        self.do_chores();
    }

    /// Waits until somebody calls [`Scheduler::wake`], come what may: the caller
    /// has lent out its frame.
    fn wait_to_the_end(&self, wait: Wait) {
        let control = self.current();
        control.wait.set(Some(wait));
        control.state.set(State::Waiting);
        let next = self.next();
        if ptr::eq(next.control, control) {
            // Nothing could run, and now this is to be unwound.
            control.wait.set(None);
            return;
        }
        // SAFETY: a waiting green thread keeps its context in its control block.
        unsafe { self.switch(control.context.as_ptr(), next) };
        control.wait.set(None);
        self.free_dead();
    }

    /// Waits until all green threads of `scope` have ended.
    pub(crate) fn wait_for_scope(&self, scope: &ScopeState, at: &'static Location<'static>) {
        while scope.running.get() > 0 {
            scope.waiter.set(Some(ptr::NonNull::from(self.current())));
            self.wait_to_the_end(Wait { what: WaitFor::Scope, at });
            scope.waiter.set(None);
        }
    }

    /// Waits until all green threads have ended.
    pub(super) fn wait_for_all(&self, at: &'static Location<'static>) {
        while self.running.get() > 0 {
            self.wait_to_the_end(Wait { what: WaitFor::AllEnded, at });
        }
        self.free_dead();
    }

    /// Waits until `target` has ended.
    pub(crate) fn wait_for(&self, target: &Control, at: &'static Location<'static>) {
        struct NoLonger<'a>(&'a Control);
        impl Drop for NoLonger<'_> {
            fn drop(&mut self) {
                self.0.awaited.set(ptr::null());
            }
        }
        let joiner = self.current();
        joiner.awaited.set(target);
        let _no_longer = NoLonger(joiner);
        while !target.is_finished() {
            target.joiner.set(joiner);
            self.wait(Wait { what: WaitFor::Join, at });
        }
    }

    /// Lets a green thread go on that waits; one that does not wait is left alone.
    #[inline(always)]
    pub(crate) fn wake(&self, control: &Control) {
        if control.state.get() == State::Waiting {
            control.state.set(State::Runnable);
            self.queue.push(Runnable { context: control.context.get(), control });
        }
    }

    /// The next to run. The caller is not in the queue.
    #[inline(always)]
    fn next(&self) -> Runnable {
        match self.queue.pop() {
            Some(next) => next,
            None => self.resolve_deadlock(),
        }
    }

    /// # Safety
    ///
    /// `context` must be where the current green thread's context is looked for
    /// when it is its turn again.
    #[inline(always)]
    unsafe fn switch(&self, context: *mut StackPointer, next: Runnable) {
        let away = self.depart(next);
        // SAFETY: what is in the queue is a context that nobody has entered since
        // it was saved.
        unsafe { arch::switch(context, next.context, Word::uninit(), 0) };
        self.note_arrival(sanitizer::arrive(Some(away)));
    }

    #[inline(always)]
    fn depart(&self, next: Runnable) -> sanitizer::Away {
        let bounds = if cfg!(feature = "sanitizer") {
            self.previous.set(self.current.get());
            // SAFETY: whoever is in the queue has a control block.
            unsafe { &*next.control }.bounds.get()
        } else {
            Bounds::UNKNOWN
        };
        self.current.set(next.control);
        sanitizer::depart(bounds)
    }

    /// The stack that was left is where its owner goes on: its own, or that of a
    /// coroutine that it runs.
    #[inline(always)]
    fn note_arrival(&self, left: Bounds) {
        if cfg!(feature = "sanitizer") {
            // SAFETY: whoever was left waits or is in the queue, or is dead and
            // not freed before the chores are done.
            if let Some(previous) = unsafe { self.previous.replace(ptr::null()).as_ref() } {
                previous.bounds.set(left);
            }
        }
    }

    /// A green thread has come to its first function.
    #[inline(always)]
    pub(super) fn arrived(&self, left: Bounds) {
        self.note_arrival(left);
        self.do_chores();
    }

    /// The current green thread has ended, and leaves its stack for the next. If
    /// nobody joins it, that one frees it.
    ///
    /// # Safety
    ///
    /// Nothing on the stack may need dropping.
    #[inline(always)]
    pub(super) unsafe fn leave(&self, control: &Control, unwanted: bool) -> ! {
        let running = self.running.get() - 1;
        self.running.set(running);
        if running == 0 {
            self.wake_main_at_its_end();
        }
        if unwanted {
            self.dead.set(control);
            self.chores.set(self.chores.get() | chore::FREE_DEAD);
        }
        let next = self.next();
        if cfg!(feature = "sanitizer") {
            self.previous.set(ptr::null());
            // SAFETY: whoever is in the queue has a control block.
            sanitizer::depart_for_ever(unsafe { &*next.control }.bounds.get());
        }
        self.current.set(next.control);
        // SAFETY: as in `switch`; this green thread is in no queue any more.
        unsafe { arch::leave(next.context, Word::uninit(), 0) }
    }

    fn wake_main_at_its_end(&self) {
        // SAFETY: the main green thread outlives all others.
        let main = unsafe { &*self.main.get() };
        if main.waits_for_all() {
            self.wake(main);
        }
    }

    /// Sees to what has come up. Unwinds if it is the caller's turn to.
    #[inline(always)]
    pub(crate) fn do_chores(&self) {
        if self.chores.get() != 0 {
            self.do_chores_slow();
        }
    }

    #[cold]
    #[inline(never)]
    fn do_chores_slow(&self) {
        self.free_dead();
        if self.chores.get() & chore::UNWIND != 0 && self.current().unwind.is_due() {
            self.current().unwind.throw();
        }
    }

    fn free_dead(&self) {
        // SAFETY: it has left its stack for good, and nobody refers to it.
        if let Some(dead) = unsafe { self.dead.replace(ptr::null()).as_ref() } {
            self.chores.set(self.chores.get() & !chore::FREE_DEAD);
            // SAFETY: as above.
            unsafe { dead.free() };
        }
    }

    /// Nothing can run, and nothing ever will: keeps the report, and has every
    /// green thread unwound.
    #[cold]
    #[inline(never)]
    fn resolve_deadlock(&self) -> Runnable {
        // Whoever has just ended may still be on its stack: the next one frees it.
        let waiting = self.waiting();
        let report = report::deadlock(&waiting);
        if std::thread::panicking() {
            // Somebody waits in a destructor during a panic. To unwind it from
            // there ends the process, and then nobody would see the report.
            eprintln!("leno: {report}");
        }
        if cfg!(panic = "abort") {
            panic!("{report}");
        }
        let mut first = None;
        for control in waiting {
            if control.unwind.is_wanted() || control.waits_for_all() {
                continue;
            }
            control.unwind.want();
            if ptr::eq(control, self.current.get()) {
                // It has not left its stack yet, so it has no saved context: it
                // comes first, and `wait_to_the_end` just goes on.
                control.state.set(State::Runnable);
                first = Some(Runnable { context: ptr::null_mut(), control });
            } else {
                self.wake(control);
            }
        }
        let Some(first) = first.or_else(|| self.queue.pop()) else {
            // They have all been told, and wait in destructors for each other.
            self.abort(format!("{report}\nleno: this is while they are unwound\n").as_bytes());
        };
        self.chores.set(self.chores.get() | chore::UNWIND);
        self.deadlock.borrow_mut().get_or_insert(report);
        first
    }

    /// All green threads that wait, in the order in which they were spawned.
    fn waiting(&self) -> Vec<&Control> {
        let mut all: Vec<&Control> = stack::green_threads()
            .into_iter()
            .chain([self.main.get().cast()])
            // SAFETY: a stack with a number belongs to a green thread that has
            // not been freed, and the main one outlives all.
            .map(|control| unsafe { &*control.cast::<Control>() })
            .filter(|control| control.state.get() == State::Waiting)
            .collect();
        all.sort_by_key(|control| control.number());
        all
    }

    /// Prints and ends the process.
    pub(super) fn abort(&self, text: &[u8]) -> ! {
        sys::abort(&[b"leno: ", text])
    }

    pub(super) fn take_deadlock(&self) -> Option<String> {
        self.deadlock.take()
    }
}
