//! Measures `leno::weave`, shuttle and loom in one run, and prints a table in Markdown.
//!
//!     cargo run --release --bin explorers                 everything, about a minute
//!     cargo run --release --bin explorers -- locks        the rows with names that contain that word
//!     cargo run --release --bin explorers -- rounds=9     a rough measurement; the default is 51
//!     cargo run --release --bin explorers -- only=leno    leno alone, for a second per row:
//!                                                         for a profiler
//!
//! Each library explores the same programs. The table shows its number of executions and the time of
//! each. Each library defines an execution in its own way, so the two figures belong together.

mod leno_weave_rows;
mod loom_rows;
mod programs;
mod shuttle_rows;

use std::time::Duration;

use leno_peers::table::{self, Spread};

/// The counts that an exploration reports.
struct Explored {
    executions: u64,
    /// The number of different values that the program returned, if it returns values.
    outcomes: Option<usize>,
}

/// A function that explores a program once.
type Explore = fn() -> Explored;

/// A program, and the libraries that explore it. shuttle is the first.
struct Row {
    program: &'static str,
    /// The number of timed parts in an execution.
    parts: u64,
    entries: &'static [(&'static str, Explore)],
}

const ROWS: &[Row] = &[
    Row {
        program: "3 + 3 steps in a scope",
        parts: 1,
        entries: &[("shuttle", shuttle_rows::steps::<2>), ("leno", leno_weave_rows::steps::<2>)],
    },
    Row {
        program: "3 + 3 + 3 steps in a scope",
        parts: 1,
        entries: &[("shuttle", shuttle_rows::steps::<3>), ("leno", leno_weave_rows::steps::<3>)],
    },
    Row {
        program: "3 + 3 yields",
        parts: 1,
        entries: &[
            ("shuttle", shuttle_rows::yields),
            ("loom", loom_rows::yields),
            ("loom, atomics instead", loom_rows::atomics),
            ("leno", leno_weave_rows::yields),
        ],
    },
    Row {
        program: "3 + 3 yields, told",
        parts: 1,
        entries: &[
            ("shuttle", shuttle_rows::yields_told),
            ("loom", loom_rows::yields_told),
            ("loom, atomics instead", loom_rows::atomics_told),
            ("leno", leno_weave_rows::yields_told),
        ],
    },
    Row {
        program: "3 + 3 locks",
        parts: 1,
        entries: &[
            ("shuttle", shuttle_rows::locks),
            ("loom", loom_rows::locks),
            ("leno, preemptive", leno_weave_rows::locks),
            ("leno, preemptive, reduced", leno_weave_rows::locks_reduced),
        ],
    },
    Row {
        program: "3 + 3 locks, told",
        parts: 1,
        entries: &[
            ("shuttle", shuttle_rows::locks_told),
            ("loom", loom_rows::locks_told),
            ("leno, preemptive", leno_weave_rows::locks_told),
            ("leno, preemptive, reduced", leno_weave_rows::locks_told_reduced),
        ],
    },
    Row {
        program: "bounded buffer, at random",
        parts: 1,
        entries: &[
            ("shuttle", shuttle_rows::buffer),
            ("leno", leno_weave_rows::buffer),
            ("leno, preemptive", leno_weave_rows::buffer_preemptive),
        ],
    },
    Row {
        program: "2 x 1,000 yields at random, a yield",
        parts: 2 * programs::MANY,
        entries: &[
            ("shuttle", shuttle_rows::long),
            ("leno", leno_weave_rows::long),
            ("leno, preemptive", leno_weave_rows::long_preemptive),
        ],
    },
    Row {
        program: "2 x 1,000 yields depth first, a yield",
        parts: 2 * programs::MANY,
        entries: &[
            ("shuttle", shuttle_rows::long_depth_first),
            ("loom", loom_rows::long),
            ("leno", leno_weave_rows::long_depth_first),
        ],
    },
];

/// The result of one library for one program.
struct Line {
    program: &'static str,
    library: &'static str,
    explored: Explored,
    /// The nanoseconds of an execution, or of a part of it.
    each: f64,
    /// The time of shuttle divided by this time.
    speed: Spread,
    /// The nanoseconds of the exploration.
    whole: f64,
    /// The time of shuttle's exploration divided by this time.
    whole_speed: f64,
}

fn main() {
    let mut rounds = 51;
    let mut wanted = String::new();
    for argument in std::env::args().skip(1) {
        if let Some(library) = argument.strip_prefix("only=") {
            return alone(library, &wanted);
        }
        match argument.strip_prefix("rounds=") {
            Some(number) => rounds = number.parse().expect("rounds= needs a number"),
            None => wanted = argument,
        }
    }
    let mut lines = Vec::new();
    for row in rows(&wanted) {
        eprintln!("{} ...", row.program);
        lines.extend(measure(row, rounds));
    }
    print(&lines);
}

fn rows(wanted: &str) -> impl Iterator<Item = &'static Row> {
    ROWS.iter().filter(move |row| row.program.contains(wanted))
}

/// Runs the explorations of one library, for about a second per row.
fn alone(library: &str, wanted: &str) {
    for row in rows(wanted) {
        for &(name, explore) in row.entries.iter().filter(|entry| entry.0 == library) {
            let start = processor_time();
            let mut explorations = 0;
            while processor_time() - start < Duration::from_secs(1) {
                std::hint::black_box(explore());
                explorations += 1;
            }
            println!("{}, {name}: {explorations} explorations", row.program);
        }
    }
}

/// Measures all libraries of a row, which take turns.
fn measure(row: &'static Row, rounds: usize) -> Vec<Line> {
    let works: Vec<_> = row.entries.iter().map(|entry| repeated(entry.1)).collect();
    let wholes = table::nanoseconds(&works, rounds);
    let explored: Vec<Explored> = row.entries.iter().map(|entry| (entry.1)()).collect();
    let parts = |index: usize| (explored[index].executions * row.parts) as f64;
    let each: Vec<Vec<f64>> = (0..explored.len())
        .map(|index| wholes[index].iter().map(|whole| whole / parts(index)).collect())
        .collect();
    let line = |(index, explored): (usize, Explored)| Line {
        program: row.program,
        library: row.entries[index].0,
        explored,
        each: Spread::of(each[index].iter().copied()).median,
        speed: Spread::of_ratios(&each[0], &each[index]),
        whole: Spread::of(wholes[index].iter().copied()).median,
        whole_speed: Spread::of_ratios(&wholes[0], &wholes[index]).median,
    };
    explored.into_iter().enumerate().map(line).collect()
}

/// Returns a function that explores a given number of times.
fn repeated(explore: Explore) -> impl Fn(u64) -> Duration {
    move |count| {
        let start = processor_time();
        for _ in 0..count {
            std::hint::black_box(explore());
        }
        processor_time() - start
    }
}

/// Returns the processor time of the process. All libraries compute on one thread and never wait, so
/// this is their time on an otherwise idle machine.
fn processor_time() -> Duration {
    // SAFETY: all zeros is a valid timespec.
    let mut time: libc::timespec = unsafe { std::mem::zeroed() };
    // SAFETY: `time` is a live timespec, which clock_gettime fills.
    let result = unsafe { libc::clock_gettime(libc::CLOCK_PROCESS_CPUTIME_ID, &raw mut time) };
    assert_eq!(result, 0, "every process has a clock");
    Duration::new(time.tv_sec as u64, time.tv_nsec as u32)
}

/// Prints the table in Markdown. A program's name is only on its first line.
fn print(lines: &[Line]) {
    println!(
        "| program | library | executions | outcomes | one takes | times as fast as shuttle | middle \
         half | all take | times as fast |"
    );
    println!("| --- | --- | ---: | ---: | ---: | ---: | --- | ---: | ---: |");
    let mut last = "";
    for line in lines {
        let program = if line.program == last { "" } else { line.program };
        last = line.program;
        let (low, high) = line.speed.quartiles;
        println!(
            "| {program} | {} | {} | {} | {} | {} | {} - {} | {} | {} |",
            line.library,
            line.explored.executions,
            line.explored.outcomes.map_or_else(String::new, |outcomes| outcomes.to_string()),
            table::in_words(line.each),
            table::ratio_in_words(line.speed.median),
            table::ratio_in_words(low),
            table::ratio_in_words(high),
            table::in_words(line.whole),
            table::ratio_in_words(line.whole_speed),
        );
    }
}
