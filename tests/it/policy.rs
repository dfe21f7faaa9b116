//! Policies: a seed, a script or a closure chooses the next green thread.

use std::cell::{Cell, RefCell};
use std::collections::BTreeSet;
use std::rc::Rc;

use leno::channel::bounded;
use leno::thread::{self, ThreadId};
use leno::time::{Duration, sleep};
use leno::{Builder, Policy};

use crate::support::{Ledger, panic_text};

/// Returns the order in which three green threads take four steps each.
fn weave(policy: Policy) -> String {
    let out = RefCell::new(String::new());
    Builder::new().policy(policy).run(|| {
        leno::scope(|scope| {
            for name in ["a", "b", "c"] {
                let out = &out;
                scope.spawn(move || {
                    for _ in 0..4 {
                        out.borrow_mut().push_str(name);
                        leno::yield_now();
                    }
                });
            }
        });
    });
    out.into_inner()
}

#[test]
fn choosing_the_first_ready_thread_is_fifo() {
    assert_eq!(weave(Policy::fifo()), "abcabcabcabc");
    assert_eq!(weave(Policy::script([])), "abcabcabcabc");
    assert_eq!(weave(Policy::choose(|_| 0)), "abcabcabcabc");
}

#[test]
fn a_seed_repeats_its_run_and_seeds_differ() {
    let mut seen = BTreeSet::new();
    for seed in 0..200 {
        let run = weave(Policy::random(seed));
        assert_eq!(run, weave(Policy::random(seed)));
        let count = |name| run.matches(name).count();
        assert_eq!((run.len(), count('a'), count('b'), count('c')), (12, 4, 4, 4));
        seen.insert(run);
    }
    assert!(seen.len() > 180, "{}", seen.len());
}

#[test]
fn a_seed_gives_the_same_run_on_every_machine() {
    // The order that one machine recorded.
    assert_eq!(weave(Policy::random(1)), "bbbcbccaacaa");
}

#[test]
fn a_seed_repeats_runs_with_channels_timers_and_cancellation() {
    let run = |seed| {
        let log = Rc::new(RefCell::new(Vec::new()));
        let inner = log.clone();
        Builder::new().virtual_time().policy(Policy::random(seed)).run(move || {
            let (sender, receiver) = bounded(2);
            let note = |text: String| inner.borrow_mut().push(text);
            leno::scope(|scope| {
                for from in 0..3u64 {
                    let (sender, note) = (sender.clone(), &note);
                    scope.spawn(move || {
                        for number in 0..5 {
                            sleep(Duration::from_millis(from % 2));
                            if sender
                                .send_timeout((from, number), Duration::from_millis(2))
                                .is_err()
                            {
                                note(format!("late {from} {number}"));
                            }
                        }
                    });
                }
                drop(sender);
                let slow = scope.spawn(thread::park);
                while let Ok(message) = receiver.recv() {
                    note(format!("{message:?}"));
                    leno::yield_now();
                    slow.cancel();
                }
                note(format!("{}", slow.join().is_err()));
            });
        });
        log.take()
    };
    let runs: BTreeSet<_> = (0..50)
        .map(|seed| {
            let first = run(seed);
            assert_eq!(first, run(seed));
            first
        })
        .collect();
    assert!(runs.len() > 10, "{}", runs.len());
}

#[test]
fn random_choices_are_fair() {
    let mut firsts = [0; 3];
    for seed in 0..600 {
        let first = weave(Policy::random(seed)).as_bytes()[0];
        firsts[usize::from(first - b'a')] += 1;
    }
    assert!(firsts.iter().all(|count| (100..=300).contains(count)), "{firsts:?}");
}

#[test]
fn a_script_is_followed_to_its_end() {
    assert_eq!(weave(Policy::script([2])), "cabcabcabcab");
    // The last entry of the ready list is the thread that yielded last, so `a` runs
    // four times.
    assert_eq!(&weave(Policy::script([0, 2, 2, 2]))[..4], "aaaa");
}

#[test]
fn an_invalid_script_names_the_invalid_choice() {
    let ledger = Ledger::default();
    let text = panic_text(|| {
        Builder::new().policy(Policy::script([0, 0, 7])).run(|| {
            leno::scope(|scope| {
                for _ in 0..3 {
                    let value = ledger.value();
                    scope.spawn(move || {
                        let _value = value;
                        leno::yield_now();
                    });
                }
            });
        });
    });
    assert!(text.starts_with("choice 2 of the script is 7, but only 3 green threads"), "{text}");
    ledger.check();
}

#[test]
fn an_invalid_choice_or_a_panicking_policy_ends_the_run() {
    type Make = fn() -> Policy;
    let policies: [(Make, &str); 2] = [
        (|| Policy::choose(|ready| ready.len()), "the policy chose number"),
        (|| Policy::choose(|_| panic!("no idea")), "no idea"),
    ];
    for (policy, expected) in policies {
        let (ledger, after) = (Ledger::default(), Rc::new(Cell::new(false)));
        let set = after.clone();
        let text = panic_text(|| {
            Builder::new().policy(policy()).run(|| {
                for _ in 0..3 {
                    let value = ledger.value();
                    leno::spawn(move || {
                        let _value = value;
                        thread::park();
                    });
                }
                leno::yield_now();
                set.set(true);
            });
        });
        assert!(text.starts_with(expected), "{text}");
        assert!(!after.get(), "every green thread is unwound");
        ledger.check();
        // The OS thread can run another runtime.
        assert_eq!(leno::run(|| leno::spawn(|| 1).join().unwrap()), 1);
    }
}

#[test]
fn a_policy_sees_ready_threads_in_order_of_arrival() {
    let seen: Rc<RefCell<Vec<Vec<u64>>>> = Rc::default();
    let log = seen.clone();
    let policy = Policy::choose(move |ready| {
        let numbers = ready.iter().map(ThreadId::number).collect();
        log.borrow_mut().push(numbers);
        ready.len() - 1
    });
    let order = Rc::new(RefCell::new(Vec::new()));
    let inner = order.clone();
    Builder::new().policy(policy).run(move || {
        for _ in 0..3 {
            let order = inner.clone();
            leno::spawn(move || order.borrow_mut().push(thread::current().id().number()));
        }
    });
    // The last arrival goes first. A single ready thread is no choice.
    assert_eq!(*order.borrow(), [4, 3, 2]);
    assert_eq!(*seen.borrow(), [vec![2, 3, 4], vec![2, 3]]);
}

#[test]
fn a_policy_may_continue_the_yielding_thread() {
    let policy = Policy::choose(|ready| ready.len() - 1);
    assert_eq!(weave(policy), "ccccbbbbaaaa");
}

#[test]
fn a_policy_is_printable() {
    let debug = |policy: Policy| format!("{policy:?}");
    assert_eq!(debug(Policy::fifo()), "Policy::fifo()");
    assert_eq!(debug(Policy::random(3)), "Policy::random(..)");
    assert_eq!(debug(Policy::script([1])), "Policy::choose(..)");
}

#[test]
fn a_seed_orders_threads_with_the_same_deadline() {
    let run = |seed| {
        let log = RefCell::new(Vec::new());
        Builder::new().virtual_time().policy(Policy::random(seed)).run(|| {
            leno::scope(|scope| {
                for number in 0..6 {
                    let log = &log;
                    scope.spawn(move || {
                        sleep(Duration::from_secs(1 + number / 3));
                        log.borrow_mut().push(number);
                    });
                }
            });
        });
        log.into_inner()
    };
    let runs: BTreeSet<_> = (0..100).map(run).collect();
    assert!(runs.len() > 20, "{}", runs.len());
    // No thread wakes before its deadline.
    assert!(runs.iter().all(|run| run[..3].iter().all(|&number| number < 3)));
}

/// Returns the order in which threads run that yield, sleep and spawn.
fn order_of_many(policy: Policy) -> Vec<u64> {
    let log = Rc::new(RefCell::new(Vec::new()));
    let shared = log.clone();
    Builder::new().virtual_time().policy(policy).run(move || {
        fn work(log: Rc<RefCell<Vec<u64>>>, children: u64) {
            let number = thread::current().id().number();
            for step in 0..4 {
                log.borrow_mut().push(number);
                match (number + step) % 3 {
                    0 => leno::yield_now(),
                    1 => leno::sleep(Duration::from_millis(number % 7)),
                    _ if step == 0 && children > 0 => {
                        let log = log.clone();
                        leno::spawn(move || work(log, children - 1));
                    }
                    _ => {}
                }
            }
        }
        for _ in 0..150 {
            let log = shared.clone();
            leno::spawn(move || work(log, 2));
        }
    });
    log.take()
}

#[test]
fn a_random_policy_draws_places_in_order_of_arrival() {
    for seed in 0..10 {
        let mut state: u64 = seed;
        let drawn = Policy::choose(move |ready| {
            // SplitMix64, as documented.
            state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
            let mixed = (state ^ (state >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
            let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
            ((u128::from(mixed ^ (mixed >> 31)) * ready.len() as u128) >> 64) as usize
        });
        let order = order_of_many(Policy::random(seed));
        assert!(order.len() > 600);
        assert_eq!(order, order_of_many(drawn), "seed {seed}");
    }
}
