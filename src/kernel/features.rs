//! How features attach to the kernel, which imports none of them: a table of functions that
//! the kernel calls, and slots for the state of features.
//!
//! ```text
//!   kernel ---- Upcalls: nine cold functions, filled in by `runtime` ----> features
//!   features -- Scheduler::state, ControlBlock::state: their own slots --> kernel
//! ```
//!
//! Between two context switches, a green thread meets nothing but what stands in
//! [`Upcalls`]. None of it is called on the fast path of a switch, a wake or a wait.

use std::any::Any;
use std::cell::{Cell, OnceCell, UnsafeCell};
use std::ops::Deref;
use std::panic::Location;
use std::ptr::NonNull;

use super::context_switch::Departure;
use super::control_block::{ControlBlock, Payload};
use super::run_queue::Runnable;
use super::scheduler::Scheduler;
use super::wait_reason::{Resource, ScopeMembers};

/// The functions by which the kernel reaches features. A feature can put functions of its own before
/// them: it [exchanges](UpcallTable::exchange) the table, and calls the functions that were there.
#[derive(Clone, Copy)]
pub(crate) struct Upcalls {
    /// Returns the next thread to run, where the run queue is empty or held back: polls, and
    /// sleeps until a thread can run. The current thread is not in the queue, or at its end.
    pub(crate) idle: fn(&Scheduler) -> Runnable,
    /// Looks at the timers and at what other OS threads have sent. Called once in
    /// [`SWITCHES_BETWEEN_POLLS`](super::slow_path::SWITCHES_BETWEEN_POLLS) switches.
    pub(crate) poll: fn(&Scheduler),
    /// Hears that a thread has become runnable, while a flag of
    /// [`slow`](super::slow_path::slow) is set.
    pub(crate) woken: fn(&Scheduler, &ControlBlock),
    /// Yields, while the run queue is held back. Returns the switch to make, or `None` if the
    /// yield is over or the current thread goes on.
    pub(crate) yielded: fn(&Scheduler, &'static Location<'static>) -> Option<Departure>,
    /// Does the pending work of the current thread, which has just been switched to or has
    /// come to a cancellation point; unwinds it if that is pending and the flag allows it.
    pub(crate) arrived: fn(&Scheduler, bool),
    /// Starts a timer that ends the wait of a thread. Returns its token.
    pub(crate) arm: fn(&Scheduler, &ControlBlock, u64) -> u64,
    /// Stops the timer of a wait that something else has ended.
    pub(crate) disarm: fn(&Scheduler, u64),
    /// Hears of an access to shared state that is about to begin, and may let other threads
    /// run first. Passed are the object and how it is accessed, the verb that a story uses, and
    /// the place in the program.
    pub(crate) access: fn(&Scheduler, Object<'_>, Access, &'static str, At),
    /// Hears of everything else that happens to threads.
    pub(crate) report: fn(&Scheduler, Report<'_>),
}

/// The upcalls of a scheduler.
pub(crate) struct UpcallTable(UnsafeCell<Upcalls>);

impl UpcallTable {
    pub(super) fn new(upcalls: Upcalls) -> UpcallTable {
        UpcallTable(UnsafeCell::new(upcalls))
    }

    /// Replaces the upcalls. Returns those that were there.
    ///
    /// # Safety
    ///
    /// Nothing may refer to the table. A running upcall does not: the pointer to its function has
    /// been read.
    pub(crate) unsafe fn exchange(&self, upcalls: Upcalls) -> Upcalls {
        // SAFETY: nothing refers to the table.
        unsafe { self.0.get().replace(upcalls) }
    }
}

impl Deref for UpcallTable {
    type Target = Upcalls;

    #[inline(always)]
    fn deref(&self) -> &Upcalls {
        // SAFETY: `exchange` is not called while something refers to the table.
        unsafe { &*self.0.get() }
    }
}

/// Where an access is.
#[derive(Clone, Copy)]
pub(crate) enum At {
    /// In the program's call at this line.
    Call(&'static Location<'static>),
    /// In a destructor. The line is that of the guard's or handle's creation.
    Destructor(&'static Location<'static>),
    /// In a function that waits for all uses of an object, at this line.
    Look(&'static Location<'static>),
}

/// What the kernel and the layers below exploration report.
pub(crate) enum Report<'a> {
    /// The access that has begun also accesses this object.
    Also(Object<'a>, Access),
    /// The operation that has begun also accesses this object, as a part that is told.
    Part { object: Object<'a>, access: Access, verb: &'static str, at: &'static Location<'static> },
    /// An object has been created.
    Created(&'a Resource),
    /// The access that has begun has read or left this value.
    Value(&'a dyn Fn() -> String),
    /// The program shows a value under this name. The value follows.
    #[cfg(feature = "weave")]
    Shown { name: &'a str, at: &'static Location<'static> },
    /// The wait of a thread is about to be ended by its deadline.
    Elapsed(&'a ControlBlock),
    /// A thread is to be unwound, for this reason. It has not been told before if `is_new`.
    Interrupted { control: &'a ControlBlock, why: &'static str, is_new: bool },
    /// The closure of a thread was left by a panic or by unwinding with this payload.
    Failed { control: &'a ControlBlock, payload: &'a Payload, panicked: bool },
    /// A thread has come to this stage of its end.
    Ending(&'a ControlBlock, Stage),
    /// There are as many threads as the controller allows, and another one was wanted.
    Refused,
    /// The current thread would yield at this line if it had used up its slice of time. Reported only
    /// in a controlled run.
    MayYield(&'static Location<'static>),
    /// The current thread may go on in `count` ways, of which one is to be chosen.
    Choose { count: usize, chosen: &'a Cell<usize> },
    /// The host has called the runtime. This and the next are reported only while what happens is
    /// recorded.
    Entered,
    /// The runtime is about to return to its host.
    Returns,
}

/// The stages of a thread's end, in their order.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Stage {
    /// The closure has been left, or the result was dropped since nothing joins the thread.
    /// Reported only of a thread that has state in slots.
    Left,
    /// The end is about to be announced. Reported only of a thread that has state in slots.
    Announced,
    /// Cancellation is over. Reported only of a thread with state in slots or with a pending
    /// unwinding.
    Uncancelled,
    /// The thread counts as ended. Reported only while accesses are observed.
    Ended,
}

/// How an access uses an object. Two accesses of the same object can be exchanged if both
/// only read, or if both commute.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Access {
    Read,
    Write,
    /// As an addition to a sum: the order among such accesses makes no difference.
    Commute,
    /// A look at whether all commuting accesses are over, before a wait for that. As the
    /// first access of a step it makes no difference: to find that all are over is the same
    /// as to wait and to go on at once.
    Look,
    /// The end of a wait for all commuting accesses. It comes after them in every schedule.
    Await,
}

/// An object that threads share.
#[derive(Clone, Copy)]
pub(crate) enum Object<'a> {
    /// A lock, a channel or another primitive.
    Resource(&'a Resource),
    /// The poison flag of a lock.
    Poison(&'a Resource),
    /// The number of running threads of a scope.
    Scope(&'a ScopeMembers),
    /// The end of the thread with this number.
    End(u64),
    /// The token for `park` of the thread with this number.
    Token(u64),
    /// The pending cancellation of the thread with this number.
    Unwinding(u64),
    /// The waker of the future that the thread with this number waits for.
    Waker(u64),
    /// The atomic at this address. It may lie in a `static`, and has no room for a number.
    Atomic(usize),
    /// The results of threads that were spawned through a `Handle`. They are one object: such
    /// a result is shared between OS threads, and has no number in an exploration.
    RemoteResults,
    /// The numbers that threads get.
    Numbers,
    /// The time, and the timers that wait for it.
    Clock,
}

/// What makes a thread runnable, or interrupts it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Cause {
    /// The green thread with this number.
    Thread(u64),
    Clock,
    /// Another OS thread.
    Outside,
    /// The operating system, by the readiness of a descriptor.
    System,
    /// The host of the runtime, between two calls of it.
    Host,
    /// The runtime itself: it resolves a deadlock, or is dropped.
    Runtime,
}

const SCHEDULER_SLOTS: usize = 14;
const THREAD_SLOTS: usize = 3;

/// State that a feature keeps with each scheduler.
///
/// # Safety
///
/// No two types may have the same slot, and a scheduler may be asked for the type only if it was made
/// with a state of the type. Only the state of a controlled run is not in every scheduler.
pub(crate) unsafe trait SchedulerState: 'static {
    const SLOT: usize;
}

/// Frees the state at an address.
type Free = unsafe fn(NonNull<()>);

/// The states of all features of one scheduler.
pub(crate) struct SchedulerSlots {
    places: [NonNull<()>; SCHEDULER_SLOTS],
    /// How to free the state of each slot that is filled.
    frees: [Option<Free>; SCHEDULER_SLOTS],
}

impl SchedulerSlots {
    pub(crate) fn new() -> SchedulerSlots {
        SchedulerSlots {
            places: [NonNull::dangling(); SCHEDULER_SLOTS],
            frees: [None; SCHEDULER_SLOTS],
        }
    }

    /// Adds the state of a feature.
    #[must_use]
    pub(crate) fn with<T: SchedulerState>(mut self, state: T) -> SchedulerSlots {
        /// Frees a state.
        ///
        /// # Safety
        ///
        /// `place` must be a leaked box of a `T` that nothing refers to.
        unsafe fn free<T>(place: NonNull<()>) {
            // SAFETY: the caller passes a leaked box.
            drop(unsafe { Box::from_raw(place.as_ptr().cast::<T>()) });
        }
        assert!(self.frees[T::SLOT].is_none(), "slot {} is taken", T::SLOT);
        self.places[T::SLOT] = NonNull::from(Box::leak(Box::new(state))).cast();
        self.frees[T::SLOT] = Some(free::<T>);
        self
    }

    #[inline(always)]
    pub(crate) fn get<T: SchedulerState>(&self) -> &T {
        debug_assert!(self.frees[T::SLOT].is_some());
        // SAFETY: the contract of `SchedulerState`: the slot is filled, with a `T`.
        unsafe { self.places[T::SLOT].cast::<T>().as_ref() }
    }
}

impl Drop for SchedulerSlots {
    fn drop(&mut self) {
        for (place, free) in self.places.iter().zip(&mut self.frees) {
            if let Some(free) = free.take() {
                // SAFETY: `with` leaked the box, and the state is borrowed from `self` only.
                unsafe { free(*place) };
            }
        }
    }
}

/// State that a feature keeps with some threads.
pub(crate) trait ThreadState: Any + Default {
    const SLOT: usize;
}

/// The states of features of one thread, each allocated when it is first used.
#[derive(Default)]
pub(crate) struct ThreadSlots([OnceCell<Box<dyn Any>>; THREAD_SLOTS]);

impl ThreadSlots {
    /// Returns the state of a feature, if it has been used.
    pub(crate) fn get<T: ThreadState>(&self) -> Option<&T> {
        self.0[T::SLOT].get()?.downcast_ref()
    }

    pub(crate) fn get_or_default<T: ThreadState>(&self) -> &T {
        let state = self.0[T::SLOT].get_or_init(|| Box::new(T::default()));
        state.downcast_ref().expect("each slot belongs to one type")
    }
}
