//! Benchmarks of leno against corosensei, in one process, with a table of ratios.
//!
//!     cargo bench --bench switch                    all rows, about three minutes
//!     cargo bench --bench switch -- --quick         a rough measurement
//!     cargo bench --bench switch -- yield           the rows with names that contain that word
//!
//! Two environment variables:
//!
//! - `LENO_BENCH_PARKED=10000`: the number of green threads to park for the memory row. The default
//!   is a million; 0 omits the row.
//! - `LENO_BENCH_COUNT=all`: counts the instructions of each row instead of measuring time. Any word
//!   other than `all` selects the rows with names that contain it.
//!
//! docs/BENCHMARKS.md explains the rows.

mod count;
mod parked;
mod table;
mod work;

use std::env;
use std::path::PathBuf;
use std::time::Duration;

use criterion::Criterion;

use table::Row;

/// The operation that the rows for green threads are compared with.
const BASELINE: (&str, work::Work) = ("corosensei resumes", work::peer_resume);

/// The reach and the goal of resume + suspend, in every shape.
const RESUME: (f64, f64) = (0.89, 0.55);

const ROWS: &[Row] = &[
    Row {
        name: "resume + suspend",
        ours: ("leno", work::leno_resume),
        theirs: ("corosensei", work::peer_resume),
        limits: Some(RESUME),
    },
    Row {
        name: "resume + suspend from 8 call sites",
        ours: ("leno", work::leno_resume_by_eight),
        theirs: ("corosensei", work::peer_resume_by_eight),
        limits: Some(RESUME),
    },
    Row {
        name: "resume + suspend from 32 call sites",
        ours: ("leno", work::leno_resume_from_32_sites),
        theirs: ("corosensei", work::peer_resume_from_32_sites),
        limits: Some(RESUME),
    },
    Row {
        name: "resume + suspend at 8 places of the body",
        ours: ("leno", work::leno_suspend_from_8_sites),
        theirs: ("corosensei", work::peer_suspend_from_8_sites),
        limits: Some(RESUME),
    },
    Row {
        name: "resume + suspend in a called function",
        ours: ("leno", work::leno_resume_inside),
        theirs: ("corosensei", work::peer_resume_inside),
        limits: Some(RESUME),
    },
    Row {
        name: "resume + suspend, 2 coroutines in turn",
        ours: ("leno", work::leno_in_turn::<2>),
        theirs: ("corosensei", work::peer_in_turn::<2>),
        limits: Some(RESUME),
    },
    Row {
        name: "resume + suspend, 8 coroutines in turn",
        ours: ("leno", work::leno_in_turn::<8>),
        theirs: ("corosensei", work::peer_in_turn::<8>),
        limits: Some(RESUME),
    },
    Row {
        name: "resume + suspend, 100 coroutines in turn",
        ours: ("leno", work::leno_in_turn::<100>),
        theirs: ("corosensei", work::peer_in_turn::<100>),
        limits: Some(RESUME),
    },
    Row {
        name: "resume + suspend, 1,000 coroutines in turn",
        ours: ("leno", work::leno_in_turn::<1_000>),
        theirs: ("corosensei", work::peer_in_turn::<1_000>),
        limits: Some(RESUME),
    },
    Row {
        name: "resume + suspend, 1,000 coroutines in shuffled order",
        ours: ("leno", work::leno_in_shuffled_turn),
        theirs: ("corosensei", work::peer_in_shuffled_turn),
        limits: Some(RESUME),
    },
    Row {
        name: "sum of what a loop yields",
        ours: ("leno", work::leno_generate),
        theirs: ("corosensei", work::peer_generate),
        limits: Some((1.0, 0.65)),
    },
    Row {
        name: "create + call + drop",
        ours: ("leno", work::leno_create),
        theirs: ("corosensei", work::peer_create),
        limits: Some((1.0, 0.9)),
    },
    Row {
        name: "yield_now among 2",
        ours: ("leno", work::leno_yield::<2>),
        theirs: BASELINE,
        limits: Some((0.8, 0.6)),
    },
    Row {
        name: "yield_now among 100",
        ours: ("leno", work::leno_yield::<100>),
        theirs: ("leno, 2", work::leno_yield::<2>),
        limits: Some((1.5, 1.2)),
    },
    Row {
        name: "yield_now among 1,000",
        ours: ("leno", work::leno_yield::<1_000>),
        theirs: ("leno, 2", work::leno_yield::<2>),
        limits: Some((2.5, 2.0)),
    },
    Row {
        name: "spawn + join",
        ours: ("leno", work::leno_spawn),
        theirs: BASELINE,
        limits: Some((8.0, 5.0)),
    },
    Row {
        name: "spawn + join, by the hundred",
        ours: ("leno", work::leno_spawn_by_hundred),
        theirs: BASELINE,
        limits: Some((12.0, 5.0)),
    },
];

fn main() {
    // A child process performs one task and exits.
    if parked::is_child() {
        return parked::child();
    }
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
        .measurement_time(Duration::from_secs(4))
        .nresamples(10_000)
        .without_plots()
        .configure_from_args();
    let mut outcomes: Vec<_> =
        ROWS.iter().filter_map(|row| table::measure(&mut criterion, &home, row)).collect();
    if outcomes.len() == ROWS.len() {
        outcomes.extend(parked::measure());
    }
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
