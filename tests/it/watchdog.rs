//! The watchdog. A green thread that hogs goes on until it has been reported, so
//! no time is assumed; what is not to be reported goes on for some of its limits.

use std::hint::black_box;
use std::mem;
use std::panic::Location;
use std::sync::mpsc::{Receiver, channel};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use leno::coroutine::Generator;
use leno::debug::{Hog, Watchdog, watch_hogs, watch_hogs_with};
use leno::thread::{self, ThreadId};
use leno::{Builder, Policy};

use crate::support::{in_child, panic_text};

const SHORT: Duration = Duration::from_millis(5);
/// Nobody is kept off the processor for so long, as a rule.
const LONG: Duration = Duration::from_millis(250);

/// There is no report. Where the machine is so slow that it keeps us off the
/// processor for [`LONG`], there is one, and rightly; but not time after time.
fn assert_no_reports(attempt: impl Fn() -> usize) {
    let reports: Vec<usize> =
        (0..5).map(|_| attempt()).take_while(|&reports| reports > 0).collect();
    assert!(reports.len() < 5, "{reports:?} reports");
}

type Ids = Arc<Mutex<Vec<ThreadId>>>;

/// What has been reported.
struct Reports {
    ids: Ids,
    hogs: Receiver<Hog>,
}

fn watch(limit: Duration) -> (Watchdog, Reports) {
    let ids = Ids::default();
    let (sender, hogs) = channel();
    let noted = ids.clone();
    let watchdog = watch_hogs_with(limit, move |hog| {
        noted.lock().unwrap().push(hog.id());
        let _ = sender.send(hog);
    });
    (watchdog.expect("nobody else handles SIGURG"), Reports { ids, hogs })
}

impl Reports {
    fn count(&self) -> usize {
        self.ids.lock().unwrap().len()
    }

    /// The first report of this green thread.
    fn of(&self, id: ThreadId) -> (Hog, String) {
        let hog = self.hogs.iter().find(|hog| hog.id() == id).expect("there is a report");
        let text = hog.to_string();
        (hog, text)
    }
}

/// Goes on until the green thread that calls this has been reported, too, not only
/// what was before.
#[inline(never)]
fn computes_until_it_is_reported(ids: &Ids, reports: usize) {
    let me = thread::current().id();
    let mut sum = 0u64;
    while ids.lock().unwrap().iter().filter(|id| **id == me).count() < reports {
        sum = black_box(sum.wrapping_mul(31).wrapping_add(1));
    }
    black_box(sum);
}

#[test]
fn a_green_thread_that_does_not_let_others_run_is_reported_with_where_it_is() {
    leno::run(|| {
        let (_watchdog, reports) = watch(SHORT);
        let ids = reports.ids.clone();
        let line = line!() + 1;
        let hog = thread::Builder::new().name("miner").spawn(move || {
            computes_until_it_is_reported(&ids, 1);
            thread::current().id()
        });
        let id = hog.unwrap().join().unwrap();
        let (hog, text) = reports.of(id);
        assert_eq!(hog.name(), Some("miner"));
        let place = Location::caller();
        assert_eq!((hog.spawned_at().file(), hog.spawned_at().line()), (place.file(), line));
        assert!(hog.has_run() >= SHORT);
        assert!(text.starts_with("green thread 'miner' (#2) has run for "), "{text}");
        assert!(text.contains(" without letting others run\n  spawned at "), "{text}");
        assert!(text.contains("computes_until_it_is_reported"), "{text}");
        let all = format!("{hog:#}");
        assert!(!all.contains("on_interrupt"), "the frames of the handler: {all}");
        assert!(all.contains("thread_root"), "it goes on to the root: {all}");
    });
}

#[test]
fn it_is_reported_once_and_again_after_it_has_let_others_run() {
    leno::run(|| {
        let (_watchdog, reports) = watch(SHORT);
        computes_until_it_is_reported(&reports.ids, 1);
        std::thread::sleep(SHORT * 8);
        assert_eq!(reports.count(), 1);
        leno::yield_now();
        computes_until_it_is_reported(&reports.ids, 2);
        leno::sleep(Duration::from_nanos(1));
        computes_until_it_is_reported(&reports.ids, 3);
        for hog in reports.hogs.try_iter() {
            assert_eq!((hog.id().number(), hog.name()), (1, Some("main")));
        }
    });
}

#[test]
fn one_that_blocks_the_os_thread_is_reported_and_goes_on_blocking() {
    leno::run(|| {
        let (_watchdog, reports) = watch(SHORT);
        let start = Instant::now();
        std::thread::sleep(SHORT * 20);
        assert!(start.elapsed() >= SHORT * 20, "the signal has ended the sleep");
        let (_, text) = reports.of(thread::current().id());
        assert!(text.contains("one_that_blocks_the_os_thread"), "{text}");
    });
}

#[test]
fn a_runtime_that_sleeps_is_not_reported() {
    assert_no_reports(|| {
        leno::run(|| {
            let (_watchdog, reports) = watch(LONG);
            leno::sleep(LONG * 3);
            reports.count()
        })
    });
}

#[test]
fn one_that_yields_is_not_reported_even_if_nobody_else_can_run() {
    for policy in [Policy::fifo, || Policy::random(1)] {
        assert_no_reports(|| {
            Builder::new().policy(policy()).run(|| {
                let (_watchdog, reports) = watch(LONG);
                let start = Instant::now();
                while start.elapsed() < LONG * 3 {
                    std::thread::sleep(Duration::from_millis(1));
                    leno::yield_now();
                }
                reports.count()
            })
        });
    }
}

#[test]
fn what_a_host_does_between_two_calls_is_not_reported() {
    assert_no_reports(|| {
        let runtime = leno::Runtime::new();
        let watching = thread::Builder::new().spawn_on(&runtime, || watch(LONG)).unwrap();
        runtime.run_until_stalled();
        std::thread::sleep(LONG * 3);
        let (_watchdog, reports) = watching.join().unwrap();
        reports.count()
    });
}

#[test]
fn hogs_are_found_under_other_policies_too() {
    Builder::new().policy(Policy::random(7)).virtual_time().run(|| {
        let (_watchdog, reports) = watch(SHORT);
        for _ in 0..5 {
            let ids = reports.ids.clone();
            let hog = leno::spawn(move || computes_until_it_is_reported(&ids, 1));
            let id = hog.thread().id();
            hog.join().unwrap();
            assert!(reports.of(id).1.contains("computes_until_it_is_reported"));
        }
    });
}

#[test]
fn a_watchdog_may_outlive_its_runtime_and_be_forgotten() {
    assert_no_reports(|| {
        let (watchdog, reports) = leno::run(|| watch(LONG));
        std::thread::sleep(LONG * 2);
        drop(watchdog);
        reports.count()
    });
    leno::run(|| mem::forget(watch(SHORT)));
    // Its OS thread ends with the runtime: nobody is left who could report.
    let (watchdog, reports) = leno::run(|| watch(SHORT));
    mem::forget(watchdog);
    assert!(reports.hogs.recv().is_err());
}

/// Runtimes come and go while they are looked at.
#[test]
fn runtimes_may_end_at_any_moment() {
    let workers: Vec<_> = (0..3u64)
        .map(|worker| {
            std::thread::spawn(move || {
                for round in 0..40u64 {
                    leno::run(|| {
                        let (watchdog, reports) = watch(Duration::ZERO);
                        if (worker + round) % 2 == 0 {
                            mem::forget(watchdog);
                        }
                        let start = Instant::now();
                        while start.elapsed() < Duration::from_micros(500 + 100 * round) {
                            black_box(reports.count());
                        }
                    });
                }
            })
        })
        .collect();
    for worker in workers {
        worker.join().unwrap();
    }
}

#[inline(never)]
fn switches_until_it_is_reported(ids: &Ids, reports: usize) {
    let mut numbers =
        Generator::new(|yielder| (0..u64::MAX).for_each(|number| yielder.suspend(number)));
    while ids.lock().unwrap().len() < reports {
        black_box(numbers.by_ref().take(100).sum::<u64>());
        // The first switch to a new one, and the last of an old one.
        black_box(Generator::new(|yielder| yielder.suspend(1)).sum::<u64>());
    }
}

/// In the middle of a switch the stack pointer is not where unwind tables say: the
/// handler must not walk the stack there.
#[test]
fn one_that_does_nothing_but_switch_between_coroutines_can_be_looked_at() {
    const ROUNDS: usize = 60;
    leno::run(|| {
        let (_watchdog, reports) = watch(Duration::ZERO);
        for round in 1..=ROUNDS {
            switches_until_it_is_reported(&reports.ids, round);
            leno::yield_now();
        }
        // To look the symbols up takes longer than all the rest.
        for hog in reports.hogs.try_iter().step_by(8) {
            let all = format!("{hog:#}");
            assert!(all.contains("one_that_does_nothing_but_switch"), "{all}");
        }
    });
}

extern "C" fn somebody_elses(_signal: libc::c_int) {}

#[test]
fn a_program_that_handles_the_signal_itself_gets_an_error() {
    let test = "watchdog::a_program_that_handles_the_signal_itself_gets_an_error";
    let ended = in_child(test, &[], || {
        // SAFETY: the handler does nothing.
        unsafe { libc::signal(libc::SIGURG, somebody_elses as *const () as usize) };
        let error = leno::run(|| watch_hogs(SHORT)).unwrap_err();
        assert!(error.to_string().contains("handler for SIGURG"), "{error}");
    });
    ended.assert_survived();
}

#[test]
fn without_a_function_of_ones_own_the_report_goes_to_standard_error() {
    let test = "watchdog::without_a_function_of_ones_own_the_report_goes_to_standard_error";
    let ended = in_child(test, &[], || {
        leno::run(|| {
            let _watchdog = watch_hogs(SHORT).unwrap();
            std::thread::sleep(SHORT * 30);
        });
    });
    let stderr = ended.assert_survived().stderr();
    assert_eq!(
        stderr.matches("leno: green thread 'main' (#1) has run for ").count(),
        1,
        "{stderr}"
    );
    assert!(stderr.contains("  spawned at tests/it/watchdog.rs:"), "{stderr}");
}

#[test]
fn a_signal_that_nobody_asked_for_does_nothing() {
    assert_no_reports(|| {
        leno::run(|| {
            let (_watchdog, reports) = watch(LONG);
            for _ in 0..100 {
                // SAFETY: raise has no preconditions.
                unsafe { libc::raise(libc::SIGURG) };
            }
            reports.count()
        })
    });
}

#[test]
fn outside_a_runtime_there_is_nothing_to_watch() {
    let text = panic_text(|| watch_hogs(SHORT));
    assert_eq!(text, "leno::debug::watch_hogs needs a runtime: call it from inside leno::run");
}
