//! What outlives a green thread, and what few green threads have.

use std::cell::{Cell, OnceCell, RefCell};
use std::fmt;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::task::Waker;

use crate::access::access::{Access, Object, note};
use crate::kernel::control_block::ControlBlock;
use crate::kernel::wait_reason::{Outcome, Wait, WaitFor};
use crate::runtime::locals::Locals;
use crate::timer::heap::TimerId;

/// Tells a green thread from all others of the process. Its number says in which
/// order the green threads of its runtime were spawned; the main one is 1.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ThreadId {
    pub(crate) runtime: u64,
    pub(crate) number: u64,
}

impl ThreadId {
    /// The number: 1 for the main green thread, then in the order of spawning.
    #[must_use]
    pub fn number(&self) -> u64 {
        self.number
    }
}

impl fmt::Debug for ThreadId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ThreadId({})", self.number)
    }
}

impl fmt::Display for ThreadId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "#{}", self.number)
    }
}

/// What a `Thread` handle refers to. It outlives the green thread.
pub(crate) struct ThreadInfo {
    pub(crate) id: ThreadId,
    pub(crate) name: Option<Box<str>>,
    /// Null once the green thread has ended.
    pub(crate) control: Cell<*const ControlBlock>,
}

impl ThreadInfo {
    /// The green thread, if it has not ended.
    pub(crate) fn control(&self) -> Option<&ControlBlock> {
        // SAFETY: cleared before the control block goes away.
        unsafe { self.control.get().as_ref() }
    }

    /// Gives the green thread its token, and wakes it if it waits for that.
    #[track_caller]
    pub(crate) fn unpark(&self) {
        note(Object::Token(self.id.number), Access::Write, "unpark");
        let Some(control) = self.control() else { return };
        control.token.set(true);
        if control.is_parked() {
            control.scheduler().wake(control, Outcome::Woken);
        }
    }

    /// Lets it go on if it waits for a future.
    pub(crate) fn wake_future(&self) {
        if let Some(control) = self.control()
            && matches!(control.waits_for(), Some(Wait { what: WaitFor::Future, .. }))
        {
            control.scheduler().wake(control, Outcome::Woken);
        }
    }

    /// Has it unwound at its next suspension.
    #[track_caller]
    pub(crate) fn cancel(&self) {
        note(Object::Unwinding(self.id.number), Access::Write, "cancel");
        self.cancel_now();
    }

    /// As [`ThreadInfo::cancel`], as part of an operation that has begun.
    pub(crate) fn cancel_now(&self) {
        if let Some(control) = self.control() {
            control.cancel();
        }
    }
}

/// What only some green threads have, allocated when the first of it is wanted.
#[derive(Default)]
pub(crate) struct Extra {
    pub(crate) thread: OnceCell<Rc<ThreadInfo>>,
    pub(crate) locals: Locals,
    /// Who awaits its end.
    pub(crate) waker: Cell<Option<Waker>>,
    /// Is the payload of its unwinding alive? It may be carried to another OS
    /// thread and dropped there, so this is shared.
    pub(crate) in_flight: OnceCell<Arc<AtomicBool>>,
    pub(crate) attempts: Cell<u32>,
    /// The deadline scopes that it is in, the outermost first.
    pub(crate) scopes: RefCell<Vec<DeadlineScope>>,
}

/// One `time::timeout` that runs.
pub(crate) struct DeadlineScope {
    pub(crate) id: u64,
    /// None if its deadline never comes, or had come from the start.
    pub(crate) timer: Option<TimerId>,
    pub(crate) elapsed: bool,
    /// How many shields were around it.
    pub(crate) shields: u32,
}
