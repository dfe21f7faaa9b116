//! Semaphores and mutexes: permits are neither lost nor created, waiters are served
//! in the order of their arrival, and no thread waits for available permits. A mutex
//! is a semaphore with one permit.

use std::cell::RefCell;
use std::rc::Rc;
use std::sync::TryLockError;

use leno::sync::{Mutex, MutexGuard, Semaphore, SemaphorePermit};

use super::explore::{Bounds, Checks, Totals, lists, programs, three_by_four};
use super::story::Patience;
use super::trouble::{Trouble, UNIT, UNIT_NANOS, Watch, perform_all};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Op {
    /// The following variants take permits, hold them over a switch, and return them.
    Take(usize),
    TryTake(usize),
    TakeInTime(usize),
    /// Takes one permit for a unit of time.
    TakeLong,
    /// The following variants take permits until a `Release`.
    Acquire(usize),
    TryAcquire(usize),
    AcquireInTime(usize),
    /// Returns the permits that were taken last and are still held.
    Release,
    Sleep,
}

impl Op {
    /// Returns the number of permits that the operation takes.
    fn count(self) -> Option<usize> {
        match self {
            Op::Take(count) | Op::TryTake(count) | Op::TakeInTime(count) => Some(count),
            Op::Acquire(count) | Op::TryAcquire(count) | Op::AcquireInTime(count) => Some(count),
            Op::TakeLong => Some(1),
            Op::Release | Op::Sleep => None,
        }
    }
}

/// The wait queue of the model, in which each event happens at once.
#[derive(Default)]
struct Line {
    left: usize,
    waiting: Vec<Request>,
    granted: Vec<usize>,
    requests: usize,
    /// Whether a request without a deadline was waiting at a deadlock.
    stuck: bool,
}

struct Request {
    number: usize,
    thread: usize,
    count: usize,
    until: Option<u64>,
}

impl Line {
    /// Removes the expired requests, and grants the requests that can be served.
    fn settle(&mut self, now: u64) {
        self.waiting.retain(|request| request.until.is_none_or(|until| until > now));
        while let Some(first) = self.waiting.first()
            && let Some(left) = self.left.checked_sub(first.count)
        {
            self.left = left;
            self.granted.push(self.waiting.remove(0).number);
        }
    }

    fn take(&mut self, now: u64, thread: usize, count: usize, until: Option<u64>) -> usize {
        self.settle(now);
        self.requests += 1;
        let number = self.requests;
        match self.left.checked_sub(count) {
            Some(left) if self.waiting.is_empty() => {
                self.left = left;
                self.granted.push(number);
            }
            _ => self.waiting.push(Request { number, thread, count, until }),
        }
        number
    }

    fn give(&mut self, now: u64, count: usize) {
        self.settle(now);
        self.left += count;
        self.settle(now);
    }

    fn waits_forever(&self) -> bool {
        self.waiting.iter().any(|request| request.until.is_none())
    }

    /// Handles a deadlock: all waiting threads are unwound.
    fn give_up(&mut self) {
        self.stuck |= self.waits_forever();
        self.waiting.clear();
    }

    fn cancel(&mut self, now: u64, thread: usize) {
        self.settle(now);
        self.waiting.retain(|request| request.thread != thread);
        self.settle(now);
    }
}

enum Primitive {
    Semaphore(Semaphore),
    Mutex(Mutex<()>),
}

/// Permits or a guard, returned by their destructor.
#[expect(dead_code, reason = "they are there to be dropped")]
enum Taken<'a> {
    Permit(SemaphorePermit<'a>),
    Guard(MutexGuard<'a, ()>),
}

impl Primitive {
    fn take(&self, count: usize, patience: Patience) -> Option<Taken<'_>> {
        match self {
            Primitive::Semaphore(semaphore) => match patience {
                Patience::Endless => semaphore.acquire_many(count).ok(),
                Patience::None => semaphore.try_acquire_many(count).ok(),
                Patience::Until(_) => semaphore.acquire_many_timeout(count, UNIT).ok(),
            }
            .map(Taken::Permit),
            Primitive::Mutex(mutex) => match patience {
                Patience::Endless => Some(mutex.lock().unwrap_or_else(|error| error.into_inner())),
                Patience::None => ignore_poison(mutex.try_lock()),
                Patience::Until(_) => ignore_poison(mutex.lock_timeout(UNIT)),
            }
            .map(Taken::Guard),
        }
    }
}

/// Returns the guard, poisoned or not.
fn ignore_poison<G>(result: Result<G, TryLockError<G>>) -> Option<G> {
    match result {
        Ok(guard) => Some(guard),
        Err(TryLockError::Poisoned(error)) => Some(error.into_inner()),
        Err(TryLockError::WouldBlock) => None,
    }
}

struct Model {
    primitive: Primitive,
    watch: Rc<Watch>,
    line: RefCell<Line>,
}

/// Permits of the model and of the primitive. No thread runs between the two drops.
struct Held<'a> {
    _back: Back<'a>,
    _taken: Taken<'a>,
}

/// Permits that the destructor returns to the model.
struct Back<'a>(&'a Model, usize);

impl Drop for Back<'_> {
    fn drop(&mut self) {
        self.0.line.borrow_mut().give(self.0.watch.now(), self.1);
    }
}

/// The life of a green thread, which ends before its permits are dropped.
struct Leaving<'a>(&'a Model, usize);

impl Drop for Leaving<'_> {
    fn drop(&mut self) {
        if std::thread::panicking() && !self.0.watch.may_be_unwound(self.1) {
            self.0.line.borrow_mut().give_up();
        }
    }
}

impl Model {
    fn run(&self, thread: usize, list: &[Op]) {
        let held = RefCell::default();
        let _leaving = Leaving(self, thread);
        perform_all(list, |op| self.perform(thread, op, &held));
    }

    fn perform<'a>(&'a self, thread: usize, op: Op, held: &RefCell<Vec<Held<'a>>>) {
        self.watch.begins(thread);
        let now = self.watch.now();
        let patience = match op {
            Op::TryTake(_) | Op::TryAcquire(_) => Patience::None,
            Op::TakeInTime(_) | Op::AcquireInTime(_) => Patience::Until(now + UNIT_NANOS),
            _ => Patience::Endless,
        };
        let taken = op.count().and_then(|count| self.take(thread, count, patience));
        match op {
            Op::Release => drop(held.borrow_mut().pop()),
            Op::Sleep | Op::TakeLong => leno::sleep(UNIT),
            Op::Acquire(_) | Op::TryAcquire(_) | Op::AcquireInTime(_) => {
                held.borrow_mut().extend(taken);
            }
            Op::Take(_) | Op::TryTake(_) | Op::TakeInTime(_) if taken.is_none() => {}
            Op::Take(_) | Op::TryTake(_) | Op::TakeInTime(_) => leno::yield_now(),
        }
    }

    fn take(&self, thread: usize, count: usize, patience: Patience) -> Option<Held<'_>> {
        let now = self.watch.now();
        let own = match patience {
            Patience::None => Some(now),
            Patience::Until(until) => Some(until),
            Patience::Endless => None,
        };
        let until = own.into_iter().chain(self.watch.end_of_scope(thread)).min();
        let number = self.line.borrow_mut().take(now, thread, count, until);
        let taken = self.primitive.take(count, patience);
        self.line.borrow_mut().settle(self.watch.now());
        let granted = self.line.borrow().granted.contains(&number);
        assert_eq!(taken.is_some(), granted, "{count} by {thread}, {patience:?}");
        taken.map(|taken| Held { _back: Back(self, count), _taken: taken })
    }

    /// Checks that only the threads that want more permits than there are, and those
    /// behind them, wait forever.
    fn check(&self, permits: usize, deadlocked: bool) {
        let line = self.line.borrow();
        assert_eq!(line.left, permits, "the model has lost permits");
        assert_eq!(line.stuck, deadlocked);
        assert!(!line.waits_forever());
        match &self.primitive {
            Primitive::Semaphore(semaphore) => assert_eq!(semaphore.available_permits(), permits),
            Primitive::Mutex(mutex) => {
                let free = mutex.try_lock().is_ok() || mutex.is_poisoned();
                assert!(free, "the mutex is locked without a holder");
            }
        }
    }
}

#[derive(Debug)]
struct Program {
    threads: Vec<Vec<Op>>,
    /// `None` for a mutex.
    permits: Option<usize>,
    trouble: Trouble,
}

impl Program {
    fn run(&self, checks: &Checks) {
        let watch = Rc::<Watch>::default();
        let left = self.permits.unwrap_or(1);
        let model = Rc::new(Model {
            primitive: match self.permits {
                Some(permits) => Primitive::Semaphore(Semaphore::new(permits)),
                None => Primitive::Mutex(Mutex::new(())),
            },
            watch: watch.clone(),
            line: RefCell::new(Line { left, ..Line::default() }),
        });
        let body = |(thread, list): (usize, &Vec<Op>)| {
            let (model, list) = (model.clone(), list.clone());
            Box::new(move || model.run(thread, &list)) as Box<dyn FnOnce()>
        };
        let bodies = self.threads.iter().enumerate().map(body).collect();
        let other = model.clone();
        let cancel = move |thread| other.line.borrow_mut().cancel(other.watch.now(), thread);
        let check = |deadlocked| model.check(left, deadlocked);
        watch.run(checks, self.trouble, bodies, cancel, check);
    }
}

fn explore(family: &str, mut totals: Totals, programs: &[Vec<Vec<Op>>], permits: &[Option<usize>]) {
    for threads in programs {
        for trouble in Trouble::all(threads) {
            for &permits in permits {
                let program = Program { threads: threads.clone(), permits, trouble };
                totals.explore(&program, |checks| program.run(checks));
            }
        }
    }
    totals.print(family);
}

const SEMAPHORE_OPS: [Op; 6] =
    [Op::Take(1), Op::Take(2), Op::TryTake(1), Op::TakeInTime(1), Op::TakeInTime(2), Op::TakeLong];

const MUTEX_OPS: [Op; 4] = [Op::Take(1), Op::TryTake(1), Op::TakeInTime(1), Op::TakeLong];

#[test]
fn semaphores_match_the_model() {
    let bounds = Bounds::wanted();
    let lists = lists(&SEMAPHORE_OPS, bounds.pick(2, 3));
    let programs = programs(&lists, 3, bounds.pick(3, 5));
    explore("semaphore", Totals::new(), &programs, &[Some(1), Some(2)]);
}

#[test]
fn mutexes_match_the_model() {
    let bounds = Bounds::wanted();
    let programs = programs(&lists(&MUTEX_OPS, bounds.pick(2, 4)), 3, bounds.pick(3, 6));
    explore("mutex", Totals::new(), &programs, &[None]);
}

#[test]
fn preemptive_locks_match_the_model() {
    let bounds = Bounds::wanted();
    let semaphores = programs(&lists(&SEMAPHORE_OPS, 2), 2, bounds.pick(2, 3));
    explore("semaphore, preemptive", Totals::preemptive(), &semaphores, &[Some(1), Some(2)]);
    let mutexes = programs(&lists(&MUTEX_OPS, 2), bounds.pick(2, 3), bounds.pick(3, 4));
    explore("mutex, preemptive", Totals::preemptive(), &mutexes, &[None]);
}

/// Explores programs as large as time allows, under every schedule, with a
/// cancellation or a deadline at every point. Taking and returning are separate
/// operations.
#[test]
fn long_lock_programs_match_the_model() {
    use Op::*;
    let bounds = Bounds::wanted();
    let in_turn = [Acquire(1), Release, Acquire(1), Release];
    let each_kind = [
        in_turn,
        [TryAcquire(1), Release, Take(1), AcquireInTime(1)],
        [AcquireInTime(1), Sleep, Release, Acquire(1)],
    ];
    let chosen = [([in_turn; 3], 4), (each_kind, 4)];
    let programs = three_by_four(bounds, &chosen);
    explore("mutex, 3 x 4", Totals::new(), &programs, &[None]);
    // These threads wait for each other, and some take two permits at once.
    let deadlocks = [
        [Acquire(1), Acquire(1), Release, Release],
        [Acquire(1), AcquireInTime(1), Release, Release],
        [Acquire(2), Release, TryAcquire(2), Release],
    ];
    let mut chosen = vec![(each_kind, 4), (deadlocks, 4)];
    chosen.extend(bounds.pick(None, Some(([in_turn; 3], 4))));
    let programs = three_by_four(bounds, &chosen);
    explore("semaphore, 3 x 4", Totals::new(), &programs, &[Some(2)]);
}
