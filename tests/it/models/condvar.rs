//! Condition variables: each notification ends the oldest wait, and a woken thread
//! holds the lock exclusively.

use std::cell::{Cell, RefCell};
use std::rc::Rc;

use leno::sync::{Condvar, Mutex, MutexGuard};

use super::explore::{Bounds, Checks, Totals, lists, programs, three_by_four};
use super::trouble::{Trouble, UNIT, UNIT_NANOS, Watch, perform_all};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Op {
    /// Holds the lock over a switch.
    Lock,
    Wait,
    WaitInTime,
    NotifyOne,
    NotifyAll,
    /// Notifies while holding the lock, for which the woken threads then wait.
    NotifyLocked,
    Sleep,
}

/// A wait that has not ended.
struct Waiting {
    number: usize,
    thread: usize,
    until: Option<u64>,
}

#[derive(Default)]
struct Model {
    mutex: Mutex<()>,
    condvar: Condvar,
    watch: Rc<Watch>,
    waiting: RefCell<Vec<Waiting>>,
    waits: Cell<usize>,
    notified: RefCell<Vec<usize>>,
    /// The green thread that holds the lock.
    holder: Cell<Option<usize>>,
}

/// The lock of the model, held until the drop.
struct Holding<'a>(&'a Model);

impl Drop for Holding<'_> {
    fn drop(&mut self) {
        self.0.holder.set(None);
    }
}

impl Model {
    /// Removes the expired waits.
    fn settle(&self) {
        let now = self.watch.now();
        self.waiting.borrow_mut().retain(|one| one.until.is_none_or(|until| until > now));
    }

    fn holds(&self, thread: usize) -> Holding<'_> {
        assert_eq!(self.holder.replace(Some(thread)), None, "two threads hold the lock");
        Holding(self)
    }

    fn lock(&self, thread: usize) -> (Holding<'_>, MutexGuard<'_, ()>) {
        let guard = self.mutex.lock().unwrap_or_else(|error| error.into_inner());
        (self.holds(thread), guard)
    }

    fn wait(&self, thread: usize, patience: Option<u64>) {
        let (holding, guard) = self.lock(thread);
        self.settle();
        let number = self.waits.get() + 1;
        self.waits.set(number);
        let ends = patience.into_iter().chain(self.watch.end_of_scope(thread));
        // A thread that was cancelled while it waited for the lock does not begin to
        // wait.
        if !self.watch.is_cancelled(thread) {
            self.waiting.borrow_mut().push(Waiting { number, thread, until: ends.min() });
        }
        drop(holding);
        let (guard, elapsed) = if patience.is_some() {
            let result = self.condvar.wait_timeout(guard, UNIT);
            let (guard, result) = result.unwrap_or_else(|error| error.into_inner());
            (guard, result.timed_out())
        } else {
            (self.condvar.wait(guard).unwrap_or_else(|error| error.into_inner()), false)
        };
        let _holding = self.holds(thread);
        self.settle();
        let notified = self.notified.borrow().contains(&number);
        assert_eq!(notified, !elapsed, "the wait number {number}");
        let waits = self.waiting.borrow().iter().any(|one| one.number == number);
        assert!(!waits, "woken without a notification");
        drop(guard);
    }

    fn notify(&self, all: bool) {
        self.settle();
        let mut waiting = self.waiting.borrow_mut();
        let count = if all { waiting.len() } else { waiting.len().min(1) };
        self.notified.borrow_mut().extend(waiting.drain(..count).map(|one| one.number));
        drop(waiting);
        if all {
            self.condvar.notify_all();
        } else {
            self.condvar.notify_one();
        }
    }

    fn perform(&self, thread: usize, op: Op) {
        self.watch.begins(thread);
        match op {
            Op::Lock => {
                let _locked = self.lock(thread);
                leno::yield_now();
            }
            Op::Wait => self.wait(thread, None),
            Op::WaitInTime => self.wait(thread, Some(self.watch.now() + UNIT_NANOS)),
            Op::NotifyOne => self.notify(false),
            Op::NotifyAll => self.notify(true),
            Op::NotifyLocked => {
                let _locked = self.lock(thread);
                self.notify(false);
                leno::yield_now();
            }
            Op::Sleep => leno::sleep(UNIT),
        }
    }

    fn check(&self, deadlocked: bool) {
        let endless = self.waiting.borrow().iter().any(|one| one.until.is_none());
        assert_eq!(endless, deadlocked);
        assert_eq!(self.holder.get(), None);
        let free = self.mutex.try_lock().is_ok() || self.mutex.is_poisoned();
        assert!(free, "the mutex is locked without a holder");
    }
}

#[derive(Debug)]
struct Program {
    threads: Vec<Vec<Op>>,
    trouble: Trouble,
}

impl Program {
    fn run(&self, checks: &Checks) {
        let model = Rc::<Model>::default();
        let body = |(thread, list): (usize, &Vec<Op>)| {
            let (model, list) = (model.clone(), list.clone());
            Box::new(move || perform_all(&list, |op| model.perform(thread, op)))
                as Box<dyn FnOnce()>
        };
        let bodies = self.threads.iter().enumerate().map(body).collect();
        let other = model.clone();
        let cancel = move |thread| {
            other.settle();
            other.waiting.borrow_mut().retain(|one| one.thread != thread);
        };
        model.watch.run(checks, self.trouble, bodies, cancel, |deadlocked| model.check(deadlocked));
    }
}

fn explore(family: &str, programs: Vec<Vec<Vec<Op>>>) {
    let mut totals = Totals::new();
    for threads in programs {
        for trouble in Trouble::all(&threads) {
            let program = Program { threads: threads.clone(), trouble };
            totals.explore(&program, |checks| program.run(checks));
        }
    }
    totals.print(family);
}

#[test]
fn condvars_match_the_model() {
    use Op::*;
    let bounds = Bounds::wanted();
    let alphabet = [Lock, Wait, WaitInTime, NotifyOne, NotifyAll, NotifyLocked, Sleep];
    let lists = lists(&alphabet, bounds.pick(2, 3));
    explore("condition variable", programs(&lists, 3, bounds.pick(3, 5)));
}

/// Explores programs as large as time allows, under every schedule, with a
/// cancellation or a deadline at every point.
#[test]
fn long_condvar_programs_match_the_model() {
    use Op::*;
    let chosen = [
        ([[Wait; 4], [Wait; 4], [NotifyOne; 4]], 4),
        (
            [
                [Wait; 4],
                [WaitInTime, NotifyOne, WaitInTime, NotifyOne],
                [NotifyAll, Sleep, NotifyAll, NotifyOne],
            ],
            4,
        ),
        (
            [
                [Wait, NotifyOne, Wait, NotifyLocked],
                [WaitInTime, NotifyOne, Wait, Wait],
                [NotifyAll, Lock, NotifyOne, NotifyAll],
            ],
            3,
        ),
    ];
    explore("condition variable, 3 x 4", three_by_four(Bounds::wanted(), &chosen));
}
