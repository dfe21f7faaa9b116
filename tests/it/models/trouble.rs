//! The green threads of a program, of which one may be cancelled or have a deadline.

use std::cell::{Cell, OnceCell, RefCell};
use std::panic::{self, AssertUnwindSafe};
use std::rc::Rc;
use std::time::Duration;

use leno::thread::ScopedJoinHandle;
use leno::time::{self, Instant};

use super::super::support::text_of;
use super::explore::Checks;

/// The unit of time. Every timeout and deadline is one unit.
pub const UNIT: Duration = Duration::from_secs(1);
pub const UNIT_NANOS: u64 = 1_000_000_000;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Trouble {
    None,
    /// A further green thread cancels this one.
    Cancel(usize),
    /// This green thread runs under a deadline of one unit of time.
    Deadline(usize),
}

impl Trouble {
    /// Returns each trouble of these green threads. Threads with the same operations
    /// have one.
    pub fn all<T: PartialEq>(threads: &[T]) -> Vec<Trouble> {
        let differs = |&number: &usize| number == 0 || threads[number] != threads[number - 1];
        let each = (0..threads.len()).filter(differs);
        let both = each.flat_map(|number| [Trouble::Cancel(number), Trouble::Deadline(number)]);
        [Trouble::None].into_iter().chain(both).collect()
    }
}

/// The state of the green threads of one execution.
#[derive(Default)]
pub struct Watch {
    /// The beginning of the execution, on the clock of the runtime.
    start: OnceCell<Instant>,
    /// The cancelled green thread, from the cancellation on.
    cancelled: Cell<Option<usize>>,
    /// The green thread in a deadline scope, and the deadline.
    scope: Cell<Option<(usize, u64)>>,
    /// The messages of panics, which would otherwise end only the green thread.
    failures: RefCell<Vec<String>>,
}

impl Watch {
    /// Returns the nanoseconds since the first call.
    pub fn now(&self) -> u64 {
        self.start.get_or_init(Instant::now).elapsed().as_nanos() as u64
    }

    pub fn is_cancelled(&self, thread: usize) -> bool {
        self.cancelled.get() == Some(thread)
    }

    /// Returns `true` if the thread is cancelled or in a deadline scope.
    pub fn may_be_unwound(&self, thread: usize) -> bool {
        self.is_cancelled(thread) || self.scope.get().is_some_and(|(scoped, _)| scoped == thread)
    }

    /// Returns the deadline of the scope that the green thread is in.
    pub fn end_of_scope(&self, thread: usize) -> Option<u64> {
        self.scope.get().filter(|(scoped, _)| *scoped == thread).map(|(_, end)| end)
    }

    /// Checks that the thread that begins an operation is neither cancelled nor
    /// beyond its deadline.
    pub fn begins(&self, thread: usize) {
        assert_ne!(self.cancelled.get(), Some(thread), "a cancelled thread continues");
        let in_time = self.end_of_scope(thread).is_none_or(|end| self.now() < end);
        assert!(in_time, "a thread continues after its deadline");
    }

    /// Runs a part of a green thread, and records its panic.
    fn keep_failure(&self, part: impl FnOnce()) {
        if let Err(payload) = panic::catch_unwind(AssertUnwindSafe(part)) {
            if !payload.is::<String>() && !payload.is::<&str>() {
                panic::resume_unwind(payload);
            }
            self.failures.borrow_mut().push(text_of(payload));
        }
    }

    /// Runs the green threads with these bodies, and then `check`, with `true` after a
    /// deadlock. Calls `on_cancel` just after a cancellation.
    pub fn run(
        self: &Rc<Watch>,
        checks: &Checks,
        trouble: Trouble,
        bodies: Vec<Box<dyn FnOnce()>>,
        on_cancel: impl FnOnce(usize),
        check: impl FnOnce(bool),
    ) {
        let ended =
            panic::catch_unwind(AssertUnwindSafe(|| self.run_all(trouble, bodies, on_cancel)));
        let check = || {
            assert_eq!(*self.failures.borrow(), [""; 0]);
            check(ended.is_err());
        };
        if ended.is_ok() {
            return check();
        }
        checks.after_deadlock(check);
        ended.unwrap_or_else(|payload| panic::resume_unwind(payload));
    }

    fn run_all(
        self: &Rc<Watch>,
        trouble: Trouble,
        bodies: Vec<Box<dyn FnOnce()>>,
        on_cancel: impl FnOnce(usize),
    ) {
        leno::scope(|scope| {
            let mut handles: Vec<Option<ScopedJoinHandle<'_, ()>>> = Vec::new();
            for (number, body) in bodies.into_iter().enumerate() {
                let scoped = trouble == Trouble::Deadline(number);
                let part = move || {
                    if scoped {
                        self.scope.set(Some((number, self.now() + UNIT_NANOS)));
                        let _ = time::timeout(UNIT, body);
                    } else {
                        body();
                    }
                };
                handles.push(Some(scope.spawn(move || self.keep_failure(part))));
            }
            if let Trouble::Cancel(target) = trouble {
                let handle = handles[target].take().expect("the target was spawned");
                scope.spawn(move || {
                    if !handle.is_finished() {
                        // Other threads may run before the cancellation, but not
                        // between the cancellation and the model's.
                        handle.cancel();
                        self.keep_failure(|| on_cancel(target));
                        self.cancelled.set(Some(target));
                    }
                });
            }
        });
    }
}

/// Performs the operations of a list, with a yield between any two.
pub fn perform_all<T: Copy>(list: &[T], mut perform: impl FnMut(T)) {
    for (index, &operation) in list.iter().enumerate() {
        if index > 0 {
            leno::yield_now();
        }
        perform(operation);
    }
}
