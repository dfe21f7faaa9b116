//! A directed run that is over before its time: everybody is unwound. It must come
//! to an end whatever the program does.

#![forbid(unsafe_code)]

use std::cell::Cell;
use std::io;
use std::panic::Location;

use crate::kernel::scheduler::Scheduler;

/// When a run is over, those who are unwound have so many turns for their
/// destructors.
const MOST_TURNS: u32 = 1_000_000;

/// Then, so many operations of one that does not give its turn away unwind nobody.
const MOST_OPERATIONS: u32 = 1_000;

/// The payload that ends such a run.
pub(crate) struct Stopped;

#[derive(Default)]
pub(crate) struct Stopping {
    is_set: Cell<bool>,
    /// Turns that those who are unwound have had.
    turns: Cell<u32>,
    /// How often the one that runs has operated on something without giving its turn
    /// away.
    operations: Cell<u32>,
}

impl Stopping {
    pub(crate) fn begin(&self) {
        self.is_set.set(false);
        self.turns.set(0);
        self.operations.set(0);
    }

    pub(crate) fn is_it(&self) -> bool {
        self.is_set.get()
    }
}

impl Scheduler {
    /// Ends the run: everybody is unwound, first come, first served.
    pub(crate) fn stop_directing(&self) {
        self.directed.stopped.is_set.set(true);
        self.directed.take_the_long_way();
        self.failure.borrow_mut().get_or_insert_with(|| Box::new(Stopped));
        self.unwind_all();
    }

    /// The one that runs gives its turn away.
    pub(crate) fn end_last_turn(&self) {
        self.directed.stopped.operations.set(0);
        self.count_last_turn();
    }

    fn count_last_turn(&self) {
        let stopped = &self.directed.stopped;
        stopped.turns.set(stopped.turns.get() + 1);
        if stopped.turns.get() > MOST_TURNS {
            self.abort(
                b"a program that is explored cannot be ended: its green threads are unwound, and \
                  destructors have had 1000000 turns since\n\
                  leno: a destructor must not wait, by yielding, for something that may never \
                  come\n",
            );
        }
    }

    /// Something is operated on in a run that is over. Most operations do not wait,
    /// so that they unwind nobody; but one that goes on with them for ever is
    /// unwound nevertheless.
    #[cold]
    pub(crate) fn operate_at_last(&self, at: &'static Location<'static>) {
        let stopped = &self.directed.stopped;
        stopped.operations.set(stopped.operations.get() + 1);
        if stopped.operations.get() > MOST_OPERATIONS {
            self.count_last_turn();
            self.checkpoint();
            // It is a destructor, which may wait for others.
            self.preempt(at);
            stopped.operations.set(MOST_OPERATIONS);
        }
    }

    /// Refuses a spawn if there are as many green threads as the director allows: a
    /// program must not fill the memory with them.
    #[inline(always)]
    pub(crate) fn may_spawn(&self) -> io::Result<()> {
        if self.running.get() < self.directed.wants.get().most_threads {
            return Ok(());
        }
        self.may_spawn_more()
    }

    #[cold]
    #[inline(never)]
    fn may_spawn_more(&self) -> io::Result<()> {
        let most = self.directed.wants.get().most_threads;
        if !self.is_directed() || self.running.get() < most {
            return Ok(());
        }
        self.directed.tell(|director| director.too_many());
        Err(io::Error::other(format!("the exploration allows no more than {most} green threads")))
    }
}
