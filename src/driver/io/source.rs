//! What a runtime knows of a descriptor: whether it is ready, and which green threads wait for that.
//!
//! ```text
//!   Socket ----+--> Source, of one runtime <---- Table, of that runtime
//!              |      token                        slot, generation -> Source
//!              |      read side:  ready, closed, threads that wait
//!              |      write side: ready, closed, threads that wait
//!              +--> Source, of another runtime
//! ```
//!
//! A token is a slot of the table and the generation of its use. So an event that was reported for
//! a descriptor reaches no other one to which the system has given the same number since.
//!
//! **Readiness.** A descriptor is added to the poller once, and the poller reports each change. A
//! side is ready from such a report to the next call that finds it drained: that would block, or that
//! a stream answers with fewer bytes than were asked for. What arrives after that call is a change,
//! and reported. Fewer bytes do not show a stream to be drained after its end or an error was
//! reported, since no report comes after that.
//!
//! **Order.** The threads that wait for a side are woken one at a time. Each hands the turn on when
//! it has made its call, if the side is still ready: [`Side::hand_on`].

use std::cell::Cell;
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use super::direction::Direction;
use super::engine::{Shared, Target};
use crate::kernel::{Outcome, Scheduler, Wait, WaitQueue};
use crate::sys::poller::Event;

/// A socket, as one runtime knows it.
pub(crate) struct Source {
    /// The serial number of the runtime.
    runtime: u64,
    token: u64,
    target: Target,
    engine: Arc<Shared>,
    /// The runtime has ended, or the socket has been closed.
    is_removed: AtomicBool,
    /// The engine reports it.
    is_added: AtomicBool,
    /// Used by the OS thread of the runtime only.
    sides: [Side; 2],
}

// SAFETY: `side` is the only way to the sides, and checks that the caller has the scheduler of the
// runtime, which is on one OS thread. All else may be used by any OS thread. When the last reference
// is dropped, no thread waits: a thread that waits borrows the socket, which refers to the source.
unsafe impl Send for Source {}
// SAFETY: as above.
unsafe impl Sync for Source {}

/// One direction of a descriptor.
#[derive(Default)]
pub(crate) struct Side {
    is_ready: Cell<bool>,
    /// The end or an error has been reported.
    is_closed: Cell<bool>,
    waiting: WaitQueue<()>,
}

impl Source {
    pub(super) fn new(runtime: u64, token: u64, target: Target, engine: Arc<Shared>) -> Source {
        let (is_removed, is_added) = (AtomicBool::new(false), AtomicBool::new(true));
        let sides = <[Side; 2]>::default();
        Source { runtime, token, target, engine, is_removed, is_added, sides }
    }

    /// Returns `true` if the source is that of the runtime, and not removed.
    #[inline]
    pub(super) fn serves(&self, runtime: u64) -> bool {
        // mistake: foreign-source-serves
        self.runtime == runtime && !self.is_removed.load(Ordering::Relaxed)
    }

    pub(super) fn token(&self) -> u64 {
        self.token
    }

    pub(super) fn target(&self) -> Target {
        self.target
    }

    /// Returns one direction.
    ///
    /// # Panics
    ///
    /// If the scheduler is not that of the source's runtime.
    #[inline]
    pub(crate) fn side(&self, scheduler: &Scheduler, direction: Direction) -> &Side {
        assert!(self.runtime == scheduler.serial(), "a source belongs to one runtime");
        // mistake: one-side
        &self.sides[direction as usize]
    }

    /// Adds it to the engine again, if the last report was the last one.
    ///
    /// # Errors
    ///
    /// If the system refuses it.
    #[inline]
    pub(super) fn ensure_added(&self) -> io::Result<()> {
        if !self.is_added.swap(true, Ordering::Relaxed) {
            let added = self.engine.add(self.target, self.token);
            self.is_added.store(added.is_ok(), Ordering::Relaxed);
            return added;
        }
        Ok(())
    }

    /// Notes what has been reported, and wakes the threads that may go on.
    pub(super) fn report(&self, scheduler: &Scheduler, event: Event) {
        for (direction, is_ready, is_closed) in [
            (Direction::Read, event.readable, event.read_closed),
            (Direction::Write, event.writable, event.write_closed),
        ] {
            if is_ready {
                let side = self.side(scheduler, direction);
                // mistake: end-unnoticed
                side.is_closed.set(side.is_closed.get() || is_closed);
                // mistake: unawaited-report-lost
                side.is_ready.set(true);
                side.hand_on();
            }
        }
        // mistake: last-report-unnoticed
        if event.is_last {
            self.is_added.store(false, Ordering::Relaxed);
            if self.sides.iter().any(Side::is_awaited) {
                // If it fails, those that wait make their calls again, and find the reason.
                let _ = self.ensure_added();
            }
        }
    }

    /// Makes both sides ready, so that each thread that waits makes its call again.
    pub(super) fn report_all(&self, scheduler: &Scheduler) {
        let (readable, writable) = (true, true);
        self.report(scheduler, Event { readable, writable, ..Event::default() });
    }

    /// Takes the descriptor from the runtime, before it is closed. Any OS thread may call this.
    pub(super) fn remove(&self) {
        if !self.is_removed.swap(true, Ordering::AcqRel) {
            // mistake: closed-unremoved
            self.engine.remove(self.target, self.token);
        }
    }

    /// Notes that the runtime has ended.
    pub(super) fn abandon(&self) {
        self.is_removed.store(true, Ordering::Release);
    }
}

impl Side {
    /// Returns `true` if a call may succeed.
    #[inline]
    pub(crate) fn is_ready(&self) -> bool {
        self.is_ready.get()
    }

    /// Returns `true` if a thread waits.
    #[inline]
    pub(crate) fn is_awaited(&self) -> bool {
        !self.waiting.is_clear()
    }

    /// Notes that a call would have blocked.
    #[inline]
    pub(crate) fn is_drained(&self) {
        self.is_ready.set(false);
    }

    /// Notes what a look at the descriptor has found. No report need have come before.
    pub(super) fn has_been_looked_at(&self, is_ready: bool) {
        self.is_ready.set(is_ready);
    }

    /// Notes that a stream has answered with fewer bytes than were asked for.
    #[inline]
    pub(crate) fn is_short(&self) {
        // mistake: end-drains
        if !self.is_closed.get() {
            self.is_ready.set(false);
        }
    }

    /// Wakes the first thread that waits, if a call may succeed.
    #[inline]
    pub(crate) fn hand_on(&self) {
        if self.is_ready.get() && !self.waiting.is_clear() {
            self.waiting.wake_one();
        }
    }

    /// Returns the queue of the threads that wait, for a wait in several queues at once.
    pub(super) fn waiting(&self) -> &WaitQueue<()> {
        &self.waiting
    }

    /// Waits until the side is ready and it is the current thread's turn.
    #[inline(always)]
    pub(super) fn wait(
        &self,
        scheduler: &Scheduler,
        wait: &Wait<'_>,
        deadline: Option<u64>,
    ) -> Outcome {
        self.waiting.wait(scheduler, None, wait, deadline).0
    }
}
