//! The scheduler: the state of a runtime's green threads, and waking.
//!
//! The other files of the kernel implement what it does: `context_switch` the switch and the
//! yield, `block` waiting, `spawn` the beginning and the end of threads, `slow_path` what is off
//! the fast path.

use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::mem::offset_of;
use std::ptr;
use std::rc::Rc;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};

use super::control_block::{ControlBlock, Payload, State};
use super::features::{Cause, SchedulerSlots, SchedulerState, UpcallTable, Upcalls};
use super::run_queue::{RunQueue, Runnable};
use super::slow_path::{SWITCHES_BETWEEN_POLLS, pending, slow};
use super::thread_info::{ThreadId, ThreadInfo};
use super::wait_reason::Outcome;
use crate::arch::StackPointer;
use crate::stack::{self, sanitizer::Bounds};

pub(crate) struct Scheduler {
    /// Dropped first: other OS threads may refer to the fields below until then.
    slots: SchedulerSlots,
    upcalls: UpcallTable,
    /// Empty while a flag of [`slow::HOLD`] is set: then a switch finds no thread here and takes
    /// the slow path, without a test of its own.
    queue: RunQueue,
    /// Used in place of `queue` while such a flag is set.
    held: RunQueue,
    current: Cell<*const ControlBlock>,
    /// Bits of [`pending`].
    pending: Cell<u8>,
    /// Bits of [`slow`].
    slow: Cell<u8>,
    /// The thread that the last switch left, for the sanitizer.
    previous: Cell<*const ControlBlock>,
    /// The thread that has left the stack of [`pending::FREE_DEAD`].
    dead: Cell<*const ControlBlock>,
    /// The number of green threads that have not ended, without the main one.
    running: Cell<usize>,
    /// The most threads that a controller allows.
    most_threads: Cell<usize>,
    /// The most bytes of stacks that the program allows.
    most_stack_bytes: Cell<usize>,
    last_number: Cell<u64>,
    serial: u64,
    main: Cell<*const ControlBlock>,
    /// The number of green threads that are to be unwound.
    interrupted: Cell<usize>,
    /// The runtime sleeps in the operating system, or its host does something else.
    is_away: AtomicBool,
    /// The clock as of the last look at it, in nanoseconds: the beginning of waits.
    coarse_time: Cell<u64>,
    /// What happens now is caused by this, if not by the current thread.
    cause: Cell<Option<Cause>>,
    /// The threads that have a handle or a name, and have not ended.
    threads: RefCell<HashMap<u64, Rc<ThreadInfo>>>,
    stack_bytes: Option<usize>,
    /// The panic with which the run ends.
    failure: RefCell<Option<Payload>>,
    /// The number of waits for other threads that have begun: only these can close a cycle.
    waits_for_threads: Cell<usize>,
}

/// The offsets by which a debugger reads schedulers: of the current thread, the main thread and
/// the two run queues.
pub(crate) const LAYOUT: [usize; 4] = [
    offset_of!(Scheduler, current),
    offset_of!(Scheduler, main),
    offset_of!(Scheduler, queue),
    offset_of!(Scheduler, held),
];

fn next_serial() -> u64 {
    static SERIAL: AtomicU64 = AtomicU64::new(1);
    SERIAL.fetch_add(1, Ordering::Relaxed)
}

impl Scheduler {
    /// Returns a scheduler without threads. Its main thread has to be
    /// [installed](super::current).
    pub(crate) fn new(
        upcalls: Upcalls,
        slots: SchedulerSlots,
        coarse_time: u64,
        stack_bytes: Option<usize>,
    ) -> Scheduler {
        let mut scheduler = Scheduler {
            slots,
            upcalls: UpcallTable::new(upcalls),
            queue: RunQueue::new(),
            held: RunQueue::new(),
            current: Cell::new(ptr::null()),
            pending: Cell::new(0),
            slow: Cell::new(slow::OUTSIDE),
            previous: Cell::new(ptr::null()),
            dead: Cell::new(ptr::null()),
            running: Cell::new(0),
            most_threads: Cell::new(usize::MAX),
            most_stack_bytes: Cell::new(usize::MAX),
            last_number: Cell::new(0),
            serial: 0,
            main: Cell::new(ptr::null()),
            interrupted: Cell::new(0),
            is_away: AtomicBool::new(true),
            coarse_time: Cell::new(coarse_time),
            cause: Cell::new(None),
            threads: RefCell::default(),
            stack_bytes,
            failure: RefCell::new(None),
            waits_for_threads: Cell::new(0),
        };
        scheduler.take_new_serial();
        scheduler.restart_numbers();
        scheduler
    }

    /// Returns the state of a feature.
    #[inline(always)]
    pub(crate) fn state<T: SchedulerState>(&self) -> &T {
        self.slots.get()
    }

    #[inline(always)]
    pub(crate) fn upcalls(&self) -> &UpcallTable {
        &self.upcalls
    }

    #[inline(always)]
    pub(crate) fn queue(&self) -> &RunQueue {
        &self.queue
    }

    #[inline(always)]
    pub(crate) fn held_queue(&self) -> &RunQueue {
        &self.held
    }

    #[inline(always)]
    pub(crate) fn pending(&self) -> u8 {
        self.pending.get()
    }

    /// Adds work for the thread that the next switch resumes: bits of [`pending`].
    #[inline(always)]
    pub(crate) fn add_pending(&self, work: u8) {
        self.pending.set(self.pending.get() | work);
    }

    pub(crate) fn clear_pending(&self, work: u8) {
        self.pending.set(self.pending.get() & !work);
    }

    /// Returns `true` if accesses to shared state are observed.
    #[inline(always)]
    pub(crate) fn is_observed(&self) -> bool {
        self.pending.get() & pending::OBSERVED != 0
    }

    /// Returns `true` if a green thread is to be unwound, or if accesses are observed.
    #[inline(always)]
    pub(crate) fn is_eventful(&self) -> bool {
        self.pending.get() & (pending::UNWIND | pending::OBSERVED) != 0
    }

    #[inline(always)]
    pub(crate) fn slow(&self) -> u8 {
        self.slow.get()
    }

    #[inline(always)]
    pub(super) fn store_slow(&self, flags: u8) {
        self.slow.set(flags);
    }

    /// Returns the number that differs from that of every other runtime of the process.
    #[inline(always)]
    pub(crate) fn serial(&self) -> u64 {
        self.serial
    }

    /// Makes another runtime of this one, in which no thread runs.
    pub(crate) fn take_new_serial(&mut self) {
        self.serial = next_serial();
    }

    #[inline(always)]
    pub(super) fn next_number(&self) -> u64 {
        let number = self.last_number.get() + 1;
        self.last_number.set(number);
        number
    }

    /// Makes the next thread number 2 again, in a runtime in which no thread runs.
    pub(crate) fn restart_numbers(&self) {
        self.last_number.set(1);
    }

    #[inline(always)]
    pub(crate) fn current(&self) -> &ControlBlock {
        // SAFETY: the running thread has a control block, and `Installed` sets that of the main
        // thread before any code runs in the runtime.
        unsafe { &*self.current.get() }
    }

    #[inline(always)]
    pub(super) fn current_ptr(&self) -> *const ControlBlock {
        self.current.get()
    }

    #[inline(always)]
    pub(super) fn set_current(&self, control: *const ControlBlock) {
        self.current.set(control);
    }

    /// Returns `true` if `control` runs just now.
    pub(crate) fn is_current(&self, control: &ControlBlock) -> bool {
        ptr::eq(control, self.current.get())
    }

    #[inline(always)]
    pub(crate) fn main(&self) -> &ControlBlock {
        // SAFETY: the main thread's control block outlives all others, and is set when the
        // runtime is made.
        unsafe { &*self.main.get() }
    }

    /// Sets the main green thread.
    ///
    /// # Safety
    ///
    /// `main` must outlive the use of the scheduler, or be replaced before it goes away.
    pub(crate) unsafe fn set_main(&self, main: *const ControlBlock) {
        self.main.set(main);
    }

    #[inline(always)]
    pub(crate) fn running(&self) -> usize {
        self.running.get()
    }

    #[inline(always)]
    pub(super) fn set_running(&self, running: usize) {
        self.running.set(running);
    }

    /// Returns the place of the most threads that the program or a controller allows. Without a stack size,
    /// it is not looked at unless a controller has set it.
    #[inline(always)]
    pub(crate) fn most_threads(&self) -> &Cell<usize> {
        &self.most_threads
    }

    /// Returns the place of the most bytes of stacks that the program allows.
    pub(crate) fn most_stack_bytes(&self) -> &Cell<usize> {
        &self.most_stack_bytes
    }

    #[inline(always)]
    pub(super) fn stack_bytes(&self) -> Option<usize> {
        self.stack_bytes
    }

    pub(crate) fn is_away(&self) -> &AtomicBool {
        &self.is_away
    }

    /// Returns the counts of pops of both queues, for other OS threads to read.
    pub(crate) fn pops(&self) -> [&AtomicUsize; 2] {
        [self.queue.pops(), self.held.pops()]
    }

    #[inline(always)]
    pub(crate) fn coarse_time(&self) -> u64 {
        self.coarse_time.get()
    }

    pub(crate) fn set_coarse_time(&self, nanos: u64) {
        self.coarse_time.set(nanos);
    }

    /// Returns the number of waits for other threads that have begun.
    #[inline(always)]
    pub(crate) fn waits_for_threads(&self) -> usize {
        self.waits_for_threads.get()
    }

    /// Counts a wait for other threads, which begins.
    #[inline(always)]
    pub(crate) fn count_wait_for_threads(&self) {
        // mistake: wait-for-thread-uncounted
        self.waits_for_threads.set(self.waits_for_threads.get().wrapping_add(1));
    }

    /// Returns the panic with which the run ends.
    pub(crate) fn failure(&self) -> &RefCell<Option<Payload>> {
        &self.failure
    }

    /// Returns the place of the cause of what happens now, if that is not the current thread.
    pub(crate) fn cause(&self) -> &Cell<Option<Cause>> {
        &self.cause
    }
}

/// The threads of the runtime.
impl Scheduler {
    pub(super) fn register(&self, info: &Rc<ThreadInfo>) {
        self.threads.borrow_mut().insert(info.id().number(), info.clone());
    }

    pub(crate) fn forget(&self, number: u64) {
        // Dropped after the borrow has ended.
        let _info = self.threads.borrow_mut().remove(&number);
    }

    /// Returns the green thread with this id, if it has not ended.
    pub(crate) fn find(&self, id: ThreadId) -> Option<Rc<ThreadInfo>> {
        (id.runtime == self.serial).then(|| self.threads.borrow().get(&id.number).cloned())?
    }

    /// Returns all green threads that have not ended, in the order in which they were spawned.
    pub(crate) fn all(&self) -> Vec<&ControlBlock> {
        let mut all: Vec<&ControlBlock> = stack::green_threads()
            .into_iter()
            .chain([self.main.get().cast()])
            // SAFETY: a stack with a number belongs to a green thread that has not been freed,
            // and the main one outlives all.
            .filter_map(|control| unsafe { control.cast::<ControlBlock>().as_ref() })
            // There may be other runtimes on this OS thread.
            .filter(|control| control.belongs_to(self) && !control.is_finished())
            .collect();
        all.sort_by_key(|control| control.number());
        all
    }
}

/// Waking, and the pending work.
impl Scheduler {
    /// Makes a thread runnable.
    ///
    /// # Safety
    ///
    /// `context` must be the thread's saved or first context, the thread must be in no queue,
    /// and the run queue must have room for it.
    #[inline(always)]
    pub(super) unsafe fn make_runnable(&self, context: StackPointer, control: &ControlBlock) {
        if self.slow() == 0 {
            // SAFETY: the caller's contract.
            unsafe { self.queue.push(Runnable::new(context, control)) };
        } else {
            self.make_runnable_slow(context, control);
        }
    }

    /// Ends the wait of a green thread. Returns `false` and does nothing if it does not wait.
    #[inline(always)]
    pub(crate) fn wake(&self, control: &ControlBlock, outcome: Outcome) -> bool {
        let waits = control.state() == State::Waiting;
        // mistake: wakes-twice
        if waits {
            self.end_wait(control, outcome);
        }
        waits
    }

    /// Ends the wait of a green thread that waits.
    #[inline(always)]
    pub(super) fn end_wait(&self, control: &ControlBlock, outcome: Outcome) {
        debug_assert!(control.state() == State::Waiting);
        control.set_state(State::Runnable);
        // mistake: always-woken
        control.set_outcome(outcome);
        // SAFETY: a waiting thread has saved its context, and is in no queue. There is room for
        // every running thread.
        unsafe { self.make_runnable(control.context().get(), control) };
    }

    /// Returns the next thread to run. The current thread is not in the queue, or at its end.
    #[inline(always)]
    pub(super) fn next(&self) -> Runnable {
        match self.queue.pop() {
            Some(next) => next,
            None => self.idle(),
        }
    }

    #[inline(always)]
    fn idle(&self) -> Runnable {
        (self.upcalls.idle)(self)
    }

    /// Looks at the timers and the inbox, if that is due.
    #[inline(always)]
    pub(super) fn poll_if_due(&self) {
        if self.queue.has_popped_a_multiple_of::<SWITCHES_BETWEEN_POLLS>() {
            self.poll();
        }
    }

    #[cold]
    #[inline(never)]
    fn poll(&self) {
        (self.upcalls.poll)(self);
    }

    /// Wakes the main green thread if its closure has ended.
    #[inline]
    pub(super) fn wake_main_at_its_end(&self) {
        let main = self.main();
        if main.waits_for_all() {
            self.wake(main, Outcome::Woken);
        }
    }

    /// Keeps count of the threads that are to be unwound, for [`pending::UNWIND`].
    pub(super) fn count_interrupted(&self, before: bool, now: bool) {
        let interrupted = self.interrupted.get() + usize::from(now) - usize::from(before);
        self.interrupted.set(interrupted);
        match interrupted {
            0 => self.clear_pending(pending::UNWIND),
            _ => self.add_pending(pending::UNWIND),
        }
    }

    /// Unwinds if the current green thread is to be unwound.
    #[inline(always)]
    pub(crate) fn checkpoint(&self) {
        if self.pending.get() & pending::UNWIND != 0 {
            self.arrive(true);
        }
    }

    /// Performs the pending work, which a switch has returned. Unwinds if the current thread is to
    /// be unwound and `may_unwind` allows it. Called after each switch.
    #[inline(always)]
    pub(super) fn do_pending(&self, pending: u8, may_unwind: bool) {
        if pending & pending::WORK != 0 {
            self.do_pending_slow(may_unwind);
        }
    }

    // Not cold: it is called after the end of each green thread that nothing joins.
    #[inline(never)]
    fn do_pending_slow(&self, may_unwind: bool) {
        if self.pending.get() & !(pending::OBSERVED | pending::FREE_DEAD) == 0 {
            self.free_dead();
        } else {
            self.arrive(may_unwind);
        }
    }

    #[cold]
    #[inline(never)]
    fn arrive(&self, may_unwind: bool) {
        (self.upcalls.arrived)(self, may_unwind);
    }

    /// Defers the freeing of the stack of a thread that has ended until after the next switch.
    #[inline(always)]
    pub(super) fn free_when_left(&self, control: &ControlBlock) {
        self.dead.set(control);
        self.add_pending(pending::FREE_DEAD);
    }

    /// Returns `true` if a stack that was left for good has not been freed yet.
    #[inline(always)]
    pub(crate) fn has_dead(&self) -> bool {
        !self.dead.get().is_null()
    }

    /// Frees the stack of the thread that has left it for good, if there is one.
    #[inline(always)]
    pub(crate) fn free_dead(&self) {
        // SAFETY: a thread in `dead` has not been freed.
        if let Some(dead) = unsafe { self.dead.replace(ptr::null()).as_ref() } {
            self.clear_pending(pending::FREE_DEAD);
            // SAFETY: it has left its stack for good, and its join handle is gone.
            unsafe { dead.free() };
        }
    }

    /// Notes the thread that a switch leaves, for the sanitizer.
    #[inline(always)]
    pub(super) fn note_departure(&self, from: *const ControlBlock) {
        self.previous.set(from);
    }

    /// Notes the bounds of the stack that a switch has left: that of its thread, or of a
    /// coroutine that the thread runs.
    #[inline(always)]
    pub(super) fn note_arrival(&self, left: Bounds) {
        if cfg!(feature = "sanitizer") {
            // SAFETY: the thread that was left waits or is in the queue, or has ended and is
            // not freed before the pending work is done.
            if let Some(previous) = unsafe { self.previous.replace(ptr::null()).as_ref() } {
                previous.bounds().set(left);
            }
        }
    }
}
