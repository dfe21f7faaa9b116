//! Coroutines against an oracle: random programs run on leno and on corosensei,
//! and everything that can be observed must be the same.
//!
//! A program is a handful of bodies, each a list of operations on slots that
//! hold coroutines. One interpreter, generic over a small trait, runs it on
//! either library and writes a trace: values that cross, destructors, panics,
//! flags. `LENO_TEST_SEED=<number>` repeats a run, `LENO_TEST_SEED=random` looks
//! somewhere new; the seed is printed.

mod library;
mod seed;

use std::any::Any;
use std::cell::{Cell, RefCell};
use std::panic::{self, AssertUnwindSafe};
use std::rc::Rc;

use proptest::collection::vec;
use proptest::prelude::*;
use proptest::test_runner::TestCaseError;

#[cfg(feature = "weave")]
pub(crate) use seed::is_emulated;
pub(crate) use seed::{scaled, seeded_runner};

use library::{
    Bulky, Corosensei, Event, LAST_VALUE, Leno, Library, Loud, Parcel, Step, TRACE, log,
};

/// How many coroutines a program can hold at once.
const SLOTS: usize = 3;
/// How many operations a program may carry out.
const FUEL: u32 = 120;

#[derive(Clone, Debug)]
enum Op {
    /// Puts a new coroutine that will run a body into a slot.
    Create {
        slot: usize,
        body: usize,
    },
    Resume {
        slot: usize,
    },
    Close {
        slot: usize,
    },
    Drop {
        slot: usize,
    },
    /// Asks for the flags.
    State {
        slot: usize,
    },
    /// Suspends the innermost coroutine, or one further out, from so many
    /// function calls down.
    Suspend {
        up: usize,
        depth: usize,
    },
    Panic,
    /// Catches whatever unwinds out of the operations.
    Catch(Vec<Op>),
    /// Keeps a value until the block is left.
    Hold,
    /// Closes a slot's coroutine when the block is left.
    Guard {
        slot: usize,
    },
    /// Leaves the block.
    Leave,
}

#[derive(Clone, Debug)]
struct Program {
    /// What runs outside of any coroutine.
    root: Vec<Op>,
    bodies: Vec<Vec<Op>>,
}

/// What the programs of one run on leno came to.
#[derive(Clone, Debug, Default)]
struct Tally {
    resumes: u32,
    suspends: u32,
    /// From inside a coroutine that is nested in the suspended one.
    outer_suspends: u32,
    nested_resumes: u32,
    panics: u32,
    caught_unwindings: u32,
    closed_new: u32,
    closed_suspended: u32,
    closed_while_unwinding: u32,
    answered_with_panic: u32,
    drops: usize,
}

struct World<L: Library, P: Parcel> {
    program: Program,
    slots: RefCell<Vec<Option<L::Coroutine<P>>>>,
    /// Those that run now: each was resumed by the one before it.
    chain: RefCell<Vec<*const L::Yielder<P>>>,
    /// How many at the beginning of the chain run a destructor while they panic.
    /// They cannot be suspended: std would think that others panic.
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

    fn count(&self, count: impl FnOnce(&mut Tally)) {
        count(&mut self.tally.borrow_mut());
    }

    /// Ends a coroutine, by its drop or by close.
    fn end(&self, slot: usize, mut coroutine: L::Coroutine<P>, by_drop: bool) {
        let (started, done) = L::flags(&coroutine);
        self.count(|tally| {
            tally.closed_new += u32::from(!started);
            tally.closed_suspended += u32::from(started && !done);
            tally.closed_while_unwinding += u32::from(started && !done && std::thread::panicking());
        });
        let holds_up = std::thread::panicking();
        let before = self.held_up.get();
        if holds_up {
            self.held_up.set(self.chain.borrow().len());
        }
        let result = panic::catch_unwind(AssertUnwindSafe(|| {
            // While somebody unwinds, a panic out of a drop is deadly.
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
        self.count(|tally| tally.answered_with_panic += u32::from(result.is_err()));
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

/// Puts a coroutine back into its slot, whatever happens.
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

/// Takes part of the chain away while it is suspended.
struct Rejoin<'a, L: Library, P: Parcel> {
    world: &'a World<L, P>,
    suspended: Vec<*const L::Yielder<P>>,
}

impl<L: Library, P: Parcel> Drop for Rejoin<'_, L, P> {
    fn drop(&mut self) {
        self.world.chain.borrow_mut().append(&mut self.suspended);
    }
}

/// Takes the last of the chain out of it for good.
struct Unchain<'a, L: Library, P: Parcel>(&'a World<L, P>);

impl<L: Library, P: Parcel> Drop for Unchain<'_, L, P> {
    fn drop(&mut self) {
        self.0.chain.borrow_mut().pop();
    }
}

/// Closes a slot's coroutine when it is dropped.
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

/// What a block keeps until it is left.
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
    let coroutine = put_back.coroutine.as_mut().expect("put there just now");
    if L::flags(coroutine).1 {
        return log(Event::Over);
    }
    world.count(|tally| {
        tally.resumes += 1;
        tally.nested_resumes += u32::from(!world.chain.borrow().is_empty());
    });
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

/// Suspends from `depth` calls down, each with something to drop.
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
    world.count(|tally| {
        tally.suspends += 1;
        tally.outer_suspends += u32::from(at + 1 < length);
    });
    let value = Loud::new();
    log(Event::Suspending { value: value.0 });
    let suspended = world.chain.borrow_mut().split_off(at);
    let yielder = suspended[0];
    let rejoin = Rejoin { world, suspended };
    // SAFETY: it was in the chain, so its body waits for us to come back.
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
                world.count(|tally| tally.panics += 1);
                let value = Loud::new();
                log(Event::Panicking { value: value.0 });
                panic::resume_unwind(Box::new(value));
            }
            Op::Catch(ref operations) => {
                let caught = panic::catch_unwind(AssertUnwindSafe(|| block(world, operations)));
                if let Err(payload) = caught {
                    let own = payload.is::<Loud>();
                    world.count(|tally| tally.caught_unwindings += u32::from(!own));
                    log_caught(&*payload);
                }
            }
            Op::Hold => kept.push(Kept::Loud(Loud::new())),
            Op::Guard { slot } => kept.push(Kept::Guard(Guard { world, slot })),
            Op::Leave => return,
        }
    }
}

/// Runs a program, and what it leaves behind, to the end.
fn interpret<L: Library, P: Parcel>(program: &Program) -> (Vec<Event>, Tally) {
    TRACE.take();
    LAST_VALUE.set(0);
    let world: Shared<L, P> = Rc::new(World {
        program: program.clone(),
        slots: RefCell::new((0..SLOTS).map(|_| None).collect()),
        chain: RefCell::default(),
        held_up: Cell::new(0),
        fuel: Cell::new(FUEL),
        tally: RefCell::default(),
    });
    let root = panic::catch_unwind(AssertUnwindSafe(|| block(&world, &program.root)));
    if let Err(payload) = root {
        log_caught(&*payload);
    }
    // A body that is unwound may fill a slot again, while the fuel lasts.
    let next = || world.slots.borrow().iter().position(Option::is_some);
    while let Some(slot) = next() {
        let coroutine = world.take(slot).expect("found just now");
        world.end(slot, coroutine, slot % 2 == 0);
    }
    assert!(world.chain.borrow().is_empty());
    assert_eq!(Rc::strong_count(&world), 1, "a closure was not dropped");
    let trace = TRACE.take();
    let mut drops: Vec<u32> = trace
        .iter()
        .filter_map(|event| if let Event::Dropped { value } = event { Some(*value) } else { None })
        .collect();
    let mut tally = world.tally.borrow().clone();
    tally.drops = drops.len();
    drops.sort_unstable();
    assert!(drops.into_iter().eq(1..=LAST_VALUE.get()), "each value is dropped exactly once");
    (trace, tally)
}

/// Programs are generated as lists of numbers, which is quick, and shrinks well.
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
        // The root begins with something to resume.
        let mut start: Vec<Op> = (0..SLOTS).map(create).collect();
        start.append(&mut decode(&mut root.into_iter(), usize::MAX));
        Program { root: start, bodies: blocks.by_ref().collect() }
    })
}

impl Tally {
    fn add(&mut self, other: &Tally) {
        self.resumes += other.resumes;
        self.suspends += other.suspends;
        self.outer_suspends += other.outer_suspends;
        self.nested_resumes += other.nested_resumes;
        self.panics += other.panics;
        self.caught_unwindings += other.caught_unwindings;
        self.closed_new += other.closed_new;
        self.closed_suspended += other.closed_suspended;
        self.closed_while_unwinding += other.closed_while_unwinding;
        self.answered_with_panic += other.answered_with_panic;
        self.drops += other.drops;
    }

    /// Everything that the programs are meant to try has come up.
    fn check(&self, programs: u32) {
        let common = [self.resumes, self.suspends, self.nested_resumes, self.panics];
        assert!(common.iter().all(|&count| count > programs / 4), "{self:?}");
        let rare =
            [self.outer_suspends, self.caught_unwindings, self.closed_new, self.closed_suspended];
        assert!(rare.iter().all(|&count| count > programs / 50), "{self:?}");
        let rarest = [self.closed_while_unwinding, self.answered_with_panic];
        // An emulator's few programs need not have come to these.
        let few = programs < 5_000;
        assert!(few || rarest.iter().all(|&count| count > programs / 500), "{self:?}");
        assert!(self.drops > programs as usize * 5, "{self:?}");
    }
}

/// Runs programs on both libraries, with values of one shape.
fn compare<P: Parcel>(shape: &str, cases: u32) {
    let cases = scaled(cases);
    let (mut runner, repeat) = seeded_runner(&format!("coroutines, {shape}"), cases);
    let total = RefCell::new(Tally::default());
    let result = runner.run(&programs(), |program| {
        let (on_leno, tally) = interpret::<Leno, P>(&program);
        let (on_corosensei, _) = interpret::<Corosensei, P>(&program);
        total.borrow_mut().add(&tally);
        match on_leno == on_corosensei {
            true => Ok(()),
            false => Err(TestCaseError::fail(format!(
                "leno:       {on_leno:?}\ncorosensei: {on_corosensei:?}"
            ))),
        }
    });
    if let Err(error) = result {
        panic!("{repeat}\n{error}");
    }
    let total = total.into_inner();
    println!("  {total:?}");
    total.check(cases);
}

#[test]
fn random_programs_with_values_in_a_register_run_as_on_corosensei() {
    compare::<Box<Loud>>("values of one word", 10_000);
}

#[test]
fn random_programs_with_small_values_run_as_on_corosensei() {
    compare::<Loud>("values smaller than a word", 10_000);
}

#[test]
fn random_programs_with_large_values_run_as_on_corosensei() {
    compare::<Bulky>("large and over-aligned values", 10_000);
}
