//! What is done when no green thread can run, and now and then besides: timers,
//! word from other OS threads, sleeping in the kernel, deadlock.
//!
//! All of it runs on the stack of whoever has just come to wait, or has ended.

use std::panic::{self, AssertUnwindSafe};
use std::ptr;
use std::sync::atomic::Ordering;
use std::time::Duration;

use super::clock::Clock;
use super::control::{Control, Payload, State};
use super::current::without_runtime;
use super::director::UNTOLD;
use super::hooks::hook;
use super::queue::Runnable;
use super::report;
use super::scheduler::{SWITCHES_BETWEEN_POLLS, Scheduler, chore};
use super::thread_state::ThreadId;
use super::trace::Cause;
use super::track::Track;
use super::wait::Outcome;
use super::warming::warm_control;
use crate::stack;
use crate::sys;

/// What a timer is for.
#[derive(Clone, Copy)]
pub(super) enum Target {
    /// The deadline of a wait.
    Wait(*const Control),
    /// The deadline of a scope that the green thread is in, with the scope's id.
    Scope(*const Control, u64),
}

impl Target {
    pub(super) fn wait(control: &Control) -> Target {
        Target::Wait(control)
    }

    pub(super) fn scope(control: &Control, id: u64) -> Target {
        Target::Scope(control, id)
    }

    fn control(self) -> *const Control {
        match self {
            Target::Wait(control) | Target::Scope(control, _) => control,
        }
    }
}

impl Scheduler {
    /// The next to run, where a hook wants to see that, or when the run queue is
    /// empty: fills it, or waits in the kernel until it is filled.
    #[cold]
    #[inline(never)]
    pub(super) fn idle(&self) -> Runnable {
        // In an exploration this comes as often as a yield. What repeats a choice is in a
        // function of its own, since it needs no frame.
        if self.hooks.get() == hook::DIRECTED
            && let Some(next) = self.next_on_track(Track::next_at_once)
        {
            return next;
        }
        self.idle_with_care()
    }

    #[inline(never)]
    fn idle_with_care(&self) -> Runnable {
        if self.hooks.get() == hook::DIRECTED
            && let Some(next) = self.next_on_track(Track::next_where_new)
        {
            return next;
        }
        if self.hooks.get() & hook::TRACE != 0 {
            self.trace_leave(self.current());
        }
        if self.hooks.get() & hook::DIRECTED != 0
            && let Some(next) = self.next_directed()
        {
            return next;
        }
        if let Some(next) = self.take_next() {
            return next;
        }
        loop {
            self.poll();
            if let Some(next) = self.take_next() {
                return next;
            }
            // SAFETY: the main green thread outlives all others.
            let main = unsafe { &*self.main.get() };
            if main.waits_for_stall() {
                self.caused_by(Cause::Runtime, || self.wake(main, Outcome::Woken));
            } else if !self.sleep() {
                self.resolve_deadlock();
            }
        }
    }

    /// Looks at everything that may make a green thread runnable.
    pub(super) fn poll(&self) {
        self.coarse.set(self.clock.coarse_now());
        if !self.timers.borrow().is_empty() {
            let now = self.now();
            self.coarse.set(now);
            self.caused_by(Cause::Clock, || self.fire_timers(now));
        }
        self.read_inbox();
        #[cfg(feature = "debug")]
        self.poll_requests();
    }

    fn fire_timers(&self, now: u64) {
        let first_woken = self.queue.end();
        let expired = || {
            let mut timers = self.timers.borrow_mut();
            let target = timers.pop_expired(now)?;
            // While the green thread of this timer is woken, the control block of the next
            // comes into the cache.
            if let Some(next) = timers.next_target() {
                warm_control(next.control());
            }
            Some(target)
        };
        while let Some(target) = expired() {
            // SAFETY: the timer of a wait is removed before the green thread goes
            // on, that of a scope when the scope ends: their green threads are
            // there.
            unsafe {
                match target {
                    Target::Wait(control) => {
                        self.time_is_over(&*control);
                    }
                    Target::Scope(control, id) => (*control).scope_elapsed(id),
                }
            }
        }
        self.note_woken_by_timers(first_woken);
    }

    fn time_is_over(&self, control: &Control) {
        if self.chores.get() & chore::OPERATIONS != 0 {
            self.operate_on_wait(control, UNTOLD);
        }
        self.wake(control, Outcome::Elapsed);
    }

    /// Waits in the kernel, or lets virtual time pass, until something may have
    /// come up. False if nothing ever can.
    pub(super) fn sleep(&self) -> bool {
        if self.pass_virtual_time() {
            return true;
        }
        let deadline = self.timers.borrow().next_deadline();
        if deadline.is_none() && !self.can_be_reached() {
            return false;
        }
        let nanos = match &self.clock {
            Clock::Real => deadline.map(|deadline| deadline.saturating_sub(self.now())),
            // Only word from outside ends this.
            Clock::Virtual(_) => None,
        };
        self.is_away.store(true, Ordering::Relaxed);
        match (self.outside.inbox.get(), nanos) {
            (Some(inbox), nanos) => inbox.sleep(nanos),
            (None, Some(nanos)) => sys::wakeup::sleep(nanos),
            (None, None) => unreachable!("without an inbox nobody can reach the runtime"),
        }
        self.is_away.store(false, Ordering::Relaxed);
        true
    }

    /// Lets virtual time jump to the next deadline. False if there is none, if
    /// time waits for closures elsewhere, or if it is real.
    pub(super) fn pass_virtual_time(&self) -> bool {
        let Clock::Virtual(now) = &self.clock else { return false };
        if !self.can_time_pass() {
            return false;
        }
        let deadline = self.timers.borrow().next_deadline();
        now.set(deadline.map_or(now.get(), |deadline| deadline.max(now.get())));
        true
    }

    /// Is there a deadline to which virtual time may jump?
    pub(super) fn can_time_pass(&self) -> bool {
        !self.timers.borrow().is_empty() && self.outside.unblocked.get() == 0
    }

    /// How long the host may wait before it lets green threads run again, if
    /// nothing comes up.
    pub(super) fn patience(&self) -> Option<Duration> {
        if !self.ready().is_empty() {
            return Some(Duration::ZERO);
        }
        let deadline = self.timers.borrow().next_deadline()?;
        match &self.clock {
            Clock::Real => Some(Duration::from_nanos(deadline.saturating_sub(self.now()))),
            Clock::Virtual(_) => (self.outside.unblocked.get() == 0).then_some(Duration::ZERO),
        }
    }

    /// Takes the next to run out of the queue, by the policy.
    pub(super) fn take_next(&self) -> Option<Runnable> {
        let queue = self.ready();
        if self.is_watched() && queue.has_popped_a_multiple_of::<SWITCHES_BETWEEN_POLLS>() {
            self.poll();
        }
        let next = if queue.len() > 1 && self.hooks.get() & hook::POLICY != 0 {
            let picked = self.pick();
            // A policy that panics is no hook any more.
            self.ready().take(picked)
        } else {
            queue.pop()?
        };
        if self.hooks.get() & hook::TRACE != 0 {
            // SAFETY: whoever is in the queue has a control block.
            self.trace_run(unsafe { &*next.control });
        }
        Some(next)
    }

    /// Asks the policy. If it panics, the run is over: everybody is unwound, and
    /// the panic goes on from `run`.
    fn pick(&self) -> usize {
        let ready: Vec<ThreadId> =
            // SAFETY: whoever is in the queue has a control block.
            self.ready().controls().map(|control| unsafe { (*control).id() }).collect();
        let picked = self.apart(|| self.policy.borrow_mut().pick(&ready));
        picked.unwrap_or_else(|payload| {
            self.fail(payload);
            0
        })
    }

    /// Runs somebody else's code where nobody may switch, on the stack of one who
    /// waits already or has ended. It finds no runtime, and that stack stays where
    /// it is, even if the code gives it up. Gives its panic.
    pub(super) fn apart<T>(&self, f: impl FnOnce() -> T) -> Result<T, Payload> {
        let control = self.current();
        let has_ended = control.is_finished();
        if has_ended {
            control.lent.set(true);
        }
        let result = panic::catch_unwind(AssertUnwindSafe(|| without_runtime(f)));
        if has_ended {
            control.lent.set(false);
        }
        result
    }

    /// Ends the run: `payload` goes on from there.
    fn fail(&self, payload: Payload) {
        self.set_hooks(hook::POLICY, false);
        self.failure.borrow_mut().get_or_insert(payload);
        self.unwind_all();
    }

    /// Has every green thread unwound, but the main one if it only waits for the
    /// others. Says whether there was one that had not been told before.
    pub(super) fn unwind_all(&self) -> bool {
        let mut any = false;
        let mut all = self.all();
        // Whoever waited last goes first: its stack is still warm.
        all.sort_by_key(|&control| !ptr::eq(control, self.current.get()));
        for control in all {
            if !control.unwind.is_forced() && !control.waits_for_all() {
                any = true;
                self.caused_by(Cause::Runtime, || control.force());
            }
        }
        any
    }

    /// Nothing can run, and nothing ever will: keeps the report, and has every
    /// green thread unwound.
    fn resolve_deadlock(&self) {
        let waiting = self.all();
        let report = report::deadlock(&waiting, self.now());
        if std::thread::panicking() {
            // Somebody waits in a destructor during a panic. To unwind it from
            // there ends the process, and then nobody would see the report.
            eprintln!("leno: {report}");
        }
        if cfg!(panic = "abort") {
            panic!("{report}");
        }
        if !self.unwind_all() {
            // They have all been told, and wait in destructors for each other.
            self.abort(format!("{report}\nleno: this is while they are unwound\n").as_bytes());
        }
        self.deadlock.borrow_mut().get_or_insert(report);
    }

    /// All green threads that have not ended, in the order in which they were
    /// spawned.
    pub(super) fn all(&self) -> Vec<&Control> {
        let mut all: Vec<&Control> = stack::green_threads()
            .into_iter()
            .chain([self.main.get().cast()])
            // SAFETY: a stack with a number belongs to a green thread that has
            // not been freed, and the main one outlives all.
            .filter_map(|control| unsafe { control.cast::<Control>().as_ref() })
            // There may be other runtimes on this OS thread.
            .filter(|control| ptr::eq(control.scheduler, self))
            .filter(|control| control.state.get() != State::Finished)
            .collect();
        all.sort_by_key(|control| control.number());
        all
    }
}
