//! The kinds of bug by which the PCT paper explains depth: an order violation (depth
//! 1), an atomicity violation (2) and a deadlock (2) (Burckhardt, Kothari, Musuvathi,
//! Nagarakatte, "A randomized scheduler with probabilistic guarantees of finding bugs",
//! ASPLOS 2010). Each thread first takes unrelated steps, so that there are steps to
//! choose from.

use leno::scope;
use leno::sync::Mutex;
use leno::weave::Shared;

use super::{Bug, DEADLOCK, PANIC, Proof, Search, bugs};

bugs! {
    pct_order: Bug {
        wrong: || order(false),
        right: || order(true),
        says: "used before it was made",
        search: Search::Reduced,
        proof: Proof::Reduced,
        ..PANIC
    },
    pct_atomicity: Bug {
        wrong: || atomicity(false),
        right: || atomicity(true),
        says: "used after it was taken away",
        search: Search::Reduced,
        proof: Proof::Reduced,
        ..PANIC
    },
    pct_deadlock: Bug {
        wrong: || deadlock(false),
        right: || deadlock(true),
        search: Search::Reduced,
        proof: Proof::Reduced,
        ..DEADLOCK
    },
}

/// The number of unrelated steps.
const STEPS: usize = 5;

/// Takes steps that are invisible to other threads.
fn work() {
    let own = Shared::new(0);
    for _ in 0..STEPS {
        own.update(|count| *count += 1);
    }
}

/// One thread creates an object, and another uses it without waiting for it.
fn order(waits: bool) {
    let object = Shared::new(None);
    scope(|scope| {
        let maker = scope.spawn(|| {
            work();
            object.set(Some(7));
        });
        if waits {
            maker.join().unwrap();
        }
        scope.spawn(|| {
            work();
            object.get().expect("used before it was made");
        });
    });
}

/// One thread tests an object and then uses it, and another takes it away.
fn atomicity(at_once: bool) {
    let object = Shared::new(Some(7));
    scope(|scope| {
        scope.spawn(|| {
            work();
            if at_once {
                object.with(|object| object.map(|number| number + 1));
            } else if object.get().is_some() {
                object.get().expect("used after it was taken away");
            }
        });
        scope.spawn(|| {
            work();
            object.set(None);
        });
    });
}

/// Two threads take two locks in opposite orders.
fn deadlock(in_order: bool) {
    let (a, b) = (Mutex::new(()), Mutex::new(()));
    let both = |first: &Mutex<()>, second: &Mutex<()>| {
        work();
        let _first = first.lock().unwrap();
        let _second = second.lock().unwrap();
    };
    scope(|scope| {
        scope.spawn(|| both(&a, &b));
        scope.spawn(|| if in_order { both(&a, &b) } else { both(&b, &a) });
    });
}
