//! A family of programs, each dropped at each of its suspension points: every value
//! created by then is dropped once.
//!
//! A program runs two steps of [`STEPS`] at some depth of recursion. Each step keeps
//! values in a different kind of place while it suspends.

use std::collections::BTreeMap;
use std::panic::{self, AssertUnwindSafe};
use std::rc::Rc;

use leno::coroutine::{self, Coroutine, Generator, Resumed, Yielder};

use crate::support::{Ledger, Tracked, caught};

type Points<'a> = &'a Yielder<Tracked, Tracked>;
type Step = fn(Points<'_>, &Ledger);

/// Suspends with a new value and returns the value that comes in.
fn point(points: Points<'_>, ledger: &Ledger) -> Tracked {
    points.suspend(ledger.value())
}

fn locals(points: Points<'_>, ledger: &Ledger) {
    let _first = ledger.value();
    let _second = point(points, ledger);
    let _third = Box::new(point(points, ledger));
}

fn moved_out(points: Points<'_>, ledger: &Ledger) {
    let (first, second) = (ledger.value(), Some(ledger.value()));
    if point(points, ledger).is_odd() {
        drop(first);
    } else {
        drop(second);
    }
    drop(point(points, ledger));
}

fn growing_vec(points: Points<'_>, ledger: &Ledger) {
    let mut values = vec![];
    for _ in 0..3 {
        values.push((ledger.value(), point(points, ledger)));
    }
    values.swap_remove(1);
    drop(point(points, ledger));
}

fn shared(points: Points<'_>, ledger: &Ledger) {
    let one = Rc::new(ledger.value());
    let other = one.clone();
    let _weak = Rc::downgrade(&other);
    drop(one);
    let _cell = Rc::new((other, point(points, ledger)));
    drop(point(points, ledger));
}

fn temporaries(points: Points<'_>, ledger: &Ledger) {
    fn take(_: &Tracked, _: Tracked, _: &Tracked, _: Tracked) {}
    take(&ledger.value(), point(points, ledger), &ledger.value(), point(points, ledger));
    match (ledger.value(), point(points, ledger)) {
        (_, value) if point(points, ledger).is_odd() => drop(value),
        _ => drop(point(points, ledger)),
    }
}

fn array_half_mapped(points: Points<'_>, ledger: &Ledger) {
    let values = [(); 3].map(|()| ledger.value());
    let _pairs = values.map(|value| (value, point(points, ledger)));
}

fn half_collected(points: Points<'_>, ledger: &Ledger) {
    let values: Vec<Tracked> = (0..3).map(|_| point(points, ledger)).collect();
    let boxed: Vec<Box<Tracked>> =
        values.into_iter().inspect(|_| drop(point(points, ledger))).map(Box::new).collect();
    let _map: BTreeMap<usize, _> =
        boxed.into_iter().enumerate().inspect(|_| drop(point(points, ledger))).collect();
}

fn half_sorted(points: Points<'_>, ledger: &Ledger) {
    let mut values: Vec<(u32, Tracked)> = (0..4).map(|n| (n * 3 % 4, ledger.value())).collect();
    values.sort_by(|a, b| {
        drop(point(points, ledger));
        a.0.cmp(&b.0)
    });
    values.retain(|(n, _)| {
        drop(point(points, ledger));
        n % 2 == 0
    });
}

fn closures(points: Points<'_>, ledger: &Ledger) {
    let captured = ledger.value();
    let mut kept = vec![];
    let mut calls: Box<dyn FnMut() -> Tracked> = Box::new(|| {
        let _captured = &captured;
        kept.push(ledger.value());
        point(points, ledger)
    });
    let _results = (calls(), calls());
    drop(calls);
    let once = move |value: Tracked| drop((captured, value));
    once(point(points, ledger));
}

fn caught_and_thrown_again(points: Points<'_>, ledger: &Ledger) {
    let outside = ledger.value();
    let result = panic::catch_unwind(AssertUnwindSafe(|| {
        let _inside = ledger.value();
        point(points, ledger)
    }));
    let _also_outside = (outside, ledger.value());
    let _value = result.unwrap_or_else(|payload| panic::resume_unwind(payload));
    drop(point(points, ledger));
}

/// Ignores each unwinding that it catches, so each later suspension is unwound again.
fn caught_and_ignored(points: Points<'_>, ledger: &Ledger) {
    for _ in 0..2 {
        let _outside = ledger.value();
        let _ = panic::catch_unwind(AssertUnwindSafe(|| {
            let _inside = (ledger.value(), point(points, ledger));
        }));
    }
    drop(point(points, ledger));
}

fn own_panics(points: Points<'_>, ledger: &Ledger) {
    for _ in 0..2 {
        let thrown = panic::catch_unwind(AssertUnwindSafe(|| {
            let _inside = ledger.value();
            drop(point(points, ledger));
            panic::resume_unwind(Box::new("its own"));
        }));
        let payload = thrown.expect_err("the closure panics");
        let _kept = ledger.value();
        if payload.downcast_ref::<&str>().is_none() {
            panic::resume_unwind(payload);
        }
        drop(point(points, ledger));
    }
}

fn idle_coroutines(points: Points<'_>, ledger: &Ledger) {
    let create = || {
        let ledger = ledger.clone();
        Coroutine::<(), Tracked, ()>::new(move |yielder, ()| {
            let _held = ledger.value();
            loop {
                yielder.suspend(ledger.value());
            }
        })
    };
    let (_new, suspended, closed) = (create(), create(), create());
    let _yielded = [suspended.resume(()), closed.resume(()), suspended.resume(())];
    drop(point(points, ledger));
    closed.close();
    drop(point(points, ledger));
}

fn pulled_generator(points: Points<'_>, ledger: &Ledger) {
    let values = ledger.clone();
    let generator = Generator::new(move |yielder| {
        let held = [values.value(), values.value()];
        for _value in held {
            yielder.suspend(values.value());
        }
    });
    for _value in generator {
        drop(point(points, ledger));
    }
}

fn from_inside_another(points: Points<'_>, ledger: &Ledger) {
    let _outside = ledger.value();
    coroutine::scope(|scope| {
        let inner = scope.coroutine(|yielder: &Yielder<(), Tracked>, ()| {
            let _inside = (ledger.value(), point(points, ledger));
            yielder.suspend(ledger.value());
            drop(point(points, ledger));
        });
        let _yielded = inner.resume(());
        drop(point(points, ledger));
        inner.resume(());
    });
}

const STEPS: [Step; 16] = [
    locals,
    moved_out,
    growing_vec,
    shared,
    temporaries,
    array_half_mapped,
    half_collected,
    half_sorted,
    closures,
    caught_and_thrown_again,
    caught_and_ignored,
    own_panics,
    idle_coroutines,
    pulled_generator,
    from_inside_another,
    |_, ledger| drop(ledger.value()),
];

impl Tracked {
    /// Alternates from one suspension point to the next.
    fn is_odd(&self) -> bool {
        self.index() % 2 == 1
    }
}

#[derive(Clone, Copy)]
struct Program {
    before: usize,
    after: usize,
    depth: u32,
}

impl Program {
    fn run(self, points: Points<'_>, ledger: &Ledger) -> Tracked {
        let held = ledger.value();
        STEPS[self.before](points, ledger);
        if self.depth > 1 {
            drop(Program { depth: self.depth - 1, ..self }.run(points, ledger));
        }
        STEPS[self.after](points, ledger);
        held
    }

    fn start(self, ledger: &Ledger) -> Coroutine<Tracked, Tracked, Tracked> {
        let (ledger, captured) = (ledger.clone(), [ledger.value(), ledger.value()]);
        Coroutine::new(move |points, _first| {
            let [_kept, gone] = captured;
            drop(gone);
            self.run(points, &ledger)
        })
    }

    /// Runs the program to its end and returns the number of its suspension points.
    fn count_points(self) -> usize {
        let ledger = Ledger::default();
        let program = self.start(&ledger);
        let points = (0..)
            .find(|_| matches!(program.resume(ledger.value()), Resumed::Return(_)))
            .expect("the program ends");
        drop(program);
        ledger.check();
        points
    }

    /// Drops the program at suspension point `stop`; 0 is before its start.
    fn drop_at(self, stop: usize) {
        let ledger = Ledger::default();
        let program = self.start(&ledger);
        for _ in 0..stop {
            assert!(matches!(program.resume(ledger.value()), Resumed::Yield(_)));
        }
        match stop % 3 {
            0 => drop(program),
            1 => program.close(),
            _ => {
                let result = caught(move || {
                    let _dropped_by_the_panic = program;
                    panic::resume_unwind(Box::new(()));
                });
                assert!(result.is_err());
            }
        }
        ledger.check();
    }
}

#[test]
fn a_program_dropped_anywhere_drops_each_value_once() {
    let (mut programs, mut points) = (0, 0);
    for depth in 1..=4 {
        for before in 0..STEPS.len() {
            for after in 0..STEPS.len() {
                let program = Program { before, after, depth };
                let last = program.count_points();
                (0..=last).for_each(|stop| program.drop_at(stop));
                programs += 1;
                points += last + 1;
            }
        }
    }
    println!("{programs} programs, dropped at {points} points");
    assert!(points > 2_000, "only {points} points");
}
