//! The scheduler: the switches between green threads, and waking.
//!
//! Switches are symmetric: whoever waits or yields goes straight to the next in
//! the run queue. There is no context for the scheduler itself. What is to be
//! done when nobody can run, and now and then besides, is in `idle.rs`; waiting is in
//! `waiting.rs`.

#[cfg(feature = "debug")]
use std::cell::OnceCell;
use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::panic::Location;
use std::ptr;
use std::rc::Rc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use super::clock::Clock;
use super::control::{Control, Payload, State};
use super::debugger::LENO_DEBUGGER_TABLE;
use super::directed::Directed;
use super::hooks::hook;
use super::idle::Target;
use super::inbox::Outside;
use super::panics::is_panicking;
use super::policy::{Policy, Random};
use super::queue::{RunQueue, Runnable};
#[cfg(feature = "debug")]
use super::requests::Listening;
use super::scope_state::ScopeState;
use super::stacks::Visit;
use super::thread_state::{ThreadId, ThreadState};
use super::timers::Timers;
use super::trace::Trace;
use super::wait::Outcome;
use super::warming::Cold;
#[cfg(feature = "debug")]
use super::watch::Watched;
use crate::arch::StackPointer;
use crate::stack::Stack;
use crate::sys;

/// What whoever arrives after a switch has to see to, as bits.
pub(super) mod chore {
    /// A green thread has left its stack for good, and nobody joins it.
    pub(crate) const FREE_DEAD: u8 = 1;
    /// Some green thread is to be unwound.
    pub(crate) const UNWIND: u8 = 2;
    /// Whoever arrives is to show its stack, and to switch back.
    pub(crate) const SHOW_STACK: u8 = 4;
    /// The director of the run wants to know of operations. This one stays.
    pub(crate) const OPERATIONS: u8 = 8;
}

/// After so many switches somebody looks at the timers and the inbox, even if
/// there always is a green thread that can run. A power of two.
pub(super) const SWITCHES_BETWEEN_POLLS: usize = 64;

pub(crate) struct Scheduler {
    /// First, so that it is dropped before what it lends out.
    #[cfg(feature = "debug")]
    pub(super) watchers: Watched,
    /// Empty while there is a hook that wants to see every switch: so a switch
    /// need not ask whether there is one, it finds nobody here and takes the long
    /// way round.
    pub(super) queue: RunQueue,
    /// In place of `queue` while there is such a hook.
    pub(super) watched: RunQueue,
    pub(super) current: Cell<*const Control>,
    /// It sleeps in the kernel, or its host does something else.
    pub(super) is_away: AtomicBool,
    /// Bits of [`chore`].
    pub(super) chores: Cell<u8>,
    /// Bits of [`hook`].
    pub(super) hooks: Cell<u8>,
    /// Who switched here last, for the sanitizer.
    pub(super) previous: Cell<*const Control>,
    dead: Cell<*const Control>,
    /// Green threads that have not ended, the main one not counted.
    pub(super) running: Cell<usize>,
    pub(super) last_number: Cell<u64>,
    pub(super) last_scope: Cell<u64>,
    serial: u64,
    pub(super) main: Cell<*const Control>,
    /// How many green threads are to be unwound.
    interrupted: Cell<usize>,
    /// The clock as of the last look at it.
    pub(super) coarse: Cell<u64>,
    pub(super) clock: Clock,
    pub(super) timers: RefCell<Timers<Target>>,
    pub(super) cold: Cold,
    pub(super) policy: RefCell<Policy>,
    pub(super) directed: Directed,
    pub(super) trace: Trace,
    pub(super) random: RefCell<Random>,
    pub(super) outside: Outside,
    /// Those who have been asked for their handle, and have not ended.
    pub(super) threads: RefCell<HashMap<u64, Rc<ThreadState>>>,
    pub(crate) stack_bytes: Option<usize>,
    /// Set once nothing can run: why.
    pub(super) deadlock: RefCell<Option<String>>,
    /// The panic of a policy.
    pub(super) failure: RefCell<Option<Payload>>,
    /// Where whoever looks at the stack of another goes on, and what it does
    /// there.
    pub(super) visit: Cell<Option<Visit>>,
    /// Set if a signal may ask for something.
    #[cfg(feature = "debug")]
    pub(super) listening: OnceCell<Listening>,
}

fn next_serial() -> u64 {
    static SERIAL: AtomicU64 = AtomicU64::new(1);
    SERIAL.fetch_add(1, Ordering::Relaxed)
}

impl Scheduler {
    pub(super) fn new(clock: Clock, policy: Policy, stack_bytes: Option<usize>) -> Scheduler {
        // A table that nothing refers to would not be linked.
        std::hint::black_box(&LENO_DEBUGGER_TABLE);
        let hooks = if policy.is_fifo() { 0 } else { hook::POLICY };
        Scheduler {
            #[cfg(feature = "debug")]
            watchers: Watched::default(),
            is_away: AtomicBool::new(true),
            queue: RunQueue::new(),
            watched: RunQueue::new(),
            current: Cell::new(ptr::null()),
            chores: Cell::new(0),
            hooks: Cell::new(hooks | hook::OUTSIDE),
            previous: Cell::new(ptr::null()),
            dead: Cell::new(ptr::null()),
            running: Cell::new(0),
            last_number: Cell::new(1),
            last_scope: Cell::new(0),
            serial: next_serial(),
            main: Cell::new(ptr::null()),
            interrupted: Cell::new(0),
            coarse: Cell::new(clock.coarse_now()),
            clock,
            timers: RefCell::new(Timers::new()),
            cold: Cold::default(),
            policy: RefCell::new(policy),
            directed: Directed::new(),
            trace: Trace::default(),
            random: RefCell::new(Random::new(0)),
            outside: Outside::default(),
            threads: RefCell::default(),
            stack_bytes,
            deadlock: RefCell::new(None),
            failure: RefCell::new(None),
            visit: Cell::new(None),
            #[cfg(feature = "debug")]
            listening: OnceCell::new(),
        }
    }

    /// Tells this runtime from every other of the process.
    #[inline(always)]
    pub(crate) fn serial(&self) -> u64 {
        self.serial
    }

    /// From now on, this is another runtime.
    pub(super) fn take_new_serial(&mut self) {
        self.serial = next_serial();
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

    /// Tells a deadline scope from all others of the runtime.
    pub(super) fn next_scope_id(&self) -> u64 {
        let id = self.last_scope.get() + 1;
        self.last_scope.set(id);
        id
    }

    /// A random number below `bound`, the same in every run.
    pub(crate) fn random_below(&self, bound: usize) -> usize {
        self.random.borrow_mut().below(bound)
    }

    pub(super) fn register(&self, state: &Rc<ThreadState>) {
        self.threads.borrow_mut().insert(state.id.number, state.clone());
    }

    pub(super) fn forget(&self, number: u64) {
        // Dropped after the borrow has ended.
        let _state = self.threads.borrow_mut().remove(&number);
    }

    /// The green thread with this id, if it has not ended.
    pub(crate) fn find(&self, id: ThreadId) -> Option<Rc<ThreadState>> {
        (id.runtime == self.serial).then(|| self.threads.borrow().get(&id.number).cloned())?
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
        at: &'static Location<'static>,
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
            unsafe { Control::create(self, stack, name, scope_state, at, closure) };
        self.running.set(running);
        if let Some(scope) = scope {
            scope.one_started();
        }
        if self.hooks.get() != 0 {
            self.watched.make_room(running + 1);
        }
        // SAFETY: created above.
        self.make_runnable(context, unsafe { control.as_ref() });
        control
    }

    #[inline(always)]
    fn make_runnable(&self, context: StackPointer, control: &Control) {
        if self.hooks.get() == 0 {
            self.queue.push(Runnable { context, control });
        } else {
            self.make_runnable_slow(context, control);
        }
    }

    /// Looks at the timers and the inbox, once in many switches.
    #[inline(always)]
    pub(super) fn poll_sometimes(&self) {
        if self.queue.has_popped_a_multiple_of::<SWITCHES_BETWEEN_POLLS>() {
            self.poll();
            self.warm_next();
        }
    }

    /// Returns `true` if a green thread is to be unwound, or if a director wants to know
    /// of operations.
    #[inline(always)]
    pub(super) fn is_eventful(&self) -> bool {
        self.chores.get() & (chore::UNWIND | chore::OPERATIONS) != 0
    }

    /// Unwinds if the current green thread is to be unwound.
    #[inline(always)]
    pub(crate) fn checkpoint(&self) {
        if self.chores.get() & chore::UNWIND != 0 {
            self.unwind_if_due();
        }
    }

    #[cold]
    #[inline(never)]
    fn unwind_if_due(&self) {
        let control = self.current();
        if control.is_unwind_due(is_panicking()) {
            control.throw();
        }
    }

    #[inline(always)]
    pub(super) fn block_once(&self, control: &Control) -> Outcome {
        control.state.set(State::Waiting);
        let next = if self.queue.has_popped_a_multiple_of::<SWITCHES_BETWEEN_POLLS>() {
            None
        } else {
            self.queue.pop()
        };
        let departure = match next {
            Some(next) => Some((control.context.as_ptr(), next)),
            None => self.next_with_care(control),
        };
        let chores = if let Some((context, next)) = departure {
            // SAFETY: a waiting green thread keeps its context in its control
            // block, and one in the run queue keeps it there.
            unsafe { self.switch(context, next) }
        } else {
            self.chores.get()
        };
        self.do_chores(chores, false);
        control.outcome.get()
    }

    /// Returns the next thread to run after `control`, which waits, and the place for
    /// the context of `control`. Returns `None` if `control` itself is the next: it has
    /// been woken in the meantime.
    #[inline(never)]
    fn next_with_care(&self, control: &Control) -> Option<(*mut StackPointer, Runnable)> {
        self.poll_sometimes();
        let next = self.next();
        if ptr::eq(next.control, control) {
            return None;
        }
        let context = if control.state.get() == State::Waiting {
            control.context.as_ptr()
        } else {
            // Woken by the poll, or while there was no thread that could run.
            self.ready().place_of(control)
        };
        Some((context, next))
    }

    /// Ends the wait of a green thread. False if it does not wait: it is left
    /// alone then.
    #[inline(always)]
    pub(crate) fn wake(&self, control: &Control, outcome: Outcome) -> bool {
        let waits = control.state.get() == State::Waiting;
        if waits {
            self.end_wait(control, outcome);
        }
        waits
    }

    /// As [`Scheduler::wake`], of one who waits.
    #[inline(always)]
    pub(super) fn end_wait(&self, control: &Control, outcome: Outcome) {
        debug_assert!(control.state.get() == State::Waiting);
        control.state.set(State::Runnable);
        control.outcome.set(outcome);
        self.make_runnable(control.context.get(), control);
    }

    /// The next to run. The caller is not in the queue, or at its end.
    #[inline(always)]
    pub(super) fn next(&self) -> Runnable {
        match self.queue.pop() {
            Some(next) => next,
            None => self.idle(),
        }
    }

    /// Has whoever arrives next give back the stack of one that has ended.
    #[inline(always)]
    pub(super) fn free_when_left(&self, control: &Control) {
        self.dead.set(control);
        self.add_chore(chore::FREE_DEAD);
    }

    #[inline]
    pub(super) fn wake_main_at_its_end(&self) {
        // SAFETY: the main green thread outlives all others.
        let main = unsafe { &*self.main.get() };
        if main.waits_for_all() {
            self.wake(main, Outcome::Woken);
        }
    }

    pub(super) fn one_more_interrupted(&self) {
        self.interrupted.set(self.interrupted.get() + 1);
        self.add_chore(chore::UNWIND);
    }

    pub(super) fn one_less_interrupted(&self) {
        self.interrupted.set(self.interrupted.get() - 1);
        if self.interrupted.get() == 0 {
            self.chores.set(self.chores.get() & !chore::UNWIND);
        }
    }

    /// Has whoever arrives next see to something.
    #[inline(always)]
    pub(super) fn add_chore(&self, chore: u8) {
        self.chores.set(self.chores.get() | chore);
    }

    /// Does the pending `chores`, which a switch has returned; unwinds if the current thread
    /// is to be unwound and `may_unwind` allows it. Called after each switch.
    #[inline(always)]
    pub(super) fn do_chores(&self, chores: u8, may_unwind: bool) {
        if chores & !chore::OPERATIONS != 0 {
            self.do_chores_slow(may_unwind);
        }
    }

    // Not cold: it is called after each green thread that has been joined by nothing.
    #[inline(never)]
    fn do_chores_slow(&self, may_unwind: bool) {
        // First: a visitor may be just leaving its own stack for good.
        if self.chores.get() & chore::SHOW_STACK != 0 {
            self.show_stack();
        }
        self.free_dead();
        if may_unwind {
            self.checkpoint();
        }
    }

    #[inline(always)]
    pub(super) fn free_dead(&self) {
        // SAFETY: it has left its stack for good, and nobody refers to it.
        if let Some(dead) = unsafe { self.dead.replace(ptr::null()).as_ref() } {
            self.chores.set(self.chores.get() & !chore::FREE_DEAD);
            // SAFETY: as above.
            unsafe { dead.free() };
        }
    }

    /// Prints and ends the process.
    pub(super) fn abort(&self, text: &[u8]) -> ! {
        sys::abort(&[b"leno: ", text])
    }
}
