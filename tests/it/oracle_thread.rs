//! Model-based tests of green threads: random programs run on leno and on a model, a
//! state machine that shares no code with leno. The order of all events, and the
//! waits in a deadlock report, must be the same.
//!
//! `LENO_TEST_SEED` works as in `oracle_coroutine`.

mod model;
mod tally;

use std::any::Any;
use std::cell::{Cell, RefCell};
use std::panic::{self, AssertUnwindSafe};
use std::rc::Rc;

use leno::thread::{self, JoinHandle, Scope, ScopedJoinHandle, Thread};
use proptest::collection::vec;
use proptest::prelude::*;

use crate::oracle_runtime::programs::run_programs;
use crate::support::caught;

/// The largest number of join handles outside of scopes.
const SLOTS: usize = 4;
/// The largest number of operations that a program carries out.
const FUEL: u32 = 100;

#[derive(Clone, Debug)]
enum Op {
    Yield,
    Park,
    // Unparks one of the green threads so far, in the order of their numbers.
    Unpark { which: usize },
    // Spawns a green thread for a body. Its handle replaces the slot's.
    Spawn { slot: usize, body: usize, named: bool },
    Join { slot: usize },
    Detach { slot: usize },
    IsFinished { slot: usize },
    Panic,
    // Catches every unwinding out of the operations.
    Catch(Vec<Op>),
    Scope(Vec<Op>),
    // Spawns a green thread in the innermost scope.
    SpawnScoped { body: usize },
    // Joins the last thread of the innermost scope that was not joined.
    JoinScoped,
    // Keeps a value until the end of the block.
    Keep(Keep),
    // Leaves the block.
    Leave,
}

#[derive(Clone, Copy, Debug)]
enum Keep {
    Value,
    // Yields in its destructor.
    Yielding,
    // Spawns in its destructor.
    Spawning { body: usize },
}

#[derive(Clone, Debug)]
struct Program {
    main: Vec<Op>,
    bodies: Vec<Vec<Op>>,
}

/// An observable event. Numbers identify green threads in the order of their spawns,
/// and values in the order of their creation.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Event {
    Started { number: usize, body: usize },
    WentOn { number: usize },
    Unparked { number: usize },
    Joined { number: usize, outcome: Outcome },
    IsFinished { number: usize, finished: bool },
    NothingThere { number: usize },
    Panicking { number: usize, value: u32 },
    Caught { number: usize, outcome: Outcome },
    LeftScope { number: usize },
    Dropped { value: u32 },
    DroppedYielding { number: usize, value: u32 },
    DroppedSpawning { number: usize, value: u32 },
    RunEnded { outcome: Outcome },
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Outcome {
    Value(u32),
    Panic(u32),
    ScopePanicked,
    Unwound,
    /// The threads in the report, and what each waits for.
    Deadlock(Vec<(usize, String)>),
}

thread_local! {
    static TRACE: RefCell<Vec<Event>> = const { RefCell::new(Vec::new()) };
}

fn log(event: Event) {
    TRACE.with_borrow_mut(|trace| trace.push(event));
}

/// A value with a logged destructor: a result, a payload, or a kept value.
struct Loud(u32);

impl Drop for Loud {
    fn drop(&mut self) {
        log(Event::Dropped { value: self.0 });
    }
}

struct World {
    program: Program,
    slots: RefCell<Vec<Option<JoinHandle<Loud>>>>,
    threads: RefCell<Vec<Thread>>,
    /// Whether each thread is in a panic that has not been caught.
    panicking: RefCell<Vec<bool>>,
    fuel: Cell<u32>,
    last_value: Cell<u32>,
}

type Handles<'scope> = RefCell<Vec<ScopedJoinHandle<'scope, Loud>>>;

/// The innermost scope and its handles.
type Scoped<'a, 'scope, 'env> = Option<(&'scope Scope<'scope, 'env>, &'a Handles<'scope>)>;

impl World {
    fn loud(&self) -> Loud {
        self.last_value.set(self.last_value.get() + 1);
        Loud(self.last_value.get())
    }

    /// Returns the number of the next green thread.
    fn next_number(&self) -> usize {
        self.panicking.borrow_mut().push(false);
        self.panicking.borrow().len() - 1
    }

    fn take(&self, number: usize, slot: usize) -> Option<JoinHandle<Loud>> {
        let taken = self.slots.borrow_mut()[slot].take();
        if taken.is_none() {
            log(Event::NothingThere { number });
        }
        taken
    }

    fn body<'scope>(self: &Rc<World>, body: usize) -> impl FnOnce() -> Loud + use<'scope> {
        let (world, number) = (self.clone(), self.next_number());
        let body = body % self.program.bodies.len();
        move || {
            log(Event::Started { number, body });
            block(&world, number, &world.program.bodies[body], None);
            world.loud()
        }
    }

    fn spawn(self: &Rc<World>, body: usize, named: bool) -> JoinHandle<Loud> {
        let body = self.body(body);
        let handle = if named {
            thread::Builder::new()
                .name("named".to_owned())
                .spawn(body)
                .expect("a stack is available")
        } else {
            thread::spawn(body)
        };
        self.threads.borrow_mut().push(handle.thread().clone());
        handle
    }
}

fn outcome_of_panic(payload: &(dyn Any + Send)) -> Outcome {
    if let Some(value) = payload.downcast_ref::<Loud>() {
        Outcome::Panic(value.0)
    } else if let Some(text) = payload.downcast_ref::<&str>() {
        assert_eq!(*text, "a scoped green thread panicked");
        Outcome::ScopePanicked
    } else if let Some(report) = payload.downcast_ref::<String>() {
        Outcome::Deadlock(parse(report))
    } else {
        Outcome::Unwound
    }
}

fn outcome(result: &thread::Result<Loud>) -> Outcome {
    match result {
        Ok(value) => Outcome::Value(value.0),
        Err(payload) => outcome_of_panic(&**payload),
    }
}

/// Parses a deadlock report. Returns the waiting threads and what each waits for.
fn parse(report: &str) -> Vec<(usize, String)> {
    let number_of = |title: &str| match title.split_once('#') {
        None => 1,
        Some((_, rest)) => {
            let end = rest.find(|letter: char| !letter.is_ascii_digit()).unwrap_or(rest.len());
            rest[..end].parse().expect("a number follows #")
        }
    };
    let line = |line: &str| {
        let (thread, rest) = line.split_once("waits for ").expect("a line of the report");
        let (what, at) = rest.rsplit_once(" at ").expect("a line of the report");
        assert!(at.contains("oracle_thread.rs:"), "{report}");
        let what = match what.trim() {
            what if what.contains("the end of") && what.contains('#') => {
                format!("join {}", number_of(what))
            }
            what => what.to_owned(),
        };
        (number_of(thread), what)
    };
    // The other lines contain the places of the spawns, and the cycles.
    report.lines().skip(1).filter(|line| line.contains("waits for ")).map(line).collect()
}

struct Kept<'a> {
    world: &'a Rc<World>,
    number: usize,
    value: Loud,
    keep: Keep,
}

impl Drop for Kept<'_> {
    fn drop(&mut self) {
        let (number, value) = (self.number, self.value.0);
        match self.keep {
            Keep::Value => {}
            Keep::Yielding => {
                log(Event::DroppedYielding { number, value });
                // A second panic here would abort the process.
                if !self.world.panicking.borrow()[number] {
                    thread::yield_now();
                    log(Event::WentOn { number });
                }
            }
            Keep::Spawning { body } => {
                log(Event::DroppedSpawning { number, value });
                drop(self.world.spawn(body, false));
            }
        }
    }
}

fn join(number: usize, join: impl FnOnce() -> thread::Result<Loud>) {
    let result = join();
    log(Event::Joined { number, outcome: outcome(&result) });
}

fn scope(world: &Rc<World>, number: usize, operations: &[Op]) {
    let result = panic::catch_unwind(AssertUnwindSafe(|| {
        thread::scope(|scope| {
            let handles = RefCell::default();
            block(world, number, operations, Some((scope, &handles)));
        });
    }));
    if let Err(payload) = result {
        if outcome_of_panic(&*payload) == Outcome::ScopePanicked {
            world.panicking.borrow_mut()[number] = true;
        }
        panic::resume_unwind(payload);
    }
    log(Event::LeftScope { number });
}

fn catch(world: &Rc<World>, number: usize, scoped: Scoped<'_, '_, '_>, operations: &[Op]) {
    let result = panic::catch_unwind(AssertUnwindSafe(|| block(world, number, operations, scoped)));
    if let Err(payload) = result {
        world.panicking.borrow_mut()[number] = false;
        log(Event::Caught { number, outcome: outcome_of_panic(&*payload) });
    }
}

fn block<'scope>(
    world: &Rc<World>,
    number: usize,
    operations: &[Op],
    scoped: Scoped<'_, 'scope, '_>,
) {
    let mut kept = Vec::new();
    for operation in operations {
        let Some(fuel) = world.fuel.get().checked_sub(1) else { return };
        world.fuel.set(fuel);
        match *operation {
            Op::Yield => {
                thread::yield_now();
                log(Event::WentOn { number });
            }
            Op::Park => {
                thread::park();
                log(Event::Unparked { number });
            }
            Op::Unpark { which } => {
                let thread = {
                    let threads = world.threads.borrow();
                    threads[which % threads.len()].clone()
                };
                thread.unpark();
            }
            Op::Spawn { slot, body, named } => {
                let handle = world.spawn(body, named);
                let previous = world.slots.borrow_mut()[slot].replace(handle);
                drop(previous);
            }
            Op::Join { slot } => {
                if let Some(handle) = world.take(number, slot) {
                    join(number, || handle.join());
                }
            }
            Op::Detach { slot } => drop(world.take(number, slot)),
            Op::IsFinished { slot } => match &world.slots.borrow()[slot] {
                Some(handle) => log(Event::IsFinished { number, finished: handle.is_finished() }),
                None => log(Event::NothingThere { number }),
            },
            Op::Panic => {
                world.panicking.borrow_mut()[number] = true;
                let value = world.loud();
                log(Event::Panicking { number, value: value.0 });
                panic::resume_unwind(Box::new(value));
            }
            Op::Catch(ref operations) => catch(world, number, scoped, operations),
            Op::Scope(ref operations) => scope(world, number, operations),
            Op::SpawnScoped { body } => match scoped {
                Some((scope, handles)) => {
                    let handle = scope.spawn(world.body(body));
                    world.threads.borrow_mut().push(handle.thread().clone());
                    handles.borrow_mut().push(handle);
                }
                None => log(Event::NothingThere { number }),
            },
            Op::JoinScoped => match scoped.and_then(|(_, handles)| handles.borrow_mut().pop()) {
                Some(handle) => join(number, || handle.join()),
                None => log(Event::NothingThere { number }),
            },
            Op::Keep(keep) => kept.push(Kept { world, number, value: world.loud(), keep }),
            Op::Leave => return,
        }
    }
}

fn interpret(program: &Program) -> Vec<Event> {
    TRACE.take();
    let world = Rc::new(World {
        program: program.clone(),
        slots: RefCell::new((0..SLOTS).map(|_| None).collect()),
        threads: RefCell::default(),
        panicking: RefCell::new(vec![false; 2]),
        fuel: Cell::new(FUEL),
        last_value: Cell::new(0),
    });
    let result = caught(|| {
        leno::run(|| {
            world.threads.borrow_mut().push(thread::current());
            block(&world, 1, &world.program.main, None);
            world.loud()
        })
    });
    log(Event::RunEnded { outcome: outcome(&result) });
    drop(result);
    let slots = world.slots.take();
    drop(slots);
    assert_eq!(Rc::strong_count(&world), 1, "a closure was not dropped");
    TRACE.take()
}

/// Decodes operations from a list of numbers. Lists are fast to generate and shrink
/// well.
fn decode(genes: &mut dyn Iterator<Item = u32>, limit: usize) -> Vec<Op> {
    let mut operations = Vec::new();
    while operations.len() < limit
        && let Some(gene) = genes.next()
    {
        let [kind, first, second, third] = gene.to_le_bytes().map(usize::from);
        let slot = first % SLOTS;
        let operation = match kind % 32 {
            0..4 => Op::Spawn { slot, body: second, named: third % 4 == 0 },
            4..8 => Op::Yield,
            8..10 => Op::Park,
            10..14 => Op::Unpark { which: second },
            14..18 => Op::Join { slot },
            18 => Op::Detach { slot },
            19 => Op::IsFinished { slot },
            20 => Op::Panic,
            21 => Op::Keep(Keep::Value),
            22 => Op::Keep(Keep::Yielding),
            23 if first < 64 => Op::Leave,
            23 => Op::Keep(Keep::Spawning { body: second }),
            24 | 25 => Op::Scope(decode(genes, 2 + third % 6)),
            26 | 27 => Op::SpawnScoped { body: second },
            28 | 29 => Op::JoinScoped,
            _ => {
                // The join that follows may find an unwound thread, too.
                operations.push(Op::Catch(decode(genes, 1 + third % 4)));
                if second < 128 { Op::Join { slot } } else { Op::JoinScoped }
            }
        };
        operations.push(operation);
    }
    operations
}

fn programs() -> impl Strategy<Value = Program> {
    let block = |most| {
        vec(any::<u32>(), 1..most).prop_map(|genes| decode(&mut genes.into_iter(), usize::MAX))
    };
    (block(20), vec(block(10), 1..4), 0..64u8).prop_map(|(main, bodies, uncaught)| {
        // Few, since a panic of the main thread is printed next to a deadlock.
        let main = if uncaught == 0 { main } else { vec![Op::Catch(main)] };
        Program { main, bodies }
    })
}

#[test]
fn random_programs_match_the_model() {
    let programs = programs();
    let (programs, tally) = run_programs("green threads", 30_000, &programs, |program, tally| {
        let predicted = model::predict(program);
        let trace = interpret(program);
        tally::add(tally, &trace, predicted.deadlock);
        if trace == predicted.trace {
            return Ok(());
        }
        Err(format!("leno:  {trace:?}\nmodel: {:?}", predicted.trace))
    });
    tally::check(&tally, programs);
}
