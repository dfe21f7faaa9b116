//! 16. A computation on all cores, with a progress bar.
//!
//! A runtime is one OS thread. `Shards` are several runtimes, each on an OS
//! thread of its own: `map` gives each of them the next item as soon as it has
//! finished one, and returns the results in the order of the items. A channel
//! between runtimes tells the main OS thread what has been done meanwhile.
//!
//! ```text
//! cargo run --release --example 16_all_cores
//! cargo run --release --example 16_all_cores -- 10_000_000
//! ```

#[path = "shared/arguments.rs"]
mod arguments;

use std::ffi::OsString;
use std::process::ExitCode;
use std::thread;
use std::time::Instant;

use indicatif::{ProgressBar, ProgressFinish, ProgressStyle};
use leno::shards::{Receiver, Shards, unbounded};

const PART: u64 = 10_000;

fn is_prime(n: u64) -> bool {
    n >= 2
        && (2..)
            .take_while(|divisor| divisor * divisor <= n)
            .all(|divisor| !n.is_multiple_of(divisor))
}

/// Counts the prime numbers below `limit`, and tells of each part that is done.
fn count_primes(shards: &Shards, limit: u64) -> u64 {
    let (done, parts) = unbounded();
    let count = limit.div_ceil(PART);
    let bar = thread::spawn(move || show(count, &parts));
    let counts = shards.map(0..count, move |part| {
        let found = (part * PART..limit.min((part + 1) * PART)).filter(|&n| is_prime(n)).count();
        let _ = done.send(());
        found as u64
    });
    // The closure is dropped by now, and with it the last sender.
    bar.join().expect("the progress bar does not panic");
    counts.iter().sum()
}

/// Shows how many parts are done, on a terminal.
fn show(count: u64, parts: &Receiver<()>) {
    let style = ProgressStyle::with_template("{bar:30} {pos} of {len} parts").unwrap();
    let bar = ProgressBar::new(count).with_finish(ProgressFinish::AndClear).with_style(style);
    parts.iter().for_each(|()| bar.inc(1));
}

fn limit_of(arguments: &[OsString]) -> Option<u64> {
    match arguments {
        [] => Some(2_000_000),
        [limit] => limit.to_str()?.replace('_', "").parse().ok().filter(|&limit| limit <= 1 << 40),
        _ => None,
    }
}

fn main() -> ExitCode {
    const USAGE: &str = "cargo run --release --example 16_all_cores -- [limit]";
    let arguments = arguments::arguments(
        "Counts the prime numbers below a limit, on one core and on all of them.",
        USAGE,
    );
    let Some(limit) = limit_of(&arguments) else {
        eprintln!("error: the limit must be a number, {} at most\n next: {USAGE}", 1_u64 << 40);
        return ExitCode::from(2);
    };
    let mut counts = Vec::new();
    for shards in [Shards::new(1), Shards::per_core()] {
        let start = Instant::now();
        let count = count_primes(&shards, limit);
        let (seconds, cores) = (start.elapsed().as_secs_f64(), shards.count());
        println!("{count} prime numbers below {limit}, with shards: {cores}, in {seconds:.3} s");
        shards.shutdown();
        counts.push(count);
    }
    assert_eq!(counts[0], counts[1]);
    ExitCode::SUCCESS
}
