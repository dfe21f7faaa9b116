//! Inspection of a stack switches to it and back. The program must not be affected.

use std::cell::{Cell, RefCell};
use std::hint::black_box;
use std::rc::Rc;

use leno::channel::{Receiver, Sender, bounded};
use leno::debug;
use leno::sync::Mutex;
use leno::thread;
use leno::time::Duration;
use leno::{Builder, Policy};

use crate::support::{OnDrop, caught};

/// The log of a program's steps, and the number of dumps in each step.
struct Weave {
    log: RefCell<Vec<(usize, u32, u64)>>,
    random: Cell<u64>,
    looks: u32,
}

impl Weave {
    fn random_below(&self, bound: u64) -> u64 {
        let random = self.random.get().wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        self.random.set(random);
        (random >> 33) % bound
    }

    fn step(&self, thread: usize, step: u32) {
        let time = leno::time::Instant::now() - START.with(Cell::get).unwrap();
        self.log.borrow_mut().push((thread, step, time.as_nanos() as u64));
        for _ in 0..self.looks {
            black_box(debug::dump());
        }
    }
}

thread_local! {
    static START: Cell<Option<leno::time::Instant>> = const { Cell::new(None) };
}

struct Steps<'a>(&'a Weave, usize, &'a Sender<u64>, &'a Receiver<u64>);

impl Steps<'_> {
    fn run(&self, steps: u32) {
        let Steps(weave, thread, sender, receiver) = self;
        for step in 0..steps {
            weave.step(*thread, step);
            let duration = Duration::from_nanos(1 + weave.random_below(3));
            match weave.random_below(7) {
                0 => leno::sleep(duration),
                1 => drop(sender.send_timeout(1, duration)),
                2 => drop(receiver.recv_timeout(duration)),
                // A destructor during a panic is not unwound.
                3 if steps < 40 => thread::park_timeout(duration),
                3 => drop(leno::time::timeout(duration, || thread::park())),
                4 => leno::select! {
                    send(sender, 2) -> _ => (),
                    recv(receiver) -> _ => (),
                    default(duration) => (),
                },
                _ => leno::yield_now(),
            }
        }
        // Only one thread panics: std counts panics per OS thread, and cannot
        // distinguish those of several green threads.
        if steps == 40 && *thread == 3 {
            drop(caught(|| {
                let _steps = OnDrop(|| self.run(10));
                panic!("the destructor runs further steps");
            }));
        }
    }
}

fn log_of(seed: u64, policy: Policy, looks: u32) -> Vec<(usize, u32, u64)> {
    let weave = Weave { log: RefCell::default(), random: Cell::new(seed), looks };
    Builder::new().virtual_time().policy(policy).run(|| {
        START.with(|start| start.set(Some(leno::time::Instant::now())));
        let (sender, receiver) = bounded(1);
        leno::scope(|scope| {
            for thread in 0..6 {
                let steps = Steps(&weave, thread, &sender, &receiver);
                scope.spawn(move || {
                    if thread % 2 == 0 {
                        steps.run(40);
                    } else {
                        // The steps run inside a coroutine.
                        leno::coroutine::scope(|coroutines| {
                            coroutines
                                .generator(|_: &leno::coroutine::Yielder<(), ()>| {
                                    steps.run(40);
                                })
                                .for_each(drop);
                        });
                    }
                });
            }
        });
    });
    weave.log.into_inner()
}

#[test]
fn inspection_does_not_change_a_program() {
    for seed in 1..=8 {
        for policy in [Policy::fifo, || Policy::random(7)] {
            let expected = log_of(seed, policy(), 0);
            assert_eq!(expected.len(), 6 * 40 + 10);
            for looks in [1, 3] {
                assert!(log_of(seed, policy(), looks) == expected, "seed {seed}, {looks} looks");
            }
        }
    }
}

/// A green thread that is inspected during its panic still counts as suspended there,
/// so that the panic affects no other thread.
#[test]
fn inspecting_a_panicking_thread_poisons_no_lock() {
    leno::run(|| {
        let done = Rc::new(Cell::new(false));
        let ends = done.clone();
        let panics = leno::spawn(move || {
            let _yields = OnDrop(|| {
                while !ends.get() {
                    leno::yield_now()
                }
            });
            std::panic::resume_unwind(Box::new(()));
        });
        leno::yield_now();
        for _ in 0..3 {
            black_box(debug::dump());
            black_box(debug::dump());
            let mutex = Mutex::new(());
            drop(mutex.lock().unwrap());
            assert!(!mutex.is_poisoned());
            leno::yield_now();
        }
        done.set(true);
        assert!(panics.join().is_err());
        assert!(!std::thread::panicking());
    });
}

#[test]
fn inspected_threads_can_be_cancelled_and_woken() {
    leno::run(|| {
        let (sender, receiver) = bounded::<u32>(0);
        let receives = leno::spawn(move || receiver.recv().unwrap());
        let parked = leno::spawn(thread::park);
        let never_begun = leno::spawn(|| unreachable!("it is cancelled before it runs"));
        never_begun.cancel();
        leno::yield_now();
        black_box((debug::dump(), debug::dump()));
        parked.cancel();
        black_box((debug::dump(), debug::dump()));
        sender.send(7).unwrap();
        black_box(debug::dump());
        assert_eq!(receives.join().unwrap(), 7);
        assert!(parked.join().unwrap_err().is::<thread::Cancelled>());
        let ended: thread::Result<()> = never_begun.join();
        assert!(ended.unwrap_err().is::<thread::Cancelled>());
    });
}
