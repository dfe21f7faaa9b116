//! The memory of parked green threads, coroutines and OS threads, each kind in a
//! process of its own.

use std::fs;
use std::process::Command;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use leno_peers::table::Line;

/// The number of parked threads, which every library supports.
const COUNT: usize = 10_000;
const STACK_BYTES: usize = 32 * 1024;

const PEERS: [&str; 5] = ["leno", "corosensei", "generator", "may", "OS threads"];

pub fn lines() -> Vec<Line> {
    let kib = PEERS.map(measure);
    let line = |(peer, value): (&'static str, f64)| Line {
        row: "memory of a parked one",
        peer,
        value: format!("{value:.2} KiB"),
        ratio: value / kib[0],
        quartiles: None,
    };
    PEERS.into_iter().zip(kib).map(line).collect()
}

fn measure(peer: &str) -> f64 {
    let program = std::env::current_exe().expect("the path of this program is known");
    let output = Command::new(program).args(["parked", peer, &COUNT.to_string()]).output();
    let output = output.expect("this program can start itself");
    String::from_utf8_lossy(&output.stdout).trim().parse().unwrap_or(f64::NAN)
}

/// Parks `count` threads or coroutines of a peer, prints the KiB that each takes, and exits.
pub fn child(peer: &str, count: usize) {
    match peer {
        "leno" => park_leno(count),
        "corosensei" => park_corosensei(count),
        "generator" => park_generator(count),
        "may" => park_may(count),
        _ => park_os(count),
    }
}

/// Returns the KiB of the process, its page tables, and the kernel's stacks for its OS threads. The
/// kernel's stack of an OS thread is 16 KiB on x86_64 and aarch64.
fn kib() -> f64 {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let field = |name: &str| -> f64 {
        let line = status.lines().find_map(|line| line.strip_prefix(name));
        let word = line.and_then(|line| line.split_whitespace().next());
        word.and_then(|word| word.parse().ok()).unwrap_or(0.0)
    };
    field("VmRSS:") + field("VmPTE:") + 16.0 * (field("Threads:") - 1.0)
}

fn print_and_exit(before: f64, count: usize) -> ! {
    println!("{}", (kib() - before) / count as f64);
    std::process::exit(0)
}

fn park_leno(count: usize) {
    leno::run(|| {
        let before = kib();
        for _ in 0..count {
            let builder = leno::thread::Builder::new().stack_size(STACK_BYTES);
            builder.spawn(leno::thread::park).expect("a stack");
        }
        leno::yield_now();
        print_and_exit(before, count)
    });
}

fn park_corosensei(count: usize) {
    use corosensei::Coroutine;
    use corosensei::stack::DefaultStack;
    let before = kib();
    let mut all = Vec::with_capacity(count);
    for _ in 0..count {
        let stack = DefaultStack::new(STACK_BYTES).expect("a stack");
        let mut parked =
            Coroutine::<(), (), (), _>::with_stack(stack, |yielder, ()| yielder.suspend(()));
        parked.resume(());
        all.push(parked);
    }
    print_and_exit(before, count)
}

fn park_generator(count: usize) {
    use generator::Gn;
    let before = kib();
    let mut all = Vec::with_capacity(count);
    for _ in 0..count {
        // generator's sizes are in words.
        let mut parked = Gn::<()>::new_scoped_opt(STACK_BYTES / size_of::<usize>(), |mut scope| {
            scope.yield_(());
        });
        parked.resume();
        all.push(parked);
    }
    print_and_exit(before, count)
}

static PARKED: AtomicUsize = AtomicUsize::new(0);

fn wait_for_all(count: usize) {
    while PARKED.load(Ordering::Acquire) < count {
        thread::yield_now();
    }
}

fn park_may(count: usize) {
    // may's sizes are in words.
    may::config().set_workers(1).set_stack_size(STACK_BYTES / size_of::<usize>());
    let before = kib();
    for _ in 0..count {
        // SAFETY: the closure uses no thread-local variable and little stack, as may requires.
        unsafe {
            may::coroutine::spawn(|| {
                PARKED.fetch_add(1, Ordering::Release);
                may::coroutine::park();
            });
        }
    }
    wait_for_all(count);
    print_and_exit(before, count)
}

fn park_os(count: usize) {
    let before = kib();
    for _ in 0..count {
        let builder = thread::Builder::new().stack_size(STACK_BYTES);
        let spawned = builder.spawn(|| {
            PARKED.fetch_add(1, Ordering::Release);
            thread::park();
        });
        spawned.expect("an OS thread");
    }
    wait_for_all(count);
    print_and_exit(before, count)
}
