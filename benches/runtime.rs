//! Benchmarks of channels, locks, timers, futures and explorations against a yield, in one process,
//! with a table of ratios.
//!
//!     cargo bench --bench runtime                   all rows, about five minutes
//!     cargo bench --bench runtime -- --quick        a rough measurement
//!     cargo bench --bench runtime -- channel        the rows with names that contain that word
//!
//! `LENO_BENCH_COUNT=all` counts the instructions of each row instead of measuring time. Any word
//! other than `all` selects the rows with names that contain it.
//!
//! docs/BENCHMARKS.md explains the rows. `benches/peers` measures the same operations with other
//! libraries.

mod count;
mod table;
#[path = "runtime_work/mod.rs"]
mod work;

use std::env;
use std::path::PathBuf;
use std::time::Duration;

use criterion::Criterion;

use table::Row;

/// The operation that most rows are compared with.
const BASELINE: (&str, work::Work) = ("yield_now", work::yields);

const ROWS: &[Row] = &[
    Row {
        name: "channel, bounded(128)",
        ours: ("message", work::bounded_channel),
        theirs: BASELINE,
        limits: Some((1.2, 1.05)),
    },
    Row {
        name: "channel, unbounded",
        ours: ("message", work::unbounded_channel),
        theirs: BASELINE,
        limits: None,
    },
    Row {
        name: "channel, rendezvous",
        ours: ("message", work::rendezvous_channel),
        theirs: BASELINE,
        limits: Some((4.0, 3.0)),
    },
    Row { name: "select of two", ours: ("message", work::select), theirs: BASELINE, limits: None },
    Row {
        name: "mutex, uncontended",
        ours: ("lock + unlock", work::mutex),
        theirs: BASELINE,
        limits: None,
    },
    Row {
        name: "mutex, handed over",
        ours: ("lock + yield + unlock", work::mutex_handed_over),
        theirs: BASELINE,
        limits: Some((5.5, 4.0)),
    },
    Row {
        name: "semaphores, there and back",
        ours: ("round", work::semaphores),
        theirs: BASELINE,
        limits: None,
    },
    Row {
        name: "question answered before a deadline",
        ours: ("round", work::answered),
        theirs: BASELINE,
        limits: None,
    },
    Row {
        name: "1,000 sleepers, virtual time, each",
        ours: ("spawn + sleep", work::sleepers::<1_000>),
        theirs: ("spawn + yield", work::yielders::<1_000>),
        limits: None,
    },
    Row {
        name: "100,000 sleepers, virtual time, each",
        ours: ("spawn + sleep", work::sleepers::<100_000>),
        theirs: ("spawn + yield", work::yielders::<100_000>),
        limits: None,
    },
    // More stacks than fit into the first cache, then into the second. Threads that only yield must
    // not pay for the prefetching for threads that have slept.
    Row {
        name: "yield_now among 2,000",
        ours: ("yield", work::yields_among::<2_000>),
        theirs: BASELINE,
        limits: None,
    },
    Row {
        name: "yield_now among 5,000",
        ours: ("yield", work::yields_among::<5_000>),
        theirs: BASELINE,
        limits: None,
    },
    Row {
        name: "yield_now among 10,000",
        ours: ("yield", work::yields_among::<10_000>),
        theirs: BASELINE,
        limits: None,
    },
    Row {
        name: "yield_now among 100,000",
        ours: ("yield", work::yields_among::<100_000>),
        theirs: BASELINE,
        limits: None,
    },
    Row {
        name: "yield_now among 1,000, shuffled",
        ours: ("yield", work::yields_shuffled::<1_000>),
        theirs: BASELINE,
        limits: None,
    },
    Row {
        name: "block_on of a ready future",
        ours: ("block_on", work::block_on_ready),
        theirs: BASELINE,
        limits: None,
    },
    Row {
        name: "explored, 3 + 3 steps",
        ours: ("execution", work::executions_of_steps::<2>),
        theirs: BASELINE,
        limits: None,
    },
    Row {
        name: "explored, 3 + 3 + 3 steps",
        ours: ("execution", work::executions_of_steps::<3>),
        theirs: BASELINE,
        limits: None,
    },
    Row {
        name: "explored, 3 + 3 locks, preemptive",
        ours: ("execution", work::executions_preemptive),
        theirs: BASELINE,
        limits: None,
    },
    Row {
        name: "explored, 3 + 3 locks, reduced",
        ours: ("execution", work::executions_reduced),
        theirs: BASELINE,
        limits: None,
    },
];

fn main() {
    // A child process performs one task and exits.
    if count::is_child() {
        return count::child();
    }
    if env::var_os("LENO_BENCH_COUNT").is_some() {
        return count::print(ROWS);
    }
    let home = criterion_home();
    let mut criterion = Criterion::default()
        .output_directory(&home)
        .warm_up_time(Duration::from_millis(300))
        .measurement_time(Duration::from_secs(3))
        .nresamples(10_000)
        .without_plots()
        .configure_from_args();
    let outcomes: Vec<_> =
        ROWS.iter().filter_map(|row| table::measure(&mut criterion, &home, row)).collect();
    table::print(&outcomes);
    criterion.final_summary();
}

/// Returns criterion's default output folder. It is passed to criterion, so that the table can read
/// the results.
fn criterion_home() -> PathBuf {
    match env::var_os("CRITERION_HOME") {
        Some(home) => home.into(),
        None => PathBuf::from(env!("CARGO_TARGET_TMPDIR")).with_file_name("criterion"),
    }
}
