//! Waiting for room for one more green thread, where the program limits them.
//!
//! The threads that wait have turns: only the first of them looks for room, so that what it needs is not
//! taken by one behind it. While it waits, a flag of the pending work makes each thread that goes on, and
//! the runtime before it sleeps, look for room in its place.

use std::cell::Cell;
use std::io;
use std::panic::Location;

use crate::cancel::interrupted;
use crate::kernel::features::SchedulerState;
use crate::kernel::slow_path::pending;
use crate::kernel::{Need, Outcome, Resource, Room, Scheduler, Wait, WaitFor, WaitQueue, Want};

/// The threads that wait for room.
pub(super) struct Waiting {
    /// The runtime, as reports name it.
    resource: Resource,
    count: Cell<usize>,
    has_first: Cell<bool>,
    /// The wait of the first thread, and the size of the stack that it wants.
    first: WaitQueue<()>,
    bytes: Cell<Option<usize>>,
    behind: WaitQueue<()>,
}

// SAFETY: no other type has slot 13, and every scheduler gets such a state.
unsafe impl SchedulerState for Waiting {
    const SLOT: usize = 13;
}

impl Waiting {
    #[track_caller]
    pub(super) fn new() -> Waiting {
        Waiting {
            resource: Resource::new("runtime"),
            count: Cell::new(0),
            has_first: Cell::new(false),
            first: WaitQueue::new(),
            bytes: Cell::new(None),
            behind: WaitQueue::new(),
        }
    }
}

/// The turn of the first thread. The end of it is the turn of the next.
struct Turn<'a>(&'a Waiting);

impl Drop for Turn<'_> {
    fn drop(&mut self) {
        self.0.has_first.set(self.0.behind.wake_one());
    }
}

/// A thread that waits, in the count.
struct Counted<'a>(&'a Cell<usize>);

impl Drop for Counted<'_> {
    fn drop(&mut self) {
        self.0.set(self.0.get() - 1);
    }
}

/// Waits until there is room for a thread with a stack of this size, first come, first served. A
/// cancellation point. In an exploration it does not wait.
///
/// # Errors
///
/// If there never is.
pub(crate) fn wait_for_room(
    scheduler: &Scheduler,
    bytes: Option<usize>,
    at: &'static Location<'static>,
) -> io::Result<()> {
    scheduler.checkpoint();
    if scheduler.is_controlled() {
        return Ok(());
    }
    let waiting = scheduler.state::<Waiting>();
    let need = Need { what: Want::Room, resource: &waiting.resource };
    let wait = |queue: &WaitQueue<()>| {
        let outcome = queue.wait(scheduler, None, &Wait::at(WaitFor::Resource(need), at), None).0;
        if outcome == Outcome::Interrupted {
            interrupted();
        }
    };
    waiting.count.set(waiting.count.get() + 1);
    let _counted = Counted(&waiting.count);
    if waiting.has_first.get() {
        wait(&waiting.behind);
    }
    waiting.has_first.set(true);
    let _turn = Turn(waiting);
    loop {
        match scheduler.room(bytes) {
            Room::Free => return Ok(()),
            Room::Never(error) => return Err(error),
            Room::Full(_) => {}
        }
        waiting.bytes.set(bytes);
        scheduler.add_pending(pending::ROOM);
        wait(&waiting.first);
    }
}

/// Wakes the first thread that waits if there is room. Returns `true` if it has.
pub(super) fn wake_first(scheduler: &Scheduler) -> bool {
    if scheduler.pending() & pending::ROOM == 0 {
        return false;
    }
    let waiting = scheduler.state::<Waiting>();
    // The stack of a thread that has just ended is freed before the first one looks.
    let is_free =
        scheduler.has_dead() || !matches!(scheduler.room(waiting.bytes.get()), Room::Full(_));
    if waiting.first.is_empty() {
        // It was cancelled.
        scheduler.clear_pending(pending::ROOM);
        return false;
    }
    if is_free {
        scheduler.clear_pending(pending::ROOM);
        waiting.first.wake_one();
    }
    is_free
}

/// Returns the number of threads that wait for room.
pub(super) fn count(scheduler: &Scheduler) -> usize {
    scheduler.state::<Waiting>().count.get()
}
