//! Waits with a deadline that has passed since it was computed: an exploration has the behaviours of
//! runs, and such a wait is as one of zero.

use std::cell::Cell;
use std::collections::BTreeSet;
use std::fmt::Debug;

use leno::channel::{self, Select};
use leno::sync::{Condvar, Mutex};
use leno::time::Duration;
use leno::weave::{Explorer, Shared};
use leno::{Builder, Policy};

const MILLISECOND: Duration = Duration::from_millis(1);

/// Explores `program`, checks that runs have no other outcomes, and returns the outcomes.
#[track_caller]
fn explored<T: Ord + Clone + Debug>(program: fn() -> T) -> BTreeSet<T> {
    let outcomes = |explorer: Explorer| -> BTreeSet<T> {
        let report = explorer.explore(program);
        assert!(report.is_complete(), "{report:?}");
        report.outcomes().keys().cloned().collect()
    };
    let found = outcomes(Explorer::new());
    assert_eq!(outcomes(Explorer::new().reduced()), found, "reduced, and in full");
    let in_virtual_time = || Builder::new().virtual_time();
    // The number of yields shifts the turn in which a run looks at its timers.
    let in_turn = (0..64).map(|yields: usize| {
        in_virtual_time().run(|| {
            (0..yields).for_each(|_| leno::yield_now());
            program()
        })
    });
    let by_chance = (0..64).map(|seed| in_virtual_time().policy(Policy::random(seed)).run(program));
    let ran: BTreeSet<T> = in_turn.chain(by_chance).collect();
    assert!(ran.is_subset(&found), "ran: {ran:?}, explored: {found:?}");
    found
}

/// Returns whether a wait has timed out that was notified in time, and found its condition
/// unchanged when its deadline had passed.
fn waits_again() -> bool {
    let (done, changed) = (Mutex::new(false), Condvar::new());
    leno::scope(|scope| {
        let waiter = scope.spawn(|| {
            let guard = done.lock().unwrap();
            changed.wait_timeout_while(guard, MILLISECOND, |done| !*done).unwrap().1.timed_out()
        });
        scope.spawn(|| {
            let guard = done.lock().unwrap();
            changed.notify_one();
            // The deadline passes while the waiter waits for the lock.
            leno::sleep(2 * MILLISECOND);
            drop(guard);
            leno::yield_now();
            *done.lock().unwrap() = true;
            changed.notify_one();
        });
        waiter.join().unwrap()
    })
}

#[test]
fn a_second_wait_on_a_condvar_may_time_out() {
    assert_eq!(explored(waits_again), BTreeSet::from([false, true]));
}

/// The threads come to their deadline at the moment of the tick. The one that has it goes on for three
/// turns.
#[test]
fn a_tick_goes_to_one_receiver_at_its_deadline() {
    let program = || {
        let (ticks, order) = (channel::tick(MILLISECOND), Shared::new(Vec::new()));
        leno::scope(|scope| {
            for number in 0..2 {
                let (ticks, order) = (&ticks, &order);
                scope.spawn(move || {
                    let got = ticks.recv_timeout(MILLISECOND).is_ok();
                    (0..3 * u8::from(got)).for_each(|_| leno::yield_now());
                    order.update(|order| order.push(number * 2 + u8::from(got)));
                });
            }
        });
        order.into_inner()
    };
    let all = [[0, 3], [1, 2], [2, 1], [3, 0]].map(Vec::<u8>::from);
    assert_eq!(explored(program), BTreeSet::from(all));
}

/// Another thread takes the message for which a select was woken, and its deadline passes before it
/// looks: then it ends after the turn of the others.
#[test]
fn a_select_may_find_its_deadline_passed() {
    let program = || {
        let (sender, receiver) = channel::bounded(1);
        leno::scope(|scope| {
            let selecting = scope.spawn(|| {
                let mut select = Select::new();
                select.recv(&receiver);
                match select.select_timeout(MILLISECOND) {
                    Ok(selected) => selected.recv(&receiver).is_ok(),
                    Err(_) => false,
                }
            });
            scope.spawn(|| {
                sender.send(1).unwrap();
                let taken = receiver.try_recv().is_ok();
                leno::yield_now();
                if taken {
                    sender.send(2).unwrap();
                }
            });
            selecting.join().unwrap()
        })
    };
    let outcomes = |explorer: Explorer| -> BTreeSet<bool> {
        let report = explorer.timed().explore(program);
        assert!(report.is_complete(), "{report:?}");
        report.outcomes().keys().copied().collect()
    };
    let both = BTreeSet::from([false, true]);
    assert_eq!(outcomes(Explorer::new()), both);
    assert_eq!(outcomes(Explorer::new().reduced()), both);
}

#[test]
fn a_reduction_tries_both_sides_of_a_deadline() {
    let both = BTreeSet::from([false, true]);
    for explorer in [Explorer::new().timed(), Explorer::new().preemptive().timed()] {
        let report = explorer.clone().reduced().explore(waits_again);
        assert!(report.is_complete(), "{report:?}");
        assert!(report.outcomes().keys().copied().eq(both.clone()), "{report:?}");
    }
}

/// In real time as well: the deadline has passed, and the notification comes in the turn of the
/// others, without another wait in line for it.
#[test]
fn a_run_in_real_time_gives_up_after_one_turn() {
    leno::run(|| {
        let (turns, changed) = (Mutex::new(0), Condvar::new());
        let is_over = Cell::new(false);
        leno::scope(|scope| {
            let waiter = scope.spawn(|| {
                let guard = turns.lock().unwrap();
                let waited = changed.wait_timeout_while(guard, MILLISECOND, |_| true);
                is_over.set(true);
                *waited.unwrap().0
            });
            scope.spawn(|| {
                let guard = turns.lock().unwrap();
                changed.notify_one();
                // The runtime has no reason to look at the clock meanwhile.
                std::thread::sleep(20 * MILLISECOND);
                drop(guard);
                while !is_over.get() {
                    leno::yield_now();
                    if let Ok(mut turns) = turns.try_lock() {
                        *turns += 1;
                    }
                }
            });
            let turns = waiter.join().unwrap();
            assert!(turns <= 2, "{turns} turns of the other thread");
        });
    });
}
