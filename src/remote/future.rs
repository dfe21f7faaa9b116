//! Waiting for a future: only the green thread waits, and its waker may be woken
//! anywhere.
//!
//! The flag in the waker says that the future is to be polled again; everything
//! else only ends the wait. So a wake is not lost wherever it comes from and
//! whenever it comes, and one that is late, or is meant for somebody else who
//! waits on the same frames, does no more than to have the flag looked at.

#![forbid(unsafe_code)]

use std::collections::hash_map::Entry;
use std::panic::Location;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering, fence};
use std::task::{Context, Poll, Wake, Waker};

use crate::kernel::current::{interrupted, scheduler};
use crate::kernel::scheduler::Scheduler;
use crate::kernel::thread_info::ThreadId;
use crate::kernel::wait_reason::{Outcome, Wait, WaitFor};
use crate::remote::inbox::{Inbox, Message};

/// Runs `future` to its end. `function` is the name of the public function that
/// needs a runtime for it.
#[inline]
#[track_caller]
pub(crate) fn block_on<F: Future>(function: &'static str, future: F) -> F::Output {
    let at = Location::caller();
    let begun_in = scheduler(function);
    begun_in.checkpoint();
    let mut future = pin!(future);
    let mut spare = begun_in.take_waker();
    loop {
        let polled = future.as_mut().poll(&mut Context::from_waker(&spare.waker));
        // A coroutine may have carried us elsewhere.
        let scheduler = scheduler(function);
        if let Poll::Ready(output) = polled {
            scheduler.put_waker(spare);
            return output;
        }
        if spare.state.inbox.runtime == scheduler.serial() {
            scheduler.wait_for_waker(&spare, at);
        } else {
            spare = scheduler.take_waker();
        }
    }
}

/// Wakes one green thread that waits for a future.
struct WakerState {
    inbox: Arc<Inbox>,
    /// Of the green thread.
    number: AtomicU64,
    /// It has been woken since the future was polled.
    woken: AtomicBool,
}

/// A waker that is ready for use. Nobody else has a clone of it.
pub(crate) struct SpareWaker {
    state: Arc<WakerState>,
    waker: Waker,
}

/// One who waits for its waker to be woken.
pub(crate) struct Awaiting {
    state: Arc<WakerState>,
    /// The address in the waker.
    data: *const (),
}

impl WakerState {
    fn take_woken(&self) -> bool {
        // Acquire: whoever woke us has seen to it that the future gets on.
        // Release: who wakes us next sees our number.
        self.woken.swap(false, Ordering::AcqRel)
    }
}

impl SpareWaker {
    /// How many clones of the waker do others have?
    fn clones(&self) -> usize {
        owners(&self.state) - 2
    }
}

fn owners(state: &Arc<WakerState>) -> usize {
    let owners = Arc::strong_count(state);
    // What they have done with others comes before they dropped those.
    fence(Ordering::Acquire);
    owners
}

impl Wake for WakerState {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        // AcqRel: see `take_woken`.
        if !self.woken.swap(true, Ordering::AcqRel) {
            let number = self.number.load(Ordering::Relaxed);
            let id = ThreadId { runtime: self.inbox.runtime, number };
            let _ = self.inbox.send(id, Message::Wake);
        }
    }
}

impl Scheduler {
    fn take_waker(&self) -> SpareWaker {
        self.outside.spare_waker.take().unwrap_or_else(|| self.new_waker())
    }

    #[cold]
    fn new_waker(&self) -> SpareWaker {
        let state = Arc::new(WakerState {
            inbox: self.inbox().clone(),
            number: AtomicU64::new(0),
            woken: AtomicBool::new(false),
        });
        SpareWaker { waker: state.clone().into(), state }
    }

    /// Keeps it for the next one, if it is this runtime's and nobody has a clone.
    fn put_waker(&self, spare: SpareWaker) {
        if spare.clones() == 0 && spare.state.inbox.runtime == self.serial() {
            spare.state.woken.store(false, Ordering::Relaxed);
            self.outside.spare_waker.set(Some(spare));
        }
    }

    /// Waits until the future is to be polled again.
    fn wait_for_waker(&self, spare: &SpareWaker, at: &'static Location<'static>) {
        let state = &spare.state;
        // Who wakes it finds it by its number, once its state is registered.
        let id = self.current().thread_state().id;
        state.number.store(id.number, Ordering::Relaxed);
        if state.take_woken() {
            // Woken while it was polled: a future lets others have a turn so.
            self.yield_now();
            return;
        }
        let wait = Wait::at(WaitFor::Future, at);
        let awaiting = &self.outside.awaiting;
        loop {
            let own = Awaiting { state: state.clone(), data: spare.waker.data() };
            let (outcome, _) = awaiting.wait(self, Some(own), &wait, None);
            if outcome == Outcome::Interrupted {
                interrupted();
            }
            if state.take_woken() {
                return;
            }
        }
    }

    /// Does somebody outside have the waker of one who waits for that? Green threads
    /// that keep a clone until they end are no outsiders, and others who have one can
    /// run, or wait themselves.
    pub(crate) fn somebody_has_a_waker(&self) -> bool {
        let kept = self.outside.kept_wakers.borrow();
        self.outside.awaiting.any(|awaiting| {
            let kept = kept.get(&awaiting.data).copied().unwrap_or(0);
            // The one who waits has three.
            owners(&awaiting.state) - 3 > kept
        })
    }

    /// A green thread of this runtime has a clone of this waker until it ends.
    pub(crate) fn keep_waker(&self, waker: &Waker) {
        *self.outside.kept_wakers.borrow_mut().entry(waker.data()).or_default() += 1;
    }

    /// What [`Scheduler::keep_waker`] has said is no longer so.
    pub(crate) fn release_waker(&self, waker: &Waker) {
        let mut kept = self.outside.kept_wakers.borrow_mut();
        if let Entry::Occupied(mut entry) = kept.entry(waker.data()) {
            *entry.get_mut() -= 1;
            if *entry.get() == 0 {
                entry.remove();
            }
        }
    }

    /// Runs `f`, while which virtual time stands still.
    pub(crate) fn count_unblocked<T>(&self, f: impl FnOnce() -> T) -> T {
        struct Counted<'a>(&'a Scheduler);
        impl Drop for Counted<'_> {
            fn drop(&mut self) {
                let unblocked = &self.0.outside.unblocked;
                unblocked.set(unblocked.get() - 1);
            }
        }
        let unblocked = &self.outside.unblocked;
        unblocked.set(unblocked.get() + 1);
        let _counted = Counted(self);
        f()
    }
}
