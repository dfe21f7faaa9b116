//! Calls on an OS thread of the pool, for which a green thread waits.
//!
//! A call that is lent the frame of its green thread is waited for, whatever comes: neither a cancellation
//! nor the end of the runtime ends the wait. A call that owns all it uses can be left to itself, if it has
//! allowed that before it came to wait for ever.

use std::io;
use std::mem;
use std::panic::{self, AssertUnwindSafe};
use std::sync::atomic::{AtomicBool, AtomicU8, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::Result;

use super::inbox::{Inbox, Message, hold_time, try_inbox};
use crate::cancel::interrupted;
use crate::kernel::{Outcome, Scheduler, ThreadId, Wait};
use crate::sys;

/// A call, as its green thread and the OS thread of the pool know it.
struct Call<T> {
    result: Mutex<Option<Result<T>>>,
    /// The OS thread uses neither the closure nor the result any more.
    has_ended: AtomicBool,
    inbox: Arc<Inbox>,
    caller: ThreadId,
}

impl<T> Call<T> {
    fn new(scheduler: &Scheduler) -> io::Result<Arc<Call<T>>> {
        let inbox = try_inbox(scheduler)?.clone();
        let caller = scheduler.current().info().id();
        let (result, has_ended) = (Mutex::new(None), AtomicBool::new(false));
        Ok(Arc::new(Call { result, has_ended, inbox, caller }))
    }

    /// Runs the closure, and wakes the green thread.
    fn run(&self, f: impl FnOnce() -> T) {
        let result = panic::catch_unwind(AssertUnwindSafe(f));
        *self.result.lock().unwrap_or_else(PoisonError::into_inner) = Some(result);
        // Release: the green thread sees what the closure has done. It may leave its frame at once.
        self.has_ended.store(true, Ordering::Release);
        let _ = self.inbox.send(self.caller, Message::Wake);
    }

    fn has_ended(&self) -> bool {
        self.has_ended.load(Ordering::Acquire)
    }

    /// Returns the result of a call that has ended.
    ///
    /// # Panics
    ///
    /// If the closure has panicked.
    fn result(&self) -> T {
        let result = self.result.lock().unwrap_or_else(PoisonError::into_inner).take();
        match result.expect("a call that has ended has a result") {
            Ok(value) => value,
            Err(payload) => panic::resume_unwind(payload),
        }
    }

    /// Waits for the end of the call, whatever comes.
    fn wait(&self, scheduler: &Scheduler, wait: &Wait<'_>) {
        while !self.has_ended() {
            // mistake: lent-frame-left
            scheduler.block_borrowed(wait);
        }
    }
}

/// Ends the process in place of an unwinding through a frame that is lent.
struct NeverUnwinds;

impl Drop for NeverUnwinds {
    fn drop(&mut self) {
        sys::abort(&[b"leno: a call on the pool of OS threads could not be waited for\n"]);
    }
}

/// Runs `f` on an OS thread of the pool, and returns its value. Only the current green thread waits,
/// whatever comes. `wait` is what it waits for.
///
/// # Errors
///
/// That of `f`; at the first call of a runtime, if the system has no more descriptors.
///
/// # Panics
///
/// If `f` panics.
pub(crate) fn lend<T: Send>(
    scheduler: &Scheduler,
    wait: &Wait<'_>,
    f: impl FnOnce() -> io::Result<T> + Send,
) -> io::Result<T> {
    let call = Call::new(scheduler)?;
    let on_pool = call.clone();
    let job: Box<dyn FnOnce() + Send + '_> = Box::new(move || on_pool.run(f));
    // SAFETY: what `f` borrows outlives this call, which neither returns nor unwinds before the call
    // has ended: `Call::run` has then consumed `f` and put the value where only this thread takes it.
    // What is left of the job is the shared record, which has no borrow in it. A green thread that is
    // forgotten in its wait keeps its stack (`stack/pool.rs`).
    let job: Box<dyn FnOnce() + Send> = unsafe { mem::transmute(job) };
    let guard = NeverUnwinds;
    blocking::unblock(job).detach();
    hold_time(scheduler, || call.wait(scheduler, wait));
    mem::forget(guard);
    call.result()
}

/// Runs `f` on an OS thread of the pool. Nothing waits for it.
pub(crate) fn detach(f: impl FnOnce() + Send + 'static) {
    blocking::unblock(f).detach();
}

/// Whether the green thread may leave a call to itself.
#[derive(Default)]
pub(crate) struct Leave(AtomicU8);

impl Leave {
    /// The call has not begun.
    const QUEUED: u8 = 0;
    const BEGUN: u8 = 1;
    /// The call may come to wait for ever.
    const ALLOWED: u8 = 2;
    /// The green thread is to be unwound. The call must neither begin nor come to wait for ever.
    const WANTED: u8 = 3;

    /// Allows the green thread to leave: the call is about to wait, perhaps for ever. Returns `false` if
    /// the call must end in place of that.
    #[must_use]
    pub(crate) fn allow(&self) -> bool {
        self.pass(Leave::BEGUN, Leave::ALLOWED)
    }

    /// Returns `false` if the call must not begin.
    fn begin(&self) -> bool {
        self.pass(Leave::QUEUED, Leave::BEGUN)
    }

    fn pass(&self, from: u8, to: u8) -> bool {
        self.0.compare_exchange(from, to, Ordering::Relaxed, Ordering::Relaxed).is_ok()
    }

    /// Returns `true` if the green thread may leave. Otherwise the call ends before long.
    fn ask(&self) -> bool {
        // mistake: left-while-opening
        self.0.swap(Leave::WANTED, Ordering::Relaxed) != Leave::BEGUN
    }
}

/// Runs `f` as [`lend`] does. If the green thread is to be unwound, a call that has not begun never does,
/// and one that has allowed it goes on alone: its value is dropped on its OS thread. Another is waited for,
/// and returns its value.
///
/// `f` returns `None` if [`Leave::allow`] has told it to end.
///
/// # Errors
///
/// As [`lend`].
///
/// # Panics
///
/// If `f` panics.
pub(crate) fn hand_over<T: Send + 'static>(
    scheduler: &Scheduler,
    wait: &Wait<'_>,
    f: impl FnOnce(&Leave) -> Option<io::Result<T>> + Send + 'static,
) -> io::Result<T> {
    let call = Call::new(scheduler)?;
    let leave = Arc::new(Leave::default());
    {
        let (call, leave) = (call.clone(), leave.clone());
        let job = move || call.run(|| if leave.begin() { f(&leave) } else { None });
        blocking::unblock(job).detach();
    }
    let is_left = hold_time(scheduler, || {
        while !call.has_ended() {
            if scheduler.block(wait, None) == Outcome::Interrupted && !call.has_ended() {
                if leave.ask() {
                    return true;
                }
                call.wait(scheduler, wait);
            }
        }
        false
    });
    match if is_left { None } else { call.result() } {
        Some(value) => value,
        None => interrupted(),
    }
}
