//! To look at a stack, somebody switches to it and back. Nobody must notice.

use std::cell::{Cell, RefCell};
use std::hint::black_box;
use std::rc::Rc;

use leno::channel::{Receiver, Sender, bounded};
use leno::debug;
use leno::sync::Mutex;
use leno::thread;
use leno::time::Duration;
use leno::{Builder, Policy};

use crate::support::caught;

/// A program whose every step is logged, and what it does between two steps.
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

    fn step(&self, who: usize, step: u32) {
        let now = leno::time::Instant::now();
        let entry =
            (who, step, now.duration_since(START.with(Cell::get).unwrap()).as_nanos() as u64);
        self.log.borrow_mut().push(entry);
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
        let Steps(weave, who, sender, receiver) = self;
        for step in 0..steps {
            weave.step(*who, step);
            let duration = Duration::from_nanos(1 + weave.random_below(3));
            match weave.random_below(7) {
                0 => leno::sleep(duration),
                1 => drop(sender.send_timeout(1, duration)),
                2 => drop(receiver.recv_timeout(duration)),
                // A destructor in a panic is not unwound.
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
        // And one of them while it unwinds: std counts panics for an OS thread, and
        // cannot tell whose they are if there are several.
        if steps == 40 && *who == 3 {
            drop(caught(|| {
                let _steps = StepsWhenDropped(self);
                panic!("the destructor goes on");
            }));
        }
    }
}

struct StepsWhenDropped<'a, 'b>(&'a Steps<'b>);

impl Drop for StepsWhenDropped<'_, '_> {
    fn drop(&mut self) {
        self.0.run(10);
    }
}

fn log_of(seed: u64, policy: Policy, looks: u32) -> Vec<(usize, u32, u64)> {
    let weave = Weave { log: RefCell::default(), random: Cell::new(seed), looks };
    Builder::new().virtual_time().policy(policy).run(|| {
        START.with(|start| start.set(Some(leno::time::Instant::now())));
        let (sender, receiver) = bounded(1);
        leno::scope(|scope| {
            for who in 0..6 {
                let steps = Steps(&weave, who, &sender, &receiver);
                scope.spawn(move || {
                    if who % 2 == 0 {
                        steps.run(40);
                    } else {
                        // From inside a coroutine.
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
fn a_program_runs_the_same_however_often_it_is_looked_at() {
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

/// A green thread that is looked at in the middle of its panic still counts as
/// suspended there, so that nobody else takes the panic for its own.
#[test]
fn a_look_at_one_who_panics_poisons_nobody_elses_lock() {
    struct YieldsWhenDropped(Rc<Cell<bool>>);
    impl Drop for YieldsWhenDropped {
        fn drop(&mut self) {
            while !self.0.get() {
                leno::yield_now();
            }
        }
    }
    leno::run(|| {
        let done = Rc::new(Cell::new(false));
        let yields = YieldsWhenDropped(done.clone());
        let panics = leno::spawn(move || {
            let _yields = yields;
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
fn those_who_are_looked_at_can_be_cancelled_and_woken_as_before() {
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
