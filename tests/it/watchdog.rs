//! The watchdog. A hog runs until it has been reported, so these tests assume no time
//! for that. What must not be reported lasts for several limits.

use std::hint::black_box;
use std::mem;
use std::sync::mpsc::{Receiver, channel};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use leno::coroutine::Generator;
use leno::debug::{Hog, Watchdog, watch_hogs, watch_hogs_with};
use leno::thread::{self, ThreadId};
use leno::{Builder, Policy};

use crate::support::{in_child, panic_text};

const SHORT: Duration = Duration::from_millis(5);
/// Longer than an idle machine keeps a runnable OS thread off the processor.
const LONG: Duration = Duration::from_millis(250);

/// Asserts that one of five attempts has no report. A machine that keeps the OS thread
/// off the processor for [`LONG`] causes a justified report, but not five times in a
/// row.
fn assert_no_reports(attempt: impl Fn() -> usize) {
    let reports: Vec<usize> =
        (0..5).map(|_| attempt()).take_while(|&reports| reports > 0).collect();
    assert!(reports.len() < 5, "{reports:?} reports");
}

type Ids = Arc<Mutex<Vec<ThreadId>>>;

/// The reports of one watchdog.
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
    (watchdog.expect("the process has no other handler for SIGURG"), Reports { ids, hogs })
}

impl Reports {
    fn count(&self) -> usize {
        self.ids.lock().unwrap().len()
    }

    /// Returns the first report of this green thread, and its text.
    fn of(&self, id: ThreadId) -> (Hog, String) {
        let hog = self.hogs.iter().find(|hog| hog.id() == id).expect("there is a report");
        let text = hog.to_string();
        (hog, text)
    }
}

/// Runs until the calling green thread has been reported `reports` times.
#[inline(never)]
fn computes_until_it_is_reported(ids: &Ids, reports: usize) {
    let me = thread::current().id();
    let mut sum = 0u64;
    while ids.lock().unwrap().iter().filter(|id| **id == me).count() < reports {
        sum = black_box(sum.wrapping_mul(31).wrapping_add(1));
    }
    black_box(sum);
}

/// Spawns hogs until one is reported inside [`computes_until_it_is_reported`]. A busy machine
/// may keep the OS thread off the processor for longer than the limit before the hog gets
/// there, which is a report as well.
fn reported_hog(reports: &Reports, builder: &thread::Builder) -> (Hog, String) {
    for _ in 0..10 {
        let ids = reports.ids.clone();
        let body = move || computes_until_it_is_reported(&ids, 1);
        let line = line!() + 1;
        let handle = builder.clone().spawn(body).unwrap();
        let id = handle.thread().id();
        handle.join().unwrap();
        let (hog, text) = reports.of(id);
        let place = hog.spawned_at();
        assert_eq!((place.file(), place.line()), (file!(), line));
        if text.contains("computes_until_it_is_reported") {
            return (hog, text);
        }
    }
    panic!("no report shows where the hog is");
}

#[test]
#[cfg_attr(target_env = "musl", ignore = "the unwinder stops at the signal frame")]
fn a_hog_is_reported_with_its_backtrace() {
    leno::run(|| {
        let (_watchdog, reports) = watch(SHORT);
        let (hog, text) = reported_hog(&reports, &thread::Builder::new().name("miner".to_owned()));
        assert_eq!(hog.name(), Some("miner"));
        assert!(hog.has_run() >= SHORT);
        let title = format!("green thread 'miner' ({}) has run for ", hog.id());
        assert!(text.starts_with(&title), "{text}");
        assert!(text.contains(" without letting others run\n  spawned at "), "{text}");
        let all = format!("{hog:#}");
        assert!(!all.contains("on_interrupt"), "the report has frames of the handler: {all}");
        assert!(all.contains("thread_root"), "the backtrace does not reach the root: {all}");
    });
}

#[test]
fn a_hog_is_reported_again_after_it_yielded() {
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
#[cfg_attr(target_env = "musl", ignore = "the unwinder stops at the signal frame")]
fn a_blocking_hog_is_reported_and_not_interrupted() {
    leno::run(|| {
        let (_watchdog, reports) = watch(SHORT);
        let start = Instant::now();
        let place = format!("tests/it/watchdog.rs:{}:", line!() + 1);
        std::thread::sleep(SHORT * 20);
        assert!(start.elapsed() >= SHORT * 20, "the signal ended the sleep");
        let (_, text) = reports.of(thread::current().id());
        assert!(text.contains(&place), "{text}");
    });
}

#[test]
fn a_sleeping_runtime_is_not_reported() {
    assert_no_reports(|| {
        leno::run(|| {
            let (_watchdog, reports) = watch(LONG);
            leno::sleep(LONG * 3);
            reports.count()
        })
    });
}

#[test]
fn a_yielding_thread_is_not_reported() {
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
fn a_host_between_two_calls_is_not_reported() {
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
#[cfg_attr(target_env = "musl", ignore = "the unwinder stops at the signal frame")]
fn hogs_are_reported_under_a_random_policy() {
    Builder::new().policy(Policy::random(7)).virtual_time().run(|| {
        let (_watchdog, reports) = watch(SHORT);
        for _ in 0..5 {
            reported_hog(&reports, &thread::Builder::new());
        }
    });
}

#[test]
fn a_watchdog_may_outlive_its_runtime() {
    assert_no_reports(|| {
        let (watchdog, reports) = leno::run(|| watch(LONG));
        std::thread::sleep(LONG * 2);
        drop(watchdog);
        reports.count()
    });
    leno::run(|| mem::forget(watch(SHORT)));
    // The watching OS thread ends with the runtime, and drops the sender.
    let (watchdog, reports) = leno::run(|| watch(SHORT));
    mem::forget(watchdog);
    assert!(reports.hogs.recv().is_err());
}

/// Runtimes begin and end while other OS threads watch them.
#[test]
fn runtimes_may_end_while_they_are_watched() {
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
        // The first switch into a coroutine, and the last one out of it.
        black_box(Generator::new(|yielder| yielder.suspend(1)).sum::<u64>());
    }
}

/// During a switch the unwind tables do not describe the stack, so the handler must not
/// walk it there.
#[test]
#[cfg_attr(target_env = "musl", ignore = "the unwinder stops at the signal frame")]
fn a_hog_that_switches_coroutines_is_reported() {
    const ROUNDS: usize = 60;
    leno::run(|| {
        let (_watchdog, reports) = watch(Duration::ZERO);
        // The first report may be taken while `watch` still starts the watching OS thread,
        // before the first switch.
        reports.hogs.recv().unwrap();
        for round in 2..=ROUNDS {
            leno::yield_now();
            switches_until_it_is_reported(&reports.ids, round);
        }
        // Looking the symbols up takes longer than all the rest.
        for hog in reports.hogs.try_iter().step_by(8) {
            let all = format!("{hog:#}");
            assert!(all.contains("a_hog_that_switches_coroutines_is_reported"), "{all}");
        }
    });
}

extern "C" fn foreign_handler(_signal: libc::c_int) {}

#[test]
fn a_program_with_its_own_handler_gets_an_error() {
    let test = "watchdog::a_program_with_its_own_handler_gets_an_error";
    let ended = in_child(test, &[], || {
        // SAFETY: the handler does nothing.
        unsafe { libc::signal(libc::SIGURG, foreign_handler as *const () as usize) };
        let error = leno::run(|| watch_hogs(SHORT)).unwrap_err();
        assert!(error.to_string().contains("handler for SIGURG"), "{error}");
    });
    ended.assert_survived();
}

#[test]
fn the_default_report_goes_to_standard_error() {
    let test = "watchdog::the_default_report_goes_to_standard_error";
    let ended = in_child(test, &[], || {
        leno::run(|| {
            let _watchdog = watch_hogs(SHORT).unwrap();
            std::thread::sleep(Duration::from_secs(1));
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
fn an_unexpected_signal_does_nothing() {
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
fn a_watchdog_needs_a_runtime() {
    let text = panic_text(|| watch_hogs(SHORT));
    assert_eq!(text, "leno::debug::watch_hogs needs a runtime: call it from inside leno::run");
}

/// Returns what a child prints to standard error that runs `body` with the variable.
fn watched(test: &str, variable: &str, body: impl FnOnce()) -> String {
    let ended = in_child(test, &[("LENO_WATCH", variable)], body);
    ended.assert_survived().stderr()
}

#[test]
#[cfg_attr(target_env = "musl", ignore = "the unwinder stops at the signal frame")]
fn the_environment_has_every_runtime_watched() {
    let test = "watchdog::the_environment_has_every_runtime_watched";
    let stderr = watched(test, "50ms", || {
        leno::run(|| std::thread::sleep(Duration::from_secs(1)));
        let other = std::thread::spawn(|| {
            leno::run(|| {
                let sleeper = thread::Builder::new().name("sleeper".to_owned());
                sleeper.spawn(|| std::thread::sleep(Duration::from_secs(1))).unwrap();
            });
        });
        other.join().unwrap();
    });
    for name in ["'main' (#1)", "'sleeper' (#2)"] {
        let title = format!("leno: green thread {name} has run for ");
        assert_eq!(stderr.matches(&title).count(), 1, "{stderr}");
    }
    let remedy = "\n  next: this blocks the OS thread; use leno::sleep\n";
    assert_eq!(stderr.matches(remedy).count(), 2, "{stderr}");
}

#[test]
#[cfg_attr(target_env = "musl", ignore = "the unwinder stops at the signal frame")]
fn the_report_names_the_remedy_for_the_call() {
    type Blocks = fn();
    let cases: [(&str, &str, Blocks); 4] = [
        ("lock", "use leno::sync::Mutex", || {
            let lock = Arc::new(Mutex::new(()));
            let (held, is_held) = channel();
            let other = lock.clone();
            std::thread::spawn(move || {
                let _guard = other.lock().unwrap();
                held.send(()).unwrap();
                std::thread::sleep(Duration::from_secs(1));
            });
            is_held.recv().unwrap();
            drop(lock.lock().unwrap());
        }),
        ("receive", "use leno::sync::mpsc or leno::channel", || {
            let (_sender, receiver) = channel::<()>();
            assert!(receiver.recv_timeout(Duration::from_secs(1)).is_err());
        }),
        ("accept", "use leno::net", || {
            let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
            let address = listener.local_addr().unwrap();
            let other = std::thread::spawn(move || {
                std::thread::sleep(Duration::from_secs(1));
                std::net::TcpStream::connect(address).unwrap();
            });
            listener.accept().unwrap();
            other.join().unwrap();
        }),
        ("compute", "a loop that computes for long should call leno::yield_now", || {
            let start = Instant::now();
            while start.elapsed() < Duration::from_secs(1) {
                black_box(start);
            }
        }),
    ];
    let test = "watchdog::the_report_names_the_remedy_for_the_call";
    for (name, remedy, blocks) in cases {
        let chosen = std::env::var("LENO_TEST_CASE");
        if chosen.as_ref().is_ok_and(|chosen| chosen != name) {
            continue;
        }
        let variables = [("LENO_WATCH", "50ms"), ("LENO_TEST_CASE", name)];
        let ended = in_child(test, &variables, || leno::run(blocks));
        let stderr = ended.assert_survived().stderr();
        assert!(stderr.contains("\n  next: "), "{name}: {stderr}");
        assert!(stderr.contains(remedy), "{name}: {stderr}");
    }
}

#[test]
fn a_limit_that_is_none_is_refused() {
    let test = "watchdog::a_limit_that_is_none_is_refused";
    let stderr = watched(test, "soon", || (0..2).for_each(|_| leno::run(|| ())));
    let advice = "leno: LENO_WATCH=soon is no duration: write LENO_WATCH=200ms\n";
    assert_eq!(stderr.matches(advice).count(), 1, "{stderr}");
}

#[test]
fn a_program_with_its_own_handler_is_told_once() {
    let test = "watchdog::a_program_with_its_own_handler_is_told_once";
    let ended = in_child(test, &[("LENO_WATCH", "50ms")], || {
        // SAFETY: the handler does nothing.
        unsafe { libc::signal(libc::SIGURG, foreign_handler as *const () as usize) };
        (0..2).for_each(|_| leno::run(|| ()));
    });
    let stderr = ended.assert_survived().stderr();
    assert_eq!(stderr.matches("leno: LENO_WATCH has no effect: ").count(), 1, "{stderr}");
}
