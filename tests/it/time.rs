//! Time: sleeping, deadline scopes and intervals, on the virtual clock and on the real
//! one.

mod scopes;

use std::cell::{Cell, RefCell};
use std::rc::Rc;

use leno::thread;
use leno::time::{Duration, Instant, interval, interval_at, sleep, sleep_until};

use crate::support::{SECOND, in_virtual_time, panic_text};

const NANOSECOND: Duration = Duration::from_nanos(1);
/// Durations beyond the end of the clock.
const AGES: [Duration; 3] = [
    Duration::MAX,
    Duration::from_secs(u64::MAX / 10),
    // A little more than 2^64 nanoseconds.
    Duration::from_secs(18_446_744_074),
];

#[test]
fn a_virtual_day_takes_no_real_time() {
    in_virtual_time(|| {
        let start = Instant::now();
        for duration in [Duration::ZERO, NANOSECOND, SECOND, 86_400 * SECOND] {
            let before = Instant::now();
            sleep(duration);
            assert_eq!(before.elapsed(), duration);
        }
        assert_eq!(start.elapsed(), 86_401 * SECOND + NANOSECOND);
    });
}

#[test]
fn virtual_time_stands_still_while_a_thread_can_run() {
    let starts = [(); 3].map(|()| {
        in_virtual_time(|| {
            let start = Instant::now();
            (0..1_000).for_each(|_| leno::yield_now());
            assert_eq!(start.elapsed(), Duration::ZERO);
            // A program may subtract half an hour from the start.
            assert!(start.checked_sub(1_800 * SECOND).is_some());
            start
        })
    });
    assert_eq!(starts, [starts[0]; 3]);
}

#[test]
fn sleepers_wake_by_deadline_and_then_by_age() {
    in_virtual_time(|| {
        let log = Rc::new(RefCell::new(Vec::new()));
        for (number, seconds) in (0..).zip([5, 3, 9, 1, 3, 5, 1, 3]) {
            let log = log.clone();
            leno::spawn(move || {
                sleep(seconds * SECOND);
                log.borrow_mut().push((seconds, number));
            });
        }
        sleep(100 * SECOND);
        let sorted = [(1, 3), (1, 6), (3, 1), (3, 4), (3, 7), (5, 0), (5, 5), (9, 2)];
        assert_eq!(*log.borrow(), sorted);
    });
}

#[test]
fn a_zero_or_past_sleep_yields_once() {
    in_virtual_time(|| {
        let start = Instant::now();
        sleep(SECOND);
        let count = Rc::new(Cell::new(0));
        let waits: [&dyn Fn(); 4] = [
            &|| sleep(Duration::ZERO),
            &|| sleep_until(start),
            &|| sleep_until(Instant::now()),
            &|| thread::park_timeout(Duration::ZERO),
        ];
        for (wait, expected) in waits.iter().zip(1..) {
            let count = count.clone();
            let add = count.clone();
            leno::spawn(move || add.set(add.get() + 1));
            wait();
            assert_eq!(count.get(), expected);
        }
        // Each wait gives the other thread one turn, even if it could use more.
        let turns = Rc::new(Cell::new(0));
        let count = turns.clone();
        leno::spawn(move || {
            for _ in 0..1_000 {
                count.set(count.get() + 1);
                leno::yield_now();
            }
        });
        for (wait, expected) in waits.into_iter().zip(1..) {
            wait();
            assert_eq!(turns.get(), expected);
        }
        assert_eq!(start.elapsed(), SECOND);
    });
}

#[test]
fn a_sleep_beyond_the_clock_never_ends() {
    for endless in AGES {
        // A cancellation ends the sleep.
        in_virtual_time(|| {
            let sleeper = leno::spawn(move || sleep(endless));
            sleep(1_000_000 * SECOND);
            assert!(!sleeper.is_finished());
            sleeper.cancel();
            assert!(sleeper.join().is_err());
        });
        // Without one, the sleep is a deadlock.
        let text = panic_text(|| in_virtual_time(|| sleep(endless)));
        assert!(text.contains("the end of its sleep"), "{text}");
    }
    // The longest sleep that the clock can hold.
    in_virtual_time(|| {
        let start = Instant::now();
        let left = Duration::from_nanos(u64::MAX) - (start - start);
        assert_eq!(start.checked_add(left), None, "the clock does not start at zero");
        let longest = Duration::from_secs(580 * 365 * 86_400);
        sleep(longest);
        assert_eq!(start.elapsed(), longest);
    });
}

#[test]
fn a_hundred_thousand_sleepers_wake_in_order() {
    let sleepers: u64 = if cfg!(target_arch = "aarch64") { 10_000 } else { 100_000 };
    let builder = || thread::Builder::new().stack_size(32 << 10);
    in_virtual_time(|| {
        let (last, count) = (Rc::new(Cell::new((Duration::ZERO, 0))), Rc::new(Cell::new(0)));
        let start = Instant::now();
        for number in 0..sleepers {
            let (last, count) = (last.clone(), count.clone());
            // The deadlines are scattered, and many are equal.
            let duration = Duration::from_millis(number.wrapping_mul(0x9e37_79b9) % 1_000 + 1);
            let sleeps = move || {
                sleep(duration);
                let now = (start.elapsed(), number);
                assert_eq!(now.0, duration);
                assert!(last.replace(now) < now, "in the order of deadlines, then of age");
                count.set(count.get() + 1);
            };
            builder().spawn(sleeps).expect("there are stacks");
        }
        sleep(2 * SECOND);
        assert_eq!(count.get(), sleepers);
    });
}

#[test]
fn a_cancelled_sleep_leaves_no_timer() {
    in_virtual_time(|| {
        for _ in 0..1_000 {
            let sleeper = leno::spawn(|| sleep(86_400 * SECOND));
            leno::yield_now();
            sleeper.cancel();
            assert!(sleeper.join().is_err());
        }
        let start = Instant::now();
        sleep(SECOND);
        assert_eq!(start.elapsed(), SECOND);
    });
}

#[test]
fn the_real_clock_never_wakes_a_sleeper_early() {
    leno::run(|| {
        let handles: Vec<_> = [0, 1, 2_000_000, 5_000_000, 1_000_000]
            .map(Duration::from_nanos)
            .into_iter()
            .map(|duration| {
                leno::spawn(move || {
                    let start = Instant::now();
                    sleep(duration);
                    assert!(start.elapsed() >= duration);
                })
            })
            .collect();
        handles.into_iter().for_each(|handle| handle.join().unwrap());
        let start = std::time::Instant::now();
        sleep(Duration::from_millis(2));
        assert!(start.elapsed() >= Duration::from_millis(2), "std's clock agrees");
    });
}

#[test]
fn busy_threads_do_not_keep_timers_from_firing() {
    leno::run(|| {
        let done = Rc::new(Cell::new(false));
        for _ in 0..3 {
            let done = done.clone();
            leno::spawn(move || {
                while !done.get() {
                    leno::yield_now();
                }
            });
        }
        sleep(Duration::from_millis(1));
        done.set(true);
    });
}

#[test]
fn park_timeout_ends_with_the_token_or_the_deadline() {
    in_virtual_time(|| {
        let start = Instant::now();
        thread::park_timeout(SECOND);
        assert_eq!(start.elapsed(), SECOND);
        thread::current().unpark();
        thread::park_timeout(SECOND);
        assert_eq!(start.elapsed(), SECOND);
        let main = thread::current();
        leno::spawn(move || {
            sleep(SECOND);
            main.unpark();
        });
        thread::park_timeout(Duration::MAX);
        assert_eq!(start.elapsed(), 2 * SECOND);
    });
}

#[test]
fn join_timeout_returns_the_handle() {
    in_virtual_time(|| {
        let start = Instant::now();
        let handle = leno::spawn(|| {
            sleep(3 * SECOND);
            "value"
        });
        let handle = handle.join_timeout(SECOND).expect_err("not yet");
        let handle = handle.join_timeout(Duration::ZERO).expect_err("not yet");
        assert_eq!(start.elapsed(), SECOND);
        assert_eq!(handle.join_timeout(5 * SECOND).expect("in time").unwrap(), "value");
        assert_eq!(start.elapsed(), 3 * SECOND);
        // The thread ends exactly at the deadline, or before the call.
        let handle = leno::spawn(|| sleep(SECOND));
        leno::yield_now();
        assert!(handle.join_timeout(SECOND).is_ok());
        let ended = leno::spawn(|| ());
        leno::yield_now();
        assert!(ended.join_timeout(Duration::ZERO).is_ok());
        // The end of a thread does not wake a former joiner that waits for something
        // else.
        let handle = leno::spawn(|| sleep(2 * SECOND)).join_timeout(SECOND).unwrap_err();
        let before = Instant::now();
        sleep(5 * SECOND);
        assert_eq!((before.elapsed(), handle.is_finished()), (5 * SECOND, true));
        // Another green thread may join with the returned handle.
        let handle = leno::spawn(|| sleep(3 * SECOND)).join_timeout(SECOND).unwrap_err();
        leno::spawn(move || handle.join().unwrap()).join().unwrap();
        leno::scope(|scope| {
            let handle = scope.spawn(|| sleep(2 * SECOND));
            let handle = handle.join_timeout(SECOND).unwrap_err();
            assert!(handle.join_timeout(AGES[0]).unwrap().is_ok());
        });
    });
    let ended = leno::run(|| {
        let handle = leno::spawn(|| 1);
        leno::yield_now();
        handle
    });
    assert_eq!(ended.join_timeout(SECOND).unwrap().unwrap(), 1);
}

#[test]
fn an_interval_makes_up_for_missed_ticks() {
    in_virtual_time(|| {
        let start = Instant::now();
        let mut beat = interval(SECOND);
        assert_eq!(beat.period(), SECOND);
        for number in 0..3 {
            assert_eq!(beat.tick(), start + number * SECOND);
        }
        assert_eq!(start.elapsed(), 2 * SECOND, "the first tick is immediate");
        sleep(Duration::from_millis(2_500));
        for number in [3, 4] {
            assert_eq!(beat.tick(), start + number * SECOND);
            assert_eq!(start.elapsed(), Duration::from_millis(4_500), "a missed tick is immediate");
        }
        assert_eq!(beat.tick(), start + 5 * SECOND);
        assert_eq!(start.elapsed(), 5 * SECOND);
        sleep(Duration::from_millis(3_300));
        beat.reset();
        assert_eq!(beat.tick(), start + Duration::from_millis(9_300));
        let mut later = interval_at(start + 20 * SECOND, SECOND);
        assert_eq!(later.tick(), start + 20 * SECOND);
        let mut rare = interval(AGES[1]);
        assert_eq!(rare.tick(), start + 20 * SECOND);
        let waits = leno::time::timeout(SECOND, || rare.tick());
        assert!(waits.is_err(), "there is no second tick");
    });
    for text in [
        panic_text(|| interval(Duration::ZERO)),
        panic_text(|| interval_at(Instant::now(), Duration::ZERO)),
    ] {
        assert!(text.contains("for ever at one moment"), "{text}");
    }
}

#[test]
fn instants_behave_as_in_std() {
    let start = Instant::now();
    let later = start + SECOND;
    assert_eq!(
        (later - start, later - SECOND, later.duration_since(start)),
        (SECOND, start, SECOND)
    );
    assert_eq!(start.duration_since(later), Duration::ZERO);
    assert_eq!(start - later, Duration::ZERO);
    assert_eq!(start.checked_duration_since(later), None);
    assert_eq!(start.saturating_duration_since(later), Duration::ZERO);
    assert_eq!(later.elapsed(), Duration::ZERO, "`later` is in the future");
    for ages in AGES {
        assert_eq!((start.checked_add(ages), start.checked_sub(ages)), (None, None));
        assert!(panic_text(|| start + ages).contains("overflow"));
        assert!(panic_text(|| start - ages).contains("overflow"));
    }
    let mut moment = start;
    moment += SECOND;
    moment -= 2 * NANOSECOND;
    assert!(start < moment && moment < later);
    assert!(format!("{start:?}").starts_with("Instant("));
    let known: std::collections::HashSet<_> = [start, start, later].into_iter().collect();
    assert_eq!(known.len(), 2);
}

#[test]
fn functions_outside_a_runtime_name_leno_run() {
    let calls: [(&str, fn()); 5] = [
        ("leno::time::sleep", || leno::sleep(SECOND)),
        ("leno::time::sleep", || thread::sleep(Duration::ZERO)),
        ("leno::time::sleep_until", || thread::sleep_until(Instant::now())),
        ("leno::time::timeout", || _ = leno::time::timeout(SECOND, || ())),
        ("leno::thread::park_timeout", || thread::park_timeout(SECOND)),
    ];
    for (function, call) in calls {
        let text = panic_text(call);
        assert!(text.starts_with(&format!("{function} needs a runtime")), "{text}");
    }
}
