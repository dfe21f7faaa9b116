//! The cost of operations with n and 2 n threads or steps must grow no faster than n log n. Callgrind
//! counts the instructions, so a busy machine changes nothing.

use std::cell::RefCell;
use std::env;
use std::panic;
use std::process::{Command, Stdio};
use std::rc::Rc;

use leno::sync::{Barrier, Event, Mutex};
use leno::time::Duration;
use leno::weave::{Explorer, Shared};
use leno::{Builder, Policy, thread};

/// The case and the size that a child process runs, as `name,size`.
const CHILD: &str = "LENO_COMPLEXITY";

/// Twice the size takes at most this many times the instructions: n log n takes 2.2 times those
/// of half the size, and a quadratic part shows long before it takes 4 times as many.
const MOST: f64 = 2.6;

type Case = (&'static str, usize, fn(usize));

// Not among them: `Explorer::random` with many threads. Whatever chooses, the run queue moves the entries
// behind the chosen one by one place, which is half an instruction for each. Other methods take so many
// more instructions that this does not show; of those of a random choice among 2,000 threads it is two
// thirds, a microsecond.
const CASES: &[Case] = &[
    ("a random policy", 1_000, |n| yields(Policy::random(1), n)),
    ("a barrier that is given up at once", 1_000, given_up_barrier),
    ("a chain of stalled joins", 2_000, stalled_chain),
    ("stalled scopes", 500, stalled_scopes),
    ("a recording", 1_000, recorded_yields),
    ("a recording of many names", 500, recorded_names),
    ("pictures of a recording", 500, drawn_recording),
    ("different failures", 1_000, different_failures),
    ("depth-first executions of many threads", 1_000, |n| sampled(|all, _| all, n)),
    ("fair executions of many threads", 1_000, |n| sampled(|all, _| all.fair(), n)),
    ("executions of few switches", 1_000, |n| sampled(|all, _| all.max_switches(3), n)),
    ("uniform executions of many threads", 1_000, |n| sampled(Explorer::uniform, n)),
    ("PCT of many threads", 1_000, |n| sampled(|all, seed| all.pct(seed, 3), n)),
    ("a portfolio that is fair", 1_000, |n| sampled(|all, seed| all.fair().portfolio(seed), n)),
    ("a reduced execution of independent steps", 500, independent_steps),
    ("a reduced execution of steps that race", 200, racing_steps),
];

fn obstacle() -> Option<&'static str> {
    if cfg!(debug_assertions) {
        return Some("under Callgrind an unoptimised build takes a minute; --release counts");
    }
    if cfg!(target_arch = "aarch64")
        && env::var_os("CARGO_TARGET_AARCH64_UNKNOWN_LINUX_GNU_RUNNER").is_some()
    {
        return Some("Valgrind does not run under an emulator");
    }
    let version = Command::new("valgrind").arg("--version").stdout(Stdio::null()).status();
    let is_there = version.is_ok_and(|status| status.success());
    assert!(is_there || env::var_os("CI").is_none(), "CI needs Valgrind");
    (!is_there).then_some("Valgrind is not installed")
}

#[test]
fn costs_grow_no_faster_than_n_log_n() {
    if let Ok(order) = env::var(CHILD) {
        let (name, size) = order.rsplit_once(',').expect("a name and a size");
        // To print a backtrace takes more than all else.
        panic::set_hook(Box::new(|_| ()));
        let case = CASES.iter().find(|case| case.0 == name);
        return case.map_or((), |case| (case.2)(size.parse().expect("a size")));
    }
    if let Some(obstacle) = obstacle() {
        return eprintln!("Nothing was counted: {obstacle}.");
    }
    let nothing = instructions("nothing", 0);
    let mut wrong = Vec::new();
    for &(name, size, _) in CASES {
        let [one, two] = [size, 2 * size].map(|size| (instructions(name, size) - nothing) as f64);
        let growth = two / one;
        let text = format!("{name}: {size} take {one}, twice as many take {growth:.2} times that");
        println!("{text}");
        wrong.extend((growth > MOST).then_some(text));
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

/// Returns the number of instructions of a child process.
fn instructions(name: &str, size: usize) -> u64 {
    let itself = env::current_exe().expect("the test has a path");
    let output = Command::new("valgrind")
        .args(["--tool=callgrind", "--callgrind-out-file=/dev/null"])
        .arg(itself)
        .args(["--exact", "costs_grow_no_faster_than_n_log_n", "--test-threads=1"])
        .env(CHILD, format!("{name},{size}"))
        .output()
        .expect("valgrind starts");
    let text = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{name}, {size}: {}:\n{text}", output.status);
    let collected = text.lines().find_map(|line| line.split_once("Collected :"));
    let collected = collected.and_then(|(_, count)| count.trim().parse().ok());
    collected.unwrap_or_else(|| panic!("callgrind prints a count:\n{text}"))
}

fn small() -> Builder {
    Builder::new().stack_size(32 << 10).virtual_time()
}

fn yields(policy: Policy, n: usize) {
    small().policy(policy).run(|| {
        for _ in 0..n {
            leno::spawn(|| (0..3).for_each(|_| leno::yield_now()));
        }
    });
}

/// Fills a barrier twice over with threads that give up at once.
fn given_up_barrier(n: usize) {
    let barrier = Rc::new(Barrier::new(n / 2));
    small().run(|| {
        for _ in 0..n {
            let barrier = barrier.clone();
            leno::spawn(move || barrier.wait_timeout(Duration::ZERO).is_ok());
        }
    });
}

/// Reports all threads as stalled.
fn report_stalled() {
    leno::sleep(Duration::from_secs(2));
    let report = leno::debug::stalled(Duration::from_secs(1)).expect("all wait");
    assert!(report.to_string().contains("waited"));
}

/// Reports a chain in which each thread joins the one before it. The deadlock report searches for
/// cycles in the same way.
fn stalled_chain(n: usize) {
    small().run(|| {
        let first = leno::spawn(thread::park);
        let start = first.thread().clone();
        let mut last = first;
        for _ in 0..n {
            let before = last;
            last = leno::spawn(move || drop(before.join()));
        }
        report_stalled();
        start.unpark();
    });
}

fn stalled_scopes(n: usize) {
    small().run(|| {
        let event = Rc::new(Event::new());
        for _ in 0..n {
            let event = event.clone();
            leno::spawn(move || {
                thread::scope(|scope| drop(scope.spawn(|| event.wait())));
            });
        }
        report_stalled();
        event.set();
    });
}

fn recorded_yields(n: usize) {
    small().run(|| {
        let ((), timeline) = leno::debug::record(|| {
            let all = (0..n).map(|_| leno::spawn(|| (0..3).for_each(|_| leno::yield_now())));
            all.collect::<Vec<_>>().into_iter().for_each(|one| one.join().unwrap());
        });
        assert!(timeline.len() > 6 * n);
    });
}

fn recorded_names(n: usize) {
    small().run(|| {
        let ((), timeline) = leno::debug::record(|| {
            for number in 0..n {
                let lock = Rc::new(Mutex::new(()));
                lock.set_name(number.to_string());
                let guard = lock.lock().unwrap();
                let other = lock.clone();
                leno::spawn(move || drop(other.lock().unwrap()));
                leno::yield_now();
                drop(guard);
            }
        });
        assert!(timeline.len() > 3 * n);
    });
}

fn drawn_recording(n: usize) {
    small().run(|| {
        let ((), timeline) = leno::debug::record(|| {
            let all = (0..n).map(|_| leno::spawn(|| leno::sleep(Duration::from_millis(1))));
            all.collect::<Vec<_>>().into_iter().for_each(|one| one.join().unwrap());
        });
        let mut out = Vec::new();
        timeline.write_chrome_json(&mut out).unwrap();
        timeline.write_svg(&mut out).unwrap();
        assert!(!timeline.text(100, 200).is_empty());
    });
}

fn different_failures(n: usize) {
    let explorer = Explorer::new().progress(false).max_executions(n as u64);
    let report = explorer.random(1).explore(|| {
        let log = RefCell::new(String::new());
        leno::scope(|scope| {
            for name in ["a", "b", "c", "d"] {
                let log = &log;
                scope.spawn(move || {
                    for _ in 0..6 {
                        log.borrow_mut().push_str(name);
                        leno::yield_now();
                    }
                });
            }
        });
        panic!("{}", log.borrow())
    });
    let _: &leno::weave::Report<()> = &report;
    assert!(report.failures().len() > n / 2);
}

/// Samples four executions in which n threads are enabled at once.
fn sampled(method: fn(Explorer, u64) -> Explorer, n: usize) {
    let explorer = Explorer::new().progress(false).max_executions(4).max_steps(1_000_000);
    let report = method(explorer.stack_size(32 << 10), 1).explore(|| {
        leno::scope(|scope| {
            for _ in 0..n {
                scope.spawn(|| (0..3).for_each(|_| leno::yield_now()));
            }
        });
    });
    assert_eq!(report.executions(), 4);
}

fn independent_steps(n: usize) {
    let explorer = Explorer::new().progress(false).preemptive().reduced().max_steps(1_000_000);
    let report = explorer.explore(|| {
        let (one, other) = (Shared::new(0), Shared::new(0));
        leno::scope(|scope| {
            for value in [&one, &other] {
                scope.spawn(move || (0..n).for_each(|_| value.update(|value| *value += 1)));
            }
        });
    });
    assert_eq!(report.executions(), 1);
}

/// Explores one execution of two threads that change the same values in turn.
fn racing_steps(n: usize) {
    let explorer = Explorer::new().progress(false).preemptive().reduced().max_steps(1_000_000);
    let report = explorer.max_executions(1).explore(|| {
        let values: Vec<Shared<u32>> = (0..n).map(|_| Shared::new(0)).collect();
        leno::scope(|scope| {
            for _ in 0..2 {
                scope.spawn(|| values.iter().for_each(|value| value.update(|value| *value += 1)));
            }
        });
    });
    assert_eq!(report.executions(), 1);
}
