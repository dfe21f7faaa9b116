//! Measures leno and its peers in one run, and prints a table in Markdown.
//!
//!     cargo run --release                 everything, about four minutes
//!     cargo run --release -- yield        the rows with names that contain that word
//!     cargo run --release -- rounds=9     a rough measurement; the default is 101
//!
//! Peers: corosensei and generator (coroutines), context (the switch of
//! boost.context), may (green threads on one worker), tokio (tasks on one thread),
//! OS threads on one processor, and crossbeam-channel between OS threads.

mod context_rows;
mod corosensei_rows;
mod crossbeam_rows;
mod generator_rows;
mod leno_rows;
mod leno_runtime_rows;
mod may_rows;
mod may_runtime_rows;
mod memory;
mod os_rows;
mod tokio_rows;

use std::time::{Duration, Instant};

use leno_peers::table::{self, Row};

const ROWS: &[Row] = &[
    Row {
        name: "resume + suspend",
        entries: &[
            ("leno", leno_rows::resume),
            ("corosensei", corosensei_rows::resume),
            ("context", context_rows::resume),
            ("generator", generator_rows::resume),
            ("OS threads", os_rows::resume),
        ],
    },
    Row {
        name: "resume + suspend inside a call",
        entries: &[
            ("leno", leno_rows::resume_inside),
            ("corosensei", corosensei_rows::resume_inside),
            ("generator", generator_rows::resume_inside),
        ],
    },
    Row {
        name: "create + resume + drop",
        entries: &[
            ("leno", leno_rows::create),
            ("corosensei, one stack", corosensei_rows::create_on_one_stack),
            ("corosensei", corosensei_rows::create),
            ("generator", generator_rows::create),
        ],
    },
    Row {
        name: "yield among 2",
        entries: &[
            ("leno", leno_rows::yields::<2>),
            ("may", may_rows::yields::<2>),
            ("tokio", tokio_rows::yields::<2>),
            ("OS threads", os_rows::yields::<2>),
        ],
    },
    Row {
        name: "yield among 100",
        entries: &[
            ("leno", leno_rows::yields::<100>),
            ("may", may_rows::yields::<100>),
            ("tokio", tokio_rows::yields::<100>),
            ("OS threads", os_rows::yields::<100>),
        ],
    },
    Row {
        name: "yield among 1,000",
        entries: &[
            ("leno", leno_rows::yields::<1_000>),
            ("may", may_rows::yields::<1_000>),
            ("tokio", tokio_rows::yields::<1_000>),
            ("OS threads", os_rows::yields::<1_000>),
        ],
    },
    Row {
        name: "spawn + join",
        entries: &[
            ("leno", leno_rows::spawn),
            ("may", may_rows::spawn),
            ("tokio", tokio_rows::spawn),
            ("OS threads", os_rows::spawn),
        ],
    },
    Row {
        name: "channel, bounded(128)",
        entries: &[
            ("leno", leno_runtime_rows::bounded_channel),
            ("tokio", tokio_rows::bounded_channel),
            ("crossbeam, OS threads", crossbeam_rows::bounded_channel),
        ],
    },
    Row {
        name: "channel, unbounded",
        entries: &[
            ("leno", leno_runtime_rows::unbounded_channel),
            ("may", may_runtime_rows::unbounded_channel),
            ("tokio", tokio_rows::unbounded_channel),
            ("crossbeam, OS threads", crossbeam_rows::unbounded_channel),
        ],
    },
    Row {
        name: "channel, rendezvous",
        entries: &[
            ("leno", leno_runtime_rows::rendezvous_channel),
            ("tokio, a buffer of 1", tokio_rows::channel_of_one),
            ("crossbeam, OS threads", crossbeam_rows::rendezvous_channel),
        ],
    },
    Row {
        name: "select of two",
        entries: &[
            ("leno", leno_runtime_rows::select),
            ("tokio", tokio_rows::select),
            ("crossbeam, OS threads", crossbeam_rows::select),
        ],
    },
    Row {
        name: "mutex, uncontended",
        entries: &[
            ("leno", leno_runtime_rows::mutex),
            ("may", may_runtime_rows::mutex),
            ("tokio", tokio_rows::mutex),
            ("std", os_rows::mutex),
        ],
    },
    Row {
        name: "mutex, handed over",
        entries: &[
            ("leno", leno_runtime_rows::mutex_handed_over),
            ("may", may_runtime_rows::mutex_handed_over),
            ("tokio", tokio_rows::mutex_handed_over),
        ],
    },
    Row {
        name: "semaphores, there and back",
        entries: &[
            ("leno", leno_runtime_rows::semaphores),
            ("may", may_runtime_rows::semaphores),
            ("tokio", tokio_rows::semaphores),
        ],
    },
    Row {
        name: "question answered before a deadline",
        entries: &[("leno", leno_runtime_rows::answered), ("tokio", tokio_rows::answered)],
    },
    Row {
        name: "100,000 sleepers, each",
        entries: &[
            ("leno", leno_runtime_rows::sleepers::<100_000>),
            ("tokio", tokio_rows::sleepers::<100_000>),
        ],
    },
    Row {
        name: "1,000 sleepers, each",
        entries: &[
            ("leno", leno_runtime_rows::sleepers::<1_000>),
            ("tokio", tokio_rows::sleepers::<1_000>),
        ],
    },
    Row {
        name: "block_on of a ready future",
        entries: &[
            ("leno", leno_runtime_rows::block_on_ready),
            ("tokio", tokio_rows::block_on_ready),
        ],
    },
];

/// Returns the time that a sleeper sleeps: at least a millisecond, and different for each sleeper.
fn moment(sleeper: u64) -> Duration {
    Duration::from_nanos(1_000_000 + sleeper * 7919 % 1_000_003)
}

/// Returns the time since `start`, in which `done` operations ran, scaled to `count` operations.
fn scaled(start: Instant, done: u64, count: u64) -> Duration {
    start.elapsed().mul_f64(count as f64 / done.max(1) as f64)
}

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    if let [word, peer, count] = &arguments[..]
        && word == "parked"
    {
        return memory::child(peer, count.parse().expect("a number"));
    }
    // One processor for all peers, so that OS threads take turns instead of running in parallel.
    os_rows::use_one_processor();
    may_rows::use_one_worker();

    let mut rounds = 101;
    let mut wanted = String::new();
    for argument in &arguments {
        match argument.strip_prefix("rounds=") {
            Some(number) => rounds = number.parse().expect("rounds= needs a number"),
            None => wanted.clone_from(argument),
        }
    }
    let mut lines = Vec::new();
    for row in ROWS.iter().filter(|row| row.name.contains(&wanted)) {
        eprintln!("{} ...", row.name);
        lines.extend(table::lines(row, rounds));
    }
    if "memory of a parked one".contains(&wanted) {
        eprintln!("memory ...");
        lines.extend(memory::lines());
    }
    table::print(&lines);
}

/// Returns the number of turns in which `threads` threads yield `count` times in all. It is large
/// enough to make the cost of starting and joining the threads negligible.
fn turns(count: u64, threads: u64) -> u64 {
    count.div_ceil(threads).max(64)
}

/// Measures `turns` iterations of a loop.
fn time(turns: u64, mut operation: impl FnMut(u64)) -> Duration {
    let start = Instant::now();
    for turn in 0..turns {
        operation(turn);
    }
    start.elapsed()
}
