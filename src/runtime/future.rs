//! Waiting for a future: only the green thread waits, and its waker may be woken
//! anywhere.
//!
//! The flag in the waker says that the future is to be polled again; everything
//! else only ends the wait. So a wake is not lost wherever it comes from and
//! whenever it comes, and one that is late, or is meant for somebody else who
//! waits on the same frames, does no more than to have the flag looked at.

#![forbid(unsafe_code)]

use std::panic::Location;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering, fence};
use std::task::{Context, Poll, Wake, Waker};

use super::current::{interrupted, scheduler};
use super::inbox::{Inbox, Message};
use super::scheduler::Scheduler;
use super::thread_state::ThreadId;
use super::wait::{Outcome, Wait, WaitFor};

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
            scheduler.wait_for_waker(&spare.state, at);
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
pub(super) struct SpareWaker {
    state: Arc<WakerState>,
    waker: Waker,
}

impl WakerState {
    fn take_woken(&self) -> bool {
        // Acquire: whoever woke us has seen to it that the future gets on.
        // Release: who wakes us next sees our number.
        self.woken.swap(false, Ordering::AcqRel)
    }

    /// Does nobody else have a clone of the waker?
    fn is_alone(self: &Arc<Self>) -> bool {
        let alone = Arc::strong_count(self) == 2;
        // What others have done with their clones comes before they dropped them.
        fence(Ordering::Acquire);
        alone
    }
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
        if spare.state.is_alone() && spare.state.inbox.runtime == self.serial() {
            spare.state.woken.store(false, Ordering::Relaxed);
            self.outside.spare_waker.set(Some(spare));
        }
    }

    /// Waits until the future is to be polled again.
    fn wait_for_waker(&self, state: &Arc<WakerState>, at: &'static Location<'static>) {
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
            // Without a clone of the waker nobody will ever wake it.
            let reachable = usize::from(!state.is_alone());
            awaiting.set(awaiting.get() + reachable);
            let outcome = self.block(&wait, None);
            awaiting.set(awaiting.get() - reachable);
            if outcome == Outcome::Interrupted {
                interrupted();
            }
            if state.take_woken() {
                return;
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
