//! Differential tests of coroutines: random programs run on leno and on corosensei,
//! and all observable behaviour must be the same.
//!
//! A program consists of a few bodies, each a list of operations on slots that hold
//! coroutines. One interpreter, generic over a small trait, runs a program on either
//! library and records a trace of values, destructors, panics and flags. The seed is
//! printed. `LENO_TEST_SEED=<number>` repeats a run, and `LENO_TEST_SEED=random` runs
//! other programs.

mod library;
mod seed;

use std::any::Any;
use std::cell::{Cell, RefCell};
use std::mem;
use std::panic::{self, AssertUnwindSafe};
use std::rc::Rc;

use proptest::collection::vec;
use proptest::prelude::*;

#[cfg(feature = "weave")]
pub(crate) use seed::{is_emulated, share};
pub(crate) use seed::{scaled, seeded_runner};

use crate::oracle_runtime::programs::{Tally, run_programs};
use library::{
    Bulky, Corosensei, Event, LAST_VALUE, Leno, Library, Loud, Parcel, Step, TRACE, log,
};

/// The largest number of coroutines in a program.
const SLOTS: usize = 3;
/// The largest number of operations that a program carries out.
const FUEL: u32 = 120;

#[derive(Clone, Debug)]
enum Op {
    // Creates a coroutine for a body and puts it into a slot.
    Create { slot: usize, body: usize },
    Resume { slot: usize },
    Close { slot: usize },
    Drop { slot: usize },
    // Records the flags.
    State { slot: usize },
    // Suspends the innermost coroutine, or an outer one, from a depth of function
    // calls.
    Suspend { up: usize, depth: usize },
    Panic,
    // Catches every unwinding out of the operations.
    Catch(Vec<Op>),
    // Keeps a value until the end of the block.
    Hold,
    // Closes a slot's coroutine at the end of the block.
    Guard { slot: usize },
    // Leaves the block.
    Leave,
}

#[derive(Clone, Debug)]
struct Program {
    /// The operations outside of any coroutine.
    root: Vec<Op>,
    bodies: Vec<Vec<Op>>,
}

struct World<L: Library, P: Parcel> {
    program: Program,
    slots: RefCell<Vec<Option<L::Coroutine<P>>>>,
    /// The running coroutines. Each was resumed by the one before it.
    chain: RefCell<Vec<*const L::Yielder<P>>>,
    /// The number of coroutines at the beginning of the chain that run a destructor
    /// during a panic. They cannot be suspended, since std counts panics per OS thread, and would
    /// count theirs for the code that runs next.
    held_up: Cell<usize>,
    fuel: Cell<u32>,
    tally: RefCell<Tally>,
}

type Shared<L, P> = Rc<World<L, P>>;

impl<L: Library, P: Parcel> World<L, P> {
    fn take(&self, slot: usize) -> Option<L::Coroutine<P>> {
        let taken = self.slots.borrow_mut()[slot].take();
        if taken.is_none() {
            log(Event::NothingThere);
        }
        taken
    }

    fn count(&self, name: &'static str, happened: bool) {
        self.tally.borrow_mut().add(name, usize::from(happened));
    }

    /// Ends a coroutine, by dropping or by closing it.
    fn end(&self, slot: usize, mut coroutine: L::Coroutine<P>, by_drop: bool) {
        let (started, done) = L::flags(&coroutine);
        let suspended = started && !done;
        self.count("closed new", !started);
        self.count("closed suspended", suspended);
        self.count("closed during a panic", suspended && std::thread::panicking());
        let holds_up = std::thread::panicking();
        let before = self.held_up.get();
        if holds_up {
            self.held_up.set(self.chain.borrow().len());
        }
        let result = panic::catch_unwind(AssertUnwindSafe(|| {
            // During a panic, a second panic out of a drop aborts the process.
            if by_drop && !std::thread::panicking() {
                L::dispose(coroutine);
            } else {
                L::close(&mut coroutine);
                assert!(L::flags(&coroutine).1, "closed and not done");
            }
        }));
        if holds_up {
            self.held_up.set(before);
        }
        self.count("panicked when closed", result.is_err());
        log(Event::Closed { slot, panicked: result.is_err() });
        if let Err(payload) = result {
            log_caught(&*payload);
        }
    }
}

fn log_caught(payload: &(dyn Any + Send)) {
    match payload.downcast_ref::<Loud>() {
        Some(value) => log(Event::Caught { value: value.0 }),
        None => log(Event::CaughtUnwinding),
    }
}

/// A coroutine that returns to its slot, also in an unwinding.
struct PutBack<'a, L: Library, P: Parcel> {
    world: &'a World<L, P>,
    slot: usize,
    coroutine: Option<L::Coroutine<P>>,
}

impl<L: Library, P: Parcel> Drop for PutBack<'_, L, P> {
    fn drop(&mut self) {
        let mut slots = self.world.slots.borrow_mut();
        if slots[self.slot].is_none() {
            slots[self.slot] = self.coroutine.take();
        } else if let Some(coroutine) = self.coroutine.take() {
            drop(slots);
            self.world.end(self.slot, coroutine, false);
        }
    }
}

/// The suspended part of the chain, which rejoins it when dropped.
struct Rejoin<'a, L: Library, P: Parcel> {
    world: &'a World<L, P>,
    suspended: Vec<*const L::Yielder<P>>,
}

impl<L: Library, P: Parcel> Drop for Rejoin<'_, L, P> {
    fn drop(&mut self) {
        self.world.chain.borrow_mut().append(&mut self.suspended);
    }
}

/// The end of the chain, which leaves it when dropped.
struct Unchain<'a, L: Library, P: Parcel>(&'a World<L, P>);

impl<L: Library, P: Parcel> Drop for Unchain<'_, L, P> {
    fn drop(&mut self) {
        self.0.chain.borrow_mut().pop();
    }
}

/// A slot with a coroutine that is closed at the end of a block.
struct Guard<'a, L: Library, P: Parcel> {
    world: &'a World<L, P>,
    slot: usize,
}

impl<L: Library, P: Parcel> Drop for Guard<'_, L, P> {
    fn drop(&mut self) {
        if let Some(coroutine) = self.world.take(self.slot) {
            self.world.end(self.slot, coroutine, false);
        }
    }
}

/// A value that a block keeps until its end.
#[expect(dead_code, reason = "kept for their destructors")]
enum Kept<'a, L: Library, P: Parcel> {
    Loud(Loud),
    Guard(Guard<'a, L, P>),
}

fn create<L: Library, P: Parcel>(world: &Shared<L, P>, slot: usize, body: usize) {
    let (captured, inner) = (Loud::new(), world.clone());
    let body = body % world.program.bodies.len();
    let coroutine = L::create(move |yielder: &L::Yielder<P>, input: P| {
        let _captured = captured;
        let input = input.unpack();
        log(Event::Started { body, input: input.0 });
        inner.chain.borrow_mut().push(yielder);
        let _unchain = Unchain(&*inner);
        block(&inner, &inner.program.bodies[body]);
        P::pack(Loud::new())
    });
    let previous = world.slots.borrow_mut()[slot].replace(coroutine);
    if let Some(previous) = previous {
        world.end(slot, previous, true);
    }
}

fn resume<L: Library, P: Parcel>(world: &World<L, P>, slot: usize) {
    let Some(coroutine) = world.take(slot) else { return };
    let mut put_back = PutBack { world, slot, coroutine: Some(coroutine) };
    let coroutine = put_back.coroutine.as_mut().expect("the slot was full");
    if L::flags(coroutine).1 {
        return log(Event::Over);
    }
    world.count("resumed", true);
    world.count("resumed inside", !world.chain.borrow().is_empty());
    let (event, value) = match L::resume(coroutine, P::pack(Loud::new())) {
        Step::Yield(parcel) => {
            let value = parcel.unpack();
            (Event::Yielded { slot, value: value.0 }, value)
        }
        Step::Return(parcel) => {
            let value = parcel.unpack();
            (Event::Returned { slot, value: value.0 }, value)
        }
    };
    log(event);
    drop(value);
}

/// Suspends from `depth` function calls down. Each frame has a value to drop.
#[inline(never)]
fn suspend<L: Library, P: Parcel>(world: &World<L, P>, up: usize, depth: usize) {
    let in_frame = Loud::new();
    if depth > 0 {
        suspend(world, up, depth - 1);
        std::hint::black_box(&in_frame);
        return;
    }
    let length = world.chain.borrow().len();
    let first = world.held_up.get();
    if first == length {
        return log(Event::NothingThere);
    }
    let at = first.max((length - 1).saturating_sub(up));
    world.count("suspended", true);
    world.count("suspended outside", at + 1 < length);
    let value = Loud::new();
    log(Event::Suspending { value: value.0 });
    let suspended = world.chain.borrow_mut().split_off(at);
    let yielder = suspended[0];
    let rejoin = Rejoin { world, suspended };
    // SAFETY: the yielder was in the chain, so its body is on a live stack and waits
    // to be resumed.
    let input = L::suspend(unsafe { &*yielder }, P::pack(value)).unpack();
    drop(rejoin);
    log(Event::Resumed { input: input.0 });
}

fn block<L: Library, P: Parcel>(world: &Shared<L, P>, operations: &[Op]) {
    let mut kept: Vec<Kept<'_, L, P>> = Vec::new();
    for operation in operations {
        let Some(fuel) = world.fuel.get().checked_sub(1) else { return };
        world.fuel.set(fuel);
        match *operation {
            Op::Create { slot, body } => create(world, slot, body),
            Op::Resume { slot } => resume(world, slot),
            Op::Close { slot } => {
                if let Some(coroutine) = world.take(slot) {
                    world.end(slot, coroutine, false);
                }
            }
            Op::Drop { slot } => {
                if let Some(coroutine) = world.take(slot) {
                    world.end(slot, coroutine, true);
                }
            }
            Op::State { slot } => {
                if let Some(coroutine) = &world.slots.borrow()[slot] {
                    let (started, done) = L::flags(coroutine);
                    log(Event::State { slot, started, done });
                }
            }
            Op::Suspend { up, depth } => suspend(world, up, depth),
            Op::Panic => {
                world.count("panic", true);
                let value = Loud::new();
                log(Event::Panicking { value: value.0 });
                panic::resume_unwind(Box::new(value));
            }
            Op::Catch(ref operations) => {
                let caught = panic::catch_unwind(AssertUnwindSafe(|| block(world, operations)));
                if let Err(payload) = caught {
                    let own = payload.is::<Loud>();
                    world.count("caught an unwinding", !own);
                    log_caught(&*payload);
                }
            }
            Op::Hold => kept.push(Kept::Loud(Loud::new())),
            Op::Guard { slot } => kept.push(Kept::Guard(Guard { world, slot })),
            Op::Leave => return,
        }
    }
}

/// Runs a program, and the coroutines that it leaves, to the end. Returns the trace.
fn interpret<L: Library, P: Parcel>(program: &Program, tally: &mut Tally) -> Vec<Event> {
    TRACE.take();
    LAST_VALUE.set(0);
    let world: Shared<L, P> = Rc::new(World {
        program: program.clone(),
        slots: RefCell::new((0..SLOTS).map(|_| None).collect()),
        chain: RefCell::default(),
        held_up: Cell::new(0),
        fuel: Cell::new(FUEL),
        tally: RefCell::new(mem::take(tally)),
    });
    let root = panic::catch_unwind(AssertUnwindSafe(|| block(&world, &program.root)));
    if let Err(payload) = root {
        log_caught(&*payload);
    }
    // A body that is unwound may fill a slot again, as long as it has fuel.
    let next = || world.slots.borrow().iter().position(Option::is_some);
    while let Some(slot) = next() {
        let coroutine = world.take(slot).expect("the slot is full");
        world.end(slot, coroutine, slot % 2 == 0);
    }
    assert!(world.chain.borrow().is_empty());
    assert_eq!(Rc::strong_count(&world), 1, "a closure was not dropped");
    let trace = TRACE.take();
    let mut drops: Vec<u32> = trace
        .iter()
        .filter_map(|event| if let Event::Dropped { value } = event { Some(*value) } else { None })
        .collect();
    *tally = world.tally.take();
    tally.add("dropped", drops.len());
    drops.sort_unstable();
    assert!(drops.into_iter().eq(1..=LAST_VALUE.get()), "each value is dropped exactly once");
    trace
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
        operations.push(match kind % 32 {
            0..4 => Op::Create { slot, body: second },
            4..15 => Op::Resume { slot },
            15..23 => Op::Suspend { up: first % 3, depth: second % 6 },
            23 => Op::Close { slot },
            24 => Op::Drop { slot },
            25 => Op::State { slot },
            26 => Op::Panic,
            27 => Op::Hold,
            28 | 29 => Op::Guard { slot },
            31 if first < 64 => Op::Leave,
            _ => Op::Catch(decode(genes, 1 + third % 4)),
        });
    }
    operations
}

fn programs() -> impl Strategy<Value = Program> {
    let blocks = vec(vec(any::<u32>(), 1..16), 1..5);
    (vec(any::<u32>(), 1..16), blocks).prop_map(|(root, bodies)| {
        let mut blocks = bodies.into_iter().map(|genes| decode(&mut genes.into_iter(), usize::MAX));
        let create = |slot| Op::Create { slot, body: slot };
        // The root begins with coroutines to resume.
        let mut start: Vec<Op> = (0..SLOTS).map(create).collect();
        start.append(&mut decode(&mut root.into_iter(), usize::MAX));
        Program { root: start, bodies: blocks.by_ref().collect() }
    })
}

/// Compares both libraries with values of one layout.
fn compare<P: Parcel>(layout: &str) {
    let name = format!("coroutines, {layout}");
    let (programs, tally) = run_programs(&name, 10_000, &programs(), |program, tally| {
        let on_leno = interpret::<Leno, P>(program, tally);
        let on_corosensei = interpret::<Corosensei, P>(program, &mut Tally::default());
        if on_leno == on_corosensei {
            return Ok(());
        }
        Err(format!("leno:       {on_leno:?}\ncorosensei: {on_corosensei:?}"))
    });
    tally.check(programs / 4, &["resumed", "suspended", "resumed inside", "panic"]);
    let rare = ["suspended outside", "caught an unwinding", "closed new", "closed suspended"];
    tally.check(programs / 50, &rare);
    // The few programs of an emulated run need not contain these.
    if programs >= 5_000 {
        tally.check(programs / 500, &["closed during a panic", "panicked when closed"]);
    }
    tally.check(programs * 5, &["dropped"]);
}

#[test]
fn values_of_one_word_behave_as_in_corosensei() {
    compare::<Box<Loud>>("values of one word");
}

#[test]
fn small_values_behave_as_in_corosensei() {
    compare::<Loud>("values smaller than a word");
}

#[test]
fn large_values_behave_as_in_corosensei() {
    compare::<Bulky>("large and over-aligned values");
}
