//! The next thread to run, where the run queue is empty or held back.
//!
//! All of this runs on the stack of the thread that has just come to wait, or has ended.

use std::cell::RefCell;

use super::policy::{Kind, Policy};
use super::random::Random;
use super::room;
use crate::cancel::unwind;
use crate::driver;
use crate::inspect::deadlock;
use crate::kernel::features::SchedulerState;
use crate::kernel::run_queue::Runnable;
use crate::kernel::slow_path::{SWITCHES_BETWEEN_POLLS, slow};
use crate::kernel::{Cause, Outcome, Payload, Scheduler, ThreadId};

/// How a runtime chooses, and the report of its deadlock.
pub(super) struct Choices {
    policy: RefCell<Policy>,
    /// Chooses among alternatives.
    generator: RefCell<Random>,
    /// Set once no thread can run.
    pub(super) deadlock: RefCell<Option<String>>,
}

// SAFETY: no other type has slot 10, and every scheduler gets such a state.
unsafe impl SchedulerState for Choices {
    const SLOT: usize = 10;
}

impl Choices {
    pub(super) fn new(policy: Policy) -> Choices {
        Choices {
            policy: RefCell::new(policy),
            generator: RefCell::new(Random::new(0)),
            deadlock: RefCell::new(None),
        }
    }
}

/// Returns the runtime's generator of random numbers, which begins with the same seed in each.
pub(crate) fn generator(scheduler: &Scheduler) -> &RefCell<Random> {
    &scheduler.state::<Choices>().generator
}

/// Returns a random number below `bound`, the same in every run.
pub(crate) fn random_below(scheduler: &Scheduler, bound: usize) -> usize {
    generator(scheduler).borrow_mut().below(bound)
}

/// Returns the next thread to run: polls, and sleeps until a thread can run.
pub(super) fn idle(scheduler: &Scheduler) -> Runnable {
    if let Some(next) = take_next(scheduler) {
        return next;
    }
    loop {
        driver::poll(scheduler);
        if let Some(next) = take_next(scheduler) {
            return next;
        }
        let main = scheduler.main();
        if room::wake_first(scheduler) {
            continue;
        }
        if main.waits_for_stall() {
            scheduler.caused_by(Cause::Runtime, || scheduler.wake(main, Outcome::Woken));
        } else if !driver::sleep(scheduler) {
            resolve_deadlock(scheduler);
        }
    }
}

/// Takes the next thread to run out of the queue, by the policy.
fn take_next(scheduler: &Scheduler) -> Option<Runnable> {
    let queue = scheduler.ready();
    if scheduler.is_held() && queue.has_popped_a_multiple_of::<SWITCHES_BETWEEN_POLLS>() {
        driver::poll(scheduler);
    }
    if queue.len() > 1 && scheduler.slow() & slow::POLICY != 0 {
        Some(take_picked(scheduler))
    } else {
        queue.pop()
    }
}

/// Takes the thread that the policy picks.
fn take_picked(scheduler: &Scheduler) -> Runnable {
    let queue = scheduler.ready();
    let policy = &scheduler.state::<Choices>().policy;
    if let Kind::Random(random, arrivals) = &mut policy.borrow_mut().0 {
        return arrivals.take(queue, random.below(queue.len()));
    }
    let picked = pick(scheduler);
    // A policy that panics is switched off, so the queue may be the other one.
    scheduler.ready().take(picked)
}

/// Asks the policy. If it panics, the run is over: every thread is unwound, and the panic goes on
/// from `run`.
fn pick(scheduler: &Scheduler) -> usize {
    let ready: Vec<ThreadId> =
        // SAFETY: a thread in the run queue has a control block.
        scheduler.ready().controls().map(|control| unsafe { (*control).id() }).collect();
    let policy = &scheduler.state::<Choices>().policy;
    let picked = scheduler.without_switching(|| policy.borrow_mut().pick(&ready));
    picked.unwrap_or_else(|payload| {
        fail(scheduler, payload);
        0
    })
}

/// Ends the run: `payload` goes on from there.
fn fail(scheduler: &Scheduler, payload: Payload) {
    scheduler.set_slow(slow::POLICY, false);
    scheduler.failure().borrow_mut().get_or_insert(payload);
    unwind::force_all(scheduler);
}

/// Keeps the report of a deadlock, and makes every green thread unwind.
fn resolve_deadlock(scheduler: &Scheduler) {
    let waiting = scheduler.all();
    let report = deadlock::deadlock(&waiting);
    if std::thread::panicking() {
        // A destructor waits during a panic. To unwind from there ends the process, and then the
        // report would be lost.
        eprintln!("leno: {report}");
    }
    if cfg!(panic = "abort") {
        panic!("{report}");
    }
    if !unwind::force_all(scheduler) {
        // All have been told, and wait in destructors for each other.
        scheduler.abort(format!("{report}\nleno: this is while they are unwound\n").as_bytes());
    }
    scheduler.state::<Choices>().deadlock.borrow_mut().get_or_insert(report);
}
