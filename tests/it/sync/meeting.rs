//! Barriers, events and wait groups.

use std::cell::Cell;
use std::rc::Rc;

use leno::sync::{Barrier, Event, WaitGroup};
use leno::thread::{self, JoinHandle};
use leno::time::{Duration, Elapsed, Instant, sleep};

use super::{Log, SECOND, assert_cancelled, run, settle};
use crate::support::panic_text;

fn comer(barrier: &Rc<Barrier>, log: &Log, name: &'static str) -> JoinHandle<()> {
    let (barrier, log) = (barrier.clone(), log.clone());
    thread::spawn(move || {
        let leads = barrier.wait().is_leader();
        log.write(if leads { format!("{name}!") } else { name.to_owned() });
    })
}

#[test]
fn the_last_arrival_leads_its_group() {
    run(|| {
        let (barrier, log) = (Rc::new(Barrier::new(3)), Log::default());
        let two = ["a", "b"].map(|name| comer(&barrier, &log, name));
        settle();
        assert_eq!(log.take(), "");
        let five = ["c", "d", "e", "f", "g"].map(|name| comer(&barrier, &log, name));
        settle();
        assert_eq!(log.take(), "c! f! a b d e");
        let two_more = ["h", "i"].map(|name| comer(&barrier, &log, name));
        settle();
        assert_eq!(log.take(), "i! g h");
        let all = two.into_iter().chain(five).chain(two_more);
        all.for_each(|one| one.join().unwrap());
    });
}

#[test]
fn a_barrier_for_zero_or_one_never_waits() {
    for count in [0, 1] {
        let barrier = Barrier::new(count);
        barrier.set_name("start");
        assert!((0..3).all(|_| barrier.wait().is_leader()), "outside a runtime");
        run(|| assert!((0..3).all(|_| barrier.wait().is_leader())));
    }
    let text = panic_text(|| Barrier::new(2).wait());
    assert_eq!(text, "Barrier::wait needs a runtime: call it from inside leno::run");
}

#[test]
fn a_cancelled_waiter_does_not_count_at_a_barrier() {
    for has_run in [true, false] {
        run(|| {
            let (barrier, log) = (Rc::new(Barrier::new(3)), Log::default());
            let [one, other] = ["one", "other"].map(|name| comer(&barrier, &log, name));
            settle();
            one.cancel();
            if has_run {
                settle();
            }
            // `one` no longer counts, whether it has run since or not.
            let third = comer(&barrier, &log, "third");
            let late = barrier.wait_timeout(Duration::ZERO);
            assert_eq!(late, Err(Elapsed));
            assert_eq!(barrier.wait_timeout(SECOND).map(|_| ()), Ok(()));
            other.join().unwrap();
            third.join().unwrap();
            assert_cancelled(one);
            assert_eq!(log.take(), "other third");
        });
    }
}

#[test]
fn a_timed_out_waiter_does_not_count_at_a_barrier() {
    run(|| {
        let barrier = Rc::new(Barrier::new(2));
        let start = Instant::now();
        assert_eq!(barrier.wait_timeout(SECOND), Err(Elapsed));
        assert_eq!(start.elapsed(), SECOND);
        let other = barrier.clone();
        let waiter = thread::spawn(move || other.wait_timeout(Duration::MAX).unwrap().is_leader());
        settle();
        assert!(!waiter.is_finished());
        assert!(barrier.wait().is_leader());
        assert!(!waiter.join().unwrap());
    });
}

/// A green thread is cancelled after the barrier lets it through; the next group is
/// complete without it.
#[test]
fn cancelling_after_the_barrier_opened_has_no_effect() {
    run(|| {
        let (barrier, log) = (Rc::new(Barrier::new(2)), Log::default());
        let one = comer(&barrier, &log, "one");
        settle();
        assert!(barrier.wait().is_leader());
        one.cancel();
        one.join().unwrap();
        assert_eq!(log.take(), "one");
        let next = comer(&barrier, &log, "next");
        settle();
        assert!(!next.is_finished());
        assert!(barrier.wait().is_leader());
        next.join().unwrap();
    });
}

#[test]
fn an_event_lets_waiters_through_until_its_reset() {
    run(|| {
        let (event, log) = (Rc::new(Event::new()), Log::default());
        let waiter = |name: &'static str| {
            let (event, log) = (event.clone(), log.clone());
            thread::spawn(move || {
                event.wait();
                log.write(name);
            })
        };
        let two = ["a", "b"].map(waiter);
        settle();
        assert!(!event.is_set());
        event.set();
        event.set();
        event.reset();
        settle();
        assert_eq!(log.take(), "a b", "both waited when the event was set");
        let late = waiter("late");
        settle();
        assert_eq!(log.take(), "");
        event.set();
        event.wait();
        assert_eq!(event.wait_timeout(Duration::ZERO), Ok(()));
        late.join().unwrap();
        two.into_iter().for_each(|one| one.join().unwrap());
    });
}

#[test]
fn an_event_wait_has_cancellation_and_a_deadline() {
    run(|| {
        let event = Rc::new(Event::default());
        let start = Instant::now();
        assert_eq!(event.wait_timeout(SECOND), Err(Elapsed));
        assert_eq!(event.wait_timeout(Duration::ZERO), Err(Elapsed));
        assert_eq!(start.elapsed(), SECOND);
        let other = event.clone();
        let victim = thread::spawn(move || other.wait());
        settle();
        victim.cancel();
        event.set();
        assert_cancelled(victim);
    });
    let event = Event::new();
    event.set_name("ready");
    assert_eq!(format!("{event:?}"), "Event { set: false, .. }");
    let text = panic_text(|| event.wait());
    assert_eq!(text, "Event::wait needs a runtime: call it from inside leno::run");
    event.set();
    event.wait();
}

#[test]
fn a_wait_group_waits_for_every_member() {
    run(|| {
        let (group, log) = (WaitGroup::new(), Log::default());
        for time in 1..=3 {
            let (member, log) = (group.clone(), log.clone());
            thread::spawn(move || {
                sleep(time * SECOND);
                log.write(time);
                drop(member);
                sleep(SECOND);
                log.write("after");
            });
        }
        assert_eq!(format!("{group:?}"), "WaitGroup { count: 4, .. }");
        group.wait();
        log.write("all");
        assert_eq!(log.take(), "1 2 after 3 after all");
    });
}

#[test]
fn several_members_may_wait_for_one_group() {
    run(|| {
        let (group, log) = (WaitGroup::new(), Log::default());
        for name in ["a", "b"] {
            let (member, log) = (group.clone(), log.clone());
            thread::spawn(move || {
                member.wait();
                log.write(name);
            });
        }
        settle();
        assert_eq!(log.take(), "");
        drop(group);
        settle();
        assert_eq!(log.take(), "a b");
    });
}

#[test]
fn a_panicked_or_cancelled_member_leaves_the_group() {
    run(|| {
        let group = WaitGroup::new();
        let member = group.clone();
        let panics = thread::spawn(move || {
            let _member = member;
            std::panic::resume_unwind(Box::new("expected"));
        });
        let member = group.clone();
        let parked = thread::spawn(move || {
            let _member = member;
            thread::park();
        });
        // A waiting member has left the group, even if it is cancelled.
        let member = group.clone();
        let waits = thread::spawn(move || member.wait());
        settle();
        waits.cancel();
        parked.cancel();
        group.wait();
        assert!(panics.join().is_err());
        assert_cancelled(parked);
        assert_cancelled(waits);
    });
}

#[test]
fn a_timed_out_group_wait_returns_the_member() {
    run(|| {
        let group = WaitGroup::default();
        let member = group.clone();
        thread::spawn(move || {
            sleep(3 * SECOND);
            drop(member);
        });
        let start = Instant::now();
        let group = group.wait_timeout(2 * SECOND).unwrap_err();
        assert_eq!(start.elapsed(), 2 * SECOND);
        assert!(group.wait_timeout(Duration::MAX).is_ok());
        assert_eq!(start.elapsed(), 3 * SECOND);
    });
    let group = WaitGroup::new();
    group.set_name("workers");
    let member = group.clone();
    let text = panic_text(|| group.wait());
    assert_eq!(text, "WaitGroup::wait needs a runtime: call it from inside leno::run");
    member.wait();
}

/// The threads that give up have not left the barrier yet when another one arrives.
#[test]
fn threads_that_give_up_do_not_open_a_barrier() {
    // The order in which they come: those that wait, and those that give up after a second.
    for order in ["wwgg", "wgwg", "gwwg", "gwgw", "ggww", "wggw"] {
        leno::Builder::new().virtual_time().run(|| {
            let barrier = Rc::new(Barrier::new(5));
            let leaders = Rc::new(Cell::new(0));
            let early = {
                let (barrier, leaders) = (barrier.clone(), leaders.clone());
                // Its timer is the first, so it runs before those that give up at that moment.
                leno::spawn(move || {
                    leno::sleep(SECOND);
                    let is_leader = barrier.wait().is_leader();
                    leaders.set(leaders.get() + u32::from(is_leader));
                })
            };
            leno::yield_now();
            let spawn = |gives_up: bool| {
                let (barrier, leaders) = (barrier.clone(), leaders.clone());
                leno::spawn(move || {
                    let timeout = if gives_up { SECOND } else { 10 * SECOND };
                    let result = barrier.wait_timeout(timeout);
                    assert_eq!(result.is_err(), gives_up);
                    leaders.set(leaders.get() + u32::from(result.is_ok_and(|it| it.is_leader())));
                })
            };
            let mut all: Vec<_> = order.chars().map(|kind| spawn(kind == 'g')).collect();
            leno::sleep(2 * SECOND);
            assert_eq!((leaders.get(), early.is_finished()), (0, false), "{order}");
            all.extend([spawn(false), spawn(false), early]);
            all.into_iter().for_each(|one| one.join().unwrap());
            assert_eq!(leaders.get(), 1, "{order}");
            // The barrier is as new.
            let again: Vec<_> = (0..4).map(|_| spawn(false)).collect();
            leno::sleep(SECOND);
            assert!(again.iter().all(|one| !one.is_finished()), "{order}");
            assert!(barrier.wait().is_leader());
        });
    }
}
