//! Data shared without a lock, or with a wrong one.

use leno::scope;
use leno::sync::{Event, Mutex};
use leno::weave::Shared;

use super::{Bug, PANIC, Proof, Search, bugs};

bugs! {
    token_ring: Bug {
        wrong: || token_ring(false),
        right: || token_ring(true),
        says: "the token",
        search: Search::Reduced,
        ..PANIC
    },
    reorder_3: Bug {
        wrong: || reorder(2),
        right: || reorder_at_once(2),
        ..REORDER
    },
    reorder_4: Bug {
        wrong: || reorder(3),
        right: || reorder_at_once(3),
        ..REORDER
    },
    reorder_5: Bug {
        wrong: || reorder(4),
        right: || reorder_at_once(4),
        ..REORDER
    },
    reorder_10: Bug {
        wrong: || reorder(9),
        right: || reorder_at_once(9),
        search: Search::Sampled,
        proof: Proof::Some,
        ..REORDER
    },
    reorder_20: Bug {
        wrong: || reorder(19),
        right: || reorder_at_once(19),
        search: Search::Sampled,
        proof: Proof::Some,
        ..REORDER
    },
    twostage: Bug {
        wrong: || twostage(1),
        right: || twostage_at_once(1),
        ..TWOSTAGE
    },
    twostage_3: Bug {
        wrong: || twostage(2),
        right: || twostage_at_once(2),
        ..TWOSTAGE
    },
    twostage_20: Bug {
        wrong: || twostage(19),
        right: || twostage_at_once(19),
        search: Search::Sampled,
        proof: Proof::Some,
        ..TWOSTAGE
    },
    twostage_100: Bug {
        wrong: || twostage(99),
        right: || twostage_at_once(99),
        search: Search::Sampled,
        proof: Proof::Some,
        ..TWOSTAGE
    },
    wronglock_3: Bug {
        wrong: || wronglock(3, false),
        right: || wronglock(3, true),
        ..WRONGLOCK
    },
    wronglock: Bug {
        wrong: || wronglock(7, false),
        right: || wronglock(7, true),
        proof: Proof::Some,
        ..WRONGLOCK
    },
    bluetooth_driver: Bug {
        wrong: || bluetooth_driver(Device::enter_checked_first),
        right: || bluetooth_driver(Device::enter_counted_first),
        says: "the driver works after it was stopped",
        proof: Proof::All,
        ..PANIC
    },
}

const REORDER: Bug =
    Bug { says: "one half of the write", search: Search::Reduced, proof: Proof::Reduced, ..PANIC };

const TWOSTAGE: Bug =
    Bug { says: "the second stage", search: Search::Reduced, proof: Proof::Reduced, ..PANIC };

const WRONGLOCK: Bug =
    Bug { says: "one more", search: Search::Reduced, proof: Proof::Reduced, ..PANIC };

/// `token_ring_bad`: three threads each copy the value of another, in an order that may
/// be wrong, and one thread checks the values after all copies.
fn token_ring(in_order: bool) {
    let ring = Shared::new(([1, 2, 1], [false; 3]));
    let pass = |from: usize, to: usize, token: fn(i32) -> i32| {
        ring.update(|(tokens, done)| {
            tokens[to] = token(tokens[from]);
            done[to] = true;
        });
    };
    scope(|scope| {
        let first = scope.spawn(|| pass(2, 0, |token| (token + 1) % 4));
        if in_order {
            first.join().unwrap();
        }
        let second = scope.spawn(|| pass(0, 1, |token| token));
        if in_order {
            second.join().unwrap();
        }
        scope.spawn(|| pass(1, 2, |token| token));
        scope.spawn(|| {
            ring.with(|(tokens, done)| {
                let is_same = tokens.iter().all(|token| *token == tokens[0]);
                assert!(is_same || *done != [true; 3], "the token: {tokens:?}");
            });
        });
    });
}

/// `reorder_N_bad`: all but one of N threads write two variables, one after the other,
/// and the last thread must see both writes or neither.
fn reorder(writers: usize) {
    let (a, b) = (Shared::new(0), Shared::new(0));
    scope(|scope| {
        for _ in 0..writers {
            scope.spawn(|| {
                a.set(1);
                b.set(-1);
            });
        }
        scope.spawn(|| {
            let is_whole = (a.get() == 0 && b.get() == 0) || (a.get() == 1 && b.get() == -1);
            assert!(is_whole, "one half of the write");
        });
    });
}

/// Both variables are written in one step.
fn reorder_at_once(writers: usize) {
    let both = Shared::new((0, 0));
    scope(|scope| {
        for _ in 0..writers {
            scope.spawn(|| both.set((1, -1)));
        }
        scope.spawn(|| {
            assert!(matches!(both.get(), (0, 0) | (1, -1)), "one half of the write");
        });
    });
}

/// The reader of `twostage_N_bad`: reads the first datum under its lock, then the
/// second under its own.
fn read_twostage(data1: &Mutex<i32>, data2: &Mutex<i32>) {
    let first = *data1.lock().unwrap();
    if first != 0 {
        let second = *data2.lock().unwrap();
        assert_eq!(second, first + 1, "the second stage");
    }
}

/// `twostage_N_bad`: all but one of N threads write one datum and then another that
/// depends on it, each under its lock. The last thread may read in between.
fn twostage(writers: usize) {
    let (data1, data2) = (Mutex::new(0), Mutex::new(0));
    scope(|scope| {
        for _ in 0..writers {
            scope.spawn(|| {
                *data1.lock().unwrap() = 1;
                *data2.lock().unwrap() = 2;
            });
        }
        scope.spawn(|| read_twostage(&data1, &data2));
    });
}

/// The first lock is held for both stages.
fn twostage_at_once(writers: usize) {
    let (data1, data2) = (Mutex::new(0), Mutex::new(0));
    scope(|scope| {
        for _ in 0..writers {
            scope.spawn(|| {
                let mut first = data1.lock().unwrap();
                *first = 1;
                *data2.lock().unwrap() = *first + 1;
            });
        }
        scope.spawn(|| read_twostage(&data1, &data2));
    });
}

/// `wronglock_N_bad`: one thread counts up under one lock, and N others under another.
fn wronglock(others: usize, is_same: bool) {
    let (data_lock, this_lock) = (Mutex::new(()), Mutex::new(()));
    let data = Shared::new(0);
    scope(|scope| {
        scope.spawn(|| {
            let _held = data_lock.lock().unwrap();
            let before = data.get();
            data.set(data.get() + 1);
            assert_eq!(data.get(), before + 1, "one more");
        });
        for _ in 0..others {
            scope.spawn(|| {
                let lock = if is_same { &data_lock } else { &this_lock };
                let _held = lock.lock().unwrap();
                data.set(data.get() + 1);
            });
        }
    });
}

/// The state of a driver: the number of threads inside, with one for the driver itself.
struct Device {
    pending: Shared<i32>,
    is_stopping: Shared<bool>,
    stopping: Event,
    is_stopped: Shared<bool>,
}

impl Device {
    /// Contains the bug: the driver may be stopped between the check and the count.
    fn enter_checked_first(&self) -> bool {
        if self.is_stopping.get() {
            return false;
        }
        self.pending.update(|pending| *pending += 1);
        true
    }

    fn enter_counted_first(&self) -> bool {
        self.pending.update(|pending| *pending += 1);
        if self.is_stopping.get() {
            self.leave();
            return false;
        }
        true
    }

    fn leave(&self) {
        let left = self.pending.update(|pending| {
            *pending -= 1;
            *pending
        });
        if left == 0 {
            self.stopping.set();
        }
    }
}

/// The reference counting of a Bluetooth driver, found by KISS (Qadeer and Wu,
/// "KISS: keep it simple and sequential", PLDI 2004; `bluetooth_driver_bad`).
fn bluetooth_driver(enter: fn(&Device) -> bool) {
    let device = Device {
        pending: Shared::new(1),
        is_stopping: Shared::new(false),
        stopping: Event::new(),
        is_stopped: Shared::new(false),
    };
    scope(|scope| {
        scope.spawn(|| {
            device.is_stopping.set(true);
            device.leave();
            device.stopping.wait();
            device.is_stopped.set(true);
        });
        scope.spawn(|| {
            if enter(&device) {
                assert!(!device.is_stopped.get(), "the driver works after it was stopped");
                device.leave();
            }
        });
    });
}
