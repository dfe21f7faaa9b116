//! Programs with stored stories. The stories contain line numbers, so that new
//! programs belong at the end.

use std::cell::{Cell, RefCell};
use std::time::Duration;

use leno::channel;
use leno::sync::{Condvar, Event, Mutex};
use leno::thread::{self, Builder, Scope};
use leno::weave::Shared;

fn named<'scope>(scope: &'scope Scope<'scope, '_>, name: &str, f: impl FnOnce() + 'scope) {
    Builder::new().name(name.into()).spawn_scoped(scope, f).expect("a stack");
}

pub fn lost_update() {
    let balance = Shared::named("balance", 0);
    thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| {
                let before = balance.get();
                balance.set(before + 1);
            });
        }
    });
    assert_eq!(balance.get(), 2, "an update was lost");
}

pub fn lost_between_yields() {
    let balance = Cell::new(0);
    thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| {
                let before = balance.get();
                thread::yield_now();
                balance.set(before + 1);
            });
        }
    });
    assert_eq!(balance.get(), 2);
}

pub fn two_locks() {
    let (left, right) = (Mutex::new(()), Mutex::new(()));
    left.set_name("left");
    right.set_name("right");
    thread::scope(|scope| {
        scope.spawn(|| {
            let _left = left.lock();
            thread::yield_now();
            let _right = right.lock();
        });
        scope.spawn(|| {
            let _right = right.lock();
            thread::yield_now();
            let _left = left.lock();
        });
    });
}

pub fn philosophers() {
    const COUNT: usize = 3;
    let forks: Vec<Mutex<()>> = (0..COUNT).map(|_| Mutex::new(())).collect();
    for (number, fork) in forks.iter().enumerate() {
        fork.set_name(format!("fork {number}"));
    }
    thread::scope(|scope| {
        for (seat, name) in ["Plato", "Kant", "Hume"].into_iter().enumerate() {
            let forks = &forks;
            named(scope, name, move || {
                let _first = forks[seat].lock();
                thread::yield_now();
                let _second = forks[(seat + 1) % COUNT].lock();
            });
        }
    });
}

pub fn orders() {
    let (sender, receiver) = channel::bounded(1);
    sender.set_name("orders");
    let producer = move || {
        for order in 0..3 {
            leno::time::sleep(Duration::from_millis(10 * order));
            sender.send(order).expect("the consumer is there");
        }
    };
    let consumer = move || {
        for expected in 0..3 {
            let order = receiver.recv_timeout(Duration::from_millis(15));
            assert_eq!(order, Ok(expected));
        }
    };
    Builder::new().name("producer".to_owned()).spawn(producer).expect("a stack");
    let consumer = Builder::new().name("consumer".to_owned()).spawn(consumer).expect("a stack");
    let _ = consumer.join();
}

pub fn letters() -> String {
    let out = RefCell::new(String::new());
    thread::scope(|scope| {
        for word in ["123", "xyz"] {
            let out = &out;
            scope.spawn(move || {
                for (index, letter) in word.chars().enumerate() {
                    if index > 0 {
                        thread::yield_now();
                    }
                    out.borrow_mut().push(letter);
                }
            });
        }
    });
    out.take()
}

pub fn spinning() {
    let ready = Cell::new(false);
    let tries = Shared::named("tries", 0);
    thread::scope(|scope| {
        scope.spawn(|| {
            while !ready.get() {
                tries.update(|tries| *tries += 1);
                thread::yield_now();
            }
        });
        scope.spawn(|| {
            while !ready.get() {
                thread::yield_now();
            }
        });
    });
}

pub fn interrupted() {
    let parked = thread::spawn(thread::park);
    let late = thread::spawn(|| {
        let _ = leno::time::timeout(Duration::from_secs(1), || {
            thread::park_timeout(Duration::from_millis(5));
            thread::park();
        });
    });
    thread::yield_now();
    parked.cancel();
    assert!(parked.join().is_err());
    late.join().expect("it gave up");
}

pub fn crowd() {
    let gate = Event::new();
    gate.set_name("gate");
    let count = Shared::new(0);
    thread::scope(|scope| {
        for _ in 0..29 {
            scope.spawn(|| {
                gate.wait();
                count.set(count.get() + 1);
            });
        }
        scope.spawn(|| gate.set());
    });
    assert_eq!(count.get(), 29);
}

pub fn long() {
    let total = Shared::new(0);
    thread::scope(|scope| {
        for round in 0..3 {
            let total = &total;
            scope.spawn(move || {
                for step in 0..200 {
                    total.update(|total| *total += step * round);
                    if (step * step + round) % 7 < 3 || step > 190 {
                        thread::yield_now();
                    }
                    let before = total.get();
                    if (step * round) % 11 < 4 {
                        thread::yield_now();
                    }
                    total.set(before + 1);
                }
            });
        }
    });
}

pub fn alone() -> u32 {
    40 + 2
}

pub fn waits_forever() {
    thread::park();
}

pub fn waits_for_itself() {
    let lock = Mutex::new(());
    let _first = lock.lock();
    let _second = lock.lock();
}

pub fn panics_at_once() {
    thread::spawn(|| panic!("at once"));
}

pub fn panics_first() {
    panic!("first of all\nand in two lines");
}

pub fn panics_when_dropped() {
    struct Fragile;
    impl Drop for Fragile {
        fn drop(&mut self) {
            panic!("it was dropped");
        }
    }
    let handle = thread::spawn(|| {
        let _fragile = Fragile;
        thread::yield_now();
    });
    assert!(handle.join().is_err());
}

pub const ODD_NAME: &str = "a \"quoted\" 'name'\n in <two> &\tlines – 日本語 \u{1b}[31m, and so long that \
                            no column has room for all of it";

pub fn odd_names() {
    let value = Shared::named(ODD_NAME, "\u{1b}[31m<&>");
    let lock = Mutex::new(());
    lock.set_name(ODD_NAME);
    thread::scope(|scope| {
        named(scope, ODD_NAME, || {
            value.set("\t");
            let _lock = lock.lock();
            thread::yield_now();
        });
        named(scope, ODD_NAME, || drop(lock.lock()));
        named(scope, "", thread::yield_now);
    });
}

pub fn panics_with_anything() {
    std::panic::panic_any(7);
}

pub fn bad_values() {
    struct Bad;
    impl std::fmt::Debug for Bad {
        fn fmt(&self, _: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
            thread::yield_now();
            panic!("it does not like to be looked at");
        }
    }
    Shared::named("bad", Bad).set(Bad);
}

pub fn chosen() -> Vec<u32> {
    let (tens, from_tens) = channel::bounded(1);
    let (ones, from_ones) = channel::bounded(1);
    tens.set_name("tens");
    ones.set_name("ones");
    let mut got = Vec::new();
    thread::scope(|scope| {
        named(scope, "ten", move || tens.send(10).expect("it is wanted"));
        named(scope, "one", move || ones.send(1).expect("it is wanted"));
        for _ in 0..2 {
            leno::select! {
                recv(from_tens) -> ten => got.extend(ten),
                recv(from_ones) -> one => got.extend(one),
            }
        }
    });
    got
}

pub fn turns() {
    let (turn, changed) = (Mutex::new(0), Condvar::new());
    turn.set_name("turn");
    changed.set_name("changed");
    thread::scope(|scope| {
        scope.spawn(|| {
            let mut turn = turn.lock().expect("no thread panics");
            while *turn == 0 {
                turn = changed.wait(turn).expect("no thread panics");
            }
        });
        scope.spawn(|| {
            *turn.lock().expect("no thread panics") = 1;
            changed.notify_one();
        });
    });
}

pub fn busy_step() {
    let (left, right) = (Shared::new(0), Shared::new(0));
    for number in 0..1_000 {
        left.set(number);
        right.set(number);
        if number == 500 {
            thread::spawn(|| ());
        }
    }
}

pub fn panics_and_catches() {
    let lock = Mutex::new(());
    lock.set_name("lock");
    let caught = std::panic::catch_unwind(|| panic!("it is caught"));
    assert!(caught.is_err());
    let fails = thread::spawn(move || {
        let _lock = lock.lock();
        panic!("it is not");
    });
    assert!(fails.join().is_err());
    std::panic::resume_unwind(Box::new("again"));
}
