//! Semaphores and mutexes: permits add up, whoever comes first is served first,
//! and nobody waits for permits that are there. A mutex is a semaphore with one.

use std::cell::RefCell;
use std::fmt;
use std::rc::Rc;

use leno::sync::{Mutex, MutexGuard, Semaphore, SemaphorePermit};

use super::explore::{Bounds, Checks, Totals, lists, programs};
use super::trouble::{Trouble, UNIT, UNIT_NANOS, Watch, perform_all};

/// What a green thread takes, has over a switch, and gives back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Op {
    Take(usize),
    TryTake(usize),
    TakeInTime(usize),
    /// Has one for a unit of time.
    TakeLong,
}

/// Those who wait, as one would write it down: each event happens at once.
#[derive(Default)]
struct Line {
    left: usize,
    waiting: Vec<Request>,
    granted: Vec<usize>,
    requests: usize,
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
    fn take(&self, op: Op) -> Option<Taken<'_>> {
        let whatever = |result: Result<_, std::sync::TryLockError<_>>| match result {
            Ok(guard) => Some(guard),
            Err(std::sync::TryLockError::Poisoned(error)) => Some(error.into_inner()),
            Err(std::sync::TryLockError::WouldBlock) => None,
        };
        match (self, op) {
            (Primitive::Semaphore(semaphore), op) => match op {
                Op::Take(count) => semaphore.acquire_many(count).ok(),
                Op::TakeLong => semaphore.acquire().ok(),
                Op::TryTake(count) => semaphore.try_acquire_many(count).ok(),
                Op::TakeInTime(count) => semaphore.acquire_many_timeout(count, UNIT).ok(),
            }
            .map(Taken::Permit),
            (Primitive::Mutex(mutex), op) => match op {
                Op::Take(_) | Op::TakeLong => {
                    Some(mutex.lock().unwrap_or_else(|error| error.into_inner()))
                }
                Op::TryTake(_) => whatever(mutex.try_lock()),
                Op::TakeInTime(_) => whatever(mutex.lock_timeout(UNIT)),
            }
            .map(Taken::Guard),
        }
    }
}

struct Model {
    primitive: Primitive,
    watch: Rc<Watch>,
    line: RefCell<Line>,
}

impl Model {
    fn perform(&self, thread: usize, op: Op) {
        struct Back<'a>(&'a Model, usize);
        impl Drop for Back<'_> {
            fn drop(&mut self) {
                self.0.line.borrow_mut().give(self.0.watch.now(), self.1);
            }
        }
        self.watch.begins(thread);
        let now = self.watch.now();
        let (count, patience) = match op {
            Op::Take(count) => (count, None),
            Op::TryTake(count) => (count, Some(now)),
            Op::TakeInTime(count) => (count, Some(now + UNIT_NANOS)),
            Op::TakeLong => (1, None),
        };
        let until = patience.into_iter().chain(self.watch.end_of_scope(thread)).min();
        let number = self.line.borrow_mut().take(now, thread, count, until);
        let taken = self.primitive.take(op);
        self.line.borrow_mut().settle(self.watch.now());
        let granted = self.line.borrow().granted.contains(&number);
        assert_eq!(taken.is_some(), granted, "{op:?} of {thread}");
        if taken.is_some() {
            // Nobody runs between the two.
            let (_back, _taken) = (Back(self, count), taken);
            match op {
                Op::TakeLong => leno::sleep(UNIT),
                _ => leno::yield_now(),
            }
        }
    }

    /// Only those wait for ever who want more than there is, and who are behind
    /// them.
    fn check(&self, permits: usize, deadlocked: bool) {
        let line = self.line.borrow();
        assert_eq!(line.left, permits, "the model has lost some");
        let endless = line.waiting.iter().any(|request| request.until.is_none());
        assert_eq!(endless, deadlocked);
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
            Box::new(move || perform_all(&list, |op| model.perform(thread, op)))
                as Box<dyn FnOnce()>
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
