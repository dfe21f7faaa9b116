//! Semaphores and mutexes: permits add up, whoever comes first is served first,
//! and nobody waits for permits that are there. A mutex is a semaphore with one.

use std::cell::RefCell;
use std::fmt;
use std::rc::Rc;
use std::sync::TryLockError;

use leno::sync::{Mutex, MutexGuard, Semaphore, SemaphorePermit};

use super::explore::{Bounds, Checks, Totals, lists, programs, three_by_four};
use super::story::Patience;
use super::trouble::{Trouble, UNIT, UNIT_NANOS, Watch, perform_all};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Op {
    /// These take, have what they took over a switch, and give it back.
    Take(usize),
    TryTake(usize),
    TakeInTime(usize),
    /// Has one for a unit of time.
    TakeLong,
    /// These take, and what they took is there until it is given back.
    Acquire(usize),
    TryAcquire(usize),
    AcquireInTime(usize),
    /// Gives the last back that was taken and is still there.
    Release,
    Sleep,
}

impl Op {
    /// How many it takes, if it does take any.
    fn count(self) -> Option<usize> {
        match self {
            Op::Take(count) | Op::TryTake(count) | Op::TakeInTime(count) => Some(count),
            Op::Acquire(count) | Op::TryAcquire(count) | Op::AcquireInTime(count) => Some(count),
            Op::TakeLong => Some(1),
            Op::Release | Op::Sleep => None,
        }
    }
}

/// Those who wait, as one would write it down: each event happens at once.
#[derive(Default)]
struct Line {
    left: usize,
    waiting: Vec<Request>,
    granted: Vec<usize>,
    requests: usize,
    /// Somebody would have waited for ever, when nobody could go on.
    stuck: bool,
}

struct Request {
    number: usize,
    thread: usize,
    count: usize,
    until: Option<u64>,
}

impl Line {
    /// Whose time is over goes, and whose turn it is is served.
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

    fn waits_for_ever(&self) -> bool {
        self.waiting.iter().any(|request| request.until.is_none())
    }

    /// Nobody can go on, and all who wait are unwound.
    fn give_up(&mut self) {
        self.stuck |= self.waits_for_ever();
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

/// What was taken. It goes back when this is dropped.
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
                Patience::None => whatever(mutex.try_lock()),
                Patience::Until(_) => whatever(mutex.lock_timeout(UNIT)),
            }
            .map(Taken::Guard),
        }
    }
}

/// A guard, poisoned or not.
fn whatever<G>(result: Result<G, TryLockError<G>>) -> Option<G> {
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

/// What was taken, on both sides. Nobody runs between the two.
struct Held<'a> {
    _back: Back<'a>,
    _taken: Taken<'a>,
}

/// The model's side of it.
struct Back<'a>(&'a Model, usize);

impl Drop for Back<'_> {
    fn drop(&mut self) {
        self.0.line.borrow_mut().give(self.0.watch.now(), self.1);
    }
}

/// Is there while a green thread is, and goes before what that has.
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
            Op::Take(_) | Op::TryTake(_) | Op::TakeInTime(_) if taken.is_some() => {
                leno::yield_now();
            }
            Op::Take(_) | Op::TryTake(_) | Op::TakeInTime(_) => {}
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

    /// Only those wait for ever who want more than there is, and who are behind
    /// them.
    fn check(&self, permits: usize, deadlocked: bool) {
        let line = self.line.borrow();
        assert_eq!(line.left, permits, "the model has lost some");
        assert_eq!(line.stuck, deadlocked);
        assert!(!line.waits_for_ever());
        match &self.primitive {
            Primitive::Semaphore(semaphore) => assert_eq!(semaphore.available_permits(), permits),
            Primitive::Mutex(mutex) => {
                let free = mutex.try_lock().is_ok() || mutex.is_poisoned();
                assert!(free, "it is locked, and nobody has it");
            }
        }
    }
}

struct Program {
    threads: Vec<Vec<Op>>,
    /// None for a mutex.
    permits: Option<usize>,
    trouble: Trouble,
}

impl fmt::Debug for Program {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}, permits {:?}{}", self.threads, self.permits, self.trouble)
    }
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
    for (threads, &permits) in
        programs.iter().flat_map(|program| permits.iter().map(move |all| (program, all)))
    {
        for trouble in Trouble::all(threads) {
            let program = Program { threads: threads.clone(), permits, trouble };
            totals.explore(&program, |checks| program.run(checks));
        }
    }
    totals.print(family);
}

const OF_SEMAPHORES: [Op; 6] =
    [Op::Take(1), Op::Take(2), Op::TryTake(1), Op::TakeInTime(1), Op::TakeInTime(2), Op::TakeLong];

const OF_MUTEXES: [Op; 4] = [Op::Take(1), Op::TryTake(1), Op::TakeInTime(1), Op::TakeLong];

#[test]
fn semaphores() {
    let bounds = Bounds::wanted();
    let lists = lists(&OF_SEMAPHORES, bounds.pick(2, 3));
    let programs = programs(&lists, 3, bounds.pick(3, 5));
    explore("semaphore", Totals::new(), &programs, &[Some(1), Some(2)]);
}

#[test]
fn mutexes() {
    let bounds = Bounds::wanted();
    let programs = programs(&lists(&OF_MUTEXES, bounds.pick(2, 4)), 3, bounds.pick(3, 6));
    explore("mutex", Totals::new(), &programs, &[None]);
}

#[test]
fn semaphores_and_mutexes_while_others_run_at_any_moment() {
    let bounds = Bounds::wanted();
    let semaphores = programs(&lists(&OF_SEMAPHORES, 2), 2, bounds.pick(2, 3));
    explore("semaphore, preemptive", Totals::preemptive(), &semaphores, &[Some(1), Some(2)]);
    let mutexes = programs(&lists(&OF_MUTEXES, 2), bounds.pick(2, 3), bounds.pick(3, 4));
    explore("mutex, preemptive", Totals::preemptive(), &mutexes, &[None]);
}

/// As large as time allows: under every schedule, with a cancellation or a deadline
/// at every point. To take and to give back are two operations here.
#[test]
fn locks_with_three_green_threads_of_four_operations() {
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
    // They wait for each other, and some want both at once.
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
