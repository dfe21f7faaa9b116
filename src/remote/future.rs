//! Waiting for a future: only the green thread waits, and its waker may be woken on any OS
//! thread.
//!
//! The flag in the waker tells that the future is to be polled again. Everything else only ends
//! the wait. So no wake is lost, wherever and whenever it comes. A wake that is late, or that is
//! meant for another wait on the same frames, only causes one more look at the flag.

use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::mem::ManuallyDrop;
use std::panic::Location;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering, fence};
use std::task::{Context, Poll, RawWaker, RawWakerVTable, Waker};

use super::inbox::{Inbox, Message, inbox};
use crate::access::{Access, Object, also};
use crate::cancel::interrupted;
use crate::kernel::features::{SchedulerState, ThreadState};
use crate::kernel::{
    ControlBlock, Outcome, Scheduler, ThreadId, Wait, WaitFor, WaitQueue, scheduler,
};

/// Runs `future` to its end. `function` is the name of the public function that
/// needs a runtime for it. If the future ends with a closure on another OS thread, `begun` tells
/// whether the closure has begun, for reports.
#[inline]
#[track_caller]
pub(crate) fn block_on<F: Future>(
    function: &'static str,
    begun: Option<&AtomicBool>,
    future: F,
) -> F::Output {
    let at = Location::caller();
    let begun_in = scheduler(function);
    let mut future = pin!(future);
    let mut spare = take_waker(begun_in);
    if begun_in.is_eventful() {
        spare.begin(begun_in);
    }
    loop {
        let polled = future.as_mut().poll(&mut Context::from_waker(&spare.waker));
        // A coroutine may have carried this frame to another runtime.
        let scheduler = scheduler(function);
        if let Poll::Ready(output) = polled {
            put_waker(scheduler, spare);
            return output;
        }
        if spare.state.inbox.runtime == scheduler.serial() {
            let wait = Wait::at(WaitFor::Future(begun), at);
            wait_for_waker(scheduler, &spare, &wait);
        } else {
            spare = take_waker(scheduler);
            spare.begin(scheduler);
        }
    }
}

/// Wakes one green thread that waits for a future.
struct WakerState {
    inbox: Arc<Inbox>,
    /// The number of the green thread.
    number: AtomicU64,
    /// The waker has been woken since the future was polled.
    woken: AtomicBool,
}

/// A waker without clones, ready for use.
struct SpareWaker {
    state: Arc<WakerState>,
    waker: Waker,
}

/// What a thread that waits for its waker has in its wait queue node.
struct Awaiting {
    state: Arc<WakerState>,
    /// The address in the waker.
    data: *const (),
}

/// The functions of a waker, the data of which is a pointer of [`Arc::into_raw`] to its state.
///
/// They are those of `Waker::from(Arc)`, except that the runtime hears of each waker that another OS
/// thread drops: without any, nothing can wake the thread that waits.
static WAKER: RawWakerVTable = RawWakerVTable::new(clone_waker, wake, wake_by_ref, drop_waker);

impl WakerState {
    /// Returns a waker that owns `state`.
    fn into_waker(state: Arc<WakerState>) -> Waker {
        // SAFETY: the functions of the table take such data, and the state may be used by any OS
        // thread.
        unsafe { Waker::from_raw(into_raw_waker(state)) }
    }

    fn wake(&self) {
        also(Object::Waker(self.number.load(Ordering::Relaxed)), Access::Write);
        // AcqRel: see `take_woken`. Only after that is the number that of the thread that waits.
        if !self.woken.swap(true, Ordering::AcqRel) {
            let number = self.number.load(Ordering::Relaxed);
            let id = ThreadId { runtime: self.inbox.runtime, number };
            let _ = self.inbox.send(id, Message::Wake);
        }
    }

    fn take_woken(&self) -> bool {
        // Acquire: what the waking thread did for the future is seen. Release: the next waking
        // thread sees the number.
        self.woken.swap(false, Ordering::AcqRel)
    }
}

impl SpareWaker {
    /// Prepares for reports of the waker's uses, which name the thread that waits. A
    /// cancellation point.
    #[cold]
    #[inline(never)]
    fn begin(&self, scheduler: &Scheduler) {
        scheduler.checkpoint();
        self.state.number.store(scheduler.current().number(), Ordering::Relaxed);
    }

    /// Returns the number of clones of the waker.
    fn clones(&self) -> usize {
        owners(&self.state) - 2
    }
}

fn owners(state: &Arc<WakerState>) -> usize {
    let owners = Arc::strong_count(state);
    // What was done with the clones that are gone comes before this.
    fence(Ordering::Acquire);
    owners
}

fn into_raw_waker(state: Arc<WakerState>) -> RawWaker {
    RawWaker::new(Arc::into_raw(state).cast(), &WAKER)
}

/// Clones a waker.
///
/// # Safety
///
/// `data` must be that of a waker which exists.
unsafe fn clone_waker(data: *const ()) -> RawWaker {
    // SAFETY: the caller's waker owns the state, and goes on to own it.
    let state = ManuallyDrop::new(unsafe { Arc::from_raw(data.cast::<WakerState>()) });
    into_raw_waker(Arc::clone(&state))
}

/// Wakes the thread that waits, and drops the waker.
///
/// # Safety
///
/// `data` must be that of a waker, which is not used any more.
unsafe fn wake(data: *const ()) {
    // SAFETY: the caller's contract.
    unsafe {
        wake_by_ref(data);
        drop_waker(data);
    }
}

/// Wakes the thread that waits.
///
/// # Safety
///
/// `data` must be that of a waker which exists.
unsafe fn wake_by_ref(data: *const ()) {
    // SAFETY: the waker owns the state.
    unsafe { (*data.cast::<WakerState>()).wake() }
}

/// Drops a waker.
///
/// # Safety
///
/// `data` must be that of a waker, which is not used any more.
unsafe fn drop_waker(data: *const ()) {
    // SAFETY: the waker owns the state, and is not used any more.
    let state = unsafe { Arc::from_raw(data.cast::<WakerState>()) };
    if !state.inbox.is_current() {
        // First the waker, then the notification, after which the runtime counts.
        let inbox = state.inbox.clone();
        drop(state);
        inbox.notify();
    }
}

/// What a runtime knows of the futures that its threads wait for.
#[derive(Default)]
pub(crate) struct Futures {
    /// Green threads that wait for a future.
    awaiting: WaitQueue<Awaiting>,
    spare_waker: Cell<Option<SpareWaker>>,
    /// The number of clones of a waker, by the address in it, that green threads of this
    /// runtime keep for their end.
    kept_wakers: RefCell<HashMap<*const (), usize>>,
}

// SAFETY: no other type has slot 3.
unsafe impl SchedulerState for Futures {
    const SLOT: usize = 3;
}

fn futures(scheduler: &Scheduler) -> &Futures {
    scheduler.state()
}

fn take_waker(scheduler: &Scheduler) -> SpareWaker {
    futures(scheduler).spare_waker.take().unwrap_or_else(|| new_waker(scheduler))
}

#[cold]
fn new_waker(scheduler: &Scheduler) -> SpareWaker {
    let state = Arc::new(WakerState {
        inbox: inbox(scheduler).clone(),
        number: AtomicU64::new(0),
        woken: AtomicBool::new(false),
    });
    SpareWaker { waker: WakerState::into_waker(state.clone()), state }
}

/// Keeps the waker for the next future, if it is this runtime's and has no clone.
fn put_waker(scheduler: &Scheduler, spare: SpareWaker) {
    if spare.clones() == 0 && spare.state.inbox.runtime == scheduler.serial() {
        spare.state.woken.store(false, Ordering::Relaxed);
        futures(scheduler).spare_waker.set(Some(spare));
    }
}

/// Waits until the future is to be polled again.
fn wait_for_waker(scheduler: &Scheduler, spare: &SpareWaker, wait: &Wait<'_>) {
    let state = &spare.state;
    // A wake finds the thread by its number, once its info is registered.
    let id = scheduler.current().info().id();
    state.number.store(id.number, Ordering::Relaxed);
    also(Object::Waker(id.number), Access::Write);
    if state.take_woken() {
        // Woken while it was polled: so a future lets others have a turn.
        scheduler.yield_now();
        return;
    }
    let awaiting = &futures(scheduler).awaiting;
    loop {
        let own = Awaiting { state: state.clone(), data: spare.waker.data() };
        let (outcome, _) = awaiting.wait(scheduler, Some(own), wait, None);
        if outcome == Outcome::Interrupted {
            interrupted();
        }
        also(Object::Waker(id.number), Access::Write);
        if state.take_woken() {
            return;
        }
    }
}

/// Returns `true` if something outside has the waker of a thread that waits for a future. Green
/// threads that keep a clone until they end are not outside, and others that have a clone can
/// run, or wait themselves.
pub(super) fn is_awaited_outside(scheduler: &Scheduler) -> bool {
    futures(scheduler).awaiting.any(|awaiting| wakers_outside(scheduler, awaiting) > 0)
}

/// Returns the number of wakers that something outside has, for each thread that waits for a future.
pub(crate) fn awaited_outside(scheduler: &Scheduler) -> Vec<(u64, usize)> {
    let all = RefCell::new(Vec::new());
    futures(scheduler).awaiting.any(|awaiting| {
        let number = awaiting.state.number.load(Ordering::Relaxed);
        all.borrow_mut().push((number, wakers_outside(scheduler, awaiting)));
        false
    });
    all.into_inner()
}

fn wakers_outside(scheduler: &Scheduler, awaiting: &Awaiting) -> usize {
    let kept = futures(scheduler).kept_wakers.borrow().get(&awaiting.data).copied().unwrap_or(0);
    // The waiting thread has three.
    (owners(&awaiting.state) - 3).saturating_sub(kept)
}

/// What waits for a thread's end besides its joiner.
#[derive(Default)]
struct EndWatch {
    waker: Cell<Option<Waker>>,
    /// The selects that have the end as an alternative.
    selects: WaitQueue<()>,
}

impl ThreadState for EndWatch {
    const SLOT: usize = 2;
}

/// Returns the queue of the selects that wait for the end of a thread, which has not ended.
pub(crate) fn selects_on_end(control: &ControlBlock) -> &WaitQueue<()> {
    &control.state_or_default::<EndWatch>().selects
}

/// Makes the end of a thread, which has not ended, wake `waker` in place of the previous one.
pub(crate) fn wake_at_end(control: &ControlBlock, waker: &Waker) {
    let scheduler = control.scheduler();
    let kept = &futures(scheduler).kept_wakers;
    *kept.borrow_mut().entry(waker.data()).or_default() += 1;
    // The previous waker is dropped last: that may run any code.
    let previous = control.state_or_default::<EndWatch>().waker.replace(Some(waker.clone()));
    previous.iter().for_each(|previous| release_waker(scheduler, previous));
}

/// Wakes what waits for the end of a thread besides its joiner. No thread runs between the return and
/// the end.
pub(crate) fn announce_end(scheduler: &Scheduler, control: &ControlBlock) {
    let Some(EndWatch { waker, selects }) = control.state_of() else { return };
    // This may run any code, also that of a select.
    while let Some(waker) = waker.take() {
        release_waker(scheduler, &waker);
        waker.wake();
    }
    selects.wake_all();
}

/// Notes that a green thread has no clone of the waker any more.
fn release_waker(scheduler: &Scheduler, waker: &Waker) {
    let mut kept = futures(scheduler).kept_wakers.borrow_mut();
    if let Entry::Occupied(mut entry) = kept.entry(waker.data()) {
        *entry.get_mut() -= 1;
        if *entry.get() == 0 {
            entry.remove();
        }
    }
}
