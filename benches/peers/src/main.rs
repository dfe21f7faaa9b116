//! leno beside its peers, in one run: prints a table in Markdown.
//!
//!     cargo run --release                 everything, about two minutes
//!     cargo run --release -- yield        the rows with that word
//!     cargo run --release -- rounds=9     a rough look; otherwise it is 101
//!
//! Peers: corosensei and generator (coroutines), context (the switch of
//! boost.context), may (green threads on one worker), and OS threads on one
//! processor.

mod context_rows;
mod corosensei_rows;
mod generator_rows;
mod leno_rows;
mod may_rows;
mod memory;
mod os_rows;
mod table;

use std::time::{Duration, Instant};

/// Does so many operations, and says how long they took.
type Work = fn(u64) -> Duration;

/// What is measured, by whom; leno comes first.
struct Row {
    name: &'static str,
    entries: &'static [(&'static str, Work)],
}

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
            ("OS threads", os_rows::yields::<2>),
        ],
    },
    Row {
        name: "yield among 100",
        entries: &[
            ("leno", leno_rows::yields::<100>),
            ("may", may_rows::yields::<100>),
            ("OS threads", os_rows::yields::<100>),
        ],
    },
    Row {
        name: "yield among 1,000",
        entries: &[
            ("leno", leno_rows::yields::<1_000>),
            ("may", may_rows::yields::<1_000>),
            ("OS threads", os_rows::yields::<1_000>),
        ],
    },
    Row {
        name: "spawn + join",
        entries: &[
            ("leno", leno_rows::spawn),
            ("may", may_rows::spawn),
            ("OS threads", os_rows::spawn),
        ],
    },
];

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    if let [word, peer, count] = &arguments[..]
        && word == "parked"
    {
        return memory::child(peer, count.parse().expect("a number"));
    }
    // One processor for everybody: OS threads are to take turns, not to run at
    // the same time.
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

/// How many turns of yields make `count` of them among so many threads; enough
/// that starting and joining them does not count.
fn turns(count: u64, threads: u64) -> u64 {
    count.div_ceil(threads).max(64)
}

/// Times `turns` turns of a loop.
fn time(turns: u64, mut operation: impl FnMut(u64)) -> Duration {
    let start = Instant::now();
    for turn in 0..turns {
        operation(turn);
    }
    start.elapsed()
}
