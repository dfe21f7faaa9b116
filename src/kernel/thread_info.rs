//! What is known of a green thread besides its control block: its identity, which outlives it, its
//! cancellation, and what few green threads have.

use std::any::Any;
use std::cell::{Cell, OnceCell};
use std::fmt;
use std::ptr;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use super::control_block::{ControlBlock, Payload};
use super::features::ThreadSlots;
use super::scheduler::Scheduler;

/// The identity of a green thread, different from that of every other of the process. Its
/// number counts the green threads of its runtime in the order in which they were spawned; the
/// main one is 1.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ThreadId {
    pub(crate) runtime: u64,
    pub(crate) number: u64,
}

impl ThreadId {
    /// Returns the number: 1 for the main green thread, then in the order of spawning.
    #[must_use]
    pub fn number(&self) -> u64 {
        self.number
    }
}

impl fmt::Debug for ThreadId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ThreadId({})", self.number)
    }
}

impl fmt::Display for ThreadId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "#{}", self.number)
    }
}

/// What a `Thread` handle refers to. It outlives the green thread.
pub(crate) struct ThreadInfo {
    id: ThreadId,
    name: Option<Box<str>>,
    /// Null once the green thread has ended.
    control: Cell<*const ControlBlock>,
}

impl ThreadInfo {
    /// Returns the info of a thread.
    ///
    /// # Safety
    ///
    /// [`ThreadInfo::retire`] must be called before `control` goes away.
    pub(super) unsafe fn new(control: &ControlBlock, name: Option<Box<str>>) -> ThreadInfo {
        ThreadInfo { id: control.id(), name, control: Cell::new(control) }
    }

    /// Returns the info of this OS thread, for code that is in no runtime.
    pub(crate) fn of_os_thread() -> Rc<ThreadInfo> {
        thread_local! {
            static INFO: OnceCell<Rc<ThreadInfo>> = const { OnceCell::new() };
        }
        let new = |name: Option<&str>| {
            static LAST: AtomicU64 = AtomicU64::new(0);
            // The numbers of runtimes begin at 1.
            let id = ThreadId { runtime: 0, number: LAST.fetch_add(1, Ordering::Relaxed) + 1 };
            Rc::new(ThreadInfo { id, name: name.map(Box::from), control: Cell::new(ptr::null()) })
        };
        let known =
            INFO.try_with(|info| info.get_or_init(|| new(std::thread::current().name())).clone());
        // In a destructor at the end of the OS thread, the value may be gone, and std's as well.
        known.unwrap_or_else(|_| new(None))
    }

    pub(crate) fn id(&self) -> ThreadId {
        self.id
    }

    pub(crate) fn name(&self) -> Option<&str> {
        self.name.as_deref()
    }

    /// Returns the green thread, if it has not ended.
    pub(crate) fn control(&self) -> Option<&ControlBlock> {
        // SAFETY: `retire` clears the pointer before the control block goes away.
        unsafe { self.control.get().as_ref() }
    }

    /// Makes handles to the green thread lead nowhere from now on.
    pub(super) fn retire(&self) {
        self.control.set(ptr::null());
    }
}

/// A reference to a thread that waits, or is in a cancel scope.
#[derive(Clone, Copy)]
pub(crate) struct ThreadRef(*const ControlBlock);

impl ThreadRef {
    pub(crate) fn of(control: &ControlBlock) -> ThreadRef {
        ThreadRef(control)
    }

    /// Returns the address of the control block.
    pub(crate) fn address(self) -> *const () {
        self.0.cast()
    }

    /// Returns the thread.
    ///
    /// # Safety
    ///
    /// The thread must not have ended.
    pub(crate) unsafe fn get<'a>(self) -> &'a ControlBlock {
        // SAFETY: the control block of a thread that has not ended exists.
        unsafe { &*self.0 }
    }
}

/// What only some green threads have, allocated at its first use.
#[derive(Default)]
pub(super) struct Extra {
    info: OnceCell<Rc<ThreadInfo>>,
    /// Set while the thread unwinds, as far as is known: cleared where the payload is dropped,
    /// perhaps on another OS thread, or known to have been caught. Read only where std's count of
    /// panics is unknown.
    in_flight: OnceCell<Arc<AtomicBool>>,
    slots: ThreadSlots,
}

impl Extra {
    pub(super) fn info(&self) -> &OnceCell<Rc<ThreadInfo>> {
        &self.info
    }

    pub(super) fn slots(&self) -> &ThreadSlots {
        &self.slots
    }

    fn in_flight(&self) -> Option<&AtomicBool> {
        self.in_flight.get().map(|in_flight| &**in_flight)
    }
}

/// The unwinding of a thread that is cancelled or out of time.
impl ControlBlock {
    /// Returns a payload that unwinds the thread, or its stack up to a cancel scope.
    pub(crate) fn begin_unwinding(&self, scope: Option<u64>) -> Unwinding {
        let in_flight = self.extra().in_flight.get_or_init(Arc::default).clone();
        in_flight.store(true, Ordering::Relaxed);
        Unwinding { in_flight, scope }
    }

    /// Returns `true` if `payload` unwinds this thread, or a part of it, because the thread was
    /// cancelled or is out of time. A payload that it passes on without that is a panic.
    pub(crate) fn is_unwound_by(&self, payload: &Payload) -> bool {
        is_cancellation(&**payload) && self.cancel_flags().reasons() != 0
    }

    /// Notes that the unwinding has been caught, wherever its payload is.
    pub(crate) fn end_unwinding(&self) {
        if let Some(in_flight) = self.extra_if_used().and_then(Extra::in_flight) {
            in_flight.store(false, Ordering::Relaxed);
        }
    }

    /// Returns `true` if the runtime unwinds the thread just now, as far as that is known
    /// without std's count of panics.
    pub(super) fn is_being_unwound(&self) -> bool {
        let in_flight = self.extra_if_used().and_then(Extra::in_flight);
        in_flight.is_some_and(|in_flight| in_flight.load(Ordering::Relaxed))
            && !self.cancel_flags().is_protected()
    }
}

/// What the kernel knows of a thread's cancellation.
#[derive(Default)]
pub(crate) struct CancelFlags {
    /// Why the thread is to be unwound: bits that belong to `cancel`. Zero if it is not.
    reasons: Cell<u8>,
    /// The thread is suspended in the middle of a panic.
    panicking: Cell<bool>,
    /// The runtime holds the payload of the unwinding, which goes on later, or waits on a frame
    /// that must not be unwound.
    protected: Cell<bool>,
    /// The thread has ended with a panic, and not because it was cancelled.
    panicked: Cell<bool>,
    /// The number of shields that the thread is in.
    shields: Cell<u32>,
}

impl CancelFlags {
    /// Returns the reasons for which the thread is to be unwound, as bits; zero if none.
    #[inline(always)]
    pub(crate) fn reasons(&self) -> u8 {
        self.reasons.get()
    }

    /// Sets the reasons. The scheduler counts the threads that have any.
    pub(crate) fn set_reasons(&self, scheduler: &Scheduler, reasons: u8) {
        let before = self.reasons.replace(reasons);
        scheduler.count_interrupted(before != 0, reasons != 0);
    }

    pub(crate) fn is_panicking(&self) -> bool {
        self.panicking.get()
    }

    pub(super) fn has_panicked(&self) -> bool {
        self.panicked.get()
    }

    pub(super) fn set_panicked(&self, panicked: bool) {
        self.panicked.set(panicked);
    }

    pub(crate) fn is_protected(&self) -> bool {
        self.protected.get()
    }

    pub(super) fn set_panicking(&self, panicking: bool) {
        self.panicking.set(panicking);
    }

    /// Runs `f`, in which nothing unwinds the thread: the runtime has caught its unwinding and
    /// resumes it later, or its frame is borrowed.
    pub(crate) fn protect<T>(&self, f: impl FnOnce() -> T) -> T {
        struct Before<'a>(&'a CancelFlags, bool);
        impl Drop for Before<'_> {
            fn drop(&mut self) {
                self.0.protected.set(self.1);
            }
        }
        let _before = Before(self, self.protected.replace(true));
        f()
    }

    pub(crate) fn shields(&self) -> u32 {
        self.shields.get()
    }

    /// Holds off the cancellation and the deadlines around the shield, until the matching
    /// [`CancelFlags::unshield`].
    pub(crate) fn shield(&self) {
        self.shields.set(self.shields.get() + 1);
    }

    pub(crate) fn unshield(&self) {
        self.shields.set(self.shields.get().saturating_sub(1));
    }

    #[inline(always)]
    pub(super) fn forget_shields(&self) {
        self.shields.set(0);
    }
}

/// The payload that unwinds a green thread.
pub(crate) struct Unwinding {
    in_flight: Arc<AtomicBool>,
    /// The cancel scope that is left by it; `None` if the whole thread is unwound.
    scope: Option<u64>,
}

impl Unwinding {
    /// Returns the number of the cancel scope that is left, if the thread is to go on after it.
    pub(crate) fn scope(&self) -> Option<u64> {
        self.scope
    }
}

impl Drop for Unwinding {
    fn drop(&mut self) {
        self.in_flight.store(false, Ordering::Relaxed);
    }
}

/// The payload of [`join`](crate::thread::JoinHandle::join) of a green thread that was
/// cancelled.
///
/// A green thread counts as cancelled if it was cancelled itself. One that was not, and passes on
/// the `Cancelled` of another thread by [`resume_unwind`](std::panic::resume_unwind), has
/// panicked: its scope or group fails. Its own joiner gets the same payload.
///
/// # Examples
///
/// ```
/// use leno::thread::{self, Cancelled};
///
/// leno::run(|| {
///     let handle = thread::spawn(thread::park);
///     handle.cancel();
///     assert!(handle.join().unwrap_err().is::<Cancelled>());
/// });
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cancelled;

impl fmt::Display for Cancelled {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the green thread was cancelled")
    }
}

impl std::error::Error for Cancelled {}

/// Returns `true` if `payload` is that of a cancellation, of this green thread or of another one,
/// or of a deadline.
pub(crate) fn is_cancellation(payload: &(dyn Any + Send)) -> bool {
    payload.is::<Unwinding>() || payload.is::<Cancelled>()
}

/// Returns what `join` gives for a green thread that ended with this payload.
pub(crate) fn for_join(payload: Payload) -> Payload {
    if payload.is::<Unwinding>() { Box::new(Cancelled) } else { payload }
}
