//! Atomics in explorations: preemption before each operation, sequential consistency, reduction,
//! statics, stories.

use std::cell::Cell;
use std::collections::BTreeSet;
use std::fmt::Debug;
use std::sync::Arc;

use leno::sync::atomic::{
    AtomicBool, AtomicPtr, AtomicU8, AtomicU32, AtomicUsize, Ordering, fence,
};
use leno::thread;
use leno::weave::{Explorer, FailureKind, Report, story};

use Ordering::{Relaxed, SeqCst};

fn outcomes<T: Ord + Clone>(report: &Report<T>) -> BTreeSet<T> {
    report.outcomes().keys().cloned().collect()
}

/// Explores with preemption, in full and reduced, and returns the outcomes.
#[track_caller]
fn explored<T: Ord + Clone + Debug>(program: impl Fn() -> T) -> BTreeSet<T> {
    let explorer = Explorer::new().preemptive();
    let (full, reduced) = (explorer.explore(&program), explorer.reduced().explore(&program));
    assert!(full.is_complete() && reduced.is_complete(), "{full:?}{reduced:?}");
    assert_eq!(outcomes(&full), outcomes(&reduced), "in full, and reduced");
    assert!(reduced.executions() <= full.executions(), "{full:?}{reduced:?}");
    outcomes(&full)
}

/// Runs both closures as green threads.
fn together<A, B>(one: impl FnOnce() -> A, other: impl FnOnce() -> B) -> (A, B) {
    let (mut of_one, mut of_other) = (None, None);
    leno::scope(|scope| {
        scope.spawn(|| of_one = Some(one()));
        scope.spawn(|| of_other = Some(other()));
    });
    (of_one.unwrap(), of_other.unwrap())
}

#[test]
fn a_lost_update_by_load_and_store_is_found() {
    let add = |total: &AtomicU32| total.store(total.load(Relaxed) + 1, Relaxed);
    let program = || {
        let total = AtomicU32::new(0);
        together(|| add(&total), || add(&total));
        total.into_inner()
    };
    assert_eq!(explored(program), BTreeSet::from([1, 2]));
    // As many executions as for any other shared value, and without preemption one outcome.
    assert_eq!(Explorer::new().preemptive().explore(program).executions(), 6);
    assert_eq!(outcomes(&Explorer::new().explore(program)), BTreeSet::from([2]));
}

#[test]
fn an_atomic_update_is_not_lost() {
    let program = |add: fn(&AtomicU32)| {
        explored(move || {
            let total = AtomicU32::new(0);
            together(|| add(&total), || add(&total));
            total.into_inner()
        })
    };
    let two = BTreeSet::from([2]);
    assert_eq!(program(|total| _ = total.fetch_add(1, Relaxed)), two);
    assert_eq!(program(|total| _ = total.fetch_update(SeqCst, SeqCst, |n| Some(n + 1))), two);
    assert_eq!(program(|total| _ = total.update(SeqCst, SeqCst, |n| n + 1)), two);
    let with_weak = |total: &AtomicU32| {
        let mut before = total.load(Relaxed);
        while let Err(now) = total.compare_exchange_weak(before, before + 1, Relaxed, Relaxed) {
            before = now;
        }
    };
    assert_eq!(program(with_weak), two);
}

/// Each method is a place where another thread may run, and an access that conflicts.
#[test]
fn every_operation_is_observed() {
    type Operation = (&'static str, fn(&AtomicU8) -> u8);
    let operations: [Operation; 15] = [
        ("load", |it| it.load(SeqCst)),
        ("swap", |it| it.swap(7, SeqCst)),
        ("compare_exchange", |it| it.compare_exchange(1, 7, SeqCst, SeqCst).unwrap_or(9)),
        ("weak", |it| it.compare_exchange_weak(1, 7, SeqCst, SeqCst).unwrap_or(9)),
        ("fetch_add", |it| it.fetch_add(1, SeqCst)),
        ("fetch_sub", |it| it.fetch_sub(1, SeqCst)),
        ("fetch_and", |it| it.fetch_and(3, SeqCst)),
        ("fetch_nand", |it| it.fetch_nand(3, SeqCst)),
        ("fetch_or", |it| it.fetch_or(3, SeqCst)),
        ("fetch_xor", |it| it.fetch_xor(3, SeqCst)),
        ("fetch_max", |it| it.fetch_max(3, SeqCst)),
        ("fetch_min", |it| it.fetch_min(3, SeqCst)),
        ("fetch_update", |it| it.fetch_update(SeqCst, SeqCst, |n| Some(n + 1)).unwrap()),
        ("update", |it| it.update(SeqCst, SeqCst, |n| n + 1)),
        ("Debug", |it| format!("{it:?}").parse().unwrap()),
    ];
    for (name, operation) in operations {
        let found = explored(|| {
            let atomic = AtomicU8::new(0);
            // The first operation begins its thread, so another one comes before it.
            let begun = AtomicBool::new(false);
            let store = || {
                begun.store(true, SeqCst);
                atomic.store(1, SeqCst);
            };
            let look = || {
                begun.store(true, SeqCst);
                operation(&atomic)
            };
            together(look, store).0
        });
        assert_eq!(found.len(), 2, "{name}: {found:?}");
    }
    let pointers = explored(|| {
        let (begun, mut numbers) = (AtomicBool::new(false), [0_u8; 2]);
        let base = numbers.as_mut_ptr();
        let pointer = AtomicPtr::new(base);
        let move_on = || {
            begun.store(true, SeqCst);
            pointer.fetch_ptr_add(1, SeqCst).addr() - base.addr()
        };
        let clear = || {
            begun.store(true, SeqCst);
            pointer.fetch_byte_add(1, SeqCst).addr() - base.addr()
        };
        together(move_on, clear)
    });
    assert_eq!(pointers, BTreeSet::from([(0, 1), (1, 0)]));
}

// Litmus tests: the outcomes under sequential consistency, whatever the orderings.

#[test]
fn store_buffering_shows_three_outcomes() {
    let found = explored(|| {
        let (x, y) = (AtomicU8::new(0), AtomicU8::new(0));
        let store_and_load = |one: &AtomicU8, other: &AtomicU8| {
            one.store(1, Relaxed);
            fence(SeqCst);
            other.load(Relaxed)
        };
        together(|| store_and_load(&x, &y), || store_and_load(&y, &x))
    });
    assert_eq!(found, BTreeSet::from([(0, 1), (1, 0), (1, 1)]));
}

#[test]
fn a_message_is_seen_with_its_flag() {
    let found = explored(|| {
        let (data, flag) = (AtomicU8::new(0), AtomicU8::new(0));
        let send = || {
            data.store(1, Relaxed);
            flag.store(1, Relaxed);
        };
        together(send, || (flag.load(Relaxed), data.load(Relaxed))).1
    });
    assert_eq!(found, BTreeSet::from([(0, 0), (0, 1), (1, 1)]));
}

#[test]
fn loads_do_not_see_later_stores() {
    let found = explored(|| {
        let (x, y) = (AtomicU8::new(0), AtomicU8::new(0));
        let load_and_store = |one: &AtomicU8, other: &AtomicU8| {
            let seen = one.load(Relaxed);
            other.store(1, Relaxed);
            seen
        };
        together(|| load_and_store(&x, &y), || load_and_store(&y, &x))
    });
    assert_eq!(found, BTreeSet::from([(0, 0), (0, 1), (1, 0)]));
}

#[test]
fn two_stores_each_have_one_order() {
    let found = explored(|| {
        let (x, y) = (AtomicU8::new(0), AtomicU8::new(0));
        let store = |one: &AtomicU8, other: &AtomicU8| {
            one.store(1, Relaxed);
            other.store(2, Relaxed);
        };
        together(|| store(&x, &y), || store(&y, &x));
        (x.into_inner(), y.into_inner())
    });
    assert_eq!(found, BTreeSet::from([(1, 2), (2, 1), (2, 2)]));
}

#[test]
fn readers_agree_on_the_order_of_two_writers() {
    let found = explored(|| {
        let (x, y) = (AtomicU8::new(0), AtomicU8::new(0));
        let (one, other) = (Cell::new((0, 0)), Cell::new((0, 0)));
        leno::scope(|scope| {
            scope.spawn(|| x.store(1, Relaxed));
            scope.spawn(|| y.store(1, Relaxed));
            scope.spawn(|| one.set((x.load(Relaxed), y.load(Relaxed))));
            scope.spawn(|| other.set((y.load(Relaxed), x.load(Relaxed))));
        });
        (one.get(), other.get())
    });
    assert_eq!(found.len(), 15);
    assert!(!found.contains(&((1, 0), (1, 0))), "the readers disagree");
}

/// Peterson's algorithm, with a loop that yields.
#[test]
fn petersons_lock_excludes() {
    let found = explored(|| {
        let (wants, turn) = ([AtomicBool::new(false), AtomicBool::new(false)], AtomicUsize::new(0));
        let inside = AtomicU32::new(0);
        let enter = |me: usize| {
            wants[me].store(true, SeqCst);
            turn.store(1 - me, SeqCst);
            while wants[1 - me].load(SeqCst) && turn.load(SeqCst) == 1 - me {
                leno::yield_now();
            }
            let alone = inside.swap(1, SeqCst) == 0;
            inside.store(0, SeqCst);
            wants[me].store(false, SeqCst);
            alone
        };
        together(|| enter(0), || enter(1))
    });
    assert_eq!(found, BTreeSet::from([(true, true)]));
}

#[test]
fn a_lock_with_a_look_before_it_does_not_exclude() {
    let program = || {
        let (taken, inside) = (AtomicBool::new(false), AtomicU32::new(0));
        let enter = || {
            if taken.load(SeqCst) {
                return;
            }
            taken.store(true, SeqCst);
            assert_eq!(inside.fetch_add(1, SeqCst), 0, "two are inside");
            inside.fetch_sub(1, SeqCst);
            taken.store(false, SeqCst);
        };
        together(enter, enter);
    };
    for explorer in [Explorer::new().preemptive(), Explorer::new().preemptive().reduced()] {
        let report = explorer.explore(program);
        assert_eq!(report.failure().unwrap().kind(), FailureKind::Panic, "{report}");
    }
}

#[test]
fn an_atomic_in_a_static_is_one_object() {
    static TOTAL: AtomicU32 = AtomicU32::new(0);
    let found = explored(|| {
        TOTAL.store(0, SeqCst);
        let add = || TOTAL.store(TOTAL.load(SeqCst) + 1, SeqCst);
        together(add, add);
        TOTAL.load(SeqCst)
    });
    assert_eq!(found, BTreeSet::from([1, 2]));
}

/// Atomics that are dropped leave their addresses to others, which may differ from execution to
/// execution.
#[test]
fn atomics_at_used_addresses_are_told_apart() {
    let found = explored(|| {
        let shared = Arc::new([AtomicU32::new(0), AtomicU32::new(0)]);
        let threads = [0, 1].map(|me| {
            let shared = shared.clone();
            thread::spawn(move || {
                let own = Box::new(AtomicU32::new(0));
                own.store(shared[me].load(SeqCst), SeqCst);
                let seen = own.load(SeqCst);
                drop(own);
                let other = Box::new(AtomicU32::new(seen));
                shared[1 - me].store(other.load(SeqCst) + 1, SeqCst);
                seen
            })
        });
        threads.map(|thread| thread.join().unwrap())
    });
    assert_eq!(found, BTreeSet::from([[0, 0], [0, 1], [1, 0]]));
}

/// Two atomics, one after the other, have one address in every other execution. The accesses that two
/// executions have in common are to the same atomics all the same: here to `z`.
#[test]
fn an_address_means_another_atomic_in_another_execution() {
    let (places, runs) = ([AtomicU8::new(0), AtomicU8::new(0)], Cell::new(0));
    let program = || {
        let run = runs.replace(runs.get() + 1);
        let (one, other) = (&places[0], &places[run % 2]);
        let (flag, z, seen) = (AtomicU8::new(0), AtomicU8::new(0), Cell::new(0));
        let used_before = || {
            one.store(1, SeqCst);
            other.store(1, SeqCst);
        };
        leno::scope(|scope| drop(scope.spawn(used_before)));
        let stores_if_set = || {
            if flag.load(SeqCst) == 1 {
                z.store(1, SeqCst);
            }
        };
        leno::scope(|scope| {
            scope.spawn(|| seen.set(z.load(SeqCst)));
            scope.spawn(stores_if_set);
            scope.spawn(|| flag.store(1, SeqCst));
        });
        seen.get()
    };
    for first in 0..2 {
        runs.set(first);
        let report = Explorer::new().preemptive().reduced().explore(program);
        assert_eq!(outcomes(&report), BTreeSet::from([0, 1]), "{report}");
    }
}

/// A message that is handed over by way of a pointer has an atomic of its own, first used by the
/// other thread.
#[test]
fn an_atomic_of_another_thread_is_followed() {
    let found = explored(|| {
        let slot = Arc::new(AtomicPtr::<AtomicU32>::default());
        let place = slot.clone();
        let owner = thread::spawn(move || {
            drop(Box::new(AtomicU32::new(7)));
            let made = Box::leak(Box::new(AtomicU32::new(0)));
            place.store(made, SeqCst);
            made.store(made.load(SeqCst) + 1, SeqCst);
        });
        // SAFETY: what is in the slot is leaked until both threads have ended.
        let made = || unsafe { slot.load(SeqCst).as_ref() };
        let was_there = made().map(|made| made.store(made.load(SeqCst) + 1, SeqCst)).is_some();
        owner.join().unwrap();
        let made = slot.load(SeqCst);
        // SAFETY: leaked by the thread that has ended, and freed once.
        let total = unsafe { Box::from_raw(made) }.load(SeqCst);
        (was_there, total)
    });
    assert_eq!(found, BTreeSet::from([(false, 1), (true, 1), (true, 2)]));
}

#[test]
fn a_story_names_atomics_and_their_values() {
    let text = story("", || {
        let (one, other) = (AtomicU32::new(0), AtomicU32::new(0));
        one.fetch_add(5, SeqCst);
        other.store(one.load(SeqCst), SeqCst);
    });
    let text = text.to_string();
    for line in ["add to atomic 1: 5", "load atomic 1: 5", "store atomic 2: 5"] {
        assert!(text.contains(line), "{line}\n{text}");
    }
}
