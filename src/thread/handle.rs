//! Handles to green threads, and their ids.

use std::fmt;
use std::rc::Rc;

use crate::cancel::cancel_thread;
use crate::kernel::{ThreadId, ThreadInfo};
use crate::remote::unpark;

/// A handle to a green thread: it has a name, an id, and can be unparked and
/// cancelled.
///
/// A handle may outlive its green thread.
#[derive(Clone)]
pub struct Thread {
    state: Rc<ThreadInfo>,
}

impl Thread {
    pub(super) fn new(state: &Rc<ThreadInfo>) -> Thread {
        Thread { state: state.clone() }
    }

    /// The id, which no other green thread of this process has or had.
    #[must_use]
    pub fn id(&self) -> ThreadId {
        self.state.id()
    }

    /// The name that [`Builder::name`](super::Builder::name) gave it; "main" for
    /// the closure of [`leno::run`](crate::run).
    #[must_use]
    pub fn name(&self) -> Option<&str> {
        self.state.name()
    }

    /// Lets the green thread's current [`park`](super::park), or its next one,
    /// return. Does nothing if it has ended.
    #[track_caller]
    pub fn unpark(&self) {
        unpark(&self.state);
    }

    /// Has the green thread unwound at its next suspension; see
    /// [`JoinHandle::cancel`](super::JoinHandle::cancel). Does nothing if it has
    /// ended.
    #[track_caller]
    pub fn cancel(&self) {
        cancel_thread(&self.state);
    }
}

impl fmt::Debug for Thread {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Thread").field("id", &self.id()).field("name", &self.name()).finish()
    }
}
