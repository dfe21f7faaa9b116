//! The green threads of a program, and what comes between: one of them is
//! cancelled, or runs out of time.

use std::cell::{Cell, OnceCell, RefCell};
use std::fmt;
use std::panic::{self, AssertUnwindSafe};
use std::rc::Rc;
use std::time::Duration;

use leno::thread::ScopedJoinHandle;
use leno::time::{self, Instant};

use super::super::support::text_of;
use super::explore::Checks;

/// The unit of time: whatever may elapse does after one of these.
pub const UNIT: Duration = Duration::from_secs(1);
pub const UNIT_NANOS: u64 = 1_000_000_000;

#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Trouble {
    None,
    /// This green thread is cancelled, by another that does nothing else.
    Cancel(usize),
    /// It has one unit of time.
    Deadline(usize),
}

impl Trouble {
    /// All that can befall these green threads; of two that do the same, one.
    pub fn all<T: PartialEq>(threads: &[T]) -> Vec<Trouble> {
        let differs = |&number: &usize| number == 0 || threads[number] != threads[number - 1];
        let each = (0..threads.len()).filter(differs);
        let both = each.flat_map(|number| [Trouble::Cancel(number), Trouble::Deadline(number)]);
        [Trouble::None].into_iter().chain(both).collect()
    }
}

impl fmt::Display for Trouble {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Trouble::None => Ok(()),
            Trouble::Cancel(thread) => write!(f, ", number {thread} is cancelled"),
            Trouble::Deadline(thread) => write!(f, ", number {thread} has a deadline"),
        }
    }
}

/// What is known of the green threads of one execution.
#[derive(Default)]
pub struct Watch {
    /// When it began. Asked for inside the runtime, whose clock it is.
    start: OnceCell<Instant>,
    /// The green thread that was cancelled, once it was.
    cancelled: Cell<Option<usize>>,
    /// The one that is in a deadline scope, and when that ends.
    scope: Cell<Option<(usize, u64)>>,
    /// What was wrong in the middle: a green thread's panic is its own.
    failures: RefCell<Vec<String>>,
}

impl Watch {
    /// Nanoseconds since the first who asked.
    pub fn now(&self) -> u64 {
        self.start.get_or_init(Instant::now).elapsed().as_nanos() as u64
    }

    pub fn is_cancelled(&self, thread: usize) -> bool {
        self.cancelled.get() == Some(thread)
    }

    /// Cancelled, or in a scope whose time may have come.
    pub fn may_be_unwound(&self, thread: usize) -> bool {
        self.is_cancelled(thread) || self.scope.get().is_some_and(|(scoped, _)| scoped == thread)
    }

    /// When the scope of this green thread ends, if it is in one.
    pub fn end_of_scope(&self, thread: usize) -> Option<u64> {
        self.scope.get().filter(|(scoped, _)| *scoped == thread).map(|(_, end)| end)
    }

    /// An operation begins: it would not, if the green thread had been told to
    /// unwind.
    pub fn begins(&self, thread: usize) {
        assert_ne!(self.cancelled.get(), Some(thread), "it was cancelled, and goes on");
        let in_time = self.end_of_scope(thread).is_none_or(|end| self.now() < end);
        assert!(in_time, "its time is over, and it goes on");
    }

    /// Runs a part of a green thread, and keeps what it fails with.
    fn keep_failure(&self, part: impl FnOnce()) {
        if let Err(payload) = panic::catch_unwind(AssertUnwindSafe(part)) {
            if !payload.is::<String>() && !payload.is::<&str>() {
                panic::resume_unwind(payload);
            }
            self.failures.borrow_mut().push(text_of(payload));
        }
    }

    /// Runs the green threads with these bodies, and then `check`, which is told
    /// whether they came to a point at which none could go on. `on_cancel` is called
    /// just after one was cancelled.
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
                let handle = handles[target].take().expect("it is there");
                scope.spawn(move || {
                    if !handle.is_finished() {
                        // Others may run before it, and nobody after it.
                        handle.cancel();
                        self.keep_failure(|| on_cancel(target));
                        self.cancelled.set(Some(target));
                    }
                });
            }
        });
    }
}

/// Performs the operations of a list, with a switch between any two.
pub fn perform_all<T: Copy>(list: &[T], mut perform: impl FnMut(T)) {
    for (index, &operation) in list.iter().enumerate() {
        if index > 0 {
            leno::yield_now();
        }
        perform(operation);
    }
}
