//! Locks taken in different orders.

use leno::scope;
use leno::sync::{Mutex, Semaphore};

use super::{Bug, DEADLOCK, Proof, Search, bugs};

bugs! {
    deadlock01: Bug {
        wrong: || deadlock01(Order::Crossed),
        right: || deadlock01(Order::Same),
        proof: Proof::Reduced,
        ..DEADLOCK
    },
    carter01: Bug {
        wrong: || carter01(Gate::Shared),
        right: || carter01(Gate::Own),
        search: Search::Reduced,
        proof: Proof::Reduced,
        ..DEADLOCK
    },
    philosophers_2: Bug {
        wrong: || philosophers::<2>(Order::Crossed),
        right: || philosophers::<2>(Order::Same),
        ..PHILOSOPHERS
    },
    philosophers_3: Bug {
        wrong: || philosophers::<3>(Order::Crossed),
        right: || philosophers::<3>(Order::Same),
        ..PHILOSOPHERS
    },
    philosophers_4: Bug {
        wrong: || philosophers::<4>(Order::Crossed),
        right: || philosophers::<4>(Order::Same),
        ..PHILOSOPHERS
    },
    philosophers_5: Bug {
        wrong: || philosophers::<5>(Order::Crossed),
        right: || philosophers::<5>(Order::Same),
        ..PHILOSOPHERS
    },
    philosophers_6: Bug {
        wrong: || philosophers::<6>(Order::Crossed),
        right: || philosophers::<6>(Order::Same),
        proof: Proof::Some,
        ..PHILOSOPHERS
    },
    philosophers_7: Bug {
        wrong: || philosophers::<7>(Order::Crossed),
        right: || philosophers::<7>(Order::Same),
        proof: Proof::Some,
        ..PHILOSOPHERS
    },
}

const PHILOSOPHERS: Bug = Bug { search: Search::Reduced, proof: Proof::Reduced, ..DEADLOCK };

#[derive(Clone, Copy, PartialEq, Eq)]
enum Order {
    Crossed,
    /// All threads take the locks in the same order.
    Same,
}

/// `deadlock01_bad`: two threads take two locks in opposite orders.
fn deadlock01(order: Order) {
    let (a, b) = (Mutex::new(()), Mutex::new(()));
    let both = |first: &Mutex<()>, second: &Mutex<()>| {
        let _first = first.lock().unwrap();
        let _second = second.lock().unwrap();
    };
    scope(|scope| {
        scope.spawn(|| both(&a, &b));
        scope.spawn(|| match order {
            Order::Crossed => both(&b, &a),
            Order::Same => both(&a, &b),
        });
    });
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Gate {
    Shared,
    /// Each class counts under its own lock.
    Own,
}

/// `carter01_bad`: two classes of threads exclude each other. The first thread of a
/// class to enter takes a lock for the class, and the last to leave releases it. A
/// class waits for that lock while it holds the lock that the other class needs to
/// leave. Two more threads do nothing.
fn carter01(gate: Gate) {
    let gates = [Mutex::new([0; 2]), Mutex::new([0; 2])];
    let resource = Semaphore::new(1);
    let member = |class: usize| {
        let gate = match gate {
            Gate::Shared => &gates[0],
            Gate::Own => &gates[class],
        };
        let mut inside = gate.lock().unwrap();
        inside[class] += 1;
        if inside[class] == 1 {
            resource.acquire().expect("the semaphore is open").forget();
        }
        drop(inside);
        let mut inside = gate.lock().unwrap();
        inside[class] -= 1;
        if inside[class] == 0 {
            resource.add_permits(1);
        }
    };
    scope(|scope| {
        scope.spawn(|| member(0));
        scope.spawn(|| member(1));
        scope.spawn(|| {});
        scope.spawn(|| {});
    });
}

/// Dijkstra's dining philosophers, who all take the fork on their left first (Dijkstra,
/// "Hierarchical ordering of sequential processes", Acta Informatica 1971). SCTBench's
/// versions, `din_phil2_sat` to `din_phil7_sat`, have no deadlock: they fail when all
/// have eaten, under every schedule.
fn philosophers<const COUNT: usize>(order: Order) {
    let forks = [const { Mutex::new(()) }; COUNT];
    scope(|scope| {
        for left in 0..COUNT {
            let right = (left + 1) % COUNT;
            let (first, second) = match order {
                Order::Crossed => (left, right),
                Order::Same => (left.min(right), left.max(right)),
            };
            let forks = &forks;
            scope.spawn(move || {
                let _first = forks[first].lock().unwrap();
                let _second = forks[second].lock().unwrap();
            });
        }
    });
}
